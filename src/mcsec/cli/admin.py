"""How commands reach a running KMS: the admin API on its socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcsec.errors import LocalError, PeerError


class AdminError(LocalError):
    """A running service refused, or none is running."""

    code = "admin"


def call(config: Path, method: str, path: str, **options: Any) -> Any:
    """The JSON answer of the KMS that runs with this configuration.

    :raises AdminError: none runs, or it refused; the text is its own.
    """
    from mcsec.kms.config import load

    configuration = load(config)
    socket = configuration.endpoint(configuration.kms.admin).file
    return ask(socket, f"mcsec run kms --config {config}", method, path, **options)


def ask(socket: Path | None, start: str, method: str, path: str, **options: Any) -> Any:
    """The JSON answer of the service whose admin API is on ``socket``; ``start`` is the command that starts it.

    :raises AdminError: none runs, or it refused; the text is its own.
    """
    import httpx2

    if socket is None:
        raise AdminError("its admin API is on no socket")
    try:
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(socket)), timeout=60) as client:
            answer = client.request(method, f"http://admin{path}", **options)
    except httpx2.HTTPError as error:
        raise AdminError(
            f"{socket}: {type(error).__name__}",
            code="admin.unreachable",
            hint=f"is it running? {start}",
        ) from None
    try:
        body = answer.json()
    except ValueError:
        raise PeerError(f"the admin API answered {answer.status_code} without JSON") from None
    if answer.status_code != 200:
        if isinstance(body, dict) and "code" in body:
            raise AdminError(body["message"], code=body["code"], hint=body["hint"])
        raise AdminError(f"the admin API answered {answer.status_code}: {body}")
    return body
