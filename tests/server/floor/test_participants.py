"""What the server accepts from each participant: media without permission, strangers, wrong senders."""

from __future__ import annotations

import pytest

from mcsec.errors import Refused
from mcsec.server.floor import Member, ParticipantState
from mcsec.server.floor import events as happened
from mcsec.wire.rtcp.floor import (
    FloorGranted,
    FloorIdle,
    FloorMessage,
    FloorRelease,
    FloorRequest,
    FloorRevoke,
    FloorTaken,
    QueuedFloorRequests,
    UnicastMediaFlowControl,
)
from mcsec.wire.rtcp.floor_values import QueuePurpose, RejectCause, RevokeCause, TrackInfo
from support.floor import Call, forwarded, of_kind, ssrc_of, told


@pytest.mark.parametrize("somebody_talks", [False, True])
def test_media_without_permission_is_dropped_and_revoked(somebody_talks: bool) -> None:
    call = Call("a", "b", t8=1.0, t1=4.0)
    if somebody_talks:
        call.ask("a")
    outputs = call.media("b")
    assert forwarded(outputs) == []
    assert told(outputs, "b", FloorRevoke)[0].cause.code is RevokeCause.NO_PERMISSION_TO_SEND
    assert of_kind(outputs, happened.MediaRefused) == [happened.MediaRefused(100.0, "b")]
    outputs = call.wait(2.9, "b", *(["a"] if somebody_talks else []))
    assert len(told(outputs, "b", FloorRevoke)) == 2
    assert set(forwarded(outputs)) <= {"a"}
    assert of_kind(outputs, happened.MediaRefused) == []
    outputs = call.free("b")
    assert len(told(outputs, "b", FloorTaken if somebody_talks else FloorIdle)) == 1
    assert told(call.wait(2), "b", FloorRevoke) == []


def test_who_stops_by_itself_is_let_alone() -> None:
    call = Call("a", "b", t1=4.0, t4=100.0)
    call.media("b")
    call.wait(4.1)
    assert call.floor.participant("b") is ParticipantState.IDLE
    assert told(call.wait(20), "b", FloorRevoke) == []


def test_a_burst_of_another_does_not_excuse_it() -> None:
    call = Call("a", "b")
    call.media("b")
    call.ask("a")
    assert call.floor.participant("b") is ParticipantState.SENDS_MEDIA
    call.free("a")
    assert call.floor.participant("b") is ParticipantState.SENDS_MEDIA
    assert len(told(call.ask("b"), "b", FloorGranted)) == 1
    assert forwarded(call.media("b")) == ["b"]


def test_strangers_and_servers_and_borrowed_names_are_refused() -> None:
    call = Call(Member(user="a", ssrc=ssrc_of("a"), audio_ssrc=77), "b")
    wrong: list[tuple[str, FloorMessage, str]] = [
        ("nobody", FloorRequest(ssrc=1), "floor.not-a-member"),
        ("a", FloorIdle(ssrc=ssrc_of("a"), sequence_number=1), "floor.direction"),
        ("a", FloorRevoke(ssrc=ssrc_of("a"), cause=RejectCause(1)), "floor.direction"),
        ("a", FloorRequest(ssrc=ssrc_of("b")), "floor.ssrc"),
        ("a", FloorRequest(ssrc=ssrc_of("a"), user_id="b"), "floor.user-id"),
        ("a", QueuedFloorRequests(ssrc=ssrc_of("a"), purpose=QueuePurpose.CANCEL_RESULT), "floor.direction"),
    ]
    for user, message, code in wrong:
        with pytest.raises(Refused) as refused:
            call.send(user, message)
        assert refused.value.code == code
    for user, ssrc, code in (("nobody", 1, "floor.not-a-member"), ("a", ssrc_of("a"), "floor.media-ssrc")):
        with pytest.raises(Refused) as refused:
            call.floor.media(user, ssrc, call.now)
        assert refused.value.code == code
    with pytest.raises(Refused):
        call.leave("nobody")
    (granted,) = told(call.send("a", FloorRequest(ssrc=ssrc_of("a"), user_id="a")), "a", FloorGranted)
    assert granted.audio_ssrc == 77
    assert forwarded(call.floor.media("a", 77, call.now)) == ["a"]


def test_the_first_message_binds_the_ssrc() -> None:
    call = Call("a", "b")
    call.free("a")
    with pytest.raises(Refused):
        call.send("a", FloorRelease(ssrc=1))


def test_track_info_comes_back_to_who_sent_it() -> None:
    call = Call("a", "b")
    track = TrackInfo(True, "7", (1, 2))
    (granted,) = told(call.send("a", FloorRequest(ssrc=ssrc_of("a"), track_info=track)), "a", FloorGranted)
    assert granted.track_info == track


def test_a_wish_about_unicast_media_is_passed_to_call_control() -> None:
    call = Call("a", "b")
    outputs = call.send("a", UnicastMediaFlowControl(ssrc=ssrc_of("a"), resume=False))
    assert outputs == [happened.MediaFlowWanted(100.0, "a", False)]


def test_the_floor_costs_the_same_for_any_number_of_listeners() -> None:
    def a_burst(listeners: int) -> list[happened.Output]:
        call = Call("a", *(f"l{number}" for number in range(listeners)), c7=1)
        return [*call.ask("a"), *call.media("a"), *call.free("a"), *call.wait(1)]

    assert a_burst(1) == a_burst(2000)
