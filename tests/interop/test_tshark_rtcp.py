"""Wireshark's dissector reads what we write, field for field, as far as it knows the protocol."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from mcsec.ids import Tmgi
from mcsec.wire.rtcp import LEGACY, Message, Profile, Release, decode, encode, row_of
from mcsec.wire.rtcp import floor as f
from mcsec.wire.rtcp.app import AppPacket
from mcsec.wire.rtcp.fields import write_field
from mcsec.wire.rtcp.floor_fields import LEGACY_IDS
from mcsec.wire.rtcp.floor_values import (
    DenyCause,
    FloorIndicator,
    FloorMessageType,
    Location,
    QueueInfo,
    RejectCause,
    RevokeCause,
    Source,
    TrackInfo,
)
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel, UnmapGroupToBearer
from support.pcap import Dissected, dissect, udp_capture

pytestmark = pytest.mark.peer("tshark")

PORT = 40002
ALICE, BOB = "sip:alice@mc.example", "sip:bob@mc.example"
TRACK = TrackInfo(True, "dispatcher", (0x01020304,))
INDICATOR = FloorIndicator.EMERGENCY | FloorIndicator.QUEUEING_SUPPORTED

#: Our message, and what Wireshark must show of it: its field name after ``rtcp.`` and the value.
SHOWN: Sequence[tuple[Message, dict[str, str]]] = (
    (
        f.FloorRequest(ssrc=1, priority=7, user_id=ALICE, track_info=TRACK, indicator=INDICATOR),
        {
            "app_data.mcptt.priority": "7",
            "app_data.mcptt.user_id": ALICE,
            "app_data.mcptt.floor_ind": "5120",
            "mcptt.participant_type": "dispatcher",
            "app_data.mcptt.floor_participant_ref": "16909060",
        },
    ),
    (
        f.FloorGranted(ssrc=1, ack_requested=True, duration=30, priority=255, audio_ssrc=9, queue_size=3),
        {
            "app_data.mcptt.duration": "30",
            "app_data.mcptt.priority": "255",
            "app_data.mcptt.rtcp": "9",
            "app_data.mcptt.queue_size": "3",
        },
    ),
    (
        f.FloorTaken(
            ssrc=1,
            permission=False,
            sequence_number=65535,
            granted_party=BOB,
            audio_ssrc=9,
            functional_alias="sip:leader@mc.example",
            granted_users=(ALICE, BOB),
            location=Location(4, b"\x12\x34"),
        ),
        {
            "mcptt.granted_partys_id": BOB,
            "app_data.mcptt.perm_to_req_floor": "0",
            "app_data.mcptt.msg_seq_num": "65535",
            "mcptt.func_alias": "sip:leader@mc.example",
            "app_data.mcptt.num_users": "2",
            "app_data.mcptt.loc_type": "4",
            "app_data.mcptt.mbms_serv_area": "4660",
        },
    ),
    (
        f.FloorDeny(ssrc=1, cause=RejectCause(DenyCause.QUEUE_FULL, "later")),
        {"app_data.mcptt.rej_cause.floor_deny": "7", "mcptt.rej_phrase": "later"},
    ),
    (f.FloorRelease(ssrc=1, ack_requested=True, user_id=ALICE), {"app_data.mcptt.user_id": ALICE}),
    (f.FloorIdle(ssrc=1, sequence_number=2), {"app_data.mcptt.msg_seq_num": "2"}),
    (
        f.FloorRevoke(ssrc=1, cause=RejectCause(RevokeCause.MEDIA_BURST_PRE_EMPTED)),
        {"app_data.mcptt.rej_cause.floor_revoke": "4"},
    ),
    (f.FloorQueuePositionRequest(ssrc=1, user_id=ALICE), {"app_data.mcptt.user_id": ALICE}),
    (
        f.FloorQueuePositionInfo(ssrc=1, queue_info=QueueInfo(4, 6), queued_user_id=BOB),
        {
            "app_data.mcptt.queue_pos_inf": "4",
            "app_data.mcptt.queue_pri_lev": "6",
            "mcptt.queued_user_id": BOB,
        },
    ),
    (
        f.FloorAck(ssrc=1, source=Source.CONTROLLING, acked=FloorMessageType.TAKEN),
        {"app_data.mcptt.source": "2", "app_data.mcptt.msg_type": "2"},
    ),
    (f.FloorReleaseMultiTalker(ssrc=1, user_id=BOB, audio_ssrc=9), {"app_data.mcptt.rtcp": "9"}),
)
GROUP = "sip:group1@mc.example"
MAPS = (
    MapGroupToBearer(
        ssrc=1,
        group_id=GROUP,
        tmgi=Tmgi(0x0A0B0C, "262", "01"),
        subchannel=MbmsSubchannel(2, 3, IPv4Address("239.1.2.3"), 40000, 40004),
    ),
    MapGroupToBearer(
        ssrc=1,
        group_id=GROUP,
        tmgi=Tmgi(1, "310", "260"),
        subchannel=MbmsSubchannel(2, 0, IPv6Address("ff3e::1:2"), 40000),
    ),
    UnmapGroupToBearer(ssrc=1, group_id=GROUP),
)


def show(path: Path, payloads: Sequence[bytes]) -> list[list[Dissected]]:
    udp_capture(path, payloads, PORT)
    packets = dissect(path, PORT, "rtcp")
    assert len(packets) == len(payloads)
    return packets


def faults(packet: list[Dissected]) -> list[Dissected]:
    bad = ("_ws.malformed", "rtcp.appl.", "rtcp.mcptt.unknown_fld", "_ws.expert")
    return [field for field in packet if field.name.startswith(bad)]


def letters(text: str) -> str:
    return re.sub("[^a-z]", "", text.lower())


def values(packet: list[Dissected], name: str) -> list[str]:
    return [field.value for field in packet if field.name == name]


def test_floor_messages(tmp_path: Path) -> None:
    packets = show(tmp_path / "floor.pcap", [encode(message) for message, _ in SHOWN])
    for (message, expected), packet in zip(SHOWN, packets, strict=True):
        assert faults(packet) == []
        (subtype,) = [field.line for field in packet if field.name == "rtcp.app.subtype"]
        assert letters(row_of(message).name) in letters(subtype)
        assert ("ack req" in subtype) == message.ack_requested
        for name, value in expected.items():
            assert value in values(packet, f"rtcp.{name}"), (name, packet)
        assert values(packet, "rtcp.length_check") == ["1"]


def test_several_messages_in_one_datagram(tmp_path: Path) -> None:
    (packet,) = show(tmp_path / "two.pcap", [b"".join(encode(message) for message, _ in SHOWN[:3])])
    assert faults(packet) == []
    assert values(packet, "rtcp.app.subtype") == ["0", "17", "2"]


def test_list_of_ssrcs_as_wireshark_reads_it(tmp_path: Path) -> None:
    """The reading with two spare octets is Wireshark's; the word-aligned one is ours by default."""
    message = f.FloorTaken(ssrc=1, permission=True, sequence_number=1, ssrcs=(5, 6))
    (packet,) = show(tmp_path / "list.pcap", [encode(message, Profile(ssrc_list_spare=2))])
    assert faults(packet) == []
    assert values(packet, "rtcp.app_data.mcptt.num_ssrc") == ["2"]
    assert values(packet, "rtcp.app_data.mcptt.rtcp") == ["5", "6"]


