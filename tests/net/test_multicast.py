"""Multicast on loopback: what arrives, what stays on the machine, and what no sender takes."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import Forbidden, InvalidValue, LocalError
from mcsec.lab.ports import free_port
from mcsec.net.multicast import MulticastGroup, MulticastReceiver, MulticastSender, Source
from support.srtp import rtcp, rtp, srtcp_receiver, srtcp_sender, srtp_sender
from support.waiting import PATIENCE, soon, until

pytestmark = pytest.mark.anyio
IP_RECVTTL = 12  # Linux; Python's socket module has no name for it.


def free_group(last: int = 1) -> MulticastGroup:
    """A group on a port that nobody uses now."""
    return MulticastGroup.of(f"239.255.77.{last}", free_port())


def media(payload: bytes) -> ForwardedMedia:
    """Media that a server passes on."""
    return ForwardedMedia(b"\x80" + bytes(11) + payload)


class Heard:
    """Collects what a receiver hands over."""

    def __init__(self) -> None:
        self.packets: list[tuple[bytes, Source, MulticastGroup]] = []

    def __call__(self, octets: bytes, source: Source, group: MulticastGroup) -> None:
        self.packets.append((octets, source, group))

    async def came(self, count: int) -> None:
        await until(lambda: len(self.packets) >= count)


async def test_protected_packets_and_media_arrive() -> None:
    group, heard = free_group(), Heard()
    control, receiver = srtcp_sender(), srtcp_receiver()
    spoken = srtp_sender().protect(rtp()).octets
    with MulticastReceiver(heard) as bearer, MulticastSender(group) as sender:
        bearer.join(group)
        sender.send(control.protect(rtcp()))
        sender.send(ForwardedMedia(spoken))
        await heard.came(2)
        assert sender.sent == 2
        assert sender.dropped == 0
    octets = [packet for packet, _, _ in heard.packets]
    assert receiver.unprotect(octets[0]).octets == rtcp()
    assert octets[1:] == [spoken]
    assert {source[0] for _, source, _ in heard.packets} == {"127.0.0.1"}
    assert {heard_in for _, _, heard_in in heard.packets} == {group}


@pytest.mark.parametrize("packet", [rtcp(), bytearray(rtcp()), "text", None])
async def test_a_sender_takes_no_clear_octets(packet: object) -> None:
    with MulticastSender(free_group()) as sender:
        with pytest.raises(Forbidden):
            sender.send(packet)  # type: ignore[arg-type]
        assert sender.sent == 0


async def test_a_receiver_hears_only_the_groups_it_joined() -> None:
    first, heard = free_group(1), Heard()
    second = MulticastGroup(MulticastGroup.of("239.255.77.2", 1).address, first.port)
    with (
        MulticastReceiver(heard) as bearer,
        MulticastSender(first) as to_first,
        MulticastSender(second) as to_second,
    ):
        bearer.join(first)
        bearer.join(first)
        assert bearer.groups == {first}
        to_second.send(media(b"not for us"))
        to_first.send(media(b"one"))
        await heard.came(1)
        bearer.join(second)
        bearer.leave(first)
        bearer.leave(first)
        assert bearer.groups == {second}
        to_first.send(media(b"too late"))
        to_second.send(media(b"two"))
        await heard.came(2)
    assert [(octets, group) for octets, _, group in heard.packets] == [
        (media(b"one").octets, first),
        (media(b"two").octets, second),
    ]
    assert bearer.groups == frozenset()


async def test_two_receivers_hear_the_same_packet() -> None:
    group, heard, also_heard = free_group(), Heard(), Heard()
    with (
        MulticastReceiver(heard) as one,
        MulticastReceiver(also_heard) as other,
        MulticastSender(group) as sender,
    ):
        one.join(group)
        other.join(group)
        sender.send(media(b"to all"))
        await heard.came(1)
        await also_heard.came(1)


async def test_a_burst_arrives_whole_and_in_order() -> None:
    group, heard = free_group(), Heard()
    with MulticastReceiver(heard) as bearer, MulticastSender(group) as sender:
        bearer.join(group)
        for number in range(200):
            sender.send(media(number.to_bytes(2)))
        await heard.came(200)
    assert [octets for octets, _, _ in heard.packets] == [
        media(number.to_bytes(2)).octets for number in range(200)
    ]


async def test_leaving_inside_the_callback_is_allowed() -> None:
    group, got = free_group(), asyncio.Event()

    def leave(_octets: bytes, _source: Source, heard_in: MulticastGroup) -> None:
        bearer.leave(heard_in)
        got.set()

    with MulticastReceiver(leave) as bearer, MulticastSender(group) as sender:
        bearer.join(group)
        sender.send(media(b"one"))
        sender.send(media(b"two"))
        await soon(got.wait())
        assert bearer.groups == frozenset()


async def test_nothing_leaves_the_machine_by_default() -> None:
    """The TTL of what arrives is 0: no router and no other host takes such a packet."""
    group = free_group()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ears, MulticastSender(group) as sender:
        ears.settimeout(PATIENCE)
        ears.bind((str(group.address), group.port))
        ears.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        index = socket.if_nametoindex("lo")
        ears.setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.address.packed + struct.pack("4xi", index)
        )
        sender.send(media(b"x"))
        _, ancillary, _, _ = ears.recvmsg(100, 100)
    ttl = [data for level, kind, data in ancillary if (level, kind) == (socket.IPPROTO_IP, socket.IP_TTL)]
    assert [struct.unpack("i", data)[0] for data in ttl] == [0]


@pytest.mark.parametrize(
    ("address", "port"), [("127.0.0.1", 5000), ("::1", 5000), ("x", 5000), ("239.1.1.1", 0)]
)
async def test_what_is_no_group(address: str, port: int) -> None:
    with pytest.raises(InvalidValue):
        MulticastGroup.of(address, port)


async def test_groups_are_written_as_people_write_them() -> None:
    assert str(MulticastGroup.of("239.1.2.3", 5000)) == "239.1.2.3:5000"
    assert str(MulticastGroup.of("ff15::1", 5000)) == "[ff15::1]:5000"


async def test_an_interface_that_is_not_there() -> None:
    group = free_group()
    with pytest.raises(LocalError) as refused:
        MulticastSender(group, interface="nowhere0")
    assert refused.value.code == "net.multicast"
    with MulticastReceiver(Heard(), interface="nowhere0") as bearer, pytest.raises(LocalError):
        bearer.join(group)
    with pytest.raises(InvalidValue):
        MulticastSender(group, ttl=256)


async def test_too_large_a_datagram_is_our_error() -> None:
    with MulticastSender(free_group()) as sender, pytest.raises(LocalError):
        sender.send(media(bytes(70_000)))
