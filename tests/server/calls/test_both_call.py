"""A member calls at the moment at which it is invited: its own call stands, whatever becomes of the invitation."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import pytest

from mcsec.client.audio import pcmu, speech
from mcsec.client.calls.desk import CallDesk
from mcsec.client.calls.engine import Wish
from mcsec.client.calls.events import CallEnded, InviteRefused
from mcsec.client.calls.states import CallState
from mcsec.net.sip.invited import IncomingCall
from support.call_domains import Domain, User, domain, gmk_of, two_domains
from support.call_waiting import everybody_in
from support.calls import ANN, BOB, DAN, GROUP, group
from support.waiting import until

pytestmark = pytest.mark.anyio
VOICE = speech.synthesise(0.2)


def calls_first(user: User) -> None:
    """What it is invited to is refused, for by then it is in the call that it made itself."""
    desk: CallDesk = user.client._desk
    real = desk.invited

    async def invited(incoming: IncomingCall, groups: Container[str]) -> None:
        await desk.call(Wish(group=GROUP))
        await real(incoming, groups)

    desk.invited = invited  # type: ignore[method-assign]  # the moment is chosen


async def heard(caller: User, other: User, *sides: Domain) -> None:
    """The other one is invited, calls first, and is in the call as if it had not been invited."""
    calls_first(other)
    call = await caller.client.call(GROUP)
    await until(lambda: other.of(InviteRefused))
    await everybody_in(GROUP, (caller.client, other.client), *(side.calls for side in sides))
    other.listen(GROUP)
    assert await call.talk(VOICE) == 10
    await until(lambda: len(other.heard) == len(VOICE))
    assert other.heard == pcmu.decode(pcmu.encode(VOICE))
    assert not other.of(CallEnded)
    assert set(sides[0].calls.focuses[GROUP].call.members) == {
        user.client.profile.mc_service_id for user in (caller, other)
    }


async def test_in_one_domain(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN)]) as b:
        key = gmk_of(GROUP)
        bob, dan = [await b.log_on(user, [GROUP], key) for user in (BOB, DAN)]
        await heard(bob, dan, b)


async def test_in_another_domain(tmp_path: Path) -> None:
    async with two_domains(tmp_path, [group(ANN, BOB)]) as (a, b):
        key = gmk_of(GROUP)
        bob, ann = await b.log_on(BOB, [GROUP], key), await a.log_on(ANN, [GROUP], key)
        await heard(bob, ann, b, a)


async def test_who_begins_again_while_nobody_else_of_its_domain_is_in(tmp_path: Path) -> None:
    async with two_domains(tmp_path, [group(ANN, BOB, DAN)]) as (a, b):
        key = gmk_of(GROUP)
        bob, dan = [await b.log_on(user, [GROUP], key) for user in (BOB, DAN)]
        ann = await a.log_on(ANN, [GROUP], key)
        clients = [user.client for user in (ann, bob, dan)]
        call = await bob.client.call(GROUP)
        await everybody_in(GROUP, clients, b.calls, a.calls)
        # A device that lost its memory.
        before = ann.client._desk.calls.pop(GROUP)  # type: ignore[attr-defined]  # its own
        await ann.client.call(GROUP)
        await until(lambda: before.state is CallState.OVER)
        await everybody_in(GROUP, clients, b.calls, a.calls)
        ann.listen(GROUP)
        assert await call.talk(VOICE) == 10
        await until(lambda: len(ann.heard) == len(VOICE))
