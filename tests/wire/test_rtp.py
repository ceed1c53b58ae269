"""RTP packets and RTCP headers: round trips, hand-made packets, and what is refused where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire.rtp import (
    RtcpHeader,
    RtcpPacket,
    RtpExtension,
    RtpHeader,
    RtpPacket,
    is_rtcp,
    walk_rtcp,
)

words = st.integers(0, 0xFFFFFFFF)
extensions = st.builds(
    RtpExtension,
    st.integers(0, 0xFFFF),
    st.lists(st.binary(min_size=4, max_size=4), max_size=4).map(b"".join),
)


@st.composite
def rtp_packets(draw: st.DrawFn) -> RtpPacket:
    padding = draw(st.just(0) | st.integers(1, 255))
    header = RtpHeader(
        payload_type=draw(st.integers(0, 127)),
        sequence=draw(st.integers(0, 0xFFFF)),
        timestamp=draw(words),
        ssrc=draw(words),
        marker=draw(st.booleans()),
        csrcs=tuple(draw(st.lists(words, max_size=15))),
        extension=draw(st.none() | extensions),
        padding=bool(padding),
    )
    return RtpPacket(header, draw(st.binary(max_size=40)), padding)


@given(rtp_packets())
def test_what_is_encoded_decodes(packet: RtpPacket) -> None:
    octets = packet.encode()
    assert RtpPacket.decode(octets) == packet
    header = RtpHeader.decode(octets)
    assert octets.startswith(header.encode())
    assert octets[header.length :].startswith(packet.payload)


def test_an_rtp_packet_octet_by_octet() -> None:
    octets = bytes.fromhex(
        "b1e40102 03040506 0708090a 11121314 bede0001 aabbccdd 7878 000003".replace(" ", "")
    )
    packet = RtpPacket.decode(octets)
    assert packet.header == RtpHeader(
        payload_type=100,
        sequence=0x0102,
        timestamp=0x03040506,
        ssrc=0x0708090A,
        marker=True,
        csrcs=(0x11121314,),
        extension=RtpExtension(0xBEDE, b"\xaa\xbb\xcc\xdd"),
        padding=True,
    )
    assert (packet.payload, packet.padding_octets, packet.header.length) == (b"xx", 3, 24)
    assert packet.encode() == octets


@pytest.mark.parametrize(
    ("octets", "offset", "code"),
    [
        ("", 0, "rtp.truncated"),
        ("80" + "00" * 10, 11, "rtp.truncated"),
        ("40" + "00" * 11, 0, "rtp.version"),
        ("81" + "00" * 11, 12, "rtp.truncated"),
        ("90" + "00" * 13, 14, "rtp.truncated"),
        ("90" + "00" * 11 + "00000001", 16, "rtp.truncated"),
        ("a0" + "00" * 11, 12, "rtp.padding"),
        ("a0" + "00" * 12, 12, "rtp.padding"),
        ("a0" + "00" * 11 + "0003", 13, "rtp.padding"),
    ],
)
def test_what_is_no_rtp_packet(octets: str, offset: int, code: str) -> None:
    with pytest.raises(DecodeError) as refused:
        RtpPacket.decode(bytes.fromhex(octets))
    assert (refused.value.offset, refused.value.code) == (offset, code)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RtpHeader(128, 0, 0, 0),
        lambda: RtpHeader(0, 65536, 0, 0),
        lambda: RtpHeader(0, 0, 1 << 32, 0),
        lambda: RtpHeader(0, 0, 0, -1),
        lambda: RtpHeader(0, 0, 0, 0, csrcs=(0,) * 16),
        lambda: RtpHeader(0, 0, 0, 0, csrcs=(1 << 32,)),
        lambda: RtpExtension(1 << 16),
        lambda: RtpExtension(0, b"abc"),
        lambda: RtpPacket(RtpHeader(0, 0, 0, 0), b"", 4),
        lambda: RtpPacket(RtpHeader(0, 0, 0, 0, padding=True), b""),
        lambda: RtcpHeader(191, 0, 4),
        lambda: RtcpHeader(204, 32, 4),
        lambda: RtcpHeader(204, 0, 6),
    ],
)
def test_values_that_do_not_fit(make: object) -> None:
    assert callable(make)
    with pytest.raises(InvalidValue):
        make()


rtcp_bodies = st.lists(st.binary(min_size=4, max_size=4), max_size=6).map(b"".join)


@given(st.lists(st.tuples(st.integers(192, 223), st.integers(0, 31), rtcp_bodies), min_size=1, max_size=4))
def test_a_walk_meets_every_packet(made: list[tuple[int, int, bytes]]) -> None:
    headers = [RtcpHeader(kind, count, 4 + len(body)) for kind, count, body in made]
    bodies = [body for _, _, body in made]
    datagram = b"".join(header.encode() + body for header, body in zip(headers, bodies, strict=True))
    packets = walk_rtcp(datagram)
    assert [packet.header for packet in packets] == headers
    assert [packet.body for packet in packets] == bodies
    assert [datagram[packet.offset + 1] for packet in packets] == [kind for kind, _, _ in made]
    assert is_rtcp(datagram)


def test_the_ssrc_of_a_packet() -> None:
    app, bye = walk_rtcp(bytes.fromhex("80cc0002 11223344 4d435054 80cb0000".replace(" ", "")))
    assert app == RtcpPacket(0, RtcpHeader(204, 0, 12), bytes.fromhex("112233444d435054"))
    assert (app.ssrc, bye.ssrc) == (0x11223344, None)


@pytest.mark.parametrize(
    ("octets", "offset", "code"),
    [
        ("", 0, "rtcp.truncated"),
        ("80cc00", 3, "rtcp.truncated"),
        ("00cc0000", 0, "rtcp.version"),
        ("80000000", 1, "rtcp.packet-type"),
        ("80cc0001", 2, "rtcp.length"),
        ("80cc000080", 5, "rtcp.truncated"),
        ("a0cc000080cc0000", 0, "rtcp.padding-bit"),
        ("80cc000080cc0001", 6, "rtcp.length"),
    ],
)
def test_what_is_no_rtcp_datagram(octets: str, offset: int, code: str) -> None:
    with pytest.raises(DecodeError) as refused:
        walk_rtcp(bytes.fromhex(octets))
    assert (refused.value.offset, refused.value.code) == (offset, code)


@given(st.binary(max_size=80))
def test_arbitrary_octets_decode_or_are_refused(octets: bytes) -> None:
    for decode in (RtpHeader.decode, RtpPacket.decode, RtcpHeader.decode, walk_rtcp):
        try:
            decode(octets)
        except DecodeError as error:
            assert 0 <= error.offset <= len(octets)


def test_rtp_is_told_from_rtcp() -> None:
    assert not is_rtcp(RtpHeader(100, 0, 0, 0).encode())
    assert not is_rtcp(b"\x80")
