"""Calls that the server lost: made again by the client, but for those that somebody ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcsec.client.calls import events
from mcsec.client.profile import RejoinTimes
from mcsec.net.sip.reason import SERVER_GONE, Reason
from mcsec.wire.mc_bodies import Body
from mcsec.wire.mc_sip import Lines, McpttWarning
from support.call_mcx import CallMcx, logged_on
from support.mc_clients import ALICE, GROUP
from support.scripted_mcx import DOMAIN
from support.waiting import PATIENCE, until

pytestmark = pytest.mark.anyio
GONE = Reason(SERVER_GONE, "the server was started again")
AT_ONCE = RejoinTimes(0.01, 0.05, PATIENCE)
#: Nobody calls by itself as long as a test lasts.
LATE = RejoinTimes(10 * PATIENCE, 10 * PATIENCE, 20 * PATIENCE)


async def drop(mcx: CallMcx, because: Reason | None) -> None:
    sip = await mcx.sip_of(mcx.legs[ALICE, GROUP])
    await sip.hang_up(because)


async def test_a_call_of_a_server_that_began_anew() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE, rejoin=AT_ONCE) as (_, (alice,)):
        call = await alice.client.call(GROUP, priority=7, emergency=True, talk=True)
        call.on_audio = lambda frame, now: None
        await drop(mcx, GONE)
        await until(lambda: alice.of(events.CallRejoined))
        again = alice.client.calls[GROUP]
        assert again is not call
        assert len(mcx.invites) == 2
        # As it was, but nobody asks for the floor in the user's name.
        assert again.engine.wish == replace(call.engine.wish, talk=False)
        assert again.on_audio is call.on_audio


async def test_who_was_invited_waits_for_who_called() -> None:
    times = RejoinTimes(0.2, 0.2, PATIENCE)
    mcx = CallMcx()
    async with logged_on(mcx, ALICE, rejoin=times) as (_, (alice,)):
        await mcx.invite(ALICE, GROUP)
        await until(lambda: GROUP in alice.client.calls)
        await drop(mcx, GONE)
        await until(lambda: alice.of(events.CallRejoined))
        (again,) = alice.of(events.CallRejoined)
        assert again.after >= times.first  # type: ignore[attr-defined]  # of() gives the base class
        # Nobody invited it again.
        assert alice.client.calls[GROUP].ours


@pytest.mark.parametrize("because", [None, Reason(403, "no member any more"), Reason(200)])
async def test_a_call_that_somebody_ended(because: Reason | None) -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE, rejoin=AT_ONCE) as (_, (alice,)):
        await alice.client.call(GROUP)
        await drop(mcx, because)
        await until(lambda: alice.of(events.CallEnded))
        assert not alice.client.rejoining
        assert not alice.client.calls


async def test_nothing_is_made_again_where_that_is_not_wanted() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE, rejoin=RejoinTimes(within=0)) as (_, (alice,)):
        await alice.client.call(GROUP)
        await drop(mcx, GONE)
        await until(lambda: alice.of(events.CallEnded))
        assert not alice.client.rejoining


async def test_a_session_that_the_server_does_not_know() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE, rejoin=AT_ONCE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        sip = await mcx.sip_of(mcx.legs[ALICE, GROUP])
        # As after kill -9: nothing is left of the dialog.
        mcx.endpoint.serving.usages.pop(sip.dialog.id)
        await call.refresh()
        await until(lambda: alice.of(events.CallRejoined))
        (ended,) = alice.of(events.CallEnded)
        assert ended.reason == "the peer answered 481"  # type: ignore[attr-defined]  # of() gives the base class


async def test_who_is_invited_meanwhile_need_not_call() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE, rejoin=LATE) as (_, (alice,)):
        first = await alice.client.call(GROUP)
        first.on_audio = lambda frame, now: None
        await drop(mcx, GONE)
        await until(lambda: alice.of(events.CallEnded))
        await mcx.invite(ALICE, GROUP)
        await until(lambda: GROUP in alice.client.calls)
        assert alice.client.calls[GROUP].on_audio is first.on_audio
        assert len(mcx.invites) == 1


async def test_refused_for_good() -> None:
    def decide(body: Body) -> tuple[int, Lines] | None:
        return (403, (McpttWarning.NOT_IN_GROUP.header(DOMAIN),)) if len(mcx.invites) > 1 else None

    mcx = CallMcx(decide=decide)
    async with logged_on(mcx, ALICE, rejoin=AT_ONCE) as (_, (alice,)):
        await alice.client.call(GROUP)
        await drop(mcx, GONE)
        await until(lambda: alice.of(events.CallNotRejoined))
        assert len(mcx.invites) == 2


async def test_it_tries_again_and_gives_up_in_time() -> None:
    def decide(body: Body) -> tuple[int, Lines] | None:
        return None if len(mcx.invites) == 1 else (503, ())

    mcx = CallMcx(decide=decide)
    async with logged_on(mcx, ALICE, rejoin=replace(AT_ONCE, within=0.5)) as (_, (alice,)):
        await alice.client.call(GROUP)
        await drop(mcx, GONE)
        await until(lambda: alice.of(events.CallNotRejoined))
        assert len(mcx.invites) > 2
        assert not alice.client.rejoining


async def test_what_the_first_try_missed_the_second_hears() -> None:
    def decide(body: Body) -> tuple[int, Lines] | None:
        return (503, ()) if len(mcx.invites) == 2 else None

    mcx = CallMcx(decide=decide)
    async with logged_on(mcx, ALICE, rejoin=AT_ONCE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        call.on_audio = lambda frame, now: None
        await drop(mcx, GONE)
        await until(lambda: alice.of(events.CallRejoined))
        assert len(mcx.invites) == 3
        assert alice.client.calls[GROUP].on_audio is call.on_audio


async def test_who_leaves_the_group_wants_no_call() -> None:
    def decide(body: Body) -> tuple[int, Lines] | None:
        return None if len(mcx.invites) == 1 else (503, ())

    mcx = CallMcx(decide=decide)
    async with logged_on(mcx, ALICE, rejoin=AT_ONCE) as (_, (alice,)):
        await alice.client.call(GROUP)
        await drop(mcx, GONE)
        await until(lambda: len(mcx.invites) > 1)
        await alice.client.affiliate([])
        await until(lambda: alice.of(events.CallNotRejoined))
        (told,) = alice.of(events.CallNotRejoined)
        assert told.reason == "the user is not in the group any more"  # type: ignore[attr-defined]  # of() gives the base class


async def test_who_logs_off_wants_no_call() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE, rejoin=LATE) as (_, (alice,)):
        await alice.client.call(GROUP)
        await drop(mcx, GONE)
        await until(lambda: alice.client.rejoining == {GROUP})
        await alice.client.log_off()
        assert not alice.client.rejoining
        assert len(mcx.invites) == 1
