"""What participants send beside asking and releasing: acknowledgements, and messages of later releases."""

from __future__ import annotations

from mcsec.errors import Refused
from mcsec.server.floor.arbiter import Arbiter
from mcsec.server.floor.arbitration import ArbitrationState, Step
from mcsec.server.floor.events import CancelAnswered, MediaFlowWanted, Output, RequestCancelled, ToOne
from mcsec.server.floor.members import Member
from mcsec.server.floor.messages import Writer
from mcsec.wire.rtcp import row_of
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorMessage,
    FloorRevokeRequest,
    QueuedFloorRequests,
    UnicastMediaFlowControl,
)
from mcsec.wire.rtcp.floor_values import FloorMessageType, QueuePurpose, ResponseState


def receive(
    arbiter: Arbiter, writer: Writer, member: Member, message: FloorMessage, now: float
) -> list[Output]:
    """What follows from ``message`` of ``member``, beside what the arbiter puts out itself.

    :raises Refused: the member may not do that, or the message does not come from participants.
    """
    match message:
        case FloorAck():
            _acknowledged(arbiter, member, message)
            return []
        case FloorRevokeRequest():
            _revoke(arbiter, member, message, now)
            return []
        case QueuedFloorRequests(purpose=QueuePurpose.CANCEL_REQUEST):
            return _cancel(arbiter, writer, member, message, now)
        case UnicastMediaFlowControl():
            return [MediaFlowWanted(now, member.user, message.resume)]
    raise Refused(
        f"{row_of(message).name} of that kind does not come from participants", code="floor.direction"
    )


def _acknowledged(arbiter: Arbiter, member: Member, message: FloorAck) -> None:
    # A grant that has arrived is not repeated; any other message is never repeated for want of an acknowledgement.
    track = arbiter.of(member.user)
    if track is not None and message.acked is FloorMessageType.GRANTED:
        track.timers.pop(Step.T20, None)


def _revoke(arbiter: Arbiter, member: Member, message: FloorRevokeRequest, now: float) -> None:
    if not member.may_revoke:
        raise Refused(f"{member.user} may not have others stopped", code="floor.may-not-revoke")
    for track in arbiter.tracks:
        talker = track.talker
        if talker is None or track.state is not ArbitrationState.TAKEN:
            continue
        if message.revoked_user_id in (None, talker.user):
            arbiter.step(track, Step.REVOKE_ASKED, now)


def _cancel(
    arbiter: Arbiter, writer: Writer, member: Member, message: QueuedFloorRequests, now: float
) -> list[Output]:
    if not member.may_cancel:
        raise Refused(f"{member.user} may not cancel requests of others", code="floor.may-not-cancel")
    waited = arbiter.queue.users
    wanted = dict.fromkeys(waited if message.queued_users is None else message.queued_users)
    gone = tuple(user for user in wanted if arbiter.queue.remove(user))
    if not waited:
        state = ResponseState.QUEUE_EMPTY
    elif not gone:
        state = ResponseState.NO_QUEUED_REQUEST
    else:
        state = ResponseState.CANCELLED if len(gone) == len(wanted) else ResponseState.PARTIALLY_CANCELLED
    notice = writer.cancelled(QueuePurpose.CANCEL_NOTIFICATION, ())
    out: list[Output] = []
    for user in gone:
        out += [ToOne(user, notice), RequestCancelled(now, user, member.user)]
    result = writer.cancelled(QueuePurpose.CANCEL_RESULT, gone, state)
    return [*out, ToOne(member.user, result), CancelAnswered(now, member.user, state)]
