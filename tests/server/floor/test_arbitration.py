"""General arbitration, rule by rule as in the specification's state machine."""

from __future__ import annotations

import pytest

from mcsec.errors import InvalidValue, WrongState
from mcsec.server.floor import ArbitrationState, FloorPolicy, Member, ParticipantState, Urgency
from mcsec.server.floor import events as happened
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorRelease,
    FloorRequest,
    FloorRevoke,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import DenyCause, FloorIndicator, FloorMessageType, RevokeCause, Source
from support.floor import Call, announced, forwarded, of_kind, ssrc_of, told

GRANTED_ACK = FloorAck(ssrc=ssrc_of("a"), source=Source.FLOOR_PARTICIPANT, acked=FloorMessageType.GRANTED)


def test_a_call_opens_idle_and_says_so_c7_times() -> None:
    call = Call("a", "b", c7=3, t7=1.0, t4=100.0)
    assert len(announced(call.opening, FloorIdle)) == 1
    assert len(announced(call.wait(50), FloorIdle)) == 2
    assert call.floor.state is ArbitrationState.IDLE


def test_an_idle_call_is_reported_every_t4() -> None:
    call = Call("a", "b", t4=10.0)
    assert [event.now - 100 for event in of_kind(call.wait(35), happened.CallInactive)] == [10, 20, 30]


def test_a_request_is_granted_and_everybody_else_hears() -> None:
    call = Call("a", "b", t2=25.0)
    outputs = call.ask("a", priority=7)
    (granted,) = told(outputs, "a", FloorGranted)
    assert (granted.duration, granted.priority, granted.audio_ssrc) == (25, 7, ssrc_of("a"))
    (taken,) = announced(outputs, FloorTaken)
    assert (taken.granted_party, taken.permission, taken.audio_ssrc) == ("a", True, ssrc_of("a"))
    assert of_kind(outputs, happened.ToAll)[0].but == {"a"}
    assert call.floor.participant("a") is ParticipantState.PERMITTED
    assert call.floor.participant("b") is ParticipantState.TAKEN
    assert announced(call.wait(2.5), FloorIdle) == []


def test_the_sequence_number_counts_and_wraps() -> None:
    call = Call("a", "b", number=65534, c7=1)
    numbers = [message.sequence_number for message in announced(call.opening, FloorIdle)]
    for user in "ab":
        numbers += [message.sequence_number for message in announced(call.ask(user), FloorTaken)]
        numbers += [message.sequence_number for message in announced(call.free(user), FloorIdle)]
    assert numbers == [65534, 65535, 0, 1, 2]


def test_granted_is_repeated_until_c20_are_sent_or_media_comes() -> None:
    call = Call("a", "b", c20=3, t20=1.0, t1=6.0)
    call.ask("a")
    assert len(told(call.wait(5.5), "a", FloorGranted)) == 2
    call.wait(1)
    call.ask("b")
    assert len(told(call.wait(1.2), "b", FloorGranted)) == 1
    call.media("b")
    assert told(call.wait(3), "b", FloorGranted) == []


def test_an_acknowledged_grant_is_not_repeated() -> None:
    call = Call("a", "b", ask_ack=frozenset({FloorMessageType.GRANTED}))
    (granted,) = told(call.ask("a"), "a", FloorGranted)
    assert granted.ack_requested
    assert call.send("a", GRANTED_ACK) == []
    assert told(call.wait(3.5), "a", FloorGranted) == []


def test_messages_for_all_never_ask_for_an_acknowledgement() -> None:
    call = Call("a", "b", ask_ack=frozenset({FloorMessageType.TAKEN, FloorMessageType.IDLE}))
    assert not announced(call.ask("a"), FloorTaken)[0].ack_requested
    assert told(call.join("c"), "c", FloorTaken)[0].ack_requested


def test_a_talker_who_asks_again_is_told_again() -> None:
    call = Call("a", "b")
    call.ask("a")
    outputs = call.ask("a")
    assert len(told(outputs, "a", FloorGranted)) == 1
    assert announced(outputs, FloorTaken) == []