def test_field_numbers_before_13_3_0(tmp_path: Path) -> None:
    """Wireshark has the same names for 102 to 116 as for the fields that we take them for."""
    # Track Info has no 2-octet value that Wireshark reads right, and a body that starts with a letter it
    # takes for text.
    pairs = [number for pair in LEGACY_IDS.items() if 11 not in pair for number in pair]
    fields = b"".join(write_field(number, bytes(2)) for number in (1, *pairs, 114))
    (packet,) = show(tmp_path / "old.pcap", [AppPacket(0, 1, "MCPT", fields).encode()])
    lines = [field.line for field in packet if field.name == "rtcp.mcptt.fld_id"]
    names = [letters(line) for line in lines][1:]
    assert len(names) == 27
    assert names[0:-1:2] == names[1:-1:2]
    assert names[-1] == "fieldidtrackinfo"


def test_todays_subchannel_control_is_opaque_to_wireshark(tmp_path: Path) -> None:
    """Wireshark 4.0 knows the protocol only under its old name; newer ones show field 2 as unknown."""
    for message, packet in zip(MAPS, show(tmp_path / "mcmc.pcap", [encode(m) for m in MAPS]), strict=True):
        assert values(packet, "rtcp.app.name") == ["MCMC"]
        assert values(packet, "rtcp.app.subtype") == [str(row_of(message).subtype)]
        assert values(packet, "rtcp.app_data.mccp.mcptt_grp_id") == []
        assert not [field for field in packet if field.name == "_ws.malformed"]


def test_subchannel_control_of_13_2_0(tmp_path: Path) -> None:
    """Renamed to MCCP with the group ID under 3, our octets are what Wireshark expects, and we read them too."""
    old = [encode(message).replace(b"MCMC\x02", b"MCCP\x03") for message in MAPS]
    for message, octets, packet in zip(MAPS, old, show(tmp_path / "mccp.pcap", old), strict=True):
        assert not [field for field in packet if field.name == "_ws.malformed"]
        assert decode(octets, LEGACY) == (message,)
        assert values(packet, "rtcp.app_data.mccp.mcptt_grp_id") == [GROUP]
        if isinstance(message, MapGroupToBearer):
            where = message.subchannel
            assert values(packet, "rtcp.app_data.mccp.audio_m_line_no") == [str(where.audio_line)]
            assert values(packet, "rtcp.app_data.mccp.floor_m_line_no") == [str(where.floor_line)]
            assert values(packet, "rtcp.app_data.mccp.media_port_no") == [str(where.media_port)]
            ports = [str(where.floor_port)] if where.floor_port else []
            assert values(packet, "rtcp.app_data.mccp.floor_port_no") == ports
            assert values(packet, f"rtcp.app_data.mccp.ipv{where.address.version}") == [str(where.address)]
            assert values(packet, "e212.tmgi.mcc") + values(packet, "e212.mcc") == [
                str(int(message.tmgi.mcc))
            ]


def test_releases_differ_on_subtype_14(tmp_path: Path) -> None:
    """Wireshark names neither; it must not stumble."""
    old = encode(f.FloorQueuedCancel(ssrc=1, queued_users=(ALICE,)), Profile(release=Release.REL_17))
    new = encode(f.QueuedFloorRequests(ssrc=1, queued_users=(ALICE,)))
    assert old == new
    (packet,) = show(tmp_path / "14.pcap", [new])
    assert not [field for field in packet if field.name == "_ws.malformed"]
