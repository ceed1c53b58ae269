"""Many group calls at a time in one server process: set up by INVITE, kept standing, and talked in."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcsec.errors import LocalError
from mcsec.lab.bench.call_phones import Phones

#: Calls that are set up at a time, and how many floor requests a second there are in all of them together.
_AT_ONCE, _RATE = 16, 100.0
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Many calls in one process.

    ``before_mib``, ``mib``: its memory at most, before the first call and with all of them. ``setup``: legs set up for
    each second on the wall, and ``setup_cpu`` seconds of a core for one leg. ``share``: of a core, while there are
    ``rate`` requests a second and everybody is told who talks. ``granted``: seconds, one for each request.
    """

    calls: int
    members: int
    before_mib: float
    mib: float
    setup: float
    setup_cpu: float
    rate: float
    share: float
    granted: list[float]


async def standing(calls: int, members: int, requests: int, progress: Callable[[str], None]) -> Standing:
    """``calls`` calls of ``members``, and ``requests`` talk bursts in one after the other.

    :raises LocalError: it did not come so far.
    """
    seed, moved = secrets.token_bytes(16), asyncio.Event()
    phones = Phones(calls, members, seed, moved.set)
    listening = await asyncio.get_running_loop().create_server(lambda: phones, "127.0.0.1", 0)
    try:
        port = listening.sockets[0].getsockname()[1]
        async with _process() as server:
            told = {"groups": calls, "members": members, "seed": seed.hex(), "port": port}
            before = await _ask(server, told)
            began = time.perf_counter()
            await _set_up(phones, calls, members, moved, progress)
            took = time.perf_counter() - began
            stands = await _stands(server, calls, members)
            progress(f"{requests} requests for the floor in them")
            share = await _talk(phones, server, calls, members, requests)
            after = await _ask(server, {})
    finally:
        phones.close()
        listening.close()
    if phones.refused or after["refused"] or after["lost"]:
        raise LocalError(f"refused: {phones.refused[:3]} {after['refused']}", code="bench.calls")
    return Standing(
        calls,
        members,
        before["peak"] / (1 << 20),
        after["peak"] / (1 << 20),
        calls * members / took,
        (stands["cpu"] - before["cpu"]) / (calls * members),
        _RATE,
        share,
        phones.granted,
    )


async def _set_up(
    phones: Phones, calls: int, members: int, moved: asyncio.Event, progress: Callable[[str], None]
) -> None:
    async with asyncio.timeout(_PATIENCE):
        await phones.connected.wait()
    begun, pending, tenth = 0, set[int](), max(1, calls // 10)
    while begun < calls or pending:
        while begun < calls and len(pending) < _AT_ONCE:
            pending.add(begun)
            phones.call(begun)
            begun += 1
            if begun % tenth == 0:
                progress(f"call {begun} of {calls}")
        moved.clear()
        done = {group for group in pending if phones.answered[group] >= members}
        pending -= done
        if not done:
            if phones.refused:
                raise LocalError(f"a call was refused: {phones.refused[0]}", code="bench.calls")
            await _soon(moved, "a call")


async def _stands(server: Process, calls: int, members: int) -> dict[str, Any]:
    """What the server says when it has come so far as the telephones."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = await _ask(server, {})
        if found["established"] == calls and found["legs"] == calls * members:
            return found
        if time.monotonic() > deadline:
            raise LocalError("not every call was set up", code="bench.calls")
        await asyncio.sleep(0.05)


async def _talk(phones: Phones, server: Process, calls: int, members: int, requests: int) -> float:
    """Talk bursts at a steady rate, whatever became of those before; the share of a core that the server needs."""
    before, began = await _ask(server, {}), time.perf_counter()
    for number in range(requests):
        wait = began + number / _RATE - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        # Another member each time that it is a group's turn.
        talker = number % calls * members + (number // calls + 1) % members
        phones.press(talker)
        asyncio.get_running_loop().create_task(_let_go(phones, talker))
    await _until(lambda: len(phones.granted) >= requests, "Floor Granted")
    after = await _ask(server, {})
    return float((after["cpu"] - before["cpu"]) / (time.perf_counter() - began))


async def _let_go(phones: Phones, talker: int) -> None:
    """As soon as the floor is granted, which is the shortest burst there is."""
    await _until(lambda: not phones.waits(talker), "Floor Granted")
    phones.release(talker)


async def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise LocalError(f"not in time: {what}", code="bench.time")
        await asyncio.sleep(0.005)


async def _soon(moved: asyncio.Event, what: str) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await moved.wait()
    except TimeoutError:
        raise LocalError(f"not in time: {what}", code="bench.time") from None


@asynccontextmanager
async def _process() -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mcsec.lab.bench.call_server"), stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _ask(process: Process, what: dict[str, Any]) -> dict[str, Any]:
    """One line there, one line back.

    :raises LocalError: the process ended, or cannot.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(what).encode() + b"\n")
    async with asyncio.timeout(_PATIENCE):
        line = await process.stdout.readline()
    if not line:
        raise LocalError("the server's process ended", code="bench.process")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise LocalError(answer["error"], code="bench.process", hint="raise RLIMIT_NOFILE")
    return answer
