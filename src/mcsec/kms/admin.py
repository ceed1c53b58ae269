"""The operators' side of a KMS: an API on a socket that only its owner opens; health and metrics also by TCP.

The socket file is what says who is an operator: nobody else can open it, and nothing of it is on the network. The
listener for health and metrics (``operations`` in the configuration) tells nothing about anybody.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.routing import Route

from mcsec.errors import LocalError, McsecError
from mcsec.kms.kms import Kms
from mcsec.kms.operations import Operations
from mcsec.store.kek import Kek

Uri = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00-\x20\x7f]+$")]
Reason = Annotated[str, Field(max_length=500)]
PageLimit = Annotated[int, Query(ge=1, le=10_000)]
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class IdentityBody(_Body):
    """An identity, and why."""

    identity: Uri
    reason: Reason = ""


class ClientBody(_Body):
    """A user's client."""

    user: Uri
    client_id: Annotated[str, Field(max_length=200)] = ""


class RotateBody(_Body):
    """Whose protection keys; everybody's where it is not said."""

    user: Uri | None = None


class PartnerBody(_Body):
    """A partner's certificate, as its document."""

    document: Annotated[str, Field(min_length=1, max_length=1 << 20)]


class BackupBody(_Body):
    """Where a backup goes (absolute), and where its recovery key comes from (``file:``, absolute)."""

    target: Annotated[str, Field(pattern=r"^/[^\x00]+$", max_length=4000)]
    key: Annotated[str, Field(pattern=r"^file:/[^\x00]+$", max_length=4000)]


class Enrolled(BaseModel):
    """A first pair of protection keys, hexadecimal: the one answer of this API with secrets in it."""

    user: str
    client_id: str
    number: int
    transport_key: str
    integrity_key: str


def _observing(kms: Kms) -> dict[str, Callable[[Request], Awaitable[Response]]]:
    async def health(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> Response:
        try:
            await kms.ledger.read(lambda tables: tables.last_log_line())
        except LocalError as error:
            return JSONResponse({"status": "not ready", "code": error.code}, 503)
        return JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        return Response(kms.observer.metrics(), media_type=_METRICS)

    return {"/health": health, "/ready": ready, "/metrics": metrics}


def operations_app(kms: Kms) -> Starlette:
    """Health, readiness and metrics, and nothing else."""
    return Starlette(routes=[Route(path, call) for path, call in _observing(kms).items()])


def admin_app(kms: Kms) -> FastAPI:
    """Everything that an operator may do."""
    app = FastAPI(title="mcsec KMS administration", version="1", docs_url=None, redoc_url=None)
    operate = Operations(kms)
    for path, call in _observing(kms).items():
        app.add_api_route(path, call, include_in_schema=False)

    @app.exception_handler(McsecError)
    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, McsecError)
        body = {"code": error.code, "message": str(error), "hint": error.hint}
        return JSONResponse(body, 503 if error.code.startswith("store.database") else 409)

    @app.exception_handler(RequestValidationError)
    async def misshapen(_: Request, error: Exception) -> JSONResponse:
        # In words of our own: the framework's repeat what was sent, and not everything can be written back.
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"code": "kms.request", "message": f"{where}: {first['msg']}", "hint": ""}, 422)

    @app.get("/v1/status")
    async def status() -> dict[str, Any]:
        return await operate.status(time.time())

    @app.get("/v1/users")
    async def users(after: str = "", limit: PageLimit = 1000) -> list[dict[str, Any]]:
        return await operate.users(after, limit)

    @app.post("/v1/revoke")
    async def revoke(body: IdentityBody) -> dict[str, str]:
        await operate.revoke(body.identity, body.reason, time.time())
        kms.observer.note("revoked", identity=body.identity, reason=body.reason)
        return {"revoked": body.identity}

    @app.post("/v1/reinstate")
    async def reinstate(body: IdentityBody) -> dict[str, str]:
        await operate.reinstate(body.identity, body.reason, time.time())
        kms.observer.note("reinstated", identity=body.identity, reason=body.reason)
        return {"reinstated": body.identity}

    @app.post("/v1/enrol")
    async def enrol(body: ClientBody) -> Enrolled:
        keys = await operate.enrol(body.user, body.client_id, time.time())
        kms.observer.note("enrolled", user=body.user, number=keys.number)
        return Enrolled(
            user=keys.user,
            client_id=body.client_id,
            number=keys.number,
            transport_key=keys.transport.reveal().hex(),
            integrity_key=keys.integrity.reveal().hex(),
        )

    @app.post("/v1/forget")
    async def forget(body: ClientBody) -> dict[str, int]:
        count = await operate.forget(body.user, time.time())
        kms.observer.note("forgotten", user=body.user, pairs=count)
        return {"retired": count}

    @app.post("/v1/rotate-trk")
    async def rotate(body: RotateBody) -> dict[str, int]:
        count = await operate.rotate(body.user, time.time())
        kms.observer.note("rotating", user=body.user or "", pairs=count)
        return {"to_be_replaced": count}

    @app.get("/v1/log")
    async def log(
        after: Annotated[int, Query(ge=-1, lt=1 << 62)] = -1,
        limit: PageLimit = 1000,
        identity: str | None = None,
    ) -> list[dict[str, Any]]:
        return [record.to_dict() for record in await operate.log(after, limit, identity)]

    @app.post("/v1/log/verify")
    async def verify() -> dict[str, Any]:
        head = await operate.verify_log()
        return {"length": head.length, "digest": head.digest.hex()}

    @app.get("/v1/trust")
    async def partners() -> list[dict[str, Any]]:
        return operate.partners()

    @app.post("/v1/trust")
    async def trust(body: PartnerBody) -> dict[str, str]:
        kms_uri = await operate.trust(body.document.encode("utf-8", "surrogatepass"), time.time())
        kms.observer.note("partner-trusted", partner=kms_uri)
        return {"trusted": kms_uri}

    @app.post("/v1/distrust")
    async def distrust(body: IdentityBody) -> dict[str, str]:
        await operate.distrust(body.identity, body.reason, time.time())
        kms.observer.note("partner-revoked", partner=body.identity)
        return {"distrusted": body.identity}

    @app.get("/v1/certificate")
    async def certificate() -> dict[str, str]:
        return {"document": operate.certificate().decode()}

    @app.post("/v1/backup")
    async def backup(body: BackupBody) -> dict[str, str]:
        key = Kek.load(body.key)
        await operate.back_up(Path(body.target), key, time.time())
        kms.observer.note("backed-up", key=key.id)
        return {"backup": body.target, "key": key.id}

    return app
