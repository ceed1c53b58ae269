"""A group call at its controlling function: who is invited, when the floor opens, when the call ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.errors import Refused, WrongState
from mcsec.server.calls import events
from mcsec.server.calls.controlling import NO_MEMBER, End, Entry, GroupCall, Invite
from mcsec.server.calls.groups import CallKind, Group, GroupMember, GroupTable, found
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.states import TABLE, CallState
from mcsec.server.floor import Forward, ToAll, ToOne, Urgency
from mcsec.wire.rtcp.floor import FloorDeny, FloorGranted, FloorIdle, FloorRelease, FloorRequest, FloorTaken
from mcsec.wire.rtcp.floor_values import DenyCause, FloorIndicator
from support.calls import ANN, BOB, CEM, DAN, EVERYBODY, GROUP, call, entry, group, of_kind, ssrc_of


def established(made: Group | None = None, *members: str) -> GroupCall:
    """A call of Ann's in which ``members`` are."""
    going = call(made or group())
    going.begin(0.0)
    for member in members or (BOB, CEM, DAN):
        going.join(member, entry(member), 0.0)
    return going


def ask(user: str, **more: object) -> FloorRequest:
    return FloorRequest(ssrc=ssrc_of(user), **more)  # type: ignore[arg-type]  # Fields as the test names them.


def test_a_prearranged_call_invites_everybody_at_home_where_they_are() -> None:
    going = call(group())
    out = going.begin(0.0)
    assert of_kind(out, Invite) == [
        Invite(BOB, "b.example", ANN),
        Invite(CEM, "a.example", ANN),
        Invite(DAN, "b.example", ANN),
    ]
    assert going.state is CallState.GATHERING
    assert of_kind(out, events.CallStarted)[0].kind == "prearranged"


def test_who_calls_with_an_implicit_request_is_granted_when_somebody_is_there_to_listen() -> None:
    going = call(group(), asks=True)
    out = going.begin(0.0)
    assert of_kind(out, ToOne) == []
    out = going.join(BOB, entry(BOB), 1.0)
    assert isinstance(of_kind(out, ToOne)[0].message, FloorGranted)
    assert isinstance(of_kind(out, ToAll)[0].message, FloorTaken)
    assert going.floor.talkers == (ANN,)


def test_a_chat_invites_nobody_and_its_floor_is_open() -> None:
    going = call(group(kind=CallKind.CHAT))
    out = going.begin(0.0)
    assert of_kind(out, Invite) == []
    assert going.state is CallState.ESTABLISHED
    (deny,) = of_kind(going.receive(ANN, ask(ANN), 0.1), ToOne)
    assert isinstance(deny.message, FloorDeny)
    assert deny.message.cause.code == DenyCause.ONLY_ONE_PARTICIPANT


def test_who_joins_late_is_told_who_talks() -> None:
    going = established(None, BOB)
    going.receive(BOB, ask(BOB), 1.0)
    (told,) = [one for one in of_kind(going.join(CEM, entry(CEM), 1.5), ToOne) if one.participant == CEM]
    assert isinstance(told.message, FloorTaken)
    assert told.message.granted_party == BOB


def test_a_call_needs_as_many_as_the_group_says() -> None:
    going = call(group(minimum=2))
    going.begin(0.0)
    going.join(BOB, entry(BOB), 1.0)
    assert going.state is CallState.GATHERING
    assert of_kind(going.join(CEM, entry(CEM), 2.0), events.CallEstablished)


@pytest.mark.parametrize(("go_on", "state"), [(True, CallState.ESTABLISHED), (False, CallState.RELEASING)])
def test_those_who_do_not_answer_are_not_waited_for(go_on: bool, state: CallState) -> None:
    going = call(group(minimum=2), policy=CallPolicy(go_on=go_on))
    going.begin(0.0)
    going.join(BOB, entry(BOB), 1.0)
    assert going.next_timer() == 10.0
    going.poll(10.0)
    assert going.state is state


def test_a_call_that_nobody_answers_is_released() -> None:
    going = call(group(BOB, ANN))
    going.begin(0.0)
    out = going.refused(BOB, "480", 1.0)
    assert of_kind(out, End) == [End(ANN, "too few members answered")]
    assert of_kind(going.left(ANN, "BYE", 1.1), events.MemberLeft)
    assert going.state is CallState.RELEASED
    assert going.next_timer() is None


def test_who_leaves_a_prearranged_call_last_but_one_ends_it() -> None:
    going = established(None, BOB)
    going.refused(CEM, "480", 0.5)
    going.refused(DAN, "480", 0.5)
    assert of_kind(going.left(BOB, "it hung up", 1.0), End) == [End(ANN, "too few members are left")]


