"""What tests wait with: patience that ends, and a clock that stands still while the process does."""

from __future__ import annotations

import asyncio
import time

import pytest

from support.patient_loop import PatientLoop, StallFreeClock
from support.waiting import PATIENCE, soon, until

pytestmark = pytest.mark.anyio


async def test_a_condition_is_waited_for() -> None:
    seen = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, seen.set)
    await until(seen.is_set)

    async def asked() -> bool:
        return seen.is_set()

    await until(asked)
    assert await soon(asyncio.sleep(0, "here")) == "here"


async def test_who_waits_in_vain_is_told_for_what() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: the moon"):
        await until(lambda: False, "the moon", seconds=0.01)
    with pytest.raises(AssertionError, match=r"lambda: 1 > 2"):
        await until(lambda: 1 > 2, seconds=0)


def test_a_stop_is_not_counted() -> None:
    now = 100.0
    clock = StallFreeClock(lambda: now)
    began = clock()
    now += 0.02
    assert clock() - began == pytest.approx(0.02)
    now += 1.5
    assert clock() - began < 0.1
    now += 0.02
    assert 0.08 < clock() - began < 0.1


async def test_no_guard_goes_off_because_the_process_stood_still() -> None:
    """What came meanwhile takes several turns of the loop to be served: it is served before the guard is due."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, PatientLoop)
    served = loop.create_future()
    loop.call_later(0.9, served.cancel)
    time.sleep(1.0)

    async def serve(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        served.set_result("served")

    task = asyncio.create_task(serve(10))
    assert await served == "served"
    await task


async def test_the_clock_goes_on_while_nothing_happens() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time(), time.monotonic()
    await asyncio.sleep(0.1)
    assert loop.time() - began[0] >= 0.1
    assert time.monotonic() - began[1] >= 0.1
    assert PATIENCE >= 15
