"""The operators' API of a server in this process, asked over its socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcsec.cli.admin import AdminError, ask
from mcsec.net.https import Endpoint, serving
from mcsec.server.admin import Admin
from mcsec.server.key_desk import KeyDesk
from mcsec.server.service import McServer


class Desk:
    """Asks. ``hints``: what refusals said is to be done."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.hints: list[str] = []

    async def __call__(self, method: str, path: str, **body: object) -> Any:
        options = {"json": body} if body else {}
        return await asyncio.to_thread(ask, self._socket, "", method, path, **options)

    async def refusal(self, path: str, **body: object) -> str:
        with pytest.raises(AdminError) as caught:
            await self("POST", path, **body)
        self.hints.append(caught.value.hint)
        return caught.value.code


@asynccontextmanager
async def desk_of(server: McServer, directory: Path) -> AsyncIterator[Desk]:
    socket = directory / "server.sock"
    async with serving(Admin(None, KeyDesk(server)).app(), Endpoint(file=socket)):
        yield Desk(socket)
