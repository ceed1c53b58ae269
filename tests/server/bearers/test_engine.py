"""The GCS AS's bearer engine: the stories of MB2-C."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mcsec.server.bearers import events
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import Ask, Output, UnknownBearer
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.server.bearers.states import BearerState
from mcsec.wire.mb2.groups import (
    Load,
    MbmsBearerEventNotification,
    MbmsBearerResponse,
    StartStop,
    TmgiAllocationResponse,
    TmgiExpiry,
)
from mcsec.wire.mb2.masks import BearerEvent, BearerResult, TmgiAllocationResult
from mcsec.wire.mb2.values import FlowId
from support.gcs_as import (
    AREAS,
    HOST,
    POLICY,
    activate,
    allocated,
    gaa,
    gnr,
    names,
    only_ask,
    refused,
    started,
    tmgi,
)


@pytest.fixture
def active() -> Bearers:
    return activate(Bearers(POLICY))


def test_pre_established_bearer_step_by_step() -> None:
    bearers = Bearers(POLICY)
    assert bearers.want("one", Wish(AREAS), 0.0) == []  # not connected: nothing to ask yet
    allocate = only_ask(bearers.connected(1.0))
    assert allocate.allocation is not None
    assert allocate.allocation.tmgi_number == 1
    happened = bearers.answered(allocate.number, allocated(7), 2.0)
    assert names(happened) == ["TmgiAllocated", "Ask"]
    start = only_ask(happened).bearer
    assert start is not None
    assert start.mbms_startstop_indication is StartStop.START
    assert start.tmgi == tmgi(7)
    assert start.mbms_flow_identifier is None
    assert start.qos_information is not None
    assert start.qos_information.qos_class_identifier == 65
    assert start.qos_information.allocation_retention_priority is not None
    assert start.mbms_service_area is not None
    assert start.mbms_service_area.codes == AREAS
    (event,) = bearers.answered(only_ask(happened).number, started(7), 3.0)
    assert event == events.BearerActive(
        3.0, "one", tmgi(7), FlowId(1), (IPv4Address("127.0.0.1"), 9470), AREAS
    )


def test_the_tmgi_is_refreshed_before_it_expires(active: Bearers) -> None:
    due = active.next_timer()
    assert due == 3600 - POLICY.refresh_before
    assert active.poll(due - 1) == []
    ask = only_ask(active.poll(due))
    assert ask.allocation is not None
    assert (ask.allocation.tmgi_number, ask.allocation.tmgi) == (0, (tmgi(1),))
    assert ask.destination == HOST
    assert active.poll(due + 1) == [], "asked once"
    assert names(active.answered(ask.number, allocated(1), due)) == ["TmgiRefreshed"]
    assert active.bearer("one").tmgi_expiry == due + 3600


def test_a_tmgi_that_is_not_refreshed_expires_and_a_new_one_is_asked_for(active: Bearers) -> None:
    happened = active.poll(3600.0)
    assert names(happened)[:2] == ["ListenersToUnicast", "BearerLost"]
    # The answer to a refresh may have been lost: what may be there still is ended first.
    stop, release, allocate = [one for one in happened if isinstance(one, Ask)]
    assert stop.bearer is not None
    assert release.deallocation is not None
    assert release.deallocation.tmgi == (tmgi(1),)
    assert allocate.allocation is not None
    assert allocate.allocation.tmgi_number == 1


def test_a_tmgi_for_a_bearer_that_was_given_up_meanwhile_is_given_back() -> None:
    bearers = Bearers(POLICY)
    bearers.connected(0.0)
    ask = only_ask(bearers.want("one", Wish(AREAS), 0.0))
    assert names(bearers.drop("one", 1.0)) == ["BearerReleased"]
    release = only_ask(bearers.answered(ask.number, allocated(3), 2.0))
    assert release.deallocation is not None
    assert release.deallocation.tmgi == (tmgi(3),)
    # Its answer is lost with the connection: it is given back in the next.
    bearers.disconnected("cut", 3.0)
    again = only_ask(bearers.connected(4.0))
    assert again.deallocation == release.deallocation
    bearers.answered(again.number, gaa(), 5.0)
    bearers.disconnected("cut", 6.0)
    assert bearers.connected(7.0) == []


def test_listeners_leave_before_the_bearer_does(active: Bearers) -> None:
    (first,) = active.drop("one", 10.0)
    assert isinstance(first, events.ListenersToUnicast)
    assert first.then_release
    ask = only_ask(active.emptied("one", 11.0))
    assert ask.bearer is not None
    assert ask.bearer.mbms_startstop_indication is StartStop.STOP
    happened = active.answered(ask.number, gaa(), 12.0)
    assert names(happened) == ["BearerReleased", "Ask"]
    assert only_ask(happened).deallocation is not None
    assert active.bearers == ()


def test_a_bearer_lost_while_its_listeners_leave_is_released(active: Bearers) -> None:
    active.drop("one", 10.0)
    assert "BearerReleased" in names(active.disconnected("cut", 11.0))
    assert active.emptied("one", 12.0) == []


@pytest.mark.parametrize(
    "lose",
    [
        lambda bearers: bearers.disconnected("killed", 5.0),
        lambda bearers: bearers.notified(
            gnr(
                mbms_bearer_event_notification=(
                    MbmsBearerEventNotification(
                        tmgi=tmgi(1), mbms_flow_identifier=FlowId(1), mbms_bearer_event=BearerEvent.TERMINATED
                    ),
                )
            ),
            5.0,
        ),
        lambda bearers: bearers.notified(gnr(tmgi_expiry=TmgiExpiry(tmgi=(tmgi(1),))), 5.0),
        lambda bearers: (
            bearers.notified(gnr(restart_counter=1), 4.0) + bearers.notified(gnr(restart_counter=2), 5.0)
        ),
    ],
    ids=["connection", "terminated", "expired", "restart"],
)
def test_a_lost_bearer_moves_its_listeners_at_once_and_comes_back(active: Bearers, lose: object) -> None:
    happened = lose(active)  # type: ignore[operator]
    moved = [one for one in happened if isinstance(one, events.ListenersToUnicast)]
    assert [one.then_release for one in moved] == [False]
    happened += active.connected(6.0)
    now = 6.0
    for _ in range(6):
        asks = [one for one in happened if isinstance(one, Ask)]
        happened = []
        for ask in asks:
            answer = allocated(2) if ask.allocation is not None else started(2)
            happened += active.answered(ask.number, answer, now)
    assert active.bearer("one").state is BearerState.ACTIVE


def test_activation_that_goes_on_is_decided_by_the_notification() -> None:
    bearers = Bearers(POLICY)
    bearers.connected(0.0)
    ask = only_ask(bearers.want("one", Wish(AREAS), 0.0))
    ask = only_ask(bearers.answered(ask.number, allocated(1), 0.0))
    ongoing = BearerResult.SUCCESS | BearerResult.ACTIVATION_ONGOING
    assert bearers.answered(ask.number, started(1, ongoing), 0.0) == []
    assert bearers.bearer("one").state is BearerState.STARTING
    notification = MbmsBearerEventNotification(
        tmgi=tmgi(1), mbms_flow_identifier=FlowId(1), mbms_bearer_event=BearerEvent.ACTIVATED
    )
    happened = bearers.notified(gnr(mbms_bearer_event_notification=(notification,)), 1.0)
    assert names(happened) == ["BearerActive"]


@pytest.mark.parametrize("bit", [bit for bit in BearerResult if bit is not BearerResult.SUCCESS])
def test_every_refusal_has_a_reason_for_the_operator(bit: BearerResult) -> None:
    bearers = Bearers(POLICY)
    bearers.connected(0.0)
    ask = only_ask(bearers.want("one", Wish(AREAS), 0.0))
    ask = only_ask(bearers.answered(ask.number, allocated(1), 0.0))
    happened = bearers.answered(ask.number, refused(bit), 0.0)
    told = next(one for one in happened if isinstance(one, events.BearerRefused))
    assert told.reason == bit.reason
    assert bearers.bearer("one").reason == bit.reason


def test_a_refused_allocation_is_tried_again_later_and_less_often() -> None:
    bearers = Bearers(POLICY)
    bearers.connected(0.0)
    happened: list[Output] = bearers.want("one", Wish(AREAS), 0.0)
    waits, now = [], 0.0
    full = TmgiAllocationResponse(tmgi_allocation_result=TmgiAllocationResult.RESOURCES_EXCEEDED)
    for _ in range(9):
        happened = bearers.answered(only_ask(happened).number, gaa(tmgi_allocation_response=full), now)
        due = bearers.next_timer()
        assert due is not None
        waits.append(due - now)
        now = due
        happened = bearers.poll(now)
    assert waits[:4] == [1, 2, 4, 8]
    assert max(waits) == POLICY.retry_most


def test_an_overloaded_bmsc_is_left_alone_for_a_while(active: Bearers) -> None:
    ask = only_ask(active.poll(3300.0))
    answer = replace(allocated(1), load=(Load(load_value=100),))
    active.answered(ask.number, answer, 3300.0)
    happened = active.want("two", Wish((9,)), 3301.0)
    assert names(happened) == ["BearerRefused"]
    assert "overload" in active.bearer("two").reason
    assert active.next_timer() is not None


def test_only_areas_and_priority_may_change(active: Bearers) -> None:
    with pytest.raises(ValueError, match="only areas and priority"):
        active.modify("one", Wish(AREAS, qci=66), 1.0)
    ask = only_ask(active.modify("one", Wish((3,), priority=1), 1.0))
    assert ask.bearer is not None
    assert ask.bearer.mbms_startstop_indication is StartStop.UPDATE
    assert ask.bearer.mbms_flow_identifier == FlowId(1)
    happened = active.answered(ask.number, gaa(mbms_bearer_response=(MbmsBearerResponse(),)), 2.0)
    assert happened == [events.BearerModified(2.0, "one", tmgi(1), (3,))]


def test_a_refused_change_leaves_the_bearer_as_it_was(active: Bearers) -> None:
    ask = only_ask(active.modify("one", Wish((3,)), 1.0))
    active.answered(ask.number, refused(BearerResult.OVERLAPPING_SERVICE_AREA), 2.0)
    bearer = active.bearer("one")
    assert (bearer.state, bearer.wish.areas) == (BearerState.ACTIVE, AREAS)


def test_an_answer_to_nothing_and_an_answer_twice_change_nothing(active: Bearers) -> None:
    before = active.bearers
    assert active.answered(4711, started(1), 1.0) == []
    ask = only_ask(active.modify("one", Wish((3,)), 1.0))
    done = gaa(mbms_bearer_response=(MbmsBearerResponse(),))
    active.answered(ask.number, done, 2.0)
    after = active.bearers
    assert active.answered(ask.number, done, 3.0) == []
    assert active.bearers == after != before


def test_a_notification_of_what_is_not_ours_is_refused_and_the_rest_is_done(active: Bearers) -> None:
    with pytest.raises(UnknownBearer) as caught:
        active.notified(gnr(tmgi_expiry=TmgiExpiry(tmgi=(tmgi(99), tmgi(1)))), 5.0)
    assert "000063" in str(caught.value)
    assert "ListenersToUnicast" in names(caught.value.happened)


def test_a_heartbeat_is_a_question_without_any_part() -> None:
    bearers = Bearers(BearerPolicy(heartbeat=10.0))
    ask = only_ask(bearers.connected(0.0))
    assert (ask.bearer, ask.allocation, ask.deallocation) == (None, None, None)
    assert bearers.answered(ask.number, gaa(restart_counter=3), 1.0) == []
    assert bearers.next_timer() == 10.0


def test_a_bearer_that_went_by_itself_while_its_listeners_left(active: Bearers) -> None:
    active.drop("one", 1.0)
    active.disconnected("killed", 2.0)
    assert active.bearers == ()
    assert active.emptied("one", 3.0) == []


def test_what_was_left_at_a_bmsc_that_kept_its_state_is_ended_before_anything_new(active: Bearers) -> None:
    active.disconnected("cut", 5.0)
    happened = active.connected(6.0)
    stop, release = [one for one in happened if isinstance(one, Ask)]
    assert stop.bearer is not None
    assert (stop.bearer.mbms_startstop_indication, stop.bearer.tmgi) == (StartStop.STOP, tmgi(1))
    assert stop.bearer.mbms_flow_identifier == FlowId(1)
    assert release.deallocation is not None
    assert release.deallocation.tmgi == (tmgi(1),)
    # One of them unanswered: it is as well done, or was never known.
    assert active.failed(stop.number, "no answer", 7.0) == []
    allocate = only_ask(active.answered(release.number, gaa(), 7.0))
    assert allocate.allocation is not None
    assert active.bearer("one").state is BearerState.ALLOCATING
    active.disconnected("cut", 8.0)
    assert only_ask(active.connected(9.0)).allocation is not None, "nothing was left this time"


def test_nothing_was_left_at_a_bmsc_that_lost_its_state(active: Bearers) -> None:
    active.notified(gnr(restart_counter=1), 4.0)
    active.disconnected("cut", 5.0)
    stop, release = [one for one in active.connected(6.0) if isinstance(one, Ask)]
    happened = active.answered(stop.number, gaa(restart_counter=2), 7.0)
    allocate = only_ask(happened)
    assert allocate.allocation is not None
    assert active.answered(release.number, gaa(restart_counter=2), 8.0) == []
    active.disconnected("cut", 8.0)
    assert only_ask(active.connected(9.0)).allocation is not None


def test_an_activation_without_answer_may_be_on_the_air_and_is_ended_with_its_tmgi() -> None:
    bearers = Bearers(POLICY)
    bearers.connected(0.0)
    ask = only_ask(bearers.want("one", Wish(AREAS), 0.0))
    start = only_ask(bearers.answered(ask.number, allocated(1), 1.0))
    release = only_ask(bearers.failed(start.number, "no answer", 2.0))
    assert release.deallocation is not None
    assert release.deallocation.tmgi == (tmgi(1),)
    due = bearers.next_timer()
    assert due is not None
    again = only_ask(bearers.poll(due))
    assert again.allocation is not None
    assert again.allocation.tmgi_number == 1


def test_an_activation_that_never_ends_is_stopped_before_the_next() -> None:
    bearers = Bearers(POLICY)
    bearers.connected(0.0)
    ask = only_ask(bearers.want("one", Wish(AREAS), 0.0))
    start = only_ask(bearers.answered(ask.number, allocated(1), 1.0))
    ongoing = BearerResult.SUCCESS | BearerResult.ACTIVATION_ONGOING
    bearers.answered(start.number, started(1, ongoing), 2.0)
    stop = only_ask(bearers.poll(2.0 + POLICY.starting))
    assert stop.bearer is not None
    assert stop.bearer.mbms_startstop_indication is StartStop.STOP
    assert bearers.bearer("one").state is BearerState.ALLOCATED