def test_a_chat_lives_until_the_last_one_left() -> None:
    going = established(group(kind=CallKind.CHAT), BOB)
    assert of_kind(going.left(BOB, "", 1.0), End) == []
    out = going.left(ANN, "", 2.0)
    assert going.state is CallState.RELEASED
    assert len(of_kind(out, events.CallEnded)) == 1


def test_a_call_in_which_nobody_talks_is_released_after_the_hang_time() -> None:
    going = established(group(hang_time=12.0))
    assert of_kind(going.poll(11.9), End) == []
    out = going.poll(12.0)
    assert {end.user for end in of_kind(out, End)} == set(EVERYBODY)
    assert of_kind(out, events.CallEnded)[0].reason == "nobody talked"


def test_a_call_ends_when_it_has_lasted_as_long_as_it_may() -> None:
    going = established(group(maximum=20.0, hang_time=1000.0))
    going.receive(BOB, ask(BOB), 19.0)
    assert len(of_kind(going.poll(20.0), End)) == 4
    for user in EVERYBODY:
        going.left(user, "", 20.1)
    assert going.state is CallState.RELEASED


def test_while_a_call_is_released_nobody_joins_or_talks() -> None:
    going = established()
    going.release("an operator", 1.0)
    with pytest.raises(WrongState):
        going.join(BOB, entry(BOB), 1.1)
    assert going.receive(BOB, ask(BOB), 1.2) == []
    assert of_kind(going.media(BOB, ssrc_of(BOB), 1.3), Forward) == []
    assert going.release("again", 1.4) == []


def test_media_is_passed_on_while_its_sender_has_the_floor_and_no_longer() -> None:
    going = established()
    assert of_kind(going.media(BOB, ssrc_of(BOB), 0.5), Forward) == []
    going.receive(CEM, ask(CEM), 1.0)
    assert of_kind(going.media(CEM, ssrc_of(CEM), 1.1), Forward) == [Forward(CEM)]
    going.receive(CEM, FloorRelease(ssrc=ssrc_of(CEM)), 1.2)
    assert of_kind(going.media(CEM, ssrc_of(CEM), 1.3), Forward) == []
    with pytest.raises(Refused):
        going.media(CEM, ssrc_of(DAN), 1.4)


def test_an_emergency_call_pre_empts_and_its_time_is_limited() -> None:
    going = call(group(), policy=CallPolicy(tng2=60.0), urgency=Urgency.EMERGENCY)
    going.begin(0.0)
    going.join(BOB, entry(BOB), 0.1)
    going.receive(BOB, ask(BOB), 1.0)
    emergency = ask(ANN, indicator=FloorIndicator.EMERGENCY)
    going.receive(ANN, emergency, 2.0)
    going.poll(6.0)
    assert going.floor.talkers == (ANN,)
    assert [event.urgency for event in of_kind(going.poll(60.0), events.UrgencyChanged)] == ["normal"]


def test_a_call_becomes_urgent_only_for_who_may() -> None:
    going = established(group(GroupMember(user=ANN), GroupMember(user=BOB, urgent=False), CEM), BOB, CEM)
    with pytest.raises(Refused) as refused:
        going.urge(BOB, Urgency.EMERGENCY, 1.0)
    assert refused.value.code == "call.may-not-call"
    assert going.urgency is Urgency.NORMAL
    assert of_kind(going.urge(CEM, Urgency.IMMINENT_PERIL, 1.0), events.UrgencyChanged)
    with pytest.raises(Refused):
        call(going.group, BOB, urgency=Urgency.EMERGENCY)


def test_in_a_broadcast_call_only_its_maker_talks() -> None:
    going = established(group(broadcast=True))
    (deny,) = of_kind(going.receive(BOB, ask(BOB), 1.0), ToOne)
    assert isinstance(deny.message, FloorDeny)
    assert isinstance(of_kind(going.receive(ANN, ask(ANN), 2.0), ToOne)[0].message, FloorGranted)


def test_a_receive_only_member_hears_and_is_denied() -> None:
    going = established(group(ANN, GroupMember(user=BOB, receive_only=True)), BOB)
    (deny,) = of_kind(going.receive(BOB, ask(BOB), 1.0), ToOne)
    assert isinstance(deny.message, FloorDeny)
    assert deny.message.cause.code == DenyCause.RECEIVE_ONLY
    with pytest.raises(Refused):
        call(group(GroupMember(user=ANN, receive_only=True), broadcast=True))


def test_priority_is_what_both_group_and_client_allow() -> None:
    members = [GroupMember(user=ANN, priority=7), GroupMember(user=BOB, priority=255)]
    going = call(group(*members))
    going.begin(0.0)
    going.join(BOB, entry(BOB, priority=255), 0.0)
    going.receive(ANN, ask(ANN, priority=200), 1.0)
    assert going.floor.talkers == (ANN,)
    going.receive(BOB, ask(BOB, priority=255), 2.0)
    assert going.floor.queue == (BOB,)
    going.poll(5.0)
    assert going.floor.talkers == (BOB,)


