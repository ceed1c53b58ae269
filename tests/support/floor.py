"""A call's floor for tests: short names for what participants do, and a check of everything that is sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from mcsec.server.floor import FloorControl, FloorPolicy, Forward, Member, Output, ToAll, ToOne, Urgency
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import (
    FloorIdle,
    FloorMessage,
    FloorQueuePositionRequest,
    FloorRelease,
    FloorRequest,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import FloorIndicator
from mcsec.wire.rtcp.table import Direction

M = TypeVar("M", bound=FloorMessage)
T = TypeVar("T")

SERVER_SSRC = 0x5E
URGENT = {
    Urgency.NORMAL: None,
    Urgency.IMMINENT_PERIL: FloorIndicator.IMMINENT_PERIL,
    Urgency.EMERGENCY: FloorIndicator.EMERGENCY,
}


def ssrc_of(user: str) -> int:
    """A number for each user."""
    return int.from_bytes(user.encode()[-4:])


def check(outputs: Iterable[Output]) -> None:
    """Every message can be written, reads back the same, and is for whom it may be for."""
    for output in outputs:
        if isinstance(output, ToOne | ToAll):
            message = output.message
            assert message.ssrc == SERVER_SSRC
            assert rtcp.decode(rtcp.encode(message)) == (message,)
            assert rtcp.row_of(message).direction is not Direction.TO_SERVER
        if isinstance(output, ToAll):
            rtcp.check_multicast(output.message)
            assert isinstance(output.message, FloorTaken | FloorIdle)


def of_kind(outputs: Iterable[Output], kind: type[T]) -> list[T]:
    """The outputs of one class."""
    return [output for output in outputs if isinstance(output, kind)]


def told(outputs: Iterable[Output], user: str, kind: type[M]) -> list[M]:
    """The messages of one kind that went to ``user`` alone."""
    return [
        output.message
        for output in outputs
        if isinstance(output, ToOne) and output.participant == user and isinstance(output.message, kind)
    ]


def announced(outputs: Iterable[Output], kind: type[M]) -> list[M]:
    """The messages of one kind that went to all."""
    return [o.message for o in outputs if isinstance(o, ToAll) and isinstance(o.message, kind)]


def forwarded(outputs: Iterable[Output]) -> list[str]:
    """Whose media is passed on."""
    return [output.participant for output in outputs if isinstance(output, Forward)]


class Call:
    """One call; ``now`` moves by :meth:`wait` only."""

    def __init__(self, *members: Member | str, start: bool = True, number: int = 0, **policy: object) -> None:
        self.policy = FloorPolicy(**policy)  # type: ignore[arg-type]  # each test names fields of its own
        self.floor = FloorControl(self.policy, ssrc=SERVER_SSRC, sequence_number=number)
        self.now = 100.0
        for member in members:
            self.join(member)
        self.opening = self.checked(self.floor.start(self.now)) if start else []

    def checked(self, outputs: list[Output]) -> list[Output]:
        check(outputs)
        return outputs

    def join(self, member: Member | str) -> list[Output]:
        member = Member(user=member) if isinstance(member, str) else member
        return self.checked(self.floor.join(member, self.now))

    def leave(self, user: str) -> list[Output]:
        return self.checked(self.floor.leave(user, self.now))

    def send(self, user: str, message: FloorMessage) -> list[Output]:
        return self.checked(self.floor.receive(user, message, self.now))

    def ask(self, user: str, priority: int | None = None, urgency: Urgency = Urgency.NORMAL) -> list[Output]:
        return self.send(user, FloorRequest(ssrc=ssrc_of(user), priority=priority, indicator=URGENT[urgency]))

    def free(self, user: str, *, ack: bool = False) -> list[Output]:
        return self.send(user, FloorRelease(ssrc=ssrc_of(user), ack_requested=ack))

    def place(self, user: str) -> list[Output]:
        return self.send(user, FloorQueuePositionRequest(ssrc=ssrc_of(user)))

    def media(self, user: str) -> list[Output]:
        return self.checked(self.floor.media(user, ssrc_of(user), self.now))

    def wait(self, seconds: float, *talking: str, each: float = 0.5) -> list[Output]:
        """Time passes; ``talking`` send media all along. Timers go off when they are due."""
        end, outputs = self.now + seconds, []
        packet = self.now + each if talking else end
        while True:
            timer = self.floor.next_timer()
            self.now = min(end, packet, end if timer is None else timer)
            outputs += self.checked(self.floor.poll(self.now))
            if talking and self.now >= packet:
                packet += each
                for user in talking:
                    outputs += self.media(user)
            if self.now >= end:
                return outputs
