"""The operators' side of an MCX server: its bearers. On a socket that only its owner opens."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcsec.errors import McsecError, Refused
from mcsec.net.admin import refused
from mcsec.server.bearers.running import Bearing


class Admin:
    """What operators may do with one server."""

    def __init__(self, bearing: Bearing | None) -> None:
        """:param bearing: None where no BM-SC is configured."""
        self._bearing = bearing

    def app(self) -> Starlette:
        """As an ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/bearers", self._list, methods=["GET"]),
                Route("/v1/bearers/{name}", self._show, methods=["GET"]),
                Route("/v1/bearers/{name}", self._drop, methods=["DELETE"]),
            ],
            exception_handlers={McsecError: refused},
        )

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
