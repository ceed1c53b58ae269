"""Functional entities of a domain's directory as processes."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.demo import MCSEC


@asynccontextmanager
async def entity(
    directory: Path, name: str, *before: str, within: float = 30
) -> AsyncIterator[tuple[Process, str]]:
    """A functional entity, and the line that it says when it is ready.

    :param before: a command that the entity is started by, such as ``nsenter`` with its options.
    """
    command = (*before, str(MCSEC), "run", name, "--config", str(directory / "mcsec.toml"))
    with (directory / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=log)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(within):
            line = (await process.stdout.readline()).decode().strip()
        assert line, (directory / f"{name}.log").read_text()
        yield process, line
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
