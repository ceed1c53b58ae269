"""The messages of one floor, as the server writes them (TS 24.380 8.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from mcsec.server.floor.members import Urgency, Waiting
from mcsec.server.floor.policy import FloorPolicy
from mcsec.wire.rtcp import row_of
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorMessage,
    FloorQueuePositionInfo,
    FloorRequest,
    FloorRevoke,
    FloorTaken,
    QueuedFloorRequests,
)
from mcsec.wire.rtcp.floor_values import (
    DenyCause,
    FloorIndicator,
    FloorMessageType,
    QueueInfo,
    QueuePurpose,
    RejectCause,
    ResponseState,
    RevokeCause,
)

M = TypeVar("M", bound=FloorMessage)


class Writer:
    """Writes with the server's SSRC, and counts Floor Taken and Floor Idle.

    Every message that is counted has a number of its own, whether it is for one or for all, so that a listener can
    tell a copy from news (8.2.3.10).
    """

    def __init__(self, policy: FloorPolicy, ssrc: int, sequence_number: int = 0) -> None:
        self.policy = policy
        self.ssrc = ssrc
        self.sequence_number = sequence_number

    def granted(self, talker: Waiting, queue_size: int, *, dual: bool) -> FloorGranted:
        """The floor is theirs for T2, or T12 beside another talker."""
        return FloorGranted(
            ssrc=self.ssrc,
            duration=max(1, int(self.policy.t12 if dual else self.policy.t2)),
            priority=talker.rank.priority,
            audio_ssrc=talker.audio_ssrc,
            queue_size=queue_size if self.policy.queueing else None,
            track_info=talker.track_info,
            indicator=self._indicator(talker.rank.urgency, dual),
        )

    def taken(self, talker: Waiting, *, dual: bool) -> FloorTaken:
        """Somebody talks. Nobody may ask in a broadcast group call."""
        named = self.policy.name_talkers
        return FloorTaken(
            ssrc=self.ssrc,
            permission=self.policy.broadcast_by is None,
            sequence_number=self._count(),
            granted_party=talker.user if named else None,
            audio_ssrc=talker.audio_ssrc,
            functional_alias=talker.functional_alias if named else None,
            indicator=self._indicator(talker.rank.urgency, dual),
        )

    def idle(self, *, dual: bool = False) -> FloorIdle:
        """Nobody talks, or with ``dual`` nobody beside the talker."""
        return FloorIdle(
            ssrc=self.ssrc,
            sequence_number=self._count(),
            indicator=self._indicator(Urgency.NORMAL, dual),
        )

    def deny(self, cause: DenyCause, request: FloorRequest | Waiting) -> FloorDeny:
        """No."""
        return FloorDeny(
            ssrc=self.ssrc,
            cause=RejectCause(cause),
            track_info=request.track_info,
            indicator=self._indicator(Urgency.NORMAL, False),
        )

    def revoke(self, cause: RevokeCause, *, dual: bool = False) -> FloorRevoke:
        """Stop talking."""
        return FloorRevoke(
            ssrc=self.ssrc, cause=RejectCause(cause), indicator=self._indicator(Urgency.NORMAL, dual)
        )

    def position(self, position: int | None, waiting: Waiting | None) -> FloorQueuePositionInfo:
        """The place in the queue, if it may be told; None: not in the queue."""
        if position is None:
            told = QueueInfo.NOT_QUEUED
        elif self.policy.disclose_positions and position < QueueInfo.NOT_QUEUED:
            told = position
        else:
            told = QueueInfo.UNDISCLOSED
        return FloorQueuePositionInfo(
            ssrc=self.ssrc,
            queue_info=QueueInfo(told, 0 if waiting is None else waiting.rank.priority),
            track_info=None if waiting is None else waiting.track_info,
            indicator=self._indicator(Urgency.NORMAL, False),
        )

    def ack(self, message: FloorMessage) -> FloorAck:
        """``message`` has arrived."""
        return FloorAck(
            ssrc=self.ssrc,
            source=self.policy.source,
            acked=FloorMessageType(row_of(message).subtype),
            track_info=message.track_info,
        )

    def cancelled(
        self, purpose: QueuePurpose, users: tuple[str, ...], state: ResponseState | None = None
    ) -> QueuedFloorRequests:
        """Requests were taken out of the queue, or why not."""
        return QueuedFloorRequests(
            ssrc=self.ssrc, purpose=purpose, queued_users=users or None, response_state=state
        )

    def for_one(self, message: M) -> M:
        """``message`` with the ack bit, where the policy wants it."""
        wanted = FloorMessageType(row_of(message).subtype) in self.policy.ask_ack
        return replace(message, ack_requested=True) if wanted else message

    def _count(self) -> int:
        number = self.sequence_number
        self.sequence_number = (number + 1) % 65536
        return number

    def _indicator(self, urgency: Urgency, dual: bool) -> FloorIndicator:
        policy = self.policy
        bits = urgency.indicator
        if policy.broadcast_by is not None:
            bits = bits & ~FloorIndicator.NORMAL | FloorIndicator.BROADCAST_GROUP
        if policy.queueing:
            bits |= FloorIndicator.QUEUEING_SUPPORTED
        if policy.temporary_group:
            bits |= FloorIndicator.TEMPORARY_GROUP
        return bits | FloorIndicator.DUAL_FLOOR if dual else bits