def test_a_talker_releases() -> None:
    call = Call("a", "b")
    call.ask("a")
    outputs = call.free("a", ack=True)
    assert told(outputs, "a", FloorAck)[0].acked is FloorMessageType.RELEASE
    assert len(announced(outputs, FloorIdle)) == 1
    assert of_kind(outputs, happened.FloorFree) != []
    assert call.floor.talkers == ()


def test_a_silent_talker_loses_the_floor_after_t1() -> None:
    call = Call("a", "b", t1=4.0)
    call.ask("a")
    call.wait(2)
    call.media("a")
    assert announced(call.wait(3.9), FloorIdle) == []
    assert len(announced(call.wait(0.2), FloorIdle)) == 1


def test_a_talker_who_talks_too_long_is_revoked_and_relayed_until_t3() -> None:
    call = Call("a", "b", t2=10.0, t3=3.0, t8=1.0)
    call.ask("a")
    call.media("a")
    assert told(call.wait(9.9, "a"), "a", FloorRevoke) == []
    outputs = call.wait(0.2, "a")
    (revoke,) = told(outputs, "a", FloorRevoke)
    assert revoke.cause.code is RevokeCause.MEDIA_BURST_TOO_LONG
    assert call.floor.participant("a") is ParticipantState.PENDING_REVOKE
    assert forwarded(call.media("a")) == ["a"]
    outputs = call.wait(2.85, "a")
    assert len(told(outputs, "a", FloorRevoke)) == 2
    assert announced(outputs, FloorIdle) == []
    outputs = call.wait(0.2)
    assert len(announced(outputs, FloorIdle)) == 1
    assert forwarded(call.media("a")) == []


def test_a_revoked_talker_who_releases_frees_the_floor() -> None:
    call = Call("a", "b", t2=2.0)
    call.ask("a")
    call.wait(2.6, "a")
    assert call.floor.state is ArbitrationState.PENDING_REVOKE
    assert len(announced(call.free("a"), FloorIdle)) == 1


def test_a_silent_revoked_talker_loses_the_floor_after_t1() -> None:
    call = Call("a", "b", t1=1.0, t2=5.0, t3=60.0)
    call.ask("a")
    call.wait(5.8, "a")
    assert call.floor.state is ArbitrationState.PENDING_REVOKE
    call.wait(1.1)
    assert call.floor.state is ArbitrationState.IDLE


def test_a_leaving_talker_frees_the_floor_and_one_who_is_left_alone_is_revoked() -> None:
    call = Call("a", "b", "c")
    call.ask("a")
    assert len(announced(call.leave("a"), FloorIdle)) == 1
    call.ask("b")
    (revoke,) = told(call.leave("c"), "b", FloorRevoke)
    assert revoke.cause.code is RevokeCause.ONLY_ONE_CLIENT


def test_the_only_participant_is_denied() -> None:
    call = Call("a")
    (deny,) = told(call.ask("a"), "a", FloorDeny)
    assert deny.cause.code is DenyCause.ONLY_ONE_PARTICIPANT
    assert call.floor.state is ArbitrationState.IDLE


def test_who_waits_is_denied_when_nobody_is_left_to_hear() -> None:
    call = Call("a", "b")
    call.ask("a")
    call.ask("b")
    (deny,) = told(call.leave("a"), "b", FloorDeny)
    assert deny.cause.code is DenyCause.ONLY_ONE_PARTICIPANT


def test_a_request_before_the_call_is_set_up_counts_when_it_is() -> None:
    call = Call("a", "b", "c", "d", Member(user="e", queueing=False), start=False, queue_limit=1)
    call.floor.initialise(call.now)
    assert call.floor.state is ArbitrationState.INITIALISING
    for user in "abce":
        assert call.ask(user, priority=9 if user == "b" else 1) == []
    call.free("c")
    assert forwarded(call.media("b")) == []
    outputs = call.checked(call.floor.start(call.now))
    assert call.floor.talkers == ("b",)
    assert announced(outputs, FloorIdle) == []
    assert call.floor.queue == ("a",)
    assert of_kind(outputs, happened.RequestQueued) == [happened.RequestQueued(100.0, "a", 1)]
    assert told(outputs, "e", FloorDeny)[0].cause.code is DenyCause.ANOTHER_CLIENT_HAS_PERMISSION


