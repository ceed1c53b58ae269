"""MB2-U: whole IP packets in UDP datagrams."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire.mb2.userplane import InnerPacket, decode_inner

ports = st.integers(0, 0xFFFF)
octet = st.integers(0, 255)
payloads = st.binary(max_size=64)
ipv4 = st.builds(IPv4Address, st.integers(0, 2**32 - 1))
ipv6 = st.builds(IPv6Address, st.integers(0, 2**128 - 1))
packets = st.one_of(
    *(st.builds(InnerPacket, ip, ip, ports, ports, payloads, octet, octet) for ip in (ipv4, ipv6))
)
V4 = InnerPacket(ip_address("10.0.0.1"), ip_address("239.1.2.3"), 40000, 5004, b"hello")
V6 = InnerPacket(ip_address("fd00::1"), ip_address("ff15::3"), 40000, 5004, b"hello")


@given(packets)
def test_round_trip(packet: InnerPacket) -> None:
    assert decode_inner(packet.encode()) == packet


@given(st.binary(max_size=80))
def test_arbitrary_octets(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_inner(octets)


@given(packets, st.data())
def test_one_wrong_bit_in_an_address_port_or_payload_is_found(
    packet: InnerPacket, data: st.DataObject
) -> None:
    octets = bytearray(packet.encode())
    covered = range(12, 20) if packet.source.version == 4 else range(8, 40)
    ports_at = covered.stop
    payload = range(ports_at + 8, len(octets))
    index = data.draw(st.sampled_from([*covered, *range(ports_at, ports_at + 4), *payload]))
    octets[index] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DecodeError) as caught:
        decode_inner(bytes(octets))
    assert caught.value.code == "mb2u.inner-checksum"


def plain_sum(octets: bytes) -> int:
    """RFC 1071 as written there."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(packets)
def test_checksums_by_the_book(packet: InnerPacket) -> None:
    octets = packet.encode()
    size = 20 if packet.source.version == 4 else 40
    if size == 20:
        assert plain_sum(octets[:20]) == 0xFFFF
    pseudo = packet.source.packed + packet.destination.packed + struct.pack(">II", len(octets) - size, 17)
    assert plain_sum(pseudo + octets[size:]) == 0xFFFF
    assert octets[size + 6 : size + 8] != b"\0\0"


def test_octets() -> None:
    assert V4.encode().hex() == "450000210000400040113fc70a000001ef0102039c40138c000d113068656c6c6f"
    assert (
        V6.encode()[:46].hex()
        == f"60000000000d1140{V6.source.packed.hex()}{V6.destination.packed.hex()}9c40138c000d"
    )


def test_ipv4_without_udp_checksum_is_allowed() -> None:
    octets = V4.encode()
    assert decode_inner(octets[:26] + b"\0\0" + octets[28:]) == V4


def test_ipv4_options_are_passed_over() -> None:
    octets = V4.encode()
    header = bytearray(octets[:20] + b"\1\1\1\0")
    header[0] = 0x46
    header[2:4] = struct.pack(">H", len(octets) + 4)
    header[10:12] = b"\0\0"
    header[10:12] = struct.pack(">H", ~plain_sum(bytes(header)) & 0xFFFF)
    assert decode_inner(bytes(header) + octets[20:]) == V4


def _changed(octets: bytes, index: int, value: int, *, ipv4_checksum: bool) -> bytes:
    changed = bytearray(octets)
    changed[index] = value
    if ipv4_checksum:
        changed[10:12] = b"\0\0"
        changed[10:12] = struct.pack(">H", ~plain_sum(bytes(changed[:20])) & 0xFFFF)
    return bytes(changed)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x50" + V4.encode()[1:],
        V4.encode()[:19],
        V4.encode()[:-1],
        V4.encode() + b"\0",
        _changed(V4.encode(), 0, 0x44, ipv4_checksum=True),
        _changed(V4.encode(), 6, 0x20, ipv4_checksum=True),
        _changed(V4.encode(), 7, 1, ipv4_checksum=True),
        _changed(V4.encode(), 9, 6, ipv4_checksum=True),
        _changed(V4.encode(), 25, 14, ipv4_checksum=False),
        _changed(V4.encode(), 8, 1, ipv4_checksum=False),
        V6.encode()[:39],
        V6.encode()[:-1],
        _changed(V6.encode(), 6, 0, ipv4_checksum=False),
        V6.encode()[:46] + b"\0\0" + V6.encode()[48:],
    ],
)
def test_what_is_no_whole_udp_packet(octets: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_inner(octets)
    assert caught.value.code.startswith("mb2u.inner")


@pytest.mark.parametrize(
    "packet",
    [
        replace(V4, destination=V6.destination),
        replace(V4, source_port=-1),
        replace(V6, destination_port=0x10000),
        replace(V4, payload=bytes(65508)),
        replace(V6, payload=bytes(65528)),
        replace(V4, hops=256),
    ],
)
def test_what_cannot_be_sent(packet: InnerPacket) -> None:
    with pytest.raises(InvalidValue):
        packet.encode()


def test_the_largest_payloads() -> None:
    for packet in (replace(V4, payload=bytes(65507)), replace(V6, payload=bytes(65527))):
        assert decode_inner(packet.encode()) == packet


def test_socket_constants() -> None:
    assert V4.encode()[9] == socket.IPPROTO_UDP
