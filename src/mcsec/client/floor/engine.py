"""The floor participant of one call (TS 24.380 6.2).

Sans-I/O. What the user does, floor messages that are decrypted and authenticated, senders of media and ``now`` go in;
messages and events come out; :meth:`FloorParticipant.next_timer` says when to call :meth:`FloorParticipant.poll`.
What came on an MBMS subchannel goes into the same machine (TS 24.380 10.1).
"""

from __future__ import annotations

from enum import Enum

from mcsec.client.floor.events import Output, Send
from mcsec.client.floor.hands import Hands
from mcsec.client.floor.policy import STANDARD, ParticipantPolicy
from mcsec.client.floor.sequence import Sequence
from mcsec.client.floor.states import TABLE, State, Step
from mcsec.errors import Refused, WrongState
from mcsec.wire.rtcp import check_multicast, row_of
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorMessage,
    FloorQueuePositionInfo,
    FloorRevoke,
    FloorTaken,
    QueuedFloorRequests,
)
from mcsec.wire.rtcp.floor_values import (
    FloorIndicator,
    FloorMessageType,
    QueueInfo,
    QueuePurpose,
    Source,
)
from mcsec.wire.rtcp.table import Direction

_UNWANTED = {
    Step.GRANTED: Step.GRANTED_UNWANTED,
    Step.QUEUED: Step.QUEUED_UNWANTED,
    Step.DENY: Step.DENY_UNWANTED,
}


class Path(Enum):
    """How something came."""

    UNICAST = "by unicast"
    MBMS = "on an MBMS bearer"


