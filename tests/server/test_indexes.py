"""Packet indexes come from a reservation; without one nothing is sent, and none is used twice."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.ids import PurposeTag
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.kinds import Traffic
from mcsec.keys.reservation import Block, Reserve, reserve
from mcsec.server.channel import Channel
from mcsec.server.engine import ServerEngine
from mcsec.server.indexes import Indexes, IndexesWanted, MemoryIndexes, StoredIndexes
from mcsec.server.signalling import OnBearer
from mcsec.wire.rtcp.floor import FloorIdle
from support.mc_server import BEARER, GROUP, running
from support.waiting import patience

SSRC = 0x01020304


def key() -> Key:
    return make(
        PurposeTag.MUSIK,
        scope=Scope.of(GROUP),
        maker=Maker("a.example", "mcx.a.example"),
        now=1_795_435_200.0,
    )


def indexes_of(channel: Channel, one: Key, count: int) -> list[int]:
    """Sends ``count`` packets, reserving when that is wanted; the indexes that were used."""
    receiver = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
    receiver.add_key(*one.srtp_material())
    used = []
    for number in range(count):
        assert channel.prepare(one) is None
        packet = channel.protect(FloorIdle(ssrc=SSRC, sequence_number=number), one)
        used.append(receiver.unprotect(packet.octets).index)
    return used


def test_indexes_count_on_over_blocks_and_keys() -> None:
    first, second = key(), key()
    channel = Channel(SSRC, MemoryIndexes())
    assert indexes_of(channel, first, 5000) == list(range(1, 5001))
    assert indexes_of(channel, second, 10) == list(range(5001, 5011))
    back = indexes_of(channel, first, 10)
    assert back == sorted(back)
    assert back[0] > 5010


def test_nothing_is_sent_before_the_store_has_reserved() -> None:
    port = StoredIndexes()
    channel, one = Channel(SSRC, port), key()
    wanted = channel.prepare(one)
    assert wanted is not None
    assert channel.prepare(one) == wanted, "asked for once, and still wanted"
    assert port.take() == (wanted,)
    assert port.take() == ()
    channel.failed()
    again = channel.prepare(one)
    assert again is not None
    assert port.take() == (again,)
    # A process of before had this SSRC under this key, and reserved up to 700.
    channel.grant(reserve(700, again))
    assert channel.prepare(one) is None
    receiver = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
    receiver.add_key(*one.srtp_material())
    packet = channel.protect(FloorIdle(ssrc=SSRC, sequence_number=1), one)
    assert receiver.unprotect(packet.octets).index == 701


def test_a_block_that_comes_late_is_never_used() -> None:
    port: Indexes = StoredIndexes()
    channel, old, new = Channel(SSRC, port), key(), key()
    wanted = channel.prepare(old)
    assert wanted is not None
    assert channel.prepare(new) is not None
    channel.grant(Block(old.key_id, SSRC, 1, 4096))
    assert channel.prepare(new) is not None, "it was for another key"


def say_idle(engine: ServerEngine, now: float) -> list[object]:
    message = FloorIdle(ssrc=engine.ssrc(Traffic.MBMS_FLOOR, BEARER.tmgi), sequence_number=1)
    return list(engine.floor(BEARER.tmgi, GROUP, message, now))


@pytest.mark.anyio
async def test_a_server_reserves_in_its_store_before_it_sends(tmp_path: Path) -> None:
    seen: list[int] = []
    for _ in range(2):
        async with running(tmp_path) as mcx:
            if GROUP not in mcx.server.function.engine.keydown.musiks:
                await mcx.server.make_musik(Scope.of(GROUP))
                await mcx.server.announce(BEARER)
            engine = mcx.server.function.engine

            idle = partial(say_idle, engine)
            with pytest.raises(IndexesWanted) as wanted:
                idle(time.time())
            assert isinstance(wanted.value.wishes[0], Reserve)
            (sent,) = await mcx.server.send(idle)
            assert isinstance(sent, OnBearer)
            seen.append(engine.ssrc(Traffic.MBMS_FLOOR, BEARER.tmgi))
    assert seen[0] != seen[1], "each process draws its own SSRC"


@pytest.mark.anyio
async def test_who_does_not_wait_any_more_takes_no_indexes_away(tmp_path: Path) -> None:
    """An order that is broken off while the disk is asked: the next one sends, from the same channel."""
    async with running(tmp_path) as mcx:
        await mcx.server.make_musik(Scope.of(GROUP))
        await mcx.server.announce(BEARER)
        engine = mcx.server.function.engine
        idle = partial(say_idle, engine)
        for _ in range(2):
            impatient = asyncio.create_task(mcx.server.send(idle))
            await asyncio.sleep(0)
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
        async with patience():
            (sent,) = await mcx.server.send(idle)
        assert isinstance(sent, OnBearer)


@pytest.mark.anyio
async def test_a_wish_that_nobody_reserves_is_made_again(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx:
        await mcx.server.make_musik(Scope.of(GROUP))
        await mcx.server.announce(BEARER)
        engine = mcx.server.function.engine
        idle = partial(say_idle, engine)
        with pytest.raises(IndexesWanted):
            idle(time.time())
        assert mcx.server._sending._indexes.take()
        async with patience():
            (sent,) = await mcx.server.send(idle)
        assert isinstance(sent, OnBearer)