def test_more_requests_before_set_up_than_can_wait() -> None:
    call = Call("a", "b", "c", start=False, queue_limit=1)
    for user in "abc":
        call.ask(user)
    (deny,) = told(call.checked(call.floor.start(call.now)), "c", FloorDeny)
    assert deny.cause.code is DenyCause.QUEUE_FULL


def test_a_late_joiner_is_told_who_talks() -> None:
    call = Call("a", "b")
    assert len(told(call.join("c"), "c", FloorIdle)) == 1
    call.ask("a")
    (taken,) = told(call.join("d"), "d", FloorTaken)
    assert taken.granted_party == "a"
    assert call.floor.participant("d") is ParticipantState.TAKEN


def test_release_of_the_call() -> None:
    call = Call("a", "b")
    call.ask("a")
    call.ask("b")
    outputs = call.checked(call.floor.release(call.now))
    assert of_kind(outputs, happened.TalkerStopped) != []
    assert (call.floor.state, call.floor.talkers, call.floor.queue) == (ArbitrationState.RELEASING, (), ())
    assert call.floor.next_timer() is None
    assert call.ask("b") == call.media("a") == call.free("a") == []
    with pytest.raises(WrongState):
        call.join("c")
    call.leave("b")
    call.floor.released(call.now)
    assert call.floor.members == ()
    assert call.floor.state is ArbitrationState.START_STOP
    call.join("a")
    call.join("b")
    call.floor.start(call.now)
    assert told(call.ask("a"), "a", FloorGranted) != []


def test_what_a_call_is_stands_in_the_indicator() -> None:
    call = Call(Member(user="a", urgency=Urgency.EMERGENCY), "b", temporary_group=True)
    (taken,) = announced(call.ask("a", urgency=Urgency.EMERGENCY), FloorTaken)
    assert taken.indicator == (
        FloorIndicator.EMERGENCY | FloorIndicator.QUEUEING_SUPPORTED | FloorIndicator.TEMPORARY_GROUP
    )


def test_a_withheld_name_is_withheld() -> None:
    call = Call("a", "b", name_talkers=False)
    request = FloorRequest(ssrc=ssrc_of("a"), functional_alias="sip:chief@example.org")
    (taken,) = announced(call.send("a", request), FloorTaken)
    assert (taken.granted_party, taken.functional_alias, taken.audio_ssrc) == (None, None, ssrc_of("a"))


def test_a_functional_alias_is_passed_on() -> None:
    call = Call("a", "b")
    request = FloorRequest(ssrc=ssrc_of("a"), functional_alias="sip:chief@example.org")
    assert announced(call.send("a", request), FloorTaken)[0].functional_alias == "sip:chief@example.org"


def test_a_step_out_of_place_is_our_fault() -> None:
    call = Call("a", "b")
    with pytest.raises(WrongState):
        call.floor.start(call.now)
    with pytest.raises(InvalidValue):
        call.join("a")


@pytest.mark.parametrize(
    "wrong",
    [
        {"t1": 0.0},
        {"t3": -1.0},
        {"c7": 0},
        {"c20": 0},
        {"t2": 65536.0},
        {"queue_limit": 254},
        {"ask_ack": frozenset({FloorMessageType.REVOKE})},
    ],
)
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        FloorPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_a_release_of_nobody_is_answered_with_the_state() -> None:
    call = Call("a", "b")
    assert len(told(call.free("b"), "b", FloorIdle)) == 1
    call.ask("a")
    assert len(told(call.send("b", FloorRelease(ssrc=ssrc_of("b"))), "b", FloorTaken)) == 1
