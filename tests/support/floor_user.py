"""A user in a call for tests, and the messages that a server sends."""

from __future__ import annotations

from typing import TypeVar

from mcsec.client.floor import FloorParticipant, Output, ParticipantPolicy, Path, Send, State
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import (
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
    DenyCause,
    FloorIndicator,
    QueueInfo,
    QueuePurpose,
    RejectCause,
    RevokeCause,
)

T = TypeVar("T")
ME, MINE, THEIRS = "sip:me@example.org", 7, 9
GRANTED = FloorGranted(ssrc=1, duration=30, priority=5)
GRANTED_DUAL = FloorGranted(ssrc=1, duration=30, priority=5, indicator=FloorIndicator.DUAL_FLOOR)
DENY = FloorDeny(ssrc=1, cause=RejectCause(DenyCause.QUEUE_FULL, "full"))
REVOKE = FloorRevoke(ssrc=1, cause=RejectCause(RevokeCause.MEDIA_BURST_PRE_EMPTED))
CANCELLED = QueuedFloorRequests(ssrc=1, purpose=QueuePurpose.CANCEL_NOTIFICATION)


def idle(number: int, *, dual: bool = False) -> FloorIdle:
    return FloorIdle(ssrc=1, sequence_number=number, indicator=FloorIndicator.DUAL_FLOOR if dual else None)


def taken(number: int, *, by: int = THEIRS, permission: bool = True, dual: bool = False) -> FloorTaken:
    return FloorTaken(
        ssrc=1,
        permission=permission,
        sequence_number=number,
        granted_party=ME if by == MINE else "sip:them@example.org",
        audio_ssrc=by,
        indicator=FloorIndicator.DUAL_FLOOR if dual else None,
    )


def place(position: int) -> FloorQueuePositionInfo:
    return FloorQueuePositionInfo(ssrc=1, queue_info=QueueInfo(position, 3))


def kinds(outputs: list[Output], kind: type[T]) -> list[T]:
    return [output for output in outputs if isinstance(output, kind)]


def sent(outputs: list[Output]) -> list[FloorMessage]:
    messages = [output.message for output in outputs if isinstance(output, Send)]
    for message in messages:
        assert rtcp.decode(rtcp.encode(message)) == (message,)
    return messages


class User:
    """A participant in a call; ``now`` moves by :meth:`wait`."""

    def __init__(self, **policy: object) -> None:
        self.floor = FloorParticipant(ME, ssrc=MINE, policy=ParticipantPolicy(**policy))  # type: ignore[arg-type]  # named by tests
        self.now = 0.0
        self.floor.start(self.now)

    def hears(self, *messages: FloorMessage, over: Path = Path.UNICAST) -> list[Output]:
        return [output for message in messages for output in self.floor.receive(message, self.now, over)]

    def presses(self) -> list[Output]:
        return self.floor.press(self.now)

    def lets_go(self) -> list[Output]:
        return self.floor.let_go(self.now)

    def waits(self, seconds: float) -> list[Output]:
        end, outputs = self.now + seconds, []
        while (timer := self.floor.next_timer()) is not None and timer <= end:
            self.now = timer
            outputs += self.floor.poll(timer)
        self.now = end
        return outputs

    def talks(self) -> None:
        self.presses()
        self.hears(GRANTED)
        assert self.floor.may_talk

    def queues(self) -> None:
        self.presses()
        self.hears(place(2))
        assert self.floor.state is State.QUEUED
