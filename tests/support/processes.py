"""Functional entities as processes of their own: started, waited for, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.waiting import patience, until

PROGRAM = Path(sys.executable).with_name("mcsec")


@asynccontextmanager
async def entity(directory: Path, name: str, *before: str) -> AsyncIterator[tuple[Process, str]]:
    """A functional entity, and the line that it says when it is ready.

    :param before: a command that it is started by, such as ``nsenter`` with its options.
    """
    with (directory / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *before, PROGRAM, "run", name, "--config", directory / "mcsec.toml", stdout=PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        async with patience():
            line = (await process.stdout.readline()).decode().strip()
        assert line, (directory / f"{name}.log").read_text()
        yield process, line
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def told(directory: Path, event: str) -> None:
    """Wait until the server tells of an event."""
    log = directory / "server.log"
    await until(lambda: f'"{event}"' in log.read_text())


async def halt(pid: int) -> None:
    """Stop a process where it is, as if its machine had no time for it. Its threads stop one by one, so that is waited
    for; ``SIGCONT`` lets it go on.
    """
    os.kill(pid, signal.SIGSTOP)
    tasks = Path(f"/proc/{pid}/task")
    # The state stands behind the name, which is in parentheses.
    await until(
        lambda: all(
            (task / "stat").read_text().rpartition(") ")[2].startswith("T") for task in tasks.iterdir()
        )
    )
