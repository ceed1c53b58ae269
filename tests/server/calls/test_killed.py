"""A server that is killed in mid-call: its partner and its clients are told when it is there again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.client.audio import speech
from mcsec.client.calls.events import CallEnded, CallRejoined
from mcsec.client.profile import RejoinTimes
from mcsec.server.calls import events
from mcsec.server.calls.service import Calls
from support.call_domains import Domain, domain, gmk_of, two_domains
from support.call_waiting import everybody_in
from support.calls import ANN, BOB, DAN, GROUP, group
from support.waiting import PATIENCE, until

pytestmark = pytest.mark.anyio
SOON = RejoinTimes(0.05, 0.2, PATIENCE)


async def begin_anew(made: Domain) -> None:
    """As a server that is started again on its store: it knows nothing of the calls of before."""
    await made.calls.__aexit__()
    made.calls = await made.stack.enter_async_context(Calls(made.server, made.groups, made.calls._settings))


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
    async with domain(tmp_path, "b.example", group_of, rejoin=SOON) as made:
        for user in (BOB, DAN):
            await made.log_on(user, [GROUP], key)
        await made.users[BOB].client.call(GROUP)
        await until(lambda: made.of(events.CallEstablished))
        await legs(made, 2)
        # Another server on the same store and endpoint: what a restart finds.
        left = await made.server.calls_left()
        assert {row.group for row in left} == {GROUP}
        heard = made.users[DAN].listen(GROUP)
        await begin_anew(made)
        await until(lambda: all(user.of(CallEnded) for user in made.users.values()))
        # Nobody wanted that: the first one calls again, which invites the other, and who listened hears the new call.
        await until(lambda: all(user.of(CallRejoined) for user in made.users.values()))
        await everybody_in(GROUP, (user.client for user in made.users.values()), made.calls)
        await legs(made, 2)
        assert made.users[DAN].client.calls[GROUP] is not heard
        await made.users[BOB].client.calls[GROUP].talk(speech.synthesise(0.2), within=PATIENCE)
        await until(lambda: len(made.users[DAN].heard) == 1600)
        assert {event.reason for user in made.users.values() for event in user.of(CallEnded)} == {  # type: ignore[attr-defined]  # of() gives the base class
            "they hung up: the server was started again"
        }


async def test_a_call_outlives_its_controlling_function_and_its_participating_function(
    tmp_path: Path,
) -> None:
    async with two_domains(tmp_path, [group(ANN, BOB, DAN)], rejoin=SOON) as both:
        key = gmk_of(GROUP)
        users = {}
        for user in (ANN, BOB, DAN):
            users[user] = await both[0 if user == ANN else 1].log_on(user, [GROUP], key)
        await users[BOB].client.call(GROUP)
        for number, side in enumerate((*both, *both), 1):
            await everybody_in(GROUP, (user.client for user in users.values()), both[1].calls, both[0].calls)
            await legs(both[0], 2)
            await legs(both[1], 3)
            await begin_anew(side)
            # Those in B lose their call only with B's server; A's user loses it with either.
            await until(lambda count=number: len(users[ANN].of(CallRejoined)) == count)
        await everybody_in(GROUP, (user.client for user in users.values()), both[1].calls, both[0].calls)
        for user in users.values():
            user.listen(GROUP)
            user.heard = type(user.heard)("h")
        await users[ANN].client.calls[GROUP].talk(speech.synthesise(0.2), within=PATIENCE)
        await until(lambda: all(len(users[one].heard) == 1600 for one in (BOB, DAN)))
