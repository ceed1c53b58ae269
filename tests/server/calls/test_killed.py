"""A server that is killed in mid-call: its partner and its clients are told when it is there again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.server.calls import events
from support.call_domains import Domain, domain, gmk_of
from support.calls import BOB, DAN, GROUP, group
from support.waiting import until

pytestmark = pytest.mark.anyio


async def legs(made: Domain, count: int) -> None:
    """Waits until so many are written down."""

    async def there() -> bool:
        return len(await made.server.calls_left()) == count

    await until(there)


async def test_legs_are_written_down_while_they_last(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN)]) as made:
        for user in (BOB, DAN):
            await made.log_on(user, [GROUP], gmk_of(GROUP))
        call = await made.users[BOB].client.call(GROUP)
        await until(lambda: made.of(events.CallEstablished))

        await legs(made, 2)
        await call.leave()
        await until(lambda: not made.calls.servings)
        await legs(made, 0)


async def test_who_is_left_in_a_call_of_before_is_told(tmp_path: Path) -> None:
    group_of = [group(BOB, DAN)]
    key = gmk_of(GROUP)
    async with domain(tmp_path, "b.example", group_of) as made:
        for user in (BOB, DAN):
            await made.log_on(user, [GROUP], key)
        await made.users[BOB].client.call(GROUP)
        await until(lambda: made.of(events.CallEstablished))
        await legs(made, 2)
        # Another server on the same store and endpoint: what a restart finds.
        left = await made.server.calls_left()
        assert {row.group for row in left} == {GROUP}
        await made.calls.__aexit__()
        await made.calls.__aenter__()
        await until(lambda: not any(user.client.calls for user in made.users.values()))
        await legs(made, 0)
