"""One group call of a client: decisions only; no sockets, no clock.

What the user does, datagrams with where they came from, what was heard on a bearer, and ``now`` go in; packets to send,
frames to hear and events come out. One floor participant is fed by both paths (TS 24.380 10.1). What fails a check
is one event and one count, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mcsec.client.audio.arrival import Arrival, Frame
from mcsec.client.calls.events import (
    BurstOver,
    CallEnded,
    CallEvent,
    CallRefused,
    CallStarted,
    FloorGranted,
    FloorIdle,
    FloorTaken,
    UplinkFailed,
    of_call,
)
from mcsec.client.calls.session import Address, Terms
from mcsec.client.calls.states import CallState, CallStep, follow
from mcsec.client.calls.uplink import FloorUplink, MediaUplink
from mcsec.client.copies import Copies
from mcsec.client.engine import ClientEngine
from mcsec.client.events import FloorHeard, MediaHeard
from mcsec.client.floor import STANDARD, FloorParticipant, ParticipantPolicy, Path, Render, Send, State
from mcsec.client.floor import Output as FloorOutput
from mcsec.crypto.srtp import ProtectedPacket
from mcsec.errors import DecodeError, Forbidden, LocalError, PeerError, Refused
from mcsec.keys.events import Event
from mcsec.keys.kinds import Traffic
from mcsec.wire.rtcp.floor_values import FloorIndicator
from mcsec.wire.rtp import RtpPacket

_CLAUSE = "TS 24.380 13.1"


@dataclass(frozen=True, slots=True)
class SendFloor:
    """Floor control for the server."""

    packet: ProtectedPacket
    to: Address


@dataclass(frozen=True, slots=True)
class SendMedia:
    """Media for the server."""

    packet: ProtectedPacket
    to: Address


@dataclass(frozen=True, slots=True)
class Play:
    """A frame for the user's ears."""

    frame: Frame


