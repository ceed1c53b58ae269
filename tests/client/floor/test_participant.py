"""The floor participant, rule by rule as in the specification's state machine."""

from __future__ import annotations

import pytest

from mcsec.client.floor import FloorParticipant, ParticipantPolicy, State
from mcsec.client.floor import events as told
from mcsec.errors import InvalidValue, WrongState
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorMessage,
    FloorQueuePositionRequest,
    FloorRelease,
    FloorRequest,
    QueuedFloorRequests,
)
from mcsec.wire.rtcp.floor_values import (
    DenyCause,
    FloorIndicator,
    FloorMessageType,
    QueuePurpose,
    RevokeCause,
    Source,
)
from support.floor_user import (
    CANCELLED,
    DENY,
    GRANTED,
    ME,
    MINE,
    REVOKE,
    THEIRS,
    User,
    idle,
    kinds,
    place,
    sent,
    taken,
)


def test_a_request_is_granted() -> None:
    user = User()
    outputs = user.floor.press(0.0, priority=9, indicator=FloorIndicator.EMERGENCY)
    request = FloorRequest(ssrc=MINE, priority=9, indicator=FloorIndicator.EMERGENCY)
    assert sent(outputs) == [request]
    assert user.floor.state is State.PENDING_REQUEST
    assert sent(user.waits(1.0)) == [request]
    assert user.hears(GRANTED) == [told.MayTalk(1.0, 30, 5, False)]
    assert user.floor.may_talk
    assert user.waits(60) == []


def test_a_request_is_sent_c101_times() -> None:
    user = User(c101=3, t101=1.0)
    user.presses()
    outputs = user.waits(10)
    assert len(sent(outputs)) == 2
    assert outputs[-1] == told.Unanswered(3.0)
    assert user.floor.state is State.NO_PERMISSION


def test_a_request_is_denied() -> None:
    user = User()
    user.presses()
    assert user.hears(DENY) == [told.Denied(0.0, DenyCause.QUEUE_FULL, "full")]
    assert user.floor.state is State.NO_PERMISSION
    assert user.floor.next_timer() is None
    assert user.hears(DENY) == []


def test_floor_taken_ends_a_request_and_a_late_place_in_the_queue_counts_all_the_same() -> None:
    user = User()
    user.presses()
    user.hears(taken(1))
    assert user.floor.state is State.NO_PERMISSION
    user.hears(place(1))
    assert user.floor.state is State.QUEUED


@pytest.mark.parametrize("unwanted", [GRANTED, place(1), REVOKE])
def test_what_nobody_waits_for_is_given_back(unwanted: FloorMessage) -> None:
    user = User()
    outputs = user.hears(unwanted)
    assert [type(message) for message in sent(outputs)] == [FloorRelease]
    assert not user.floor.may_talk
    user.waits(10)
    assert user.floor.state is State.NO_PERMISSION


def test_letting_go_releases_c100_times_until_the_floor_is_idle() -> None:
    user = User(c100=3, t100=1.0)
    user.talks()
    outputs = user.lets_go()
    assert kinds(outputs, told.MustStop) != []
    assert len(sent(outputs)) == 1
    assert user.floor.state is State.PENDING_RELEASE
    assert user.hears(GRANTED) == []
    assert len(sent(user.waits(1.5))) == 1
    assert user.hears(idle(1)) == [told.NobodyTalks(1.5, False)]
    assert (user.floor.state, user.floor.next_timer()) == (State.NO_PERMISSION, None)
    user.talks()
    user.lets_go()
    assert len(sent(user.waits(10))) == 2
    assert user.floor.state is State.NO_PERMISSION


@pytest.mark.parametrize("end", [idle(1), taken(1), DENY])
def test_what_ends_a_release(end: FloorMessage) -> None:
    user = User()
    user.talks()
    user.lets_go()
    user.hears(end)
    assert user.floor.state is State.NO_PERMISSION
    assert sent(user.waits(10)) == []


def test_a_release_while_the_request_is_pending() -> None:
    user = User()
    user.presses()
    assert [type(message) for message in sent(user.lets_go())] == [FloorRelease]
    assert user.hears(GRANTED) == []
    user.hears(idle(1))
    assert user.hears(GRANTED) != []
    assert not user.floor.may_talk


def test_a_revoked_user_stops_at_once() -> None:
    user = User()
    user.talks()
    outputs = user.hears(REVOKE)
    assert kinds(outputs, told.MustStop) == [told.MustStop(0.0, RevokeCause.MEDIA_BURST_PRE_EMPTED)]
    assert [message.indicator for message in sent(outputs) if isinstance(message, FloorRelease)] == [None]
    assert not user.floor.may_talk
    assert sent(user.hears(REVOKE)) == []


