"""Wireshark reads every floor and subchannel message that calls send.

The capture is of a lab without protection that is made here alone: each control packet that left a socket is opened
with the key of those who hold it, and written down as it would have left in clear. No part of the product can send it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from mcsec.client.calls import events as told
from mcsec.client.calls.service import McCall
from mcsec.lab.ports import free_port
from mcsec.net.capture import CaptureWriter
from mcsec.server.calls import events
from mcsec.server.calls.config import GroupSection
from mcsec.server.calls.floor_config import FloorSection
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.events import ListeningReported
from mcsec.wire import rtcp
from mcsec.wire.rtcp import row_of
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorMessage,
    FloorQueuePositionInfo,
    FloorQueuePositionRequest,
    FloorRelease,
    FloorRequest,
    FloorRevoke,
    FloorTaken,
)
from mcsec.wire.rtcp.subchannel import (
    ApplicationPaging,
    BearerAnnouncement,
    MapGroupToBearer,
    UnmapGroupToBearer,
)
from support.call_air import bearers
from support.call_domains import PATIENT, Domain, User, gmk_of, two_domains
from support.call_waiting import everybody_in
from support.calls import ANN, BOB, CEM, DAN, GROUP
from support.pcap import Dissected, dissect
from support.sip_tls import TestAuthority
from support.waiting import until
from support.wire import Opened, record

pytestmark = [pytest.mark.anyio, pytest.mark.peer("tshark")]

PORT = 40_002
CALLS_SEND = {
    FloorRequest,
    FloorGranted,
    FloorTaken,
    FloorDeny,
    FloorRelease,
    FloorIdle,
    FloorRevoke,
    FloorQueuePositionRequest,
    FloorQueuePositionInfo,
    FloorAck,
    MapGroupToBearer,
    UnmapGroupToBearer,
    BearerAnnouncement,
}


async def play(a: Domain, b: Domain, users: dict[str, User]) -> None:
    """A call in which everything is said that calls say: asked, granted, queued, denied, revoked, released, mapped."""
    await until(lambda: {event.user for event in a.of(ListeningReported)} == {ANN, CEM})  # type: ignore[attr-defined]  # of() gives the base class
    await users[BOB].client.call(GROUP)
    await everybody_in(GROUP, (user.client for user in users.values()), b.calls, a.calls)
    calls: dict[str, McCall] = {name: user.client.calls[GROUP] for name, user in users.items()}
    focus = b.calls.focuses[GROUP].call

    def queued(user: str) -> list[object]:
        return list(users[user].of(told.FloorQueued))

    calls[BOB].press()
    await until(lambda: calls[BOB].may_talk)
    calls[BOB].speak(bytes(160))
    calls[ANN].press()
    await until(lambda: queued(ANN))
    calls[ANN].ask_position()
    await until(lambda: len(queued(ANN)) > 1)
    calls[DAN].press()
    await until(lambda: users[DAN].of(told.FloorDenied))
    # Somebody who is more urgent takes the floor, and all give it back.
    await calls[CEM].urge(emergency=True)
    calls[CEM].press()
    await until(lambda: calls[CEM].may_talk)
    await until(lambda: users[BOB].of(told.FloorEnded))
    calls[ANN].release()
    calls[CEM].release()
    await until(lambda: not focus.floor.talkers and not focus.floor.queue)
    await until(lambda: a.of(events.GroupMapped))
    await b.calls.release(GROUP)
    await until(lambda: not any(user.client.calls for user in users.values()))
    await until(lambda: not a.calls.servings)


async def said(tmp_path: Path, patch: pytest.MonkeyPatch) -> list[Opened]:
    """Every control packet of the call, as it was on the wire, opened."""
    wire = record(patch)
    group = GroupSection.model_validate(
        {
            "id": GROUP,
            "home": "b.example",
            "members": [ANN, BOB, CEM],
            "details": [{"user": DAN, "receive_only": True}],
            "queue": 1,
            "talk_time": 300,
        }
    ).group("b.example", FloorSection.model_validate({"acknowledge": ["granted"], "t1": 60}).policy)
    (tmp_path / "mb2").mkdir()
    async with (
        two_domains(tmp_path, [group], CallPolicy(t16=0.2, t17=0.05)) as (a, b),
        bearers(a, TestAuthority(tmp_path / "mb2")) as air,
    ):
        users: dict[str, User] = {}
        gmk = gmk_of(GROUP)
        for user in (ANN, BOB, CEM, DAN):
            users[user] = await (a if user.endswith("a.example") else b).log_on(user, [GROUP], gmk)
            users[user].client._desk._policy = replace(PATIENT, ack_release=True)
        air.want("north", free_port())
        await play(a, b, users)
        for user in users.values():
            wire.know(user.client.engine.keyring.keys)
        for side in (a, b):
            for link in side.calls.around.links.values():
                wire.know(link.partner.spks)
        return list(wire.control())


def shown(messages: list[tuple[bytes, str, str]], path: Path) -> list[list[Dissected]]:
    """What Wireshark makes of octets, sent from one address to another."""
    with CaptureWriter(path) as capture:
        for number, (octets, source, to) in enumerate(messages):
            capture.write_udp(number, (ip_address(source), PORT), (ip_address(to), PORT), octets)
    return dissect(path, PORT, "rtcp")


def values(packet: list[Dissected], name: str) -> list[str]:
    return [field.value for field in packet if field.name == name]


def faults(packet: list[Dissected]) -> list[Dissected]:
    bad = ("_ws.malformed", "_ws.short", "rtcp.appl.", "rtcp.mcptt.unknown_fld", "_ws.expert")
    return [field for field in packet if field.name.startswith(bad)]


async def test_every_message_that_calls_send_is_well_formed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await said(tmp_path, monkeypatch)
    kinds = Counter(type(message) for one in found for message in one.messages)
    assert set(kinds) == CALLS_SEND
    # Under each kind of key, so on each leg: clients, partners, the bearer and its general purpose subchannel.
    assert {one.key.key_id.tag.label for one in found} == {"CSK", "SPK", "MuSiK", "MSCCK"}
    acknowledged = {type(message) for one in found for message in one.messages if message.ack_requested}
    assert acknowledged == {FloorGranted, FloorRelease}
    packets = await asyncio.to_thread(
        shown,
        [(one.octets, one.datagram.source[0], one.datagram.to[0]) for one in found],
        tmp_path / "clear.pcapng",
    )
    for one, packet in zip(found, packets, strict=True):
        (message,) = one.messages
        assert values(packet, "rtcp.length_check") == ["1"]
        assert values(packet, "rtcp.ssrc.identifier") == [f"0x{message.ssrc:08x}"]
        (subtype,) = [field for field in packet if field.name == "rtcp.app.subtype"]
        assert subtype.value == str(row_of(message).subtype | 0x10 * message.ack_requested)
        if isinstance(message, FloorMessage):
            assert values(packet, "rtcp.app.name") == ["MCPT"]
            assert faults(packet) == [], message
            as_said(message, packet)
        else:
            # Wireshark knows this protocol by an older name only; see below.
            assert values(packet, "rtcp.app.name") == ["MCMC"]
            assert not [field for field in packet if field.name.startswith(("_ws.malformed", "_ws.short"))]


def as_said(message: FloorMessage, packet: list[Dissected]) -> None:
    """Wireshark reads the values that were sent."""
    match message:
        case FloorTaken():
            assert values(packet, "rtcp.mcptt.granted_partys_id") == [message.granted_party]
            assert values(packet, "rtcp.app_data.mcptt.msg_seq_num") == [str(message.sequence_number)]
            assert values(packet, "rtcp.app_data.mcptt.rtcp") == [str(message.audio_ssrc)]
        case FloorIdle():
            assert values(packet, "rtcp.app_data.mcptt.msg_seq_num") == [str(message.sequence_number)]
        case FloorGranted():
            assert values(packet, "rtcp.app_data.mcptt.duration") == [str(message.duration)]
        case FloorDeny():
            assert values(packet, "rtcp.app_data.mcptt.rej_cause.floor_deny") == [
                str(int(message.cause.code))
            ]
        case FloorRevoke():
            assert values(packet, "rtcp.app_data.mcptt.rej_cause.floor_revoke") == [
                str(int(message.cause.code))
            ]
        case FloorQueuePositionInfo():
            assert values(packet, "rtcp.app_data.mcptt.queue_pos_inf") == [str(message.queue_info.position)]
        case FloorAck():
            assert values(packet, "rtcp.app_data.mcptt.msg_type") == [str(int(message.acked))]
        case FloorRequest() | FloorRelease() | FloorQueuePositionRequest():
            named = [] if message.user_id is None else [message.user_id]
            assert values(packet, "rtcp.app_data.mcptt.user_id") == named


async def test_subchannel_control_of_calls_in_the_form_that_wireshark_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its dissector is of Release 13.2: another name, another number of the field with the group. All else is the same.

    Application Paging and Bearer Announcement came later. The former is sent by no call here: it is written by hand.
    """
    found = await said(tmp_path, monkeypatch)
    messages = [
        message
        for one in found
        for message in one.messages
        if isinstance(message, MapGroupToBearer | UnmapGroupToBearer)
    ]
    old = [rtcp.encode(message).replace(b"MCMC\x02", b"MCCP\x03") for message in messages]
    paging = rtcp.encode(ApplicationPaging(ssrc=1, group_id=GROUP))
    packets = await asyncio.to_thread(
        shown, [(octets, "127.0.0.1", "239.192.31.1") for octets in [*old, paging]], tmp_path / "old.pcapng"
    )
    assert not [field for packet in packets for field in packet if field.name.startswith("_ws.malformed")]
    for message, packet in zip(messages, packets[:-1], strict=True):
        assert values(packet, "rtcp.app_data.mccp.mcptt_grp_id") == [GROUP]
        assert message.subchannel is not None
        assert values(packet, "rtcp.app_data.mccp.media_port_no") == [str(message.subchannel.media_port)]
        assert values(packet, "rtcp.app_data.mccp.floor_port_no") == [str(message.subchannel.floor_port)]
