"""The operators' side of an MCX server: its bearers and keys. On a socket that only its owner opens."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcsec.errors import McsecError, Refused
from mcsec.net.admin import body, refused
from mcsec.server.bearers.running import Bearing
from mcsec.server.explaining import Explained
from mcsec.server.key_desk import KeyDesk

Explain = Callable[[str, str], list[Explained]]
"""What would be sent in the calls of a group to a client."""


class _Meant(BaseModel):
    """Which key: ``kind`` is ``musik``, ``mscck`` or ``csk``; ``names`` are groups, a TMGI, or users."""

    kind: str
    names: list[str] = []


class _Revocation(BaseModel):
    key_id: str
    reason: str = Field(default="an operator revoked it", max_length=200)


class Admin:
    """What operators may do with one server."""

    def __init__(
        self, bearing: Bearing | None, keys: KeyDesk | None = None, explain: Explain | None = None
    ) -> None:
        """:param bearing: None where no BM-SC is configured. :param explain: policy for a group and a client."""
        self._bearing, self._keys, self._explain = bearing, keys, explain

    def app(self) -> Starlette:
        """As an ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/bearers", self._list, methods=["GET"]),
                Route("/v1/bearers/{name}", self._show, methods=["GET"]),
                Route("/v1/bearers/{name}", self._drop, methods=["DELETE"]),
                *(self._key_routes(self._keys) if self._keys is not None else ()),
                *(self._policy_routes(self._explain) if self._explain is not None else ()),
            ],
            exception_handlers={McsecError: refused},
        )

    def _key_routes(self, desk: KeyDesk) -> list[Route]:
        async def rows(_: Request) -> JSONResponse:
            return JSONResponse(await desk.rows())

        async def plan(request: Request) -> JSONResponse:
            meant = await body(request, _Meant, "keys.body")
            return JSONResponse((await desk.plan(meant.kind, meant.names)).to_dict())

        async def rotate(request: Request) -> JSONResponse:
            meant = await body(request, _Meant, "keys.body")
            return JSONResponse((await desk.rotate(meant.kind, meant.names)).to_dict())

        async def revoke(request: Request) -> JSONResponse:
            asked = await body(request, _Revocation, "keys.body")
            await desk.revoke(asked.key_id, asked.reason)
            return JSONResponse({"revoked": asked.key_id})

        return [
            Route("/v1/keys", rows, methods=["GET"]),
            Route("/v1/keys/plan", plan, methods=["POST"]),
            Route("/v1/keys/rotate", rotate, methods=["POST"]),
            Route("/v1/keys/revoke", revoke, methods=["POST"]),
        ]

    def _policy_routes(self, explain: Explain) -> list[Route]:
        async def rows(request: Request) -> JSONResponse:
            asked = request.query_params
            group, client = asked.get("group", ""), asked.get("client", "")
            return JSONResponse([one.to_dict() for one in explain(group, client)])

        return [Route("/v1/policy", rows, methods=["GET"])]

    @property
    def _bearers(self) -> Bearing:
        if self._bearing is None:
            raise Refused(
                "this server uses no bearers",
                code="bearer.not-configured",
                hint="a section [server.mb2] says where its BM-SC is: docs/mb2.md",
            )
        return self._bearing

    async def _list(self, _: Request) -> JSONResponse:
        return JSONResponse(self._bearers.status())

    async def _show(self, request: Request) -> JSONResponse:
        return JSONResponse(self._bearers.row(request.path_params["name"]))

    async def _drop(self, request: Request) -> JSONResponse:
        return JSONResponse(await self._bearers.drop(request.path_params["name"]))
