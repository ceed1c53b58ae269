"""``mcsec run server``: the MCX server of a domain in this process, until SIGTERM."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from mcsec.cli.run import ConfigOption


def server(config: ConfigOption) -> None:
    """Run the MCX server. Prints its SIP addresses on one line when it is ready; events on standard error, as JSON."""
    asyncio.run(_server(config))


async def _server(path: Path) -> None:
    from mcsec.net.https import stopping

    stop, ready = stopping(), asyncio.Event()
    serving = asyncio.create_task(_serve(path, stop, ready))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if serving.done() or ready.is_set():
        await serving
    else:
        # It stands by, and may do so for long.
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def _serve(path: Path, stop: asyncio.Event, ready: asyncio.Event) -> None:
    from mcsec.cli.output import log
    from mcsec.errors import WrongState
    from mcsec.server import memory
    from mcsec.server.config import Configuration
    from mcsec.server.running import running

    async with running(Configuration.load(path), lambda event: log(event.describe())) as found:
        ready.set()
        print(" ".join(found.addresses), flush=True)
        waiting = [asyncio.ensure_future(event.wait()) for event in (stop, found.lost)]
        with memory.settled():
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
        lost = found.lost.is_set() and not stop.is_set()
    if lost:
        raise WrongState(
            "another server is on duty, or may be", code="server.not-on-duty", hint="start it again"
        )
