"""How a test waits: for a condition, and never for a time. A bound is there to end a hang, it measures nothing."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds until a test gives up. Long, because a loaded machine may stop anybody for seconds.
PATIENCE = 30.0

#: Seconds between two looks at a condition.
_LOOK = 0.005


def patience() -> asyncio.Timeout:
    """The bound of whatever a test waits for."""
    return asyncio.timeout(PATIENCE)


async def soon(coming: Awaitable[T]) -> T:
    """What ``coming`` gives, within the patience of tests."""
    async with patience():
        return await coming


async def until(condition: Callable[[], object], what: str = "", seconds: float = PATIENCE) -> None:
    """Wait until ``condition`` holds; one that is a coroutine function is awaited.

    :raises AssertionError: it did not within ``seconds``; ``what`` says what was waited for.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        over = loop.time() > deadline
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return
        assert not over, f"not within {seconds:g} s: {what or _written(condition)}"
        await asyncio.sleep(_LOOK)


def _written(condition: Callable[[], object]) -> str:
    return inspect.getsource(condition).strip() if inspect.isfunction(condition) else repr(condition)
