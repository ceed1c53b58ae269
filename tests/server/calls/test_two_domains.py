"""A group that is homed in B with members in A and B: both functions over mutual TLS, floor under the SPK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcsec.client.audio import pcmu, speech
from mcsec.client.calls.events import CallEnded
from mcsec.client.publishing import ServiceRefused
from mcsec.ids import PurposeTag
from mcsec.server.calls import events
from mcsec.server.calls.policy import CallPolicy
from support.call_domains import Domain, User, gmk_of, two_domains
from support.call_waiting import everybody_in
from support.calls import ANN, BOB, CEM, DAN, GROUP, group
from support.waiting import PATIENCE, until

pytestmark = pytest.mark.anyio
VOICE = speech.synthesise(0.2)


@asynccontextmanager
async def joined(
    tmp_path: Path, *users: str, policy: CallPolicy | None = None
) -> AsyncIterator[tuple[Domain, Domain, dict[str, User]]]:
    """Both domains, and users of the group that are logged on."""
    key = gmk_of(GROUP)
    async with two_domains(tmp_path, [group(*users)], policy) as (a, b):
        found = {}
        for user in users:
            found[user] = await (a if user.endswith("@a.example") else b).log_on(user, [GROUP], key)
        yield a, b, found


async def test_both_directions(tmp_path: Path) -> None:
    async with joined(tmp_path, ANN, BOB, CEM, DAN) as (a, b, users):
        call = await users[ANN].client.call(GROUP)
        await everybody_in(GROUP, (user.client for user in users.values()), b.calls, a.calls)
        for user in users.values():
            user.listen(GROUP)
        assert await call.talk(VOICE) == 10
        others = [users[one] for one in (BOB, CEM, DAN)]
        await until(lambda: all(len(user.heard) == len(VOICE) for user in others))
        assert all(user.heard == pcmu.decode(pcmu.encode(VOICE)) for user in others)
        await users[DAN].client.calls[GROUP].talk(VOICE)
        await until(lambda: all(len(users[one].heard) >= len(VOICE) for one in (ANN, BOB, CEM)))
        # Who called is in A, the call is controlled in B.
        assert GROUP in b.calls.focuses
        assert GROUP not in a.calls.focuses
        for side in (a, b):
            kinds = side.server.function.engine.kinds_held
            assert PurposeTag.GMK not in kinds
            assert PurposeTag.SPK in kinds
            assert side.calls.around.refused == {}
        await b.calls.release(GROUP)
        await until(lambda: not any(user.client.calls for user in users.values()))
        await until(lambda: not a.calls.servings and not b.calls.servings and not b.calls.focuses)


async def test_who_calls_in_the_home_domain_invites_the_other(tmp_path: Path) -> None:
    async with joined(tmp_path, BOB, ANN) as (a, b, users):
        call = await users[BOB].client.call(GROUP, talk=True)
        await until(lambda: GROUP in users[ANN].client.calls)
        await call.until(lambda: call.may_talk, PATIENCE)
        await users[ANN].client.calls[GROUP].leave()
        await until(lambda: GROUP not in users[BOB].client.calls)
        assert b.of(events.CallEnded)
        await until(lambda: not a.calls.servings)


async def test_who_was_away_joins_late(tmp_path: Path) -> None:
    async with joined(tmp_path, ANN, BOB, CEM) as (_, b, users):
        await users[CEM].client.log_off()
        await users[ANN].client.call(GROUP)
        await until(lambda: GROUP in users[BOB].client.calls)
        await until(lambda: any(event.user == CEM for event in b.of(events.MemberLeft)))  # type: ignore[attr-defined]  # of() gives the base class
        await users[CEM].client.log_on([GROUP])
        late = await users[CEM].client.call(GROUP)
        call = users[ANN].client.calls[GROUP]
        call.press()
        await until(lambda: late.engine.floor.state.name != "START_STOP" and call.may_talk)
        assert set(b.calls.focuses[GROUP].call.members) == {ANN, BOB, CEM}


async def test_the_home_domain_refuses_who_is_no_member(tmp_path: Path) -> None:
    async with joined(tmp_path, BOB, DAN) as (a, b, _):
        stranger = await a.log_on(ANN, [GROUP])
        with pytest.raises(ServiceRefused) as refused:
            await stranger.client.call(GROUP)
        assert "116" in str(refused.value)
        assert b.of(events.PartnerRefused)
        assert not a.calls.servings
        assert not b.calls.focuses


async def test_a_partner_that_is_gone_ends_the_call_for_our_users(tmp_path: Path) -> None:
    async with joined(tmp_path, ANN, BOB) as (a, b, users):
        await users[ANN].client.call(GROUP)
        await until(lambda: GROUP in users[BOB].client.calls)
        await until(lambda: b.calls.focuses[GROUP].partners[ANN].call is not None)
        # What is on its way arrives; then B is cut off: nothing is said any more, not even BYE.
        await asyncio.sleep(0.1)
        b.calls._book.stop()
        await b.server.endpoint.close(grace=0)
        await until(lambda: not users[ANN].client.calls)
        assert a.of(events.ControllingLost)
        # Her client is told that nobody ended it, so that it may call again.
        (ended,) = users[ANN].of(CallEnded)
        assert ended.reason == "they hung up: the controlling function is lost"  # type: ignore[attr-defined]  # of() gives the base class
        await until(lambda: not a.calls.servings)


async def test_every_leg_is_refreshed_from_either_end(tmp_path: Path) -> None:
    async with joined(tmp_path, ANN, BOB, CEM) as (a, b, users):
        # Ann is in by an INVITE of A, Cem by one of B.
        await users[ANN].client.call(GROUP)
        await everybody_in(GROUP, (user.client for user in users.values()), b.calls, a.calls)
        focus, serving = b.calls.focuses[GROUP], a.calls.servings[GROUP]
        await until(lambda: all(leg.way is not None for leg in serving.legs.values()))
        ways = [leg.way.leg for leg in serving.legs.values()]  # type: ignore[union-attr]  # A's ways are those of partners
        ends = [
            *ways,
            *focus.partners.values(),
            *serving.legs.values(),
            *b.calls.servings[GROUP].legs.values(),
        ]
        await until(lambda: all(end.call is not None and end.call.state.name == "CONFIRMED" for end in ends))
        for end in ends:
            await end.call.refresh()
        for user in users.values():
            await user.client.calls[GROUP].refresh()
        assert not any(end.call.ended.is_set() for end in ends)
        assert all(GROUP in user.client.calls for user in users.values())
        await users[CEM].client.calls[GROUP].talk(VOICE)
