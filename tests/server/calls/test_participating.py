"""A call as one domain's users see it: once on the bearer, by unicast to the others, switched make-before-break."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.errors import Refused
from mcsec.keys.events import BroadcastRefused
from mcsec.server.calls import events
from mcsec.server.calls.participating import (
    Broadcast,
    BroadcastMedia,
    Output,
    SendMedia,
    ServedCall,
    Tell,
)
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.subchannel import Control, Freed
from mcsec.server.calls.subchannel_states import SubchannelState
from mcsec.wire.rtcp.floor import FloorDeny, FloorGranted, FloorRelease, FloorRequest
from mcsec.wire.rtcp.floor_values import RejectCause
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel, UnmapGroupToBearer
from support.calls import ANN, BOB, CEM, CHANNEL, DAN, GROUP, TMGI, idle, of_kind, rtp, taken

NORTH, SOUTH = "north", "south"
GRANTED = FloorGranted(ssrc=1, duration=30, priority=0)


@dataclass
class Room:
    """Subchannels of a bearer, and whether something may be broadcast."""

    channels: list[MbmsSubchannel] = field(default_factory=lambda: [CHANNEL])
    allowed: bool = True

    def assign(self, bearer: str) -> MbmsSubchannel | None:
        return self.channels[0] if self.channels else None

    def refusal(self, now: float) -> BroadcastRefused | None:
        return None if self.allowed else BroadcastRefused(now, "MBMS_FLOOR", GROUP, "policy.no-key", "no key")


def served(*users: str, policy: CallPolicy | None = None, room: Room | None = None) -> ServedCall:
    place = room or Room()
    call = ServedCall(GROUP, policy or CallPolicy(), assign=place.assign, refusal=place.refusal)
    for user in users or (ANN, CEM):
        call.enter(user, 0.0)
    return call


def on_bearer(call: ServedCall, *users: str) -> None:
    """The call is mapped, and ``users`` hear it there."""
    call.bearer_up(NORTH, TMGI, 0.0)
    for user in users:
        call.hears(user, NORTH, True, 0.0)
    call.down(taken(1), 0.0)
    for user in users:
        call.listens(user, NORTH, True, 0.0)


def messages(out: list[Output]) -> list[str]:
    return [type(control.message).__name__ for control in of_kind(out, Control)]


def test_without_a_bearer_everything_goes_by_unicast() -> None:
    call = served()
    assert call.down(taken(1), 1.0, user=ANN) == [Tell(frozenset({ANN}), taken(1))]
    assert call.down(taken(1), 1.0, user=CEM) == [Tell(frozenset({CEM}), taken(1))]
    assert call.media(rtp(1), 1.0, user=CEM) == [SendMedia(frozenset({CEM}), rtp(1))]
    assert call.down(taken(2), 1.0, but=frozenset({ANN})) == [Tell(frozenset({CEM}), taken(2))]


def test_the_first_word_maps_the_call_and_unicast_goes_on_until_they_listen() -> None:
    call = served()
    call.bearer_up(NORTH, TMGI, 0.0)
    call.hears(ANN, NORTH, True, 0.0)
    out = call.down(taken(1), 1.0)
    (control,) = of_kind(out, Control)
    assert control.message == MapGroupToBearer(ssrc=0, group_id=GROUP, tmgi=TMGI, subchannel=CHANNEL)
    assert of_kind(out, events.GroupMapped)
    assert [one.message for one in of_kind(out, Broadcast)] == [taken(1)]
    assert of_kind(out, Tell) == [Tell(frozenset({ANN, CEM}), taken(1))]
    switched = call.listens(ANN, NORTH, True, 2.0)
    assert of_kind(switched, events.ListenerSwitched) == [events.ListenerSwitched(2.0, GROUP, ANN, NORTH)]
    out = call.down(idle(2), 3.0)
    assert of_kind(out, Tell) == [Tell(frozenset({CEM}), idle(2))]
    assert of_kind(out, Broadcast)[0].heard == {ANN}
    assert call.bearer_of(ANN) == NORTH


def test_copies_of_many_legs_are_one_broadcast() -> None:
    call = served(ANN, CEM, DAN)
    on_bearer(call, ANN, CEM)
    out = [one for user in (ANN, CEM, DAN) for one in call.down(taken(9), 1.0, user=user)]
    assert len(of_kind(out, Broadcast)) == 1
    assert of_kind(out, Tell) == [Tell(frozenset({DAN}), taken(9))]
    out = [one for user in (ANN, CEM, DAN) for one in call.media(rtp(5), 1.0, user=user)]
    assert of_kind(out, BroadcastMedia) == [BroadcastMedia(NORTH, CHANNEL, rtp(5))]
    assert of_kind(out, SendMedia) == [SendMedia(frozenset({DAN}), rtp(5))]


@pytest.mark.parametrize("message", [GRANTED, FloorDeny(ssrc=1, cause=RejectCause(1))])
def test_what_is_for_one_goes_to_that_one_by_unicast(message: FloorGranted | FloorDeny) -> None:
    call = served()
    on_bearer(call, ANN, CEM)
    assert call.down(message, 1.0, user=ANN) == [Tell(frozenset({ANN}), message)]


def test_map_is_repeated_and_silence_unmaps() -> None:
    call = served(policy=CallPolicy(t15=2.0, t16=0.5, t17=0.2, c17=3))
    on_bearer(call, ANN)
    assert messages(call.poll(0.5)) == ["MapGroupToBearer"]
    assert messages(call.poll(1.0)) == ["MapGroupToBearer"]
    call.media(rtp(1), 1.0)
    out = call.poll(2.9)
    assert set(messages(out)) == {"MapGroupToBearer"}
    out = call.poll(3.0)
    assert messages(out)[-1] == "UnmapGroupToBearer"
    assert of_kind(out, events.ListenerSwitched) == [events.ListenerSwitched(3.0, GROUP, ANN, "")]
    assert call.state(NORTH) is SubchannelState.RELEASING
    out = call.poll(3.21) + call.poll(3.42)
    assert messages(out) == ["UnmapGroupToBearer"] * 2
    out = call.poll(3.7)
    assert of_kind(out, Freed) == [Freed(NORTH, CHANNEL)]
    assert call.state(NORTH) is SubchannelState.NOT_ASSIGNED
    assert call.next_timer() is None
    assert messages(call.down(taken(7), 5.0)) == ["MapGroupToBearer"]


def test_who_stops_listening_is_told_by_unicast_at_once() -> None:
    call = served()
    on_bearer(call, ANN, CEM)
    call.listens(ANN, NORTH, False, 1.0)
    out = call.down(taken(5), 1.0)
    assert of_kind(out, Tell) == [Tell(frozenset({ANN}), taken(5))]
    assert of_kind(out, Broadcast)[0].heard == {CEM}


def test_a_bearer_that_nobody_hears_any_more_is_left() -> None:
    call = served()
    on_bearer(call, ANN)
    out = call.hears(ANN, NORTH, False, 1.0)
    assert messages(out) == ["UnmapGroupToBearer"]
    assert of_kind(call.down(taken(5), 1.1), Broadcast) == []


def test_as_many_must_listen_as_the_operator_says() -> None:
    call = served(policy=CallPolicy(listeners=2))
    call.bearer_up(NORTH, TMGI, 0.0)
    call.hears(ANN, NORTH, True, 0.0)
    assert messages(call.down(taken(1), 0.0)) == []
    call.hears(CEM, NORTH, True, 0.0)
    assert messages(call.down(taken(2), 0.0)) == ["MapGroupToBearer"]


def test_who_hears_the_bearer_and_is_not_in_the_call_does_not_count() -> None:
    call = served(ANN)
    call.bearer_up(NORTH, TMGI, 0.0)
    call.hears(CEM, NORTH, True, 0.0)
    assert messages(call.down(taken(1), 0.0)) == []
    call.enter(CEM, 1.0)
    assert messages(call.down(taken(2), 1.0)) == ["MapGroupToBearer"]


def test_a_lost_bearer_leaves_nobody_without_the_floor() -> None:
    call = served()
    on_bearer(call, ANN, CEM)
    out = call.bearer_lost(NORTH, 1.0)
    assert messages(out) == []
    assert of_kind(out, Freed) == [Freed(NORTH, CHANNEL)]
    assert {event.user for event in of_kind(out, events.ListenerSwitched)} == {ANN, CEM}
    assert call.down(taken(5), 1.0) == [Tell(frozenset({ANN, CEM}), taken(5))]


def test_a_suspended_bearer_is_stood_in_for_and_taken_up_again() -> None:
    call = served()
    on_bearer(call, ANN, CEM)
    call.suspended(NORTH, True, 1.0)
    assert call.down(taken(5), 1.0) == [Tell(frozenset({ANN, CEM}), taken(5))]
    call.suspended(NORTH, False, 2.0)
    assert of_kind(call.down(taken(6), 2.0), Tell) == []


def test_without_a_key_to_broadcast_under_the_call_goes_on_no_bearer() -> None:
    room = Room(allowed=False)
    call = served(room=room)
    call.bearer_up(NORTH, TMGI, 0.0)
    call.hears(ANN, NORTH, True, 0.0)
    why = room.refusal(0.0)
    assert call.down(taken(1), 0.0) == [why, Tell(frozenset({ANN, CEM}), taken(1))]
    assert call.down(taken(2), 1.0) == [Tell(frozenset({ANN, CEM}), taken(2))], "told once"
    room.allowed = True
    assert messages(call.down(taken(3), 1.0)) == ["MapGroupToBearer"]
    room.allowed = False
    left = call.listens(ANN, NORTH, True, 2.0)
    assert messages(left) == ["UnmapGroupToBearer"]
    assert [type(one) for one in left if isinstance(one, BroadcastRefused)] == [BroadcastRefused], (
        "told again"
    )


def test_a_call_leaves_the_bearer_with_the_next_message_when_its_key_is_gone() -> None:
    room = Room()
    call = served(room=room)
    on_bearer(call, ANN, CEM)
    room.allowed = False
    out = call.down(taken(2), 1.0)
    assert messages(out) == ["UnmapGroupToBearer"]
    assert of_kind(out, Broadcast) == []
    assert of_kind(out, Tell) == [Tell(frozenset({ANN, CEM}), taken(2))]


def test_a_bearer_without_a_free_subchannel_is_not_used() -> None:
    call = served(room=Room(channels=[]))
    call.bearer_up(NORTH, TMGI, 0.0)
    call.hears(ANN, NORTH, True, 0.0)
    assert call.down(taken(1), 0.0) == [Tell(frozenset({ANN, CEM}), taken(1))]


def test_two_bearers_carry_one_call() -> None:
    call = served(ANN, CEM, DAN)
    for name, user in ((NORTH, ANN), (SOUTH, CEM)):
        call.bearer_up(name, TMGI, 0.0)
        call.hears(user, name, True, 0.0)
    call.down(taken(1), 0.0)
    call.listens(ANN, NORTH, True, 0.0)
    call.listens(CEM, SOUTH, True, 0.0)
    out = call.down(taken(2), 0.0)
    assert {one.bearer: set(one.heard) for one in of_kind(out, Broadcast)} == {NORTH: {ANN}, SOUTH: {CEM}}
    assert of_kind(out, Tell) == [Tell(frozenset({DAN}), taken(2))]


def test_a_bearer_is_wanted_once_when_many_are_on_unicast() -> None:
    call = served(ANN, policy=CallPolicy(dynamic=2))
    out = call.enter(CEM, 1.0) + call.enter(DAN, 2.0)
    assert of_kind(out, events.BearerWanted) == [events.BearerWanted(1.0, GROUP, 2)]
    out = [one for user in (ANN, CEM, DAN) for one in call.leave(user, 3.0)]
    assert len(of_kind(out, events.BearerUnwanted)) == 1


def test_when_the_last_user_left_the_bearer_is_told() -> None:
    call = served(ANN)
    on_bearer(call, ANN)
    assert messages(call.leave(ANN, 1.0)) == ["UnmapGroupToBearer"]
    assert not call.over
    for now in (1.3, 1.6, 1.9):
        call.poll(now)
    assert call.over


def test_messages_up_name_their_user_and_nobody_else() -> None:
    call = served()
    assert call.up(ANN, FloorRequest(ssrc=3)) == FloorRequest(ssrc=3, user_id=ANN)
    assert call.up(ANN, FloorRelease(ssrc=3, user_id=ANN)).ssrc == 3
    with pytest.raises(Refused) as other:
        call.up(ANN, FloorRequest(ssrc=3, user_id=CEM))
    with pytest.raises(Refused) as stranger:
        call.up(BOB, FloorRequest(ssrc=3))
    with pytest.raises(Refused) as direction:
        call.up(ANN, taken(1))
    codes = [error.value.code for error in (other, stranger, direction)]
    assert codes == ["floor.user-id", "call.no-leg", "floor.direction"]


def test_what_a_server_does_not_send_goes_nowhere() -> None:
    call = served()
    with pytest.raises(Refused):
        call.down(FloorRequest(ssrc=3), 1.0, user=ANN)
    with pytest.raises(Refused):
        call.down(taken(1), 1.0, user=BOB)
    with pytest.raises(Refused):
        call.media(rtp(1), 1.0, user=BOB)


def test_an_unmap_names_the_subchannel() -> None:
    call = served(ANN)
    on_bearer(call, ANN)
    (control,) = of_kind(call.leave(ANN, 1.0), Control)
    assert control.message == UnmapGroupToBearer(ssrc=0, group_id=GROUP, subchannel=CHANNEL)


USERS = st.sampled_from([ANN, CEM, DAN])
BEARERS = st.sampled_from([NORTH, SOUTH])
DOINGS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "up", "lost", "hears", "deaf", "listens", "stops", "suspend",
                         "resume", "taken", "media", "wait"]),
        USERS,
        BEARERS,
    ),
    max_size=50,
)  # fmt: skip


@settings(max_examples=80)
@given(doings=DOINGS)
def test_everybody_in_the_call_is_reached_whatever_happens(doings: list[tuple[str, str, str]]) -> None:
    """Each user of the call gets each Floor Taken at least once: by unicast, or on a bearer that carries it and that
    the user said it hears.
    """
    call, now = served(ANN, policy=CallPolicy(t15=3.0)), 0.0
    for number, (what, user, bearer) in enumerate(doings):
        now += 0.1
        match what:
            case "enter":
                call.enter(user, now)
            case "leave":
                call.leave(user, now)
            case "up":
                call.bearer_up(bearer, TMGI, now)
            case "lost":
                call.bearer_lost(bearer, now)
            case "hears" | "deaf":
                call.hears(user, bearer, what == "hears", now)
            case "listens" | "stops":
                call.listens(user, bearer, what == "listens", now)
            case "suspend" | "resume":
                call.suspended(bearer, what == "suspend", now)
            case "media":
                call.media(rtp(number % 65536), now)
            case "wait":
                now += 2.0
                call.poll(now)
        out = call.down(taken(number), now)
        reached = {one for tell in of_kind(out, Tell) for one in tell.users}
        for broadcast in of_kind(out, Broadcast):
            assert call.state(broadcast.bearer) is SubchannelState.ACTIVE
            reached |= broadcast.heard
        assert call.users <= reached
        assert call.by_unicast == {one for one in call.users if call.bearer_of(one) is None}
