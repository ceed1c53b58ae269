"""Media as a talker sends it: one stream, one SSRC, numbers that count up."""

from __future__ import annotations

from mcsec.client.media import MediaSender
from mcsec.crypto.kdf import guk_id
from mcsec.ids import PurposeTag
from mcsec.keys.key import Maker, Scope, make
from mcsec.wire.rtp import RtpPacket
from support.domains import NOW
from support.engines import GROUP, user

GMK = make(PurposeTag.GMK, scope=Scope.of(GROUP), maker=Maker("b.example", "gms.b.example"), now=NOW)


def test_numbers_count_up_and_start_over_after_65535() -> None:
    stream = MediaSender(GMK, user("ann"), 97)
    stream._sequence = 65_534
    packets = [RtpPacket.decode(stream.packet(b"x", 160 * number)[0]) for number in range(3)]
    assert [packet.header.sequence for packet in packets] == [65_534, 65_535, 0]
    assert {packet.header.ssrc for packet in packets} == {stream.ssrc}
    assert {packet.header.payload_type for packet in packets} == {97}


def test_the_mki_names_group_key_and_talker() -> None:
    stream = MediaSender(GMK, user("ann"), 97)
    own = guk_id(GMK.secret, GMK.key_id, user("ann"))
    octets = stream.packet(b"x", 0)[1].octets
    assert octets[-stream.mki_octets :] == GMK.key_id.encode() + own.encode()


def test_streams_of_one_user_differ_in_their_ssrc() -> None:
    assert len({MediaSender(GMK, user("ann"), 97).ssrc for _ in range(8)}) == 8
