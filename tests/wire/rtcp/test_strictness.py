"""What a decoder refuses, with which code and where; what the lenient and legacy profiles forgive."""

from __future__ import annotations

import pytest

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire.rtcp import LEGACY, LENIENT, STRICT, Message, Profile, Release, decode, encode
from mcsec.wire.rtcp.app import AppHeader, AppPacket, decode_packets
from mcsec.wire.rtcp.fields import RawField, write_field
from mcsec.wire.rtcp.floor import (
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorQueuedCancel,
    FloorRelease,
    FloorRequest,
    FloorRevoke,
    FloorRevokeRequest,
    FloorTaken,
    QueuedFloorRequests,
    UnicastMediaFlowControl,
)
from mcsec.wire.rtcp.floor_values import DenyCause, Location, RejectCause, RevokeCause, TrackInfo
from mcsec.wire.rtcp.preestablished import Connect
from mcsec.wire.rtcp.profile import LOCATION_OCTETS
from mcsec.wire.rtcp.subchannel import ApplicationPaging, BearerAnnouncement, UnmapGroupToBearer

IDLE = "85cc0003000000074d43505408020001"


def packet(subtype: int, *fields: str, name: str = "MCPT") -> bytes:
    return AppPacket(subtype, 7, name, bytes.fromhex("".join(fields))).encode()


def refused(octets: bytes, profile: Profile = STRICT) -> tuple[str, int]:
    with pytest.raises(DecodeError) as caught:
        decode(octets, profile)
    return caught.value.code, caught.value.offset


@pytest.mark.parametrize(
    ("octets", "code", "offset"),
    [
        ("", "rtcp.truncated", 0),
        ("45" + IDLE[2:], "rtcp.version", 0),
        ("a5" + IDLE[2:], "rtcp.padding-bit", 0),
        ("85c9" + IDLE[4:], "rtcp.packet-type", 1),
        ("85cc0004" + IDLE[8:], "rtcp.length", 2),
        ("85cc0001" + IDLE[8:], "rtcp.length", 8),
        (IDLE[:16] + "4d4350ff" + IDLE[24:], "rtcp.name", 8),
        (IDLE[:16] + "4d435058" + IDLE[24:], "rtcp.unknown-name", 8),
        (IDLE[:16] + "4d434350" + IDLE[24:], "rtcp.unknown-name", 8),
        (IDLE + "00", "rtcp.version", 16),
        ("8c" + IDLE[2:], "rtcp.message-type", 0),
        ("95cc0003000000074d43505408040001", "rtcp.truncated", 14),
    ],
)
def test_bad_packets(octets: str, code: str, offset: int) -> None:
    assert refused(bytes.fromhex(octets)) == (code, offset)


