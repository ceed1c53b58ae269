"""The floor of a call, as the user of a client asks for it: denied, asked for again, never answered, taken away."""

from __future__ import annotations

import asyncio

import pytest

from mcsec.client.audio import speech
from mcsec.client.calls import events
from mcsec.client.calls.service import FloorNotGranted
from mcsec.errors import Forbidden
from mcsec.wire.rtcp.floor import (
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorRelease,
    FloorRevoke,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import DenyCause, RejectCause, RevokeCause
from support.call_mcx import CallMcx, logged_on
from support.mc_clients import ALICE, BOB, GROUP
from support.waiting import until

pytestmark = pytest.mark.anyio

VOICE = speech.synthesise(0.3)


async def test_the_floor_is_denied() -> None:
    mcx = CallMcx(arbitrate=False)
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        leg = mcx.legs[ALICE, GROUP]
        talking = asyncio.ensure_future(call.talk(VOICE))
        await until(lambda: bool(leg.heard))
        cause = RejectCause(DenyCause.RECEIVE_ONLY, "listen")
        leg.say(FloorDeny(ssrc=leg.far.ssrc, cause=cause))
        with pytest.raises(FloorNotGranted, match="receive only"):
            await talking
        assert not leg.media
        (denied,) = alice.of(events.FloorDenied)
        assert denied.phrase == "listen"  # type: ignore[attr-defined]


async def test_who_talks_before_the_others_came_waits_for_them() -> None:
    mcx = CallMcx(arbitrate=False)
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        leg = mcx.legs[ALICE, GROUP]
        talking = asyncio.ensure_future(call.talk(VOICE))
        alone = FloorDeny(ssrc=leg.far.ssrc, cause=RejectCause(DenyCause.ONLY_ONE_PARTICIPANT))
        await until(lambda: len(leg.heard) == 1)
        leg.say(alone)
        await until(lambda: len(leg.heard) == 2)
        leg.say(FloorGranted(ssrc=leg.far.ssrc, duration=30, priority=1))
        assert await talking == 15
        # Whoever is alone for all the time that they would wait is told.
        await until(lambda: isinstance(leg.heard[-1], FloorRelease))
        leg.say(FloorIdle(ssrc=leg.far.ssrc, sequence_number=2))
        heard = len(leg.heard)
        talking = asyncio.ensure_future(call.talk(VOICE, within=0.05))
        await until(lambda: len(leg.heard) > heard)
        leg.say(alone)
        with pytest.raises(FloorNotGranted, match=r"only one participant|not in time"):
            await talking


async def test_who_was_not_denied_the_floor_asks_again() -> None:
    mcx = CallMcx(arbitrate=False)
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        leg = mcx.legs[ALICE, GROUP]
        talking = asyncio.ensure_future(call.talk(VOICE))
        await until(lambda: len(leg.heard) == 1)
        # Bob was faster, and stops at once.
        leg.say(FloorTaken(ssrc=leg.far.ssrc, granted_party=BOB, permission=True, sequence_number=2))
        leg.say(FloorIdle(ssrc=leg.far.ssrc, sequence_number=3))
        await until(lambda: len(leg.heard) == 2)
        leg.say(FloorGranted(ssrc=leg.far.ssrc, duration=30, priority=1))
        assert await talking == 15


async def test_nobody_answers_the_request_for_the_floor() -> None:
    async with logged_on(CallMcx(arbitrate=False), ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        with pytest.raises(FloorNotGranted, match="not in time"):
            await call.talk(VOICE, within=0.1)


async def test_revoked_while_talking() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        leg = mcx.legs[ALICE, GROUP]
        talking = asyncio.ensure_future(call.talk(speech.synthesise(2.0)))
        await until(lambda: len(leg.media) > 2)
        leg.say(FloorRevoke(ssrc=leg.far.ssrc, cause=RejectCause(RevokeCause.MEDIA_BURST_PRE_EMPTED)))
        said = await talking
        assert 2 < said < 100
        await until(lambda: len(leg.media) >= said)
        await asyncio.sleep(0.05)
        assert len(leg.media) == said, "nothing after the revocation"


async def test_no_key_no_talk() -> None:
    async with logged_on(CallMcx(), ALICE, gmk=False) as (_, (alice,)):
        with pytest.raises(Forbidden):
            await alice.client.call(GROUP, talk=True)
        assert not alice.client.calls
        call = await alice.client.call(GROUP)
        with pytest.raises(Forbidden):
            await call.talk(VOICE)