Output = SendFloor | SendMedia | Play | Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a user wants of a call.

    ``chat``: a chat group, which each member joins; else a prearranged one, whose members are invited. ``talk``: ask
    for the floor at once (implicit request). ``emergency``, ``imminent_peril``: what it is about. ``broadcast``: nobody
    else is to talk. ``priority``: the highest floor priority to be granted, 1 to 255. ``seconds``: of a session timer
    (RFC 4028).
    """

    group: str
    chat: bool = False
    talk: bool = False
    emergency: bool = False
    imminent_peril: bool = False
    broadcast: bool = False
    priority: int | None = None
    seconds: int = 1800

    @property
    def session_type(self) -> str:
        """As mcptt-info has it."""
        return "chat" if self.chat else "prearranged"

    @property
    def indicator(self) -> FloorIndicator | None:
        """What its floor requests are about, where that is more than usual."""
        if self.emergency:
            return FloorIndicator.EMERGENCY
        return FloorIndicator.IMMINENT_PERIL if self.imminent_peril else None


class CallEngine:
    """The call of one group.

    :ivar floor: the floor participant. :ivar arrival: puts media in order. :ivar terms: what the server described.
    """

    def __init__(
        self,
        client: ClientEngine,
        wish: Wish,
        ssrc: int,
        copies: Copies,
        policy: ParticipantPolicy = STANDARD,
    ) -> None:
        """:param ssrc: of floor control and of media, that no other call had."""
        self.group, self.wish, self.ssrc = wish.group, wish, ssrc
        self.state = CallState.IDLE
        self.terms: Terms | None = None
        self.floor = FloorParticipant(client.uri, ssrc=ssrc, policy=policy)
        self.arrival = Arrival()
        self._client, self._copies = client, copies
        self._floor_up = FloorUplink(client, ssrc)
        self._media_up = MediaUplink(client, wish.group, ssrc)
        self._silent = True
        # Of whom the user was told last that they talk: name, SSRC, whether beside another.
        self._talker: tuple[str | None, int | None, bool] | None = None

    # --- call control

    def calling(self) -> None:
        """Our INVITE leaves. :raises WrongState: this is no new call."""
        self._go(CallStep.CALL)

    def accepted(self, terms: Terms, session_id: str, now: float) -> list[Output]:
        """The server took us in.

        :raises Refused: its description will not do: leave the call.
        """
        self._agree(terms)
        self._go(CallStep.ACCEPTED)
        if self.state is not CallState.IN_CALL:
            return []
        asking = self.wish.talk
        started = CallStarted(now, self.group, session_id=session_id)
        granted = asking and terms.parameters.granted
        return [started, *self._start(now, asking=asking, granted=granted)]

    def refused(self, status: int, reason: str, now: float) -> list[Output]:
        """The server did not, or nobody answered (status 0)."""
        left = self.state is CallState.LEAVING
        self._go(CallStep.REFUSED)
        return [CallEnded(now, self.group, "left") if left else CallRefused(now, self.group, status, reason)]

    def invited(self, terms: Terms, inviter: str, session_id: str, now: float) -> list[Output]:
        """The server calls us, and we answer 200; floor control may come before that is acknowledged.

        :raises Refused: its description will not do; nothing has changed.
        """
        self._agree(terms)
        self._go(CallStep.INVITED)
        return [CallStarted(now, self.group, inviter, session_id), *self._start(now)]

    def confirmed(self) -> None:
        """The server has our 200."""
        self._go(CallStep.CONFIRMED)

    def changed(self, terms: Terms) -> None:
        """A re-INVITE described the session anew.

        :raises Refused: its description will not do; nothing has changed.
        """
        self._agree(terms)

    def leave(self, now: float) -> list[Output]:
        """The user leaves: nothing is sent or heard any more.

        :raises WrongState: there is no call to leave.
        """
        self._go(CallStep.LEAVE)
        return self._stop(now)

    def over(self, reason: str, now: float) -> list[Output]:
        """The server released the call, or our leaving was answered."""
        if self.state is CallState.OVER:
            return []
        self._go(CallStep.LEFT if self.state is CallState.LEAVING else CallStep.RELEASED)
        return [*self._stop(now), CallEnded(now, self.group, reason)]

    # --- the user

    def press(self, now: float) -> list[Output]:
        """The user wants to talk.

        :raises Forbidden: there is no key to talk under.
        """
        if not self._live:
            return []
        self._media_up.check(now)
        return self._follow(
            self.floor.press(now, priority=self.wish.priority, indicator=self.wish.indicator), now
        )

    def let_go(self, now: float) -> list[Output]:
        """The user wants to talk no longer."""
        return self._follow(self.floor.let_go(now), now) if self._live else []

    def ask_position(self, now: float) -> list[Output]:
        """The user wants to know the place in the queue."""
        return self._follow(self.floor.ask_position(now), now) if self._live else []

    def urged(self, *, emergency: bool, imminent_peril: bool) -> None:
        """The server took it that the call is about something else now; requests of this user say so from here on."""
        self.wish = replace(self.wish, emergency=emergency, imminent_peril=imminent_peril)

    def speak(self, payload: bytes, now: float) -> SendMedia:
        """A frame of the user's voice.

        :raises Forbidden: the floor is not ours, or there is no key; nothing is sent.
        """
        if not self._live or not self.floor.may_talk or self.terms is None:
            raise Forbidden("the floor is not ours", code="call.no-floor", clause="TS 24.380 6.2.4")
        packet = self._media_up.packet(payload, now, starts=self._silent)
        self._silent = False
        return SendMedia(packet, self.terms.media)

    # --- what arrives

    def floor_packet(self, octets: bytes, source: Address, now: float) -> list[Output]:
        """A datagram on the floor port of this call."""
        user = self._client.uri
        try:
            self._check_source(source, None if self.terms is None else self.terms.floor)
        except PeerError as error:
            return [self._client.drop(error, Traffic.UNICAST_FLOOR, user, now)]
        outputs: list[Output] = []
        for event in self._client.control_packet(octets, Traffic.UNICAST_FLOOR, user, now):
            outputs += self._floor_heard(event, now) if isinstance(event, FloorHeard) else [event]
        return outputs

    def media_packet(self, octets: bytes, source: Address, now: float) -> list[Output]:
        """A datagram on the media port of this call."""
        try:
            self._check_source(source, None if self.terms is None else self.terms.media)
        except PeerError as error:
            return [self._client.drop(error, Traffic.GROUP_MEDIA, self.group, now)]
        if self._copies.known(octets, Path.UNICAST):
            return []
        outputs: list[Output] = []
        for event in self._client.media_packet(octets, self.group, now):
            if isinstance(event, MediaHeard):
                self._copies.took(octets, Path.UNICAST)
                outputs += [event, *self._media(event, now)]
            else:
                outputs.append(event)
        return outputs

    def from_bearer(self, event: Event, now: float) -> list[Output]:
        """What was heard of this call on a bearer, authentic, and told already."""
        if isinstance(event, MediaHeard):
            return self._media(event, now)
        if isinstance(event, FloorHeard) and self._live:
            return self._follow(self.floor.receive(event.message, now, Path.MBMS), now)
        return []

    def poll(self, now: float) -> list[Output]:
        """Everything that is due."""
        frames: list[Output] = [Play(frame) for frame in self.arrival.poll(now)]
        return frames + self._follow(self.floor.poll(now), now)

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        timers = (self.arrival.next_timer(), self.floor.next_timer())
        return min((timer for timer in timers if timer is not None), default=None)

    # --- inside

    @property
    def _live(self) -> bool:
        return self.state in (CallState.ANSWERED, CallState.IN_CALL)

    def _go(self, step: CallStep) -> None:
        self.state = follow(self.state, step)

    def _agree(self, terms: Terms) -> None:
        if terms.ssrc == self.ssrc:
            # Both send under one CSK: the same SSRC would use a nonce twice.
            raise Refused("the server took our SSRC for its own", code="call.ssrc", clause="RFC 3711 9.1")
        self.terms = terms

    def _start(self, now: float, *, asking: bool = False, granted: bool = False) -> list[Output]:
        return self._follow(
            self.floor.start(
                now,
                asking=asking,
                granted=granted,
                priority=self.wish.priority,
                indicator=self.wish.indicator,
            ),
            now,
        )

    def _stop(self, now: float) -> list[Output]:
        """No floor any more; what waits for a packet that will not come is heard."""
        if self.floor.state is not State.START_STOP:
            self.floor.release(now)
            self.floor.released(now)
        self._silent = True
        return [Play(frame) for frame in self.arrival.flush()]

    def _check_source(self, source: Address, expected: Address | None) -> None:
        if not self._live or source != expected:
            raise Refused(
                f"{source[0]} port {source[1]} is not where the server sends from",
                code="call.wrong-source",
                clause=_CLAUSE,
            )

    def _floor_heard(self, event: FloorHeard, now: float) -> list[Output]:
        message = event.message
        try:
            if message.ssrc == self.ssrc:
                raise Refused("our own floor message came back", code="call.own-ssrc", clause="RFC 3711 9.1")
            if self.terms is not None and self.terms.ssrc not in (None, message.ssrc):
                raise Refused(
                    f"a floor message of SSRC {message.ssrc:08x}, which is not that of this call",
                    code="call.wrong-ssrc",
                    clause=_CLAUSE,
                )
            outputs = self.floor.receive(message, now)
        except PeerError as error:
            return [self._client.drop(error, Traffic.UNICAST_FLOOR, self._client.uri, now)]
        return [event, *self._follow(outputs, now)]

    def _media(self, event: MediaHeard, now: float) -> list[Output]:
        if not self._live:
            return []
        try:
            packet = RtpPacket.decode(event.rtp)
        except DecodeError as error:
            return [self._client.drop(error, Traffic.GROUP_MEDIA, self.group, now)]
        outputs = self.floor.media(event.ssrc, now)
        told = self._follow((output for output in outputs if not isinstance(output, Render)), now)
        if not any(isinstance(output, Render) for output in outputs):
            return told
        return [*told, *(Play(frame) for frame in self.arrival.packet(packet, now))]

    def _follow(self, outputs: Iterable[FloorOutput], now: float) -> list[Output]:
        done: list[Output] = []
        for output in outputs:
            if isinstance(output, Send):
                done += self._send(output, now)
            elif isinstance(output, Event):
                done += self._told(of_call(self.group, output))
        if not self.floor.may_talk:
            self._silent = True
        return done

    def _told(self, event: CallEvent) -> list[CallEvent]:
        """What is news to the user: a talker is named once, however often and by how many paths the server says so."""
        if isinstance(event, FloorTaken):
            talker = (event.talker, event.ssrc, event.beside)
            if talker == self._talker:
                return []
            self._talker = talker
        elif isinstance(event, FloorIdle | FloorGranted | BurstOver):
            self._talker = None
        return [event]

    def _send(self, output: Send, now: float) -> list[Output]:
        if self.terms is None:
            return []
        try:
            return [SendFloor(self._floor_up.protect(output.message, now), self.terms.floor)]
        except LocalError as error:
            # Without a CSK there is nobody to talk to: the timers of the participant say so to the user.
            return [UplinkFailed(now, self.group, error.code, str(error))]
