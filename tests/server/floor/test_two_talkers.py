"""Audio cut-in, dual floor, and members who may act on the requests of others."""

from __future__ import annotations

import pytest

from mcsec.errors import Refused
from mcsec.server.floor import Member, ParticipantState, Urgency
from mcsec.wire.rtcp.floor import (
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorRevoke,
    FloorRevokeRequest,
    FloorTaken,
    QueuedFloorRequests,
)
from mcsec.wire.rtcp.floor_values import DenyCause, FloorIndicator, QueuePurpose, ResponseState, RevokeCause
from support.floor import Call, announced, forwarded, ssrc_of, told

URGENT = Urgency.EMERGENCY


def chief(user: str = "x") -> Member:
    return Member(user=user, urgency=URGENT, may_revoke=True, may_cancel=True)


def test_audio_cut_in_takes_the_floor_at_once_whoever_asks() -> None:
    call = Call("a", "b", chief(), audio_cut_in=True)
    call.ask("a", priority=255)
    call.media("a")
    outputs = call.ask("b", priority=0)
    assert len(told(outputs, "a", FloorRevoke)) == 1
    assert len(told(outputs, "b", FloorGranted)) == 1
    assert call.floor.talkers == ("b",)
    assert forwarded(call.media("a")) == []
    call.ask("x", urgency=URGENT)
    assert call.floor.talkers == ("x",)
    (deny,) = told(call.ask("a"), "a", FloorDeny)
    assert deny.cause.code is DenyCause.ANOTHER_CLIENT_HAS_PERMISSION


def test_dual_floor_lets_both_talk() -> None:
    call = Call("a", "b", chief(), dual_floor=True, t11=5.0, t12=8.0)
    call.ask("a")
    outputs = call.ask("x", urgency=URGENT)
    assert told(outputs, "a", FloorRevoke) == []
    (granted,) = told(outputs, "x", FloorGranted)
    (taken,) = announced(outputs, FloorTaken)
    for message in (granted, taken):
        assert message.indicator is not None
        assert FloorIndicator.DUAL_FLOOR in message.indicator
    assert granted.duration == 8
    assert call.floor.talkers == ("a", "x")
    assert forwarded([*call.media("a"), *call.media("x")]) == ["a", "x"]
    late = call.join("late")
    assert [message.granted_party for message in told(late, "late", FloorTaken)] == ["a", "x"]
    outputs = call.wait(8.2, "a", "x")
    assert told(outputs, "x", FloorRevoke)[0].cause.code is RevokeCause.MEDIA_BURST_TOO_LONG
    (idle,) = announced(call.free("x"), FloorIdle)
    assert idle.indicator is not None
    assert FloorIndicator.DUAL_FLOOR in idle.indicator
    assert call.floor.talkers == ("a",)
    assert call.floor.participant("x") is ParticipantState.TAKEN


def test_the_overridden_talker_may_end_first() -> None:
    call = Call("a", "b", chief(), dual_floor=True)
    call.ask("a")
    call.ask("x", urgency=URGENT)
    (idle,) = announced(call.free("a"), FloorIdle)
    assert idle.indicator is not None
    assert FloorIndicator.DUAL_FLOOR not in idle.indicator
    assert call.floor.talkers == ("x",)
    call.wait(4.1)
    assert call.floor.talkers == ()
    assert call.floor.participant("x") is ParticipantState.IDLE


def test_a_third_talker_of_dual_floor_takes_the_place_of_the_second() -> None:
    call = Call("a", "b", Member(user="p", urgency=Urgency.IMMINENT_PERIL), chief(), dual_floor=True)
    call.ask("a")
    call.ask("p", urgency=Urgency.IMMINENT_PERIL)
    outputs = call.ask("x", urgency=URGENT)
    assert len(told(outputs, "p", FloorRevoke)) == 1
    assert call.ask("x", urgency=URGENT) == []
    outputs = call.free("p")
    assert len(told(outputs, "x", FloorGranted)) == 1
    assert call.floor.talkers == ("a", "x")


def test_the_second_place_is_only_for_who_beats_the_first_talker() -> None:
    call = Call(
        "a", Member(user="p", urgency=Urgency.IMMINENT_PERIL), chief("x"), chief("y"), dual_floor=True
    )
    call.ask("a")
    call.ask("p", urgency=Urgency.IMMINENT_PERIL)
    call.ask("x", urgency=URGENT)
    call.ask("y", urgency=URGENT)
    call.free("a")
    assert call.floor.talkers == ("x", "p")
    call.free("p")
    assert (call.floor.talkers, call.floor.queue) == (("x",), ("y",))


def test_a_right_to_have_others_stopped() -> None:
    call = Call("a", "b", chief())
    call.ask("a")
    (revoke,) = told(call.send("x", FloorRevokeRequest(ssrc=ssrc_of("x"))), "a", FloorRevoke)
    assert revoke.cause.code is RevokeCause.REVOKED_BY_ANOTHER_CLIENT
    assert call.send("x", FloorRevokeRequest(ssrc=ssrc_of("x"), revoked_user_id="b")) == []
    with pytest.raises(Refused) as refused:
        call.send("b", FloorRevokeRequest(ssrc=ssrc_of("b")))
    assert refused.value.code == "floor.may-not-revoke"


@pytest.mark.parametrize(
    ("users", "state", "left"),
    [
        (None, ResponseState.CANCELLED, ()),
        (("b",), ResponseState.CANCELLED, ("c",)),
        (("b", "nobody"), ResponseState.PARTIALLY_CANCELLED, ("c",)),
        (("nobody",), ResponseState.NO_QUEUED_REQUEST, ("b", "c")),
    ],
)
def test_a_right_to_cancel_requests_of_others(
    users: tuple[str, ...] | None, state: ResponseState, left: tuple[str, ...]
) -> None:
    call = Call("a", "b", "c", chief())
    wish = QueuedFloorRequests(ssrc=ssrc_of("x"), purpose=QueuePurpose.CANCEL_REQUEST, queued_users=users)
    assert told(call.send("x", wish), "x", QueuedFloorRequests)[0].response_state is ResponseState.QUEUE_EMPTY
    for user in "abc":
        call.ask(user)
    outputs = call.send("x", wish)
    assert told(outputs, "x", QueuedFloorRequests)[0].response_state is state
    assert call.floor.queue == left
    for user in {"b", "c"} - set(left):
        assert told(outputs, user, QueuedFloorRequests)[0].purpose is QueuePurpose.CANCEL_NOTIFICATION
    with pytest.raises(Refused):
        call.send("a", QueuedFloorRequests(ssrc=ssrc_of("a"), purpose=QueuePurpose.CANCEL_REQUEST))
