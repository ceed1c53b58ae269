"""A call for tests of a client: its engine with keys, and the server's end of the same call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from mcsec.client.calls.engine import CallEngine, Output, Play, SendFloor, Wish
from mcsec.client.calls.session import Terms
from mcsec.client.copies import Copies
from mcsec.client.engine import ClientEngine
from mcsec.client.floor import ParticipantPolicy
from mcsec.client.media import MediaSender
from mcsec.crypto.srtp import SrtcpReceiver, SrtcpSender, SrtpProfile
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event, KeyFirstUsed
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.wire import rtcp
from mcsec.wire.sdp_mcptt import FloorParameters
from support.domains import NOW
from support.engines import GROUP, A, B, client, gms_uri, hand_out, initiator, mdsi, user

T = TypeVar("T")
OURS, THEIRS = 0x0A0A0A0A, 0x0B0B0B0B
FLOOR, MEDIA = ("127.0.0.1", 40_000), ("127.0.0.1", 40_002)
PROFILE = SrtpProfile.AEAD_AES_128_GCM
TALKER = user("ann", B)


def terms(**parameters: object) -> Terms:
    given = {"ssrc": THEIRS, "queueing": True} | parameters
    return Terms(FLOOR, MEDIA, FloorParameters(**given))  # type: ignore[arg-type]  # passed on


def key(tag: PurposeTag, *names: str, now: float = NOW) -> Key:
    return make(tag, scope=Scope.of(*names), maker=Maker(A, mdsi(A)), now=now)


class FarEnd:
    """The server: it sends and reads floor control under the CSK."""

    def __init__(self, csk: Key, ssrc: int = THEIRS, first: int = 1) -> None:
        self.ssrc = ssrc
        material = csk.srtp_material()
        self._sender = SrtcpSender(PROFILE, ssrc, *material, first=first, last=first + 1000)
        self._receiver = SrtcpReceiver(PROFILE)
        self._receiver.add_key(*material)

    def say(self, message: rtcp.Message) -> bytes:
        return self._sender.protect(rtcp.encode(message)).octets

    def read(self, octets: bytes) -> rtcp.Message:
        (message,) = rtcp.decode(self._receiver.unprotect(octets).octets)
        return message


@dataclass
class CallScene:
    """A client with CSK and GMK in a call, and the other end of it."""

    client: ClientEngine
    call: CallEngine
    csk: Key
    gmk: Key
    far: FarEnd
    copies: Copies

    def hear(self, message: rtcp.Message, now: float = NOW) -> list[Output]:
        return self.call.floor_packet(self.far.say(message), FLOOR, now)

    def sent(self, outputs: list[Output]) -> list[rtcp.Message]:
        assert all(output.to == FLOOR for output in of(outputs, SendFloor))
        return [self.far.read(output.packet.octets) for output in of(outputs, SendFloor)]

    def dropped(self, outputs: list[Output]) -> str:
        """The code of the one event, counted once."""
        (event,) = [output for output in outputs if not isinstance(output, KeyFirstUsed)]
        assert isinstance(event, Event)
        code = event.code  # type: ignore[attr-defined]  # of PacketDropped
        assert self.client.dropped == {code: 1}
        return code

    def talker(self, who: str = TALKER) -> MediaSender:
        return MediaSender(self.gmk, who, 0)


def of(outputs: list[Output], *kinds: type[T]) -> list[T]:
    return [output for output in outputs if isinstance(output, kinds)]


def heard(outputs: list[Output]) -> list[bytes]:
    return [output.frame.payload for output in of(outputs, Play)]


def keyed(*, gmk: bool = True) -> tuple[ClientEngine, Key, Key]:
    """A client that holds its CSK and the group's GMK."""
    one = client()
    csk, _ = one.make_csk(NOW)
    group = key(PurposeTag.GMK, GROUP)
    if gmk:
        hand_out(group, one, initiator(gms_uri(B), B))
    return one, csk, group


def in_call(
    *, policy: ParticipantPolicy | None = None, answer: Terms | None = None, gmk: bool = True, **wish: object
) -> CallScene:
    """Called, and taken in at :data:`NOW`."""
    one, csk, group = keyed(gmk=gmk)
    copies = Copies()
    call = CallEngine(
        one,
        Wish(group=GROUP, **wish),  # type: ignore[arg-type]  # passed on
        OURS,
        copies,
        policy or ParticipantPolicy(),
    )
    call.calling()
    call.accepted(answer or terms(), "sip:session@b.example", NOW)
    return CallScene(one, call, csk, group, FarEnd(csk), copies)
