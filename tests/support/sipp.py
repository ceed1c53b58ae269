"""Runs SIPp scenarios of ``tests/interop/sipp`` against an endpoint, on loopback and for a bounded time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mcsec.lab.ports import free_port
from support.netns import inside
from support.waiting import until

SCENARIOS = Path(__file__).parents[1] / "interop" / "sipp"
MODES = {"UDP": "u1", "TCP": "t1"}


async def _start(
    scenario: str,
    transport: str,
    directory: Path,
    *arguments: str,
    calls: int,
    namespace: str | None,
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(() if namespace is None else ("ip", "netns", "exec", namespace)),
        "sipp",
        "-sf", str(SCENARIOS / f"{scenario}.xml"),
        "-t", MODES[transport],
        "-i", "127.0.0.1",
        "-m", str(calls),
        "-timeout", "60",
        "-timeout_error",
        "-nostdin",
        "-trace_err",
        "-error_file", str(directory / "errors.log"),
        *arguments,
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def _succeed(process: asyncio.subprocess.Process, directory: Path) -> None:
    async with asyncio.timeout(80):
        status = await process.wait()
    errors = directory / "errors.log"
    assert status == 0, errors.read_text(errors="replace") if errors.exists() else f"sipp ended with {status}"


async def sipp_client(
    scenario: str,
    transport: str,
    port: int,
    directory: Path,
    *arguments: str,
    calls: int = 1,
    rate: int = 50,
    namespace: str | None = None,
) -> None:
    """Let SIPp make calls to a port and fail unless all succeed. ``namespace``: the network namespace it is in."""
    local = str(free_port())
    process = await _start(
        scenario,
        transport,
        directory,
        *("-p", local, "-r", str(rate), *arguments, f"127.0.0.1:{port}"),
        calls=calls,
        namespace=namespace,
    )
    await _succeed(process, directory)


@asynccontextmanager
async def sipp_server(
    scenario: str,
    transport: str,
    directory: Path,
    *arguments: str,
    calls: int = 1,
    namespace: str | None = None,
) -> AsyncIterator[int]:
    """SIPp as a server at the port that this gives; it must have had its calls when the block ends."""
    port = free_port()
    process = await _start(
        scenario, transport, directory, "-p", str(port), *arguments, calls=calls, namespace=namespace
    )
    try:
        await _bound(transport, port, namespace)
        yield port
        await _succeed(process, directory)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _bound(transport: str, port: int, namespace: str | None) -> None:
    """Wait until somebody has the port, which must not be tried: whoever tries has it for a moment."""
    table = Path("/proc/thread-self/net") / transport.lower()

    def there() -> bool:
        with inside(namespace) if namespace is not None else contextlib.nullcontext():
            return f":{port:04X} " in table.read_text()

    await until(there, f"sipp has port {port}")