def test_a_device_that_begins_again_takes_the_place_of_its_old_self() -> None:
    going = established()
    going.receive(BOB, ask(BOB), 1.0)
    out = going.join(BOB, Entry(ssrc=99), 2.0)
    assert any(isinstance(one.message, FloorIdle) for one in of_kind(out, ToAll))
    assert of_kind(going.receive(BOB, FloorRequest(ssrc=99), 3.0), ToOne)


def test_who_is_no_member_neither_calls_nor_joins_nor_speaks() -> None:
    stranger = "sip:mallory@a.example"
    with pytest.raises(Refused) as refused:
        call(group(), stranger)
    assert refused.value.code == "call.not-a-member"
    going = established()
    with pytest.raises(Refused):
        going.join(stranger, entry(stranger), 1.0)
    with pytest.raises(Refused):
        going.receive(stranger, ask(stranger), 1.0)
    assert going.members == (ANN, BOB, CEM, DAN)


def test_groups_are_found_or_refused() -> None:
    table = GroupTable([group()])
    assert found(table, GROUP).group_id == GROUP
    table.put(replace(group(), disabled=True))
    with pytest.raises(Refused) as disabled:
        found(table, GROUP)
    table.drop(GROUP)
    with pytest.raises(Refused) as unknown:
        found(table, GROUP)
    assert (disabled.value.code, unknown.value.code) == ("call.group-disabled", "call.unknown-group")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["join", "refuse", "leave", "ask", "release", "media", "wait", "end", "urge"]),
        st.sampled_from(EVERYBODY),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(kind=st.sampled_from(CallKind), steps=STEPS)
def test_whatever_happens_in_whatever_order(kind: CallKind, steps: list[tuple[str, str]]) -> None:
    """No step is missing in the table; members and legs agree; an ended call has nobody and no timer."""
    now = 0.0
    going = call(group(kind=kind, hang_time=9.0, maximum=60.0))
    out = going.begin(now)
    ended: set[str] = set()
    for what, user in steps:
        now += 0.5
        inside = user in going
        try:
            if what == "join":
                out = going.join(user, entry(user), now)
            elif what == "refuse":
                out = going.refused(user, "480", now)
            elif what == "leave":
                out = going.left(user, "", now)
            elif what == "ask":
                out = going.receive(user, ask(user), now)
            elif what == "release":
                out = going.receive(user, FloorRelease(ssrc=ssrc_of(user)), now)
            elif what == "media":
                out = going.media(user, ssrc_of(user), now)
            elif what == "urge":
                out = going.urge(user, Urgency.EMERGENCY, now)
            elif what == "end":
                out = going.release("ordered", now)
            else:
                now += 5.0
                out = going.poll(now)
        except Refused:
            assert not inside
            continue
        except WrongState:
            assert not going.state.alive
            continue
        for forward in of_kind(out, Forward):
            assert forward.participant in going.floor.talkers
        ended |= {end.user for end in of_kind(out, End)}
        assert len(of_kind(out, events.CallEnded)) <= 1
        assert not set(going.invited) & set(going.members)
    for user in going.members:
        going.left(user, "over", now)
    assert going.members == ()
    if kind is CallKind.CHAT or going.state is CallState.RELEASED:
        assert going.state is CallState.RELEASED
        assert going.next_timer() is None


def test_every_state_can_be_left_but_the_last() -> None:
    assert [state for state in CallState if not TABLE[state]] == [CallState.RELEASED]


def test_who_is_no_member_any_more_is_out_invited_or_in() -> None:
    going = call(group())
    going.begin(0.0)
    going.join(BOB, entry(BOB), 0.0)
    going.join(DAN, entry(DAN), 0.0)
    out = going.follow(group(ANN, DAN), 1.0)
    assert of_kind(out, End) == [
        End(user, "no member of the group any more", NO_MEMBER) for user in (BOB, CEM)
    ]
    assert going.invited == ()
    going.left(BOB, "it was told", 1.0)
    with pytest.raises(Refused) as refused:
        going.join(BOB, entry(BOB), 2.0)
    assert refused.value.code == "call.not-a-member"
    assert going.follow(replace(group(), everybody=True, members={}), 3.0) == []


@pytest.mark.parametrize("now", [None, group(disabled=True)])
def test_a_group_that_is_gone_or_disabled_has_no_call(now: Group | None) -> None:
    going = established()
    assert {one.user: one.status for one in of_kind(going.follow(now, 1.0), End)} == dict.fromkeys(EVERYBODY)
