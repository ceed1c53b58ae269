"""The operators' side of a GMS: an API on a socket that only its owner opens; health and metrics also by TCP."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcsec.errors import InvalidValue, McsecError
from mcsec.gms.gms import Gms
from mcsec.gms.operations import Operations
from mcsec.net.admin import body

Uri = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00-\x20\x7f]+$")]
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_CODE = "gms.admin-body"
_MOST = 10_000

Call = Callable[[Request], Awaitable[Response]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GroupBody(_Body):
    """A group."""

    group: Uri


class PutBody(GroupBody):
    """A group's document, and who may change it from then on."""

    document: Annotated[str, Field(min_length=1, max_length=1 << 20)]
    owner: str = ""


class RotateBody(GroupBody):
    """New keys; ``at_once``: those of before are revoked."""

    at_once: bool = False
    reason: Annotated[str, Field(max_length=500)] = ""


class SwitchBody(GroupBody):
    """Release 13 mode."""

    on: bool


class RegroupBody(GroupBody):
    """A temporary group: of which groups, and for how many seconds."""

    constituents: Annotated[list[Uri], Field(min_length=2, max_length=100)]
    seconds: Annotated[float, Field(gt=0, le=31_536_000)]


def _observing(gms: Gms) -> dict[str, Call]:
    async def health(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> Response:
        try:
            await gms.keeper.log(gms.keeper.head.length - 2, 1)
            gms.provisioning.initiator()
        except McsecError as error:
            return JSONResponse({"status": "not ready", "code": error.code}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        return Response(gms.observer.metrics(), media_type=_METRICS)

    return {"/health": health, "/ready": ready, "/metrics": metrics}


def operations_app(gms: Gms) -> Starlette:
    """Health, readiness and metrics, and nothing else."""
    return Starlette(routes=[Route(path, call) for path, call in _observing(gms).items()])


def admin_app(gms: Gms) -> Starlette:
    """Everything that an operator may do."""
    operate = Operations(gms)

    async def status(_: Request) -> Any:
        return operate.status()

    async def groups(_: Request) -> Any:
        return operate.groups()

    async def members(request: Request) -> Any:
        return operate.members(request.query_params.get("group", ""))

    async def put(request: Request) -> Any:
        asked = await body(request, PutBody, _CODE)
        document = asked.document.encode("utf-8", "surrogatepass")
        new = await operate.put(asked.group, document, asked.owner, time.time())
        return {"group": asked.group, "new": new}

    async def remove(request: Request) -> Any:
        asked = await body(request, GroupBody, _CODE)
        await operate.remove(asked.group, time.time())
        return {"removed": asked.group}

    async def rotate(request: Request) -> Any:
        asked = await body(request, RotateBody, _CODE)
        made = await operate.rotate(asked.group, asked.at_once, asked.reason, time.time())
        return {"group": asked.group, "made": made}

    async def release_13(request: Request) -> Any:
        asked = await body(request, SwitchBody, _CODE)
        kinds = await operate.release_13(asked.group, asked.on, time.time())
        return {"group": asked.group, "release_13": asked.on, "kinds": kinds}

    async def regroup(request: Request) -> Any:
        asked = await body(request, RegroupBody, _CODE)
        now = time.time()
        await operate.regroup(asked.group, asked.constituents, now + asked.seconds, now)
        return {"group": asked.group, "until": now + asked.seconds}

    async def log(request: Request) -> Any:
        asked = request.query_params
        after, limit = _number(asked.get("after", "-1")), _number(asked.get("limit", "1000"))
        records = await operate.log(after, min(limit, _MOST), asked.get("group") or None)
        return [record.to_dict() for record in records]

    async def verify(_: Request) -> Any:
        head = await operate.verify_log()
        return {"length": head.length, "digest": head.digest.hex()}

    reading = {"/v1/status": status, "/v1/groups": groups, "/v1/members": members, "/v1/log": log}
    writing = {
        "/v1/groups": put,
        "/v1/remove": remove,
        "/v1/rotate": rotate,
        "/v1/release-13": release_13,
        "/v1/regroup": regroup,
        "/v1/log/verify": verify,
    }
    routes = [Route(path, call) for path, call in _observing(gms).items()]
    routes += [Route(path, _json(call), methods=["GET"]) for path, call in reading.items()]
    routes += [Route(path, _json(call), methods=["POST"]) for path, call in writing.items()]
    return Starlette(routes=routes, exception_handlers={McsecError: _refused})


def _json(call: Callable[[Request], Awaitable[Any]]) -> Call:
    async def answer(request: Request) -> Response:
        return JSONResponse(await call(request))

    return answer


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, McsecError)
    told = {"code": error.code, "message": str(error), "hint": error.hint}
    return JSONResponse(told, 503 if error.code.startswith("store.") else 409)


def _number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -2
    if not -1 <= number < 1 << 62:
        raise InvalidValue("after and limit are numbers", code=_CODE)
    return number