class FloorParticipant:
    """One user in one call.

    :param user: MC service ID.
    :param ssrc: of its floor messages.
    :param audio_ssrc: of its media; None: the same.
    """

    def __init__(
        self,
        user: str,
        *,
        ssrc: int,
        audio_ssrc: int | None = None,
        policy: ParticipantPolicy = STANDARD,
    ) -> None:
        self.user = user
        self.policy = policy
        self.ssrc = ssrc
        self.audio_ssrc = ssrc if audio_ssrc is None else audio_ssrc
        self.state = State.START_STOP
        self._sequence = Sequence()
        self._may_request = True
        self._pressed = False
        self._hands = Hands(policy, ssrc)

    # --- what is so

    @property
    def may_talk(self) -> bool:
        """Whether media may be sent."""
        return self.state is State.HAS_PERMISSION

    @property
    def may_request(self) -> bool:
        """Whether the server takes requests now."""
        return self._may_request

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        return min(self._hands.timers.values(), default=None)

    # --- what call control does

    def start(
        self,
        now: float,
        *,
        asking: bool = False,
        granted: bool = False,
        priority: int | None = None,
        indicator: FloorIndicator | None = None,
    ) -> list[Output]:
        """The call is set up. ``asking``: with an implicit request for the floor, ``granted``: which was granted.

        :param priority: of the request, when it is made again by Floor Request; ``indicator`` likewise.
        :raises WrongState: it is set up already.
        """
        self._hands.priority, self._hands.indicator = priority, indicator
        self._must(Step.START_GRANTED if granted else Step.START_ASKING if asking else Step.START, now)
        self._pressed = asking or granted
        return self.poll(now)

    def release(self, now: float) -> list[Output]:
        """The call is being released.

        :raises WrongState: there is no call.
        """
        self._must(Step.RELEASE_CALL, now)
        return self.poll(now)

    def released(self, now: float) -> list[Output]:
        """The call is released.

        :raises WrongState: it was not being released.
        """
        self._must(Step.CALL_RELEASED, now)
        self._sequence, self._may_request, self._pressed = Sequence(), True, False
        return self.poll(now)

    # --- what the user does

    def press(
        self, now: float, *, priority: int | None = None, indicator: FloorIndicator | None = None
    ) -> list[Output]:
        """The user wants to talk, or takes the turn that came up."""
        self._pressed = True
        self._hands.priority, self._hands.indicator = priority, indicator
        if self._hands.turn:
            self._step(Step.TAKE_TURN, now)
        else:
            self._step(Step.PRESS if self._may_request else Step.PRESS_FORBIDDEN, now)
        return self.poll(now)

    def let_go(self, now: float) -> list[Output]:
        """The user wants to talk no longer; while waiting, see ``stay_queued``."""
        self._pressed = False
        if self.state is State.QUEUED and self.policy.stay_queued:
            return self.poll(now)
        return self.cancel(now)

    def cancel(self, now: float) -> list[Output]:
        """The user neither talks nor waits any longer."""
        self._pressed = self._hands.asked = False
        self._step(Step.LET_GO, now)
        return self.poll(now)

    def ask_position(self, now: float) -> list[Output]:
        """The user wants to know the place in the queue."""
        self._step(Step.ASK_POSITION, now)
        return self.poll(now)

    # --- what is heard

    def receive(self, message: FloorMessage, now: float, over: Path = Path.UNICAST) -> list[Output]:
        """A floor message of the server.

        :raises Refused: servers do not send it, or not on a bearer. Nothing follows from it.
        """
        if over is Path.MBMS:
            check_multicast(message, received=True)
        row = row_of(message)
        if row.direction is Direction.TO_SERVER:
            raise Refused(f"{row.name} comes from participants only", code="floor.direction")
        if self.state in (State.START_STOP, State.RELEASING):
            return self.poll(now)
        if message.ack_requested:
            # Also a copy is acknowledged: the first acknowledgement may be lost.
            acked = FloorMessageType(row.subtype)
            ack = FloorAck(ssrc=self.ssrc, source=Source.FLOOR_PARTICIPANT, acked=acked)
            self._hands.out.append(Send(ack))
        step = self._step_of(message, over)
        if step is not None:
            self._step(step, now, message)
        if step is Step.GRANTED and self._hands.turn and self._pressed and self.policy.talk_when_granted:
            self._step(Step.TAKE_TURN, now)
        return self.poll(now)

    def media(self, ssrc: int, now: float) -> list[Output]:
        """A media packet of ``ssrc``, by unicast or on a bearer. Our own, come back on a bearer, is nothing new."""
        if ssrc != self.audio_ssrc:
            self._hands.heard = ssrc
            self._step(Step.MEDIA, now)
        return self.poll(now)

    def poll(self, now: float) -> list[Output]:
        """Everything that is due, in the order of time."""
        while (step := self._hands.expired(now)) is not None:
            self._step(step, now)
        return self._hands.taken()

    # --- inside

    def _must(self, step: Step, now: float) -> None:
        if step not in TABLE[self.state]:
            raise WrongState(
                f"a participant in {self.state.value!r} has no step {step.name.lower()}",
                code="floor.no-such-step",
            )
        self._step(step, now)

    def _step(self, step: Step, now: float, message: FloorMessage | None = None) -> None:
        if self.state is State.NO_PERMISSION and not self._hands.asked:
            step = _UNWANTED.get(step, step)
        rule = TABLE[self.state].get(step)
        if rule is None:
            return
        self.state = rule.to
        for act in rule.acts:
            self._hands.do(act, now, message)

    def _step_of(self, message: FloorMessage, over: Path) -> Step | None:
        match message:
            case FloorGranted():
                return Step.GRANTED
            case FloorDeny():
                return Step.DENY
            case FloorRevoke():
                return Step.REVOKE
            case FloorQueuePositionInfo():
                if message.queue_info.position != QueueInfo.NOT_QUEUED:
                    return Step.QUEUED
                # Who was granted the floor has left the queue; that is no loss.
                return None if self._hands.turn else Step.NOT_QUEUED
            case QueuedFloorRequests(purpose=QueuePurpose.CANCEL_NOTIFICATION):
                mine = message.queued_users is None or self.user in message.queued_users
                return Step.CANCELLED if mine else None
            case FloorIdle():
                return None if self._outrun(over) else self._idle(message)
            case FloorTaken():
                return None if self._outrun(over) else self._taken(message)
        return None

    def _outrun(self, over: Path) -> bool:
        """Whether what a bearer says of the floor counts for nothing, because we have it.

        A bearer is slower than unicast and Floor Granted has no sequence number: Floor Idle that was sent before the
        grant may come after it. A server that thinks otherwise sends Floor Revoke, by unicast, until it is answered.
        """
        return over is Path.MBMS and self.state is State.HAS_PERMISSION

    def _idle(self, message: FloorIdle) -> Step | None:
        if not self._sequence.news(message.sequence_number):
            return None
        self._may_request = True
        return Step.IDLE_BESIDE if self._hands.beside(message.indicator) else Step.IDLE

    def _taken(self, message: FloorTaken) -> Step | None:
        if not self._sequence.news(message.sequence_number):
            return None
        self._may_request = message.permission
        if message.audio_ssrc is None:
            mine = message.granted_party == self.user
        else:
            mine = message.audio_ssrc == self.audio_ssrc
        if mine:
            # On a bearer the talker hears of itself. Floor Granted, by unicast, is what counts.
            return None
        return Step.TAKEN_BESIDE if self._hands.beside(message.indicator) else Step.TAKEN
