"""What ``mcsec client talk`` and ``listen --record`` do, with both clients in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mcsec.client.audio import pcmu, speech, wav
from mcsec.client.audio.recorder import Recorder
from mcsec.client.calls import events
from mcsec.client.speaking import Errand, joined, record, say
from mcsec.errors import Forbidden
from mcsec.ids import PurposeTag
from mcsec.keys.key import Scope
from support.call_mcx import CallMcx
from support.mc_clients import ALICE, BOB, GROUP, pair
from support.scripted_mcx import fresh_key
from support.waiting import until

pytestmark = pytest.mark.anyio

VOICE = speech.synthesise(0.3)


async def test_what_one_says_the_other_records(tmp_path: Path) -> None:
    mcx, file = CallMcx(), tmp_path / "heard.wav"
    async with pair(mcx=mcx) as both:
        alice, bob = both.add(ALICE), both.add(BOB)
        gmk = fresh_key(PurposeTag.GMK, Scope.of(GROUP))
        for each in (alice, bob):
            await each.client.log_on([GROUP])
        bob.client.engine.keyring.install(gmk, signer="gms", now=0.0)
        stop, errand = asyncio.Event(), Errand(group=GROUP)
        with Recorder(file) as recorder:
            recording = asyncio.ensure_future(record(bob.client, errand, recorder, stop))
            await until(lambda: bool(bob.of(events.CallStarted)))
            saying = asyncio.ensure_future(say(alice.client, errand, VOICE))
            await asyncio.sleep(0.1)
            assert not alice.client.calls, "no call before there is a key"
            alice.client.engine.keyring.install(gmk, signer="gms", now=0.0)
            assert await saying == 15
            await until(lambda: recorder.samples == len(VOICE))
            stop.set()
            await recording
    assert wav.read(file) == pcmu.decode(pcmu.encode(VOICE))


async def test_a_recorder_goes_on_in_the_next_call(tmp_path: Path) -> None:
    mcx = CallMcx()
    async with pair(mcx=mcx) as both:
        bob = both.add(BOB)
        await bob.client.log_on([GROUP])
        stop = asyncio.Event()
        with Recorder(tmp_path / "heard.wav") as recorder:
            recording = asyncio.ensure_future(record(bob.client, Errand(group=GROUP), recorder, stop))
            await until(lambda: bool(bob.of(events.CallStarted)))
            await (await mcx.sip_of(mcx.legs[BOB, GROUP])).hang_up()
            await until(lambda: bool(bob.of(events.CallEnded)))
            await mcx.invite(BOB, GROUP)
            call = bob.client.calls[GROUP]
            assert call.on_audio == recorder.frame
            assert await joined(bob.client, Errand(group=GROUP)) is call
            stop.set()
            await recording


async def test_no_key_comes() -> None:
    async with pair(mcx=CallMcx()) as both:
        alice = both.add(ALICE)
        await alice.client.log_on([GROUP])
        with pytest.raises(Forbidden, match="no key to send"):
            await say(alice.client, Errand(group=GROUP, patience=0.1), VOICE)
        assert not alice.client.calls
