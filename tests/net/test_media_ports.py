"""Ports of call legs: what arrives is told apart, what leaves is protected, and ports come back."""

import asyncio
import resource
import socket

import pytest

from mcsec.crypto.srtp import ForwardedMedia, ProtectedPacket
from mcsec.errors import Forbidden, InvalidValue, LocalError
from mcsec.net.media_ports import Address, PortPool, make_room
from support.srtp import protected_packet
from support.waiting import until

RTP = bytes([0x80, 0]) + bytes(10) + b"speech"


class Ears:
    """Notes what arrives."""

    def __init__(self) -> None:
        self.floor: list[tuple[bytes, Address]] = []
        self.media: list[tuple[bytes, Address]] = []

    def on_floor(self, octets: bytes, source: Address) -> None:
        self.floor.append((octets, source))

    def on_media(self, octets: bytes, source: Address) -> None:
        self.media.append((octets, source))

    async def heard(self, floor: int, media: int) -> None:
        await until(lambda: len(self.floor) >= floor and len(self.media) >= media)


@pytest.mark.anyio
async def test_floor_and_media_arrive_each_at_its_own_port() -> None:
    pool, ears = PortPool(), Ears()
    packet = protected_packet()
    with pool.open(ears.on_floor, ears.on_media) as here, pool.open(print, print) as there:
        there.send_floor(packet, here.floor)
        there.send_media(ForwardedMedia(RTP), here.media)
        await ears.heard(1, 1)
        assert ears.floor == [(packet.octets, there.floor)]
        assert ears.media == [(RTP, there.media)]


@pytest.mark.anyio
async def test_nothing_leaves_in_clear() -> None:
    with PortPool().open(print, print) as leg:
        with pytest.raises(Forbidden):
            leg.send_floor(b"in clear", leg.floor)  # type: ignore[arg-type]  # What the type forbids is tried.
        with pytest.raises(Forbidden):
            leg.send_floor(ForwardedMedia(RTP), leg.floor)  # type: ignore[arg-type]  # Likewise.
        with pytest.raises(Forbidden):
            leg.send_media(RTP, leg.media)  # type: ignore[arg-type]  # Likewise.


@pytest.mark.anyio
async def test_many_datagrams_are_read_a_batch_at_a_time() -> None:
    pool, ears = PortPool(), Ears()
    with pool.open(ears.on_floor, ears.on_media) as here, pool.open(print, print) as there:
        for _ in range(150):
            there.send_media(ForwardedMedia(RTP), here.media)
        await ears.heard(0, 150)


@pytest.mark.anyio
async def test_ports_of_a_range_come_back_last() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        first = min(probe.getsockname()[1], 65000)
    pool = PortPool("127.0.0.1", first, first + 40)
    before = pool.open(print, print)
    used = {before.floor[1], before.media[1]}
    before.close()
    before.close()
    with pool.open(print, print) as after:
        assert used.isdisjoint({after.floor[1], after.media[1]})
        assert all(first <= port <= first + 40 for port in (after.floor[1], after.media[1]))


@pytest.mark.anyio
async def test_a_range_that_is_used_up_says_so() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = min(taken.getsockname()[1], 65534)
        with pytest.raises(LocalError, match="in use"):
            PortPool("127.0.0.1", port, port + 1).open(print, print)


@pytest.mark.anyio
async def test_a_closed_leg_sends_nothing_and_calls_nobody() -> None:
    pool, ears = PortPool(), Ears()
    here, there = pool.open(ears.on_floor, ears.on_media), pool.open(print, print)
    there.send_media(ForwardedMedia(RTP), here.media)
    here.close()
    there.close()
    there.send_media(ForwardedMedia(RTP), here.media)
    await asyncio.sleep(0.01)
    assert there.dropped == 1
    assert ears.media == []


@pytest.mark.parametrize(("first", "last"), [(5, 5), (9, 3), (-1, 4), (60000, 70000)])
def test_what_is_no_range(first: int, last: int) -> None:
    with pytest.raises(InvalidValue):
        PortPool("127.0.0.1", first, last)


def test_room_for_many_legs() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        room = make_room(200)
        assert 0 < room <= 200
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 2 * room + 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_protected_packet_is_what_the_core_makes() -> None:
    assert type(protected_packet()) is ProtectedPacket
