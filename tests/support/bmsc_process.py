"""``mcsec run bmsc`` as a process of its own, with the files that ``mcsec init`` makes; killed and started at will."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcsec.lab.init import make_domain
from mcsec.lab.ports import free_port
from support.demo import MCSEC
from support.waiting import patience

DOMAIN = "a.example"


class BmscProcess:
    """A BM-SC at one port for its whole life, however often it is killed."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory, self.port = directory, port
        self._process: Process | None = None

    @property
    def config(self) -> Path:
        return self.directory / "mcsec.toml"

    async def start(self) -> None:
        with (self.directory / "bmsc.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(MCSEC), "run", "bmsc", "--config", str(self.config), stdout=PIPE, stderr=log
            )
        assert self._process.stdout is not None
        async with patience():
            line = await self._process.stdout.readline()
        assert line, (self.directory / "bmsc.log").read_text()

    async def kill(self) -> None:
        """With signal 9."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def told(self, *arguments: str) -> Any:
        """What an ``mcsec bmsc`` command answers."""
        done = await asyncio.create_subprocess_exec(
            str(MCSEC), "bmsc", *arguments, "--json", "--config", str(self.config), stdout=PIPE
        )
        out, _ = await done.communicate()
        assert done.returncode == 0
        return json.loads(out)


@asynccontextmanager
async def bmsc_process(directory: Path, area: int) -> AsyncIterator[BmscProcess]:
    """A BM-SC with one service area and one cell on loopback."""
    await make_domain(directory, DOMAIN, time.time())
    made = BmscProcess(directory, free_port())
    text = made.config.read_text().replace("127.0.0.1:5658", f"127.0.0.1:{made.port}")
    text = text.replace("mb2u_port = 9470", "mb2u_port = 0")
    text = text.replace("code = 1\n", f"code = {area}\n").replace("areas = [1]", f"areas = [{area}]")
    made.config.write_text(text)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
    assert "Traceback" not in (directory / "bmsc.log").read_text()