@pytest.mark.parametrize("news", [idle(1), taken(1), DENY])
def test_a_user_whom_the_server_thinks_silent_stops(news: FloorMessage) -> None:
    user = User()
    user.talks()
    assert kinds(user.hears(news), told.MustStop) != []
    assert not user.floor.may_talk


def test_waiting_and_taking_the_turn() -> None:
    user = User(t132=2.0)
    user.queues()
    assert user.presses() == []
    assert user.hears(GRANTED) == [told.YourTurn(0.0, 2.0)]
    assert user.hears(GRANTED, place(254)) == []
    assert not user.floor.may_talk
    assert user.presses() == [told.MayTalk(0.0, 30, 5, False)]


def test_a_turn_that_nobody_takes() -> None:
    user = User(t132=2.0)
    user.queues()
    user.hears(GRANTED)
    assert sent(user.waits(1.9)) == []
    assert [type(message) for message in sent(user.waits(0.2))] == [FloorRelease]
    assert user.floor.state is State.PENDING_RELEASE


def test_a_turn_is_taken_by_itself_where_the_device_says_so() -> None:
    user = User(talk_when_granted=True)
    user.queues()
    assert kinds(user.hears(GRANTED), told.MayTalk) != []

    user = User(talk_when_granted=True, stay_queued=True)
    user.queues()
    assert user.lets_go() == []
    assert kinds(user.hears(GRANTED), told.MayTalk) == []
    assert user.floor.state is State.QUEUED
    user.floor.cancel(0.0)
    assert user.floor.state is State.PENDING_RELEASE


def test_the_place_in_the_queue_is_asked_c104_times() -> None:
    user = User(c104=3)
    user.queues()
    outputs = [*user.floor.ask_position(0.0), *user.waits(10)]
    assert sent(outputs) == [FloorQueuePositionRequest(ssrc=MINE)] * 3
    user.floor.ask_position(10.0)
    assert user.hears(place(255)) == [told.Queued(10.0, None, 3)]
    assert user.hears(place(1)) == [told.Queued(10.0, 1, 3)]
    assert user.floor.next_timer() is None


@pytest.mark.parametrize("end", [place(254), CANCELLED, DENY, REVOKE])
def test_what_ends_waiting(end: FloorMessage) -> None:
    user = User()
    user.queues()
    outputs = user.hears(end)
    assert kinds(outputs, told.Cancelled | told.Denied) != []  # type: ignore[arg-type]  # isinstance takes unions
    assert user.floor.state is State.NO_PERMISSION
    assert user.floor.next_timer() is None


def test_a_cancellation_of_others_is_none_of_ours() -> None:
    user = User()
    user.queues()
    message = QueuedFloorRequests(
        ssrc=1, purpose=QueuePurpose.CANCEL_NOTIFICATION, queued_users=("sip:them@example.org",)
    )
    assert user.hears(message) == []
    assert user.floor.state is State.QUEUED


def test_letting_go_while_waiting_gives_the_place_up() -> None:
    user = User()
    user.queues()
    assert [type(message) for message in sent(user.lets_go())] == [FloorRelease]


def test_a_release_may_ask_for_an_acknowledgement_which_changes_nothing() -> None:
    user = User(ack_release=True)
    user.talks()
    (release,) = sent(user.lets_go())
    assert release.ack_requested
    assert user.hears(FloorAck(ssrc=1, source=Source.CONTROLLING, acked=FloorMessageType.RELEASE)) == []
    assert user.floor.state is State.PENDING_RELEASE


def test_a_call_with_an_implicit_request_and_one_that_is_granted() -> None:
    floor = FloorParticipant(ME, ssrc=MINE)
    assert floor.start(0.0, asking=True) == []
    assert floor.state is State.PENDING_REQUEST
    assert [type(message) for message in sent(floor.poll(1.0))] == [FloorRequest]
    floor = FloorParticipant(ME, ssrc=MINE)
    assert floor.start(0.0, granted=True) == [told.MayTalk(0.0, None, None, False)]
    with pytest.raises(WrongState):
        floor.start(0.0)


def test_release_of_the_call() -> None:
    user = User()
    user.talks()
    user.floor.release(0.0)
    assert not user.floor.may_talk
    assert user.hears(GRANTED) == user.presses() == user.floor.media(THEIRS, 0.0) == []
    assert user.floor.next_timer() is None
    user.floor.released(0.0)
    user.floor.start(0.0)
    assert user.hears(idle(0)) != []
    with pytest.raises(WrongState):
        user.floor.released(0.0)


@pytest.mark.parametrize("wrong", [{"t100": 0.0}, {"c101": 0}])
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValue):
        ParticipantPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose
