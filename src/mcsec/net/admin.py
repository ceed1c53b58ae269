"""What the operators' APIs of all entities share: a socket that only its owner opens, bodies read, errors told."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from mcsec.errors import InvalidValue, McsecError
from mcsec.net.https import Endpoint

B = TypeVar("B", bound=BaseModel)


def socket_endpoint(text: str, directory: Path) -> Endpoint:
    """Where operators reach a service. Such an API has no other guard than its file, so it is on no network.

    :param text: ``unix:PATH``, relative to ``directory``.
    :raises InvalidValue: anything else.
    """
    file = Endpoint.parse(text).file if text.startswith("unix:") else None
    if file is None or not file.name:
        raise InvalidValue(f"{text!r} is no unix:PATH", code="admin.endpoint")
    return Endpoint(file=directory / file)


async def body(request: Request, kind: type[B], code: str) -> B:
    """The body of a request.

    :raises InvalidValue: it is none of that kind; the text says where.
    """
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidValue(f"{where}: {first['msg']}", code=code) from None


async def refused(_: Request, error: Exception) -> JSONResponse:
    """The answer to what was refused: code, text and hint."""
    assert isinstance(error, McsecError)
    return JSONResponse({"code": error.code, "message": str(error), "hint": error.hint}, 409)
