"""Wireshark reads what the demo says, sent in clear here, and opens the capture that the demo leaves."""

from __future__ import annotations

import subprocess
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import pytest

from mcsec.keys.key import Key
from mcsec.net.capture import CaptureWriter
from mcsec.server.channel import Channel
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorIdle, FloorTaken
from mcsec.wire.rtcp.subchannel import BearerAnnouncement, MapGroupToBearer, UnmapGroupToBearer
from support.demo import failed, make_quick, play
from support.pcap import Dissected, dissect

pytestmark = pytest.mark.peer("tshark")

PORT = 40002
SOURCE, DESTINATION = (ip_address("127.0.0.1"), PORT), (ip_address("239.192.0.1"), PORT)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[rtcp.Message]:
    """Every control message of a demo, as it was before protection; the demo's files are in ``tmp_path``."""
    make_quick(monkeypatch)
    messages: list[rtcp.Message] = []
    protect = Channel.protect

    def note(channel: Channel, message: rtcp.Message, key: Key) -> object:
        messages.append(message)
        return protect(channel, message, key)

    monkeypatch.setattr(Channel, "protect", note)
    assert failed(play(tmp_path)) == set()
    return messages


def shown(messages: list[rtcp.Message], path: Path) -> list[list[Dissected]]:
    with CaptureWriter(path) as capture:
        for number, message in enumerate(messages):
            capture.write_udp(number, SOURCE, DESTINATION, rtcp.encode(message))
    return dissect(path, PORT, "rtcp")


def values(packet: list[Dissected], name: str) -> list[str]:
    return [field.value for field in packet if field.name == name]


def malformed(packets: list[list[Dissected]]) -> list[Dissected]:
    return [
        field
        for packet in packets
        for field in packet
        if field.name.startswith(("_ws.malformed", "_ws.short"))
    ]


def test_the_messages_of_the_demo_in_clear(said: list[rtcp.Message], tmp_path: Path) -> None:
    kinds = Counter(type(message) for message in said)
    # Floor control goes on the bearer under MuSiK, to each of two listeners under CSK, on the bearer under MKFC.
    assert kinds == {MapGroupToBearer: 2, FloorTaken: 4, FloorIdle: 4}
    (mapping, *_) = (message for message in said if isinstance(message, MapGroupToBearer))
    # What the story with SIP has besides: the beacon, and the call that leaves the bearer.
    said.append(BearerAnnouncement(ssrc=mapping.ssrc, tmgis=(mapping.tmgi,)))
    said.append(UnmapGroupToBearer(ssrc=mapping.ssrc, group_id=mapping.group_id))
    packets = shown(said, tmp_path / "clear.pcapng")
    assert len(packets) == len(said)
    assert malformed(packets) == []
    for message, packet in zip(said, packets, strict=True):
        (name,) = values(packet, "rtcp.app.name")
        assert name == ("MCPT" if isinstance(message, FloorTaken | FloorIdle) else "MCMC")
        assert values(packet, "rtcp.ssrc.identifier") == [f"0x{message.ssrc:08x}"]
        if isinstance(message, FloorTaken):
            assert values(packet, "rtcp.mcptt.granted_partys_id") == [message.granted_party]
        if isinstance(message, FloorTaken | FloorIdle):
            assert values(packet, "rtcp.app_data.mcptt.msg_seq_num") == [str(message.sequence_number)]


def test_wireshark_does_call_broken_ones_malformed(tmp_path: Path) -> None:
    octets = bytearray(
        rtcp.encode(FloorTaken(ssrc=1, permission=True, sequence_number=1, granted_party="sip:a@b"))
    )
    octets[13] = 200
    with CaptureWriter(tmp_path / "broken.pcapng") as capture:
        capture.write_udp(0, SOURCE, DESTINATION, bytes(octets))
    assert malformed(dissect(tmp_path / "broken.pcapng", PORT, "rtcp"))


def test_the_capture_of_the_demo(said: list[rtcp.Message], tmp_path: Path) -> None:
    columns = [
        "frame.protocols",
        "udp.dstport",
        "ip.dst",
        "udp.checksum.status",
        "ip.checksum.status",
        "frame.comment",
    ]
    command = ["tshark", "-r", str(tmp_path / "demo.pcapng"), "-T", "fields"]
    command += [part for column in columns for part in ("-e", column)]
    command += ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "cut short" not in done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    # What was signalled, and six packets of media.
    assert len(lines) == len(said) + 6
    for protocols, port, address, udp, ip, comment in lines:
        assert protocols.startswith("raw:ip:udp")
        assert (udp, ip) == ("1", "1")
        assert int(port) > 0
        assert ip_address(address).is_multicast == ("one client" not in comment)
        assert comment
