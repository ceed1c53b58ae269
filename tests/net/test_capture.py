"""Capture files, block by block; tests/interop has Wireshark open them."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import InvalidValue
from mcsec.net.capture import CaptureWriter
from mcsec.wire.mb2.userplane import decode_inner

HERE = (ip_address("127.0.0.1"), 4000)
GROUP = (ip_address("239.1.2.3"), 5000)
SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6


def blocks_of(octets: bytes) -> list[tuple[int, bytes]]:
    """Takes a capture apart by the rules of the format alone."""
    blocks = []
    at = 0
    while at < len(octets):
        kind, length = struct.unpack_from("=II", octets, at)
        assert length % 4 == 0
        assert struct.unpack_from("=I", octets, at + length - 4) == (length,)
        blocks.append((kind, octets[at + 8 : at + length - 4]))
        at += length
    assert at == len(octets)
    return blocks


def options_of(octets: bytes) -> dict[int, bytes]:
    options = {}
    at = 0
    while at < len(octets):
        code, length = struct.unpack_from("=HH", octets, at)
        if code == 0:
            assert (length, at + 4) == (0, len(octets))
            return options
        options[code] = octets[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
    assert octets == b"", "options without an end"
    return options


def packet_of(body: bytes) -> tuple[int, int, bytes, dict[int, bytes]]:
    """Interface, microseconds, octets, options."""
    interface, high, low, captured, original = struct.unpack_from("=IIIII", body)
    assert captured == original
    return (
        interface,
        high << 32 | low,
        body[20 : 20 + captured],
        options_of(body[20 + captured + -captured % 4 :]),
    )


def test_a_capture_starts_with_its_section_and_one_interface(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "x.pcapng", name="bearer") as capture:
        pass
    assert capture.packets == 0
    (section, section_body), (interface, interface_body) = blocks_of(capture.path.read_bytes())
    assert (section, interface) == (SECTION, INTERFACE)
    assert struct.unpack_from("=IHHq", section_body) == (0x1A2B3C4D, 1, 0, -1)
    assert options_of(section_body[16:]) == {4: b"mcsec"}
    assert struct.unpack_from("=HHI", interface_body) == (101, 0, 1 << 18)
    assert options_of(interface_body[8:]) == {2: b"bearer"}


@given(
    payload=st.binary(max_size=64),
    comment=st.text(max_size=20),
    now=st.integers(0, 2**52).map(lambda micro: micro / 1_000_000),
)
def test_every_packet_comes_back(
    tmp_path_factory: pytest.TempPathFactory, payload: bytes, comment: str, now: float
) -> None:
    path = tmp_path_factory.mktemp("capture") / "x.pcapng"
    with CaptureWriter(path) as capture:
        capture.write_udp(now, HERE, GROUP, payload, comment)
        # The file is whole after each call, not only after the last.
        kind, body = blocks_of(path.read_bytes())[-1]
    assert kind == PACKET
    interface, micro, packet, options = packet_of(body)
    assert (interface, micro) == (0, round(now * 1_000_000))
    inner = decode_inner(packet)
    assert ((inner.source, inner.source_port), (inner.destination, inner.destination_port)) == (HERE, GROUP)
    assert inner.payload == payload
    assert options == ({1: comment.encode()} if comment else {})


def test_real_headers_are_kept(tmp_path: Path) -> None:
    packet = bytes.fromhex("4500001c000100000111") + bytes(18)
    with CaptureWriter(tmp_path / "x.pcapng") as capture:
        capture.write_packet(1.5, packet)
    assert packet_of(blocks_of(capture.path.read_bytes())[2][1]) == (0, 1_500_000, packet, {})


def test_an_old_capture_is_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        with CaptureWriter(tmp_path / "x.pcapng") as capture:
            capture.write_udp(0, HERE, GROUP, b"x")
    assert [kind for kind, _ in blocks_of(capture.path.read_bytes())] == [SECTION, INTERFACE, PACKET]


def test_what_is_no_packet(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "x.pcapng") as capture:
        for packet in (b"", b"\x00" * 20, b"\x45" + bytes(1 << 18)):
            with pytest.raises(InvalidValue):
                capture.write_packet(0, packet)
        with pytest.raises(InvalidValue):
            capture.write_udp(0, HERE, (ip_address("::1"), 5000), b"")
        with pytest.raises(InvalidValue):
            capture.write_udp(0, HERE, GROUP, bytes(65536))
    assert capture.packets == 0
    assert len(blocks_of(capture.path.read_bytes())) == 2
