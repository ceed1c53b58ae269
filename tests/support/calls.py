"""Groups, members and messages for tests of group calls."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Any, TypeVar

from mcsec.ids import Tmgi
from mcsec.server.calls.controlling import Entry, GroupCall
from mcsec.server.calls.groups import Group, GroupMember
from mcsec.server.calls.policy import STANDARD, CallPolicy
from mcsec.wire.rtcp.floor import FloorIdle, FloorTaken
from mcsec.wire.rtcp.subchannel import MbmsSubchannel

T = TypeVar("T")

GROUP = "sip:fire@b.example"
ANN, BOB, CEM, DAN = "sip:ann@a.example", "sip:bob@b.example", "sip:cem@a.example", "sip:dan@b.example"
EVERYBODY = (ANN, BOB, CEM, DAN)
TMGI = Tmgi(0x00A0F1, "001", "01")
CHANNEL = MbmsSubchannel(2, 3, IPv4Address("239.192.9.1"), 42010, 42012)


def ssrc_of(user: str) -> int:
    """A number for each user."""
    return int.from_bytes(user.encode()[4:8])


def entry(user: str, **more: Any) -> Entry:
    """How ``user`` comes in."""
    return Entry(ssrc=ssrc_of(user), queueing=True, **more)


def group(*members: GroupMember | str, **more: Any) -> Group:
    """A group of b.example; everybody is in it unless others are named."""
    known = [one if isinstance(one, GroupMember) else GroupMember(user=one) for one in members or EVERYBODY]
    return Group(group_id=GROUP, home="b.example", members={member.user: member for member in known}, **more)


def call(made: Group, caller: str = ANN, policy: CallPolicy = STANDARD, **more: Any) -> GroupCall:
    """A call that is not begun."""
    return GroupCall(made, caller, entry(caller, **more), policy)


def of_kind(outputs: Iterable[object], kind: type[T]) -> list[T]:
    """The outputs of one class."""
    return [output for output in outputs if isinstance(output, kind)]


def taken(number: int, talker: str = BOB) -> FloorTaken:
    """Somebody talks."""
    return FloorTaken(
        ssrc=1, permission=True, sequence_number=number, granted_party=talker, audio_ssrc=ssrc_of(talker)
    )


def idle(number: int) -> FloorIdle:
    """Nobody talks."""
    return FloorIdle(ssrc=1, sequence_number=number)


def rtp(sequence: int, ssrc: int = 7) -> bytes:
    """A packet of media, whatever is in it."""
    return bytes([0x80, 0]) + sequence.to_bytes(2) + bytes(4) + ssrc.to_bytes(4) + b"not for the server"
