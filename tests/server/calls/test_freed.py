"""What is over is freed at once: nothing of a leg or of a call waits for a search for garbage in cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from weakref import ref

import pytest

from support.call_domains import domain, gmk_of
from support.calls import BOB, DAN, GROUP, group
from support.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_search() -> Iterator[None]:
    """Reference counts alone."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_search")
async def test_a_leg_and_its_call(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN)]) as made:
        for user in (BOB, DAN):
            await made.log_on(user, [GROUP], gmk_of(GROUP))
        await made.users[BOB].client.call(GROUP)
        await until(lambda: GROUP in made.users[DAN].client.calls)
        await until(lambda: made.calls.servings[GROUP].legs[BOB].ready)
        # Of an INVITE that we sent the transaction keeps something for a while; Bob sent his himself.
        leg = ref(made.calls.servings[GROUP].legs[BOB])
        port = ref(made.calls.servings[GROUP].legs[BOB].port)
        await made.calls.release(GROUP)
        await until(lambda: not made.calls.servings and not made.calls.focuses)
        await until(lambda: leg() is None)
        await until(lambda: port() is None)