@pytest.mark.parametrize(
    ("fields", "code", "offset"),
    [
        ((), "rtcp.missing-field", 12),
        (("08010000",), "rtcp.truncated", 14),
        (("0803000100000000",), "rtcp.surplus", 16),
        (("08020001", "08020002"), "rtcp.duplicate-field", 16),
        (("08020001", "0401610a"), "rtcp.not-zero", 19),
        (("08020001", "04040000"), "rtcp.truncated", 18),
        (("08020001", "0b0400020000"), "rtcp.truncated", 22),
    ],
)
def test_bad_fields(fields: tuple[str, ...], code: str, offset: int) -> None:
    joined = "".join(fields)
    assert refused(packet(5, joined + "00" * (-len(joined) // 2 % 4))) == (code, offset)


@pytest.mark.parametrize(
    ("subtype", "field"),
    [
        (1, "0002050101020001"),  # spare octet of Floor Priority
        (1, "0e06aabbccdd0001" + "0002050001020001"),  # spare of Audio SSRC
        (1, "000205000103000100000000"),  # an octet too many in Duration
        (1, "00020500" + "00020500" + "01020001"),  # a field twice
        (0, "0605" + b"sip:a".hex() + "01"),  # padding
        (0x10, "00020500"),  # Floor Request asks for an acknowledgement
        (11, "18028001"),  # spare bits of Media Flow Control Indicator
        (10, "0a0200000c020101"),  # spare of Message Type
    ],
)
def test_the_lenient_profile_forgives(subtype: int, field: str) -> None:
    octets = packet(subtype, field)
    assert refused(octets)
    (message,) = decode(octets, LENIENT)
    assert not message.ack_requested
    assert decode(encode(message)) == (message,)


@pytest.mark.parametrize(
    ("subtype", "field"),
    [
        (1, "01020001"),  # Floor Granted without a priority
        (10, "0a0200040c020100"),  # source 4
        (10, "0a0200000c020c00"),  # message type 12
        (2, "0502000208020001"),  # permission 2
        (5, "080200010b020200"),  # queueing capability 2
        (0, "0601ff00"),  # no UTF-8
        (0, "06000000"),  # an empty URI
        (0, "0604" + b"a b\n".hex() + "0000"),  # white space in a URI
        (2, "050200010802000114020102"),  # one location, whose type needs more
        (2, "050200010802000114020108"),  # location type 8 in a list
        (11, "0b020000"),  # no indicator
    ],
)
def test_the_lenient_profile_does_not_forgive(subtype: int, field: str) -> None:
    octets = packet(subtype, field)
    assert refused(octets, LENIENT)
    assert refused(octets, STRICT)


def test_the_same_cause_number_means_two_things() -> None:
    (deny,) = decode(packet(3, "02020002"))
    (revoke,) = decode(packet(6, "02020002"))
    assert isinstance(deny, FloorDeny)
    assert isinstance(revoke, FloorRevoke)
    assert deny.cause == RejectCause(DenyCause.INTERNAL_SERVER_ERROR)
    assert revoke.cause == RejectCause(RevokeCause.MEDIA_BURST_TOO_LONG)
    assert isinstance(deny.cause.code, DenyCause)
    assert isinstance(revoke.cause.code, RevokeCause)


def test_a_cause_outside_the_table_is_kept() -> None:
    (revoke,) = decode(packet(6, "02020005"))
    assert isinstance(revoke, FloorRevoke)
    assert revoke.cause == RejectCause(5)


def test_unknown_fields_are_passed_over_by_their_length() -> None:
    short, long = RawField(150, b"12345"), RawField(200, b"x" * 300)
    octets = packet(5, write_field(150, short.value).hex(), "08020001", write_field(200, long.value).hex())
    assert decode(octets) == (FloorIdle(ssrc=7, sequence_number=1, others=(short, long)),)
    assert octets[12 : 12 + 8] == bytes.fromhex("96053132333435") + b"\0"
    assert octets[24:27] == bytes.fromhex("c8012c"), "from ID 192 on Length has 16 bits"


def test_a_field_of_another_message_is_kept() -> None:
    (message,) = decode(packet(5, "08020001", "01020005"))
    assert message.others == (RawField(1, b"\0\5"),)


def test_field_numbers_before_13_3_0() -> None:
    octets = packet(0, "66020500", "6d05" + b"sip:a".hex() + "00", "74028000")
    assert decode(octets)[0] == FloorRequest(
        ssrc=7,
        others=(RawField(102, b"\5\0"), RawField(109, b"sip:a"), RawField(116, b"\x80\0")),
    )
    (message,) = decode(octets, LEGACY)
    assert isinstance(message, FloorRequest)
    assert (message.priority, message.user_id, message.indicator) == (5, "sip:a", 0x8000)
    assert b"\x66" not in encode(message, LEGACY)


def test_the_name_before_13_3_0() -> None:
    octets = packet(2, "0205" + b"sip:g".hex() + "00", name="MCCP")
    assert refused(octets) == ("rtcp.unknown-name", 8)
    (message,) = decode(octets, LEGACY)
    assert message == ApplicationPaging(ssrc=7, group_id="sip:g")
    assert encode(message, LEGACY)[8:12] == b"MCMC"


def test_field_3_is_monitoring_state_today() -> None:
    octets = packet(3, "010600000100f110", "03020100", name="MCMC")
    (message,) = decode(octets, LEGACY)
    assert isinstance(message, BearerAnnouncement)
    assert message.monitoring is True
    assert refused(packet(1, "0305" + b"sip:g".hex() + "00", name="MCMC"))[0] == "rtcp.missing-field"


def test_subtype_14_by_release() -> None:
    octets = packet(14, "16050103736970" + "00")
    cancel, requests = decode(octets, Profile(release=Release.REL_17)), decode(octets)
    assert cancel == (FloorQueuedCancel(ssrc=7, queued_users=("sip",)),)
    assert requests == (QueuedFloorRequests(ssrc=7, queued_users=("sip",)),)
    assert refused(octets, Profile(release=Release.REL_16)) == ("rtcp.message-type", 0)


@pytest.mark.parametrize(
    ("message", "release", "code"),
    [
        (FloorRevokeRequest(ssrc=7), Release.REL_18, "rtcp.release"),
        (UnicastMediaFlowControl(ssrc=7, resume=True), Release.REL_16, "rtcp.release"),
        (FloorQueuedCancel(ssrc=7), Release.REL_19, "rtcp.release"),
        (FloorRequest(ssrc=7, functional_alias="sip:x"), Release.REL_14, "rtcp.release"),
        (FloorRequest(ssrc=7, ack_requested=True), Release.REL_19, "rtcp.ack"),
        (FloorRequest(ssrc=1 << 32), Release.REL_19, "rtcp.ssrc"),
        (FloorRequest(ssrc=7, priority=256), Release.REL_19, "rtcp.value"),
        (FloorRequest(ssrc=7, user_id="sip:" + "a" * 252), Release.REL_19, "rtcp.field-length"),
        (FloorRequest(ssrc=7, user_id="sip:\ud800"), Release.REL_19, "rtcp.value"),
        (FloorRequest(ssrc=7, user_id=""), Release.REL_19, "rtcp.uri"),
        (FloorRequest(ssrc=7, location=Location(4, b"1")), Release.REL_19, "rtcp.location"),
        (FloorRequest(ssrc=7, others=(RawField(256, b""),)), Release.REL_19, "rtcp.field-id"),
        (FloorRelease(ssrc=7, track_info=TrackInfo(True, "x" * 300)), Release.REL_19, "rtcp.value"),
        (BearerAnnouncement(ssrc=7, tmgis=()), Release.REL_19, "rtcp.missing-field"),
        (Connect(ssrc=7, pck_message=bytes(1 << 16)), Release.REL_19, "rtcp.field-length"),
        (Message(ssrc=7), Release.REL_19, "rtcp.message"),
    ],
)
def test_what_cannot_be_sent(message: Message, release: Release, code: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        encode(message, Profile(release=release))
    assert caught.value.code == code


def test_a_field_that_the_release_lacks_is_an_unknown_field() -> None:
    octets = encode(FloorTaken(ssrc=7, permission=True, sequence_number=1, functional_alias="sip:x"))
    (message,) = decode(octets, Profile(release=Release.REL_14))
    assert message.others == (RawField(17, b"sip:x"),)


def test_list_of_ssrcs_has_two_readings() -> None:
    message = FloorTaken(ssrc=7, permission=True, sequence_number=1, ssrcs=(1, 2))
    aligned, wireshark = STRICT, Profile(ssrc_list_spare=2)
    assert encode(message, aligned).endswith(bytes.fromhex("100a02000000000100000002"))
    assert encode(message, wireshark).endswith(bytes.fromhex("100b020000000000010000000200") + bytes(2))
    assert decode(encode(message, wireshark), wireshark) == (message,)
    assert refused(encode(message, wireshark), aligned)


def test_location_lengths_can_be_changed() -> None:
    message = FloorTaken(
        ssrc=7, permission=True, sequence_number=1, locations=(Location(7, b"abc"), Location(0))
    )
    longer = Profile(location_octets={**LOCATION_OCTETS, 7: 3})
    assert decode(encode(message, longer), longer) == (message,)
    with pytest.raises(InvalidValue, match="2 octets"):
        encode(message)


def test_a_location_of_an_unknown_type_does_not_cost_the_message() -> None:
    message = FloorRequest(ssrc=7, location=Location(9, b"future"))
    assert decode(encode(message)) == (message,)


def test_inner_padding_of_track_info() -> None:
    """No padding when the type's length is a multiple of 4 already."""
    message = FloorIdle(ssrc=7, sequence_number=1, track_info=TrackInfo(True, "abcd", (0x01020304,)))
    assert encode(message).endswith(bytes.fromhex("0b0a01046162636401020304"))
    message = FloorIdle(ssrc=7, sequence_number=1, track_info=TrackInfo(False, "abcde"))
    assert encode(message).endswith(bytes.fromhex("0b0a00056162636465000000"))


def test_headers_refuse_what_they_cannot_say() -> None:
    for header in (
        lambda: AppHeader(32, 0, "MCPT", 0),
        lambda: AppHeader(0, -1, "MCPT", 0),
        lambda: AppHeader(0, 0, "MCP", 0),
        lambda: AppHeader(0, 0, "MCPÄ", 0),
        lambda: AppHeader(0, 0, "MCPT", 3),
        lambda: AppHeader(0, 0, "MCPT", 1 << 18),
    ):
        with pytest.raises(InvalidValue):
            header()


def test_a_reports_packet_is_no_control_message() -> None:
    with pytest.raises(DecodeError):
        decode_packets(bytes.fromhex("81c900070000000700000000000000000000000000000000000000000000000000"))


def test_the_largest_message() -> None:
    message = UnmapGroupToBearer(
        ssrc=7, group_id="sip:g", others=tuple(RawField(255, bytes(60_000)) for _ in range(4))
    )
    assert decode(encode(message)) == (message,)
    with pytest.raises(InvalidValue):
        encode(UnmapGroupToBearer(ssrc=7, group_id="sip:g", others=(RawField(255, bytes(65_535)),) * 5))


def test_granted_and_taken_are_not_in_the_order_one_would_guess() -> None:
    granted = encode(FloorGranted(ssrc=7, duration=1, priority=0))
    taken = encode(FloorTaken(ssrc=7, permission=False, sequence_number=0))
    deny = encode(FloorDeny(ssrc=7, cause=RejectCause(DenyCause.QUEUE_FULL)))
    assert (granted[0], taken[0], deny[0]) == (0x81, 0x82, 0x83)
