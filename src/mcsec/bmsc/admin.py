"""The operators' side of the BM-SC: what it holds, faults to play, restarts. On a socket that only its owner opens."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcsec.bmsc.service import Bmsc
from mcsec.bmsc.wording import FaultBody, bearer_row, fault_row, holding_row, named
from mcsec.errors import InvalidValue, McsecError
from mcsec.net.admin import body, refused
from mcsec.wire.mb2.masks import DiagnosticInfo

_CODE = "bmsc.admin"


class RestartBody(BaseModel):
    """``keep_state``: TMGIs and bearers survive. ``abruptly``: without good-bye."""

    model_config = ConfigDict(extra="forbid")

    keep_state: bool = False
    abruptly: bool = False


class EndBody(BaseModel):
    """A bearer that the network is to lose: its TMGI as it is shown, and its flow if it is not the only one."""

    model_config = ConfigDict(extra="forbid")

    tmgi: str
    flow: int | None = None
    diagnostic: str = DiagnosticInfo.MBMS_GW_PERMANENT_ERROR.name


class CoverBody(BaseModel):
    """Whether a cell sends."""

    model_config = ConfigDict(extra="forbid")

    covered: bool


class Admin:
    """What operators may do with one BM-SC."""

    def __init__(self, bmsc: Bmsc) -> None:
        self._bmsc = bmsc
        # Restarts follow one another: two at once would fight for the ports.
        self._restarting = asyncio.Lock()

    def app(self) -> Starlette:
        """As an ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/status", self._status, methods=["GET"]),
                Route("/v1/faults", self._faults, methods=["GET"]),
                Route("/v1/faults", self._add_fault, methods=["POST"]),
                Route("/v1/faults", self._clear_faults, methods=["DELETE"]),
                Route("/v1/restart", self._restart, methods=["POST"]),
                Route("/v1/bearers/end", self._end, methods=["POST"]),
                Route("/v1/cells/{name}", self._cover, methods=["POST"]),
            ],
            exception_handlers={McsecError: refused},
        )

    def status(self) -> dict[str, Any]:
        """What it is, what it holds, what it counted."""
        bmsc = self._bmsc
        state = bmsc.engine.state
        return {
            "host": bmsc.config.host,
            "realm": bmsc.config.realm,
            "restart_counter": bmsc.engine.restart_counter,
            "peers": dict(bmsc.node.peers),
            "tmgis": [holding_row(holding) for holding in state.holdings],
            "bearers": [bearer_row(bearer) for bearer in state.bearers],
            "cells": self.cells(),
            "faults": self.faults(),
            "counters": dict(sorted(bmsc.counters.items())),
        }

    def faults(self) -> list[dict[str, Any]]:
        """The fault table."""
        return [fault_row(fault, left) for fault, left in self._bmsc.faults.rows]

    def cells(self) -> list[dict[str, Any]]:
        """The transmitters."""
        return [
            {"name": cell.name, "areas": sorted(cell.areas), "covered": self._bmsc.radio.covers(cell.name)}
            for cell in self._bmsc.config.cells
        ]

    async def _status(self, _: Request) -> JSONResponse:
        return JSONResponse(self.status())

    async def _faults(self, _: Request) -> JSONResponse:
        return JSONResponse(self.faults())

    async def _add_fault(self, request: Request) -> JSONResponse:
        self._bmsc.faults.add((await body(request, FaultBody, _CODE)).fault())
        return JSONResponse(self.faults())

    async def _clear_faults(self, _: Request) -> JSONResponse:
        cleared = len(self._bmsc.faults.rows)
        self._bmsc.faults.clear()
        return JSONResponse({"cleared": cleared})

    async def _restart(self, request: Request) -> JSONResponse:
        wanted = await body(request, RestartBody, _CODE)
        async with self._restarting:
            await self._bmsc.restart(keep_state=wanted.keep_state, abruptly=wanted.abruptly)
        return JSONResponse({"restart_counter": self._bmsc.engine.restart_counter})

    async def _end(self, request: Request) -> JSONResponse:
        wanted = await body(request, EndBody, _CODE)
        found = [
            bearer
            for bearer in self._bmsc.engine.state.bearers
            if str(bearer.tmgi) == wanted.tmgi and wanted.flow in (None, bearer.flow.value)
        ]
        if len(found) != 1:
            raise InvalidValue(f"{len(found)} bearers have TMGI {wanted.tmgi} and that flow", code=_CODE)
        self._bmsc.end(found[0].key, named(DiagnosticInfo, wanted.diagnostic))
        return JSONResponse(bearer_row(found[0]))

    async def _cover(self, request: Request) -> JSONResponse:
        name = request.path_params["name"]
        if name not in (cell.name for cell in self._bmsc.config.cells):
            raise InvalidValue(f"no cell {name}", code=_CODE)
        self._bmsc.radio.cover(name, (await body(request, CoverBody, _CODE)).covered)
        return JSONResponse(self.cells())
