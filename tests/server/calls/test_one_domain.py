"""Group calls in one domain, from INVITE to BYE, with clients that talk: SIP over TCP, floor and media by UDP."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.client.audio import pcmu, speech
from mcsec.client.calls.states import CallState
from mcsec.ids import PurposeTag
from mcsec.server.calls import events
from mcsec.server.calls.groups import CallKind
from mcsec.server.floor import Urgency
from support.call_domains import Domain, User, domain, gmk_of
from support.call_waiting import everybody_in
from support.calls import BOB, DAN, GROUP, group
from support.waiting import PATIENCE, until

pytestmark = pytest.mark.anyio
VOICE = speech.synthesise(0.2)
EVA = "sip:eva@b.example"


async def members(made: Domain, *users: str) -> list[User]:
    key = gmk_of(GROUP)
    return [await made.log_on(user, [GROUP], key) for user in users]


async def test_a_prearranged_call_from_invite_to_bye(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN, EVA)]) as made:
        bob, dan, eva = await members(made, BOB, DAN, EVA)
        call = await bob.client.call(GROUP)
        await everybody_in(GROUP, (user.client for user in (bob, dan, eva)), made.calls)
        for user in (dan, eva):
            user.listen(GROUP)
        await until(lambda: made.of(events.CallEstablished))
        assert await call.talk(VOICE) == 10
        await until(lambda: all(len(user.heard) == len(VOICE) for user in (dan, eva)))
        assert dan.heard == eva.heard == pcmu.decode(pcmu.encode(VOICE))
        assert PurposeTag.GMK not in made.server.function.engine.kinds_held
        bob.listen(GROUP)
        await eva.listen(GROUP).talk(VOICE)
        await until(lambda: len(bob.heard) == len(VOICE))
        await call.leave()
        await until(lambda: made.of(events.MemberLeft))
        await dan.client.calls[GROUP].leave()
        await until(
            lambda: GROUP not in eva.client.calls and not made.calls.focuses and not made.calls.servings
        )
        assert made.calls.around.refused == {}
        assert made.of(events.CallEnded)[0].reason == "too few members are left"  # type: ignore[attr-defined]  # of() gives the base class


async def test_a_chat_with_an_implicit_request(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN, kind=CallKind.CHAT)]) as made:
        bob, dan = await members(made, BOB, DAN)
        call = await bob.client.call(GROUP, chat=True)
        other = await dan.client.call(GROUP, chat=True, talk=True)
        await other.until(lambda: other.may_talk, PATIENCE)
        assert other.state is CallState.IN_CALL
        other.release()
        await call.leave()
        await other.leave()
        await until(lambda: not made.calls.servings)


async def test_a_call_becomes_an_emergency_by_its_caller(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN)]) as made:
        bob, dan = await members(made, BOB, DAN)
        normal = await dan.client.call(GROUP)
        await until(lambda: GROUP in bob.client.calls)
        await normal.until(lambda: made.of(events.CallEstablished) != [], PATIENCE)
        normal.press()
        await normal.until(lambda: normal.may_talk, PATIENCE)
        # Who calls again comes in anew, now in an emergency, and takes the floor from who has it.
        await bob.client.calls[GROUP].leave()
        await until(lambda: not made.calls.focuses and not made.calls.servings)
        urgent = await bob.client.call(GROUP, emergency=True)
        await until(lambda: GROUP in dan.client.calls)
        assert made.calls.focuses[GROUP].call.urgency is Urgency.EMERGENCY
        other = dan.client.calls[GROUP]
        other.press()
        await other.until(lambda: other.may_talk, PATIENCE)
        urgent.press()
        await urgent.until(lambda: urgent.may_talk, PATIENCE)
        assert not other.may_talk


async def test_a_client_that_begins_again_takes_its_own_place(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN, EVA)]) as made:
        bob, dan, eva = await members(made, BOB, DAN, EVA)
        await bob.client.call(GROUP)
        await everybody_in(GROUP, (user.client for user in (bob, dan, eva)), made.calls)
        call = dan.client.calls[GROUP]
        # Its old self says nothing any more: the server finds out when the new one calls.
        dan.client._desk.calls.pop(GROUP)  # type: ignore[attr-defined]  # A device that lost its memory.
        again = await dan.client.call(GROUP)
        await until(lambda: call.state is CallState.OVER)
        again.press()
        await again.until(lambda: again.may_talk, PATIENCE)
        assert set(made.calls.focuses[GROUP].call.members) == {BOB, DAN, EVA}
