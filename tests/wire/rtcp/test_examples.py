"""Published and hand-made messages, byte for byte in both directions."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from mcsec.ids import Tmgi
from mcsec.wire.rtcp import LEGACY, Message, decode, encode
from mcsec.wire.rtcp.floor import FloorAck, FloorDeny, FloorGranted, FloorIdle, FloorTaken
from mcsec.wire.rtcp.floor_values import (
    DenyCause,
    FloorIndicator,
    FloorMessageType,
    RejectCause,
    Source,
)
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel, UnmapGroupToBearer

GROUP = "sip:group1@mc.example"
TMGI = Tmgi(1, "001", "01")
MAP_IPV4 = MapGroupToBearer(
    ssrc=0x01020304,
    group_id=GROUP,
    tmgi=TMGI,
    subchannel=MbmsSubchannel(2, 3, IPv4Address("239.1.2.3"), 40000, 40002),
)

#: The first two were published with another implementation's tests; the others are made from the layouts.
EXAMPLES: dict[str, tuple[str, Message]] = {
    "floor idle": (
        "85cc00034d4358014d43505408020001",
        FloorIdle(ssrc=0x4D435801, sequence_number=1),
    ),
    "floor taken with a padded URI": (
        "82cc0007000000074d43505404077369703a6140620000000502000108020009",
        FloorTaken(ssrc=7, granted_party="sip:a@b", permission=True, sequence_number=9),
    ),
    "floor deny with a phrase": (
        "83cc0004112233444d4350540206000162757379",
        FloorDeny(ssrc=0x11223344, cause=RejectCause(DenyCause.ANOTHER_CLIENT_HAS_PERMISSION, "busy")),
    ),
    "floor granted, acknowledgement asked for": (
        "91cc0007112233444d4350540102001e0e06aabbccdd0000000205000d028000",
        FloorGranted(
            ssrc=0x11223344,
            ack_requested=True,
            duration=30,
            audio_ssrc=0xAABBCCDD,
            priority=5,
            indicator=FloorIndicator.NORMAL,
        ),
    ),
    "floor ack": (
        "8acc0004aabbccdd4d4350540a0200000c020100",
        FloorAck(ssrc=0xAABBCCDD, source=Source.FLOOR_PARTICIPANT, acked=FloorMessageType.GRANTED),
    ),
    "map group to bearer, IPv4": (
        "80cc000e010203044d434d4302157369703a67726f757031406d632e6578616d706c6500010600000100f110"
        "000e230000009c4200009c40ef010203",
        MAP_IPV4,
    ),
    "map group to bearer, IPv6 without a floor line": (
        "80cc0010010203044d434d4302157369703a67726f757031406d632e6578616d706c6500010600000100f110"
        "0016201000009c40ff3e0000000000000000000000010002",
        MapGroupToBearer(
            ssrc=0x01020304,
            group_id=GROUP,
            tmgi=TMGI,
            subchannel=MbmsSubchannel(2, 0, IPv6Address("ff3e::1:2"), 40000),
        ),
    ),
    "unmap group": (
        "81cc0008010203044d434d4302157369703a67726f757031406d632e6578616d706c6500",
        UnmapGroupToBearer(ssrc=0x01020304, group_id=GROUP),
    ),
}


@pytest.mark.parametrize(("octets", "message"), EXAMPLES.values(), ids=EXAMPLES)
def test_example(octets: str, message: Message) -> None:
    assert decode(bytes.fromhex(octets)) == (message,)
    assert encode(message).hex() == octets


def test_group_id_of_13_2_0() -> None:
    """Field 3 was the group ID then; today it is Monitoring State, and 3 is refused for what it is not."""
    today = bytes.fromhex(EXAMPLES["map group to bearer, IPv4"][0])
    then = today[:12] + b"\x03" + today[13:]
    assert decode(then, LEGACY) == (MAP_IPV4,)
    assert encode(MAP_IPV4, LEGACY) == today
