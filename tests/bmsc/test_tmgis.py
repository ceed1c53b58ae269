"""TMGIs: given, refreshed, given back, expired; every result bit (TS 29.468 5.2, 6.4.12 to 6.4.17)."""

from __future__ import annotations

import dataclasses

import pytest

from mcsec.bmsc.config import Deallocation, GcsAs
from mcsec.bmsc.events import BearerEnded, TmgisExpired, TmgisGranted, TmgisReleased
from mcsec.bmsc.faults import Fault, Operation, Refuse
from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import TmgiExpiry
from mcsec.wire.mb2.masks import BearerEvent, DiagnosticInfo, TmgiAllocationResult, TmgiDeallocationResult
from mcsec.wire.mb2.values import SessionDuration
from support.bmsc import NOW, OTHER_GCS, Bench, start
from support.nodes import GCS, MCX

A, D = TmgiAllocationResult, TmgiDeallocationResult


def tmgi(number: int) -> Tmgi:
    return Tmgi(number, "001", "01")


def test_new_ones_come_with_their_duration_and_no_result() -> None:
    bench = Bench()
    response = bench.allocate(2)
    assert response.tmgi == (tmgi(1), tmgi(2))
    assert response.mbms_session_duration == SessionDuration.of(3600)
    assert response.tmgi_allocation_result is None
    assert bench.of(TmgisGranted) == [TmgisGranted(NOW, GCS, (tmgi(1), tmgi(2)), NOW + 3600)]


def test_success_may_be_said() -> None:
    bench = Bench(success_bit=True)
    assert bench.allocate(1).tmgi_allocation_result == A.SUCCESS
    assert bench.deallocate(tmgi(1))[0].tmgi_deallocation_result == D.SUCCESS


def test_refreshed_ones_live_on() -> None:
    bench = Bench()
    bench.allocate(1)
    bench.advance(3000)
    response = bench.allocate(0, tmgi(1))
    assert (response.tmgi, response.tmgi_allocation_result) == ((tmgi(1),), None)
    bench.advance(3000)
    assert bench.of(TmgisExpired) == []
    bench.advance(601)
    assert bench.of(TmgisExpired) == [TmgisExpired(NOW + 6600, GCS, (tmgi(1),))]


def test_indefinite() -> None:
    bench = Bench(tmgi_lifetime=None)
    assert bench.allocate(1).mbms_session_duration == SessionDuration()
    bench.advance(10**8)
    assert bench.happened == bench.of(TmgisGranted)
    assert bench.engine.next_timer() is None


def test_expiry_is_notified_and_ends_bearers() -> None:
    bench = Bench()
    bench.allocate(1)
    bearer = bench.bearer(start(tmgi(1), 1))
    bench.advance(3600)
    (notify,) = bench.notified()
    assert notify.expiry == TmgiExpiry(tmgi=(tmgi(1),))
    (event,) = notify.bearers
    assert (event.tmgi, event.mbms_flow_identifier) == (tmgi(1), bearer.mbms_flow_identifier)
    assert event.mbms_bearer_event == BearerEvent.TERMINATED
    assert event.mbms_bearer_event_diagnostic_info == DiagnosticInfo.TMGI_EXPIRY
    assert bench.engine.bearers.all == ()


def test_a_freed_one_comes_again_last() -> None:
    bench = Bench()
    bench.allocate(2)
    bench.deallocate(tmgi(1))
    assert bench.allocate(2).tmgi == (tmgi(3), tmgi(4))


@pytest.mark.parametrize(
    ("wanted", "refresh", "given", "result"),
    [
        (5, (), 4, A.SUCCESS | A.TOO_MANY_TMGIS),
        (0, (tmgi(99),), 0, A.UNKNOWN_TMGI),
        (1, (tmgi(99),), 1, A.SUCCESS | A.UNKNOWN_TMGI),
    ],
)
def test_what_cannot_be_given(wanted: int, refresh: tuple[Tmgi, ...], given: int, result: A) -> None:
    bench = Bench()
    response = bench.allocate(wanted, *refresh)
    assert (len(response.tmgi), response.tmgi_allocation_result) == (given, result)
    assert (response.mbms_session_duration is None) is (given == 0)


def test_the_pool_runs_out() -> None:
    bench = Bench()
    bench.allocate(4)
    response = bench.allocate(3, host=OTHER_GCS)
    assert (len(response.tmgi), response.tmgi_allocation_result) == (2, A.SUCCESS | A.RESOURCES_EXCEEDED)


def test_ownership() -> None:
    bench = Bench()
    bench.allocate(1)
    assert bench.allocate(0, tmgi(1), host=OTHER_GCS).tmgi_allocation_result == A.AUTHORIZATION_REJECTED
    (response,) = bench.deallocate(tmgi(1), host=OTHER_GCS)
    assert response.tmgi_deallocation_result == D.AUTHORIZATION_REJECTED
    assert bench.deallocate(tmgi(1))[0].tmgi_deallocation_result is None


def test_not_everybody_may_have_any() -> None:
    bench = Bench(gcs_as=(GcsAs(host=GCS, realm=MCX, may_allocate=False),))
    assert bench.allocate(1).tmgi_allocation_result == A.AUTHORIZATION_REJECTED


def test_faults_reach_the_rest_of_the_bits() -> None:
    bench = Bench(
        Fault(Operation.ALLOCATE, Refuse(A.SYSTEM_ERROR | A.RESOURCES_EXCEEDED)),
        Fault(Operation.DEALLOCATE, Refuse(D.SYSTEM_ERROR)),
    )
    assert bench.allocate(1).tmgi_allocation_result == A.SYSTEM_ERROR | A.RESOURCES_EXCEEDED
    assert bench.allocate(1).tmgi == (tmgi(1),)
    assert bench.deallocate(tmgi(1))[0].tmgi_deallocation_result == D.SYSTEM_ERROR
    assert bench.deallocate(tmgi(1))[0].tmgi_deallocation_result is None


def test_one_answer_for_each_given_back() -> None:
    bench = Bench()
    bench.allocate(2)
    first, second = bench.deallocate(tmgi(1), tmgi(99))
    assert (first.tmgi, first.tmgi_deallocation_result) == (tmgi(1), None)
    assert (second.tmgi, second.tmgi_deallocation_result) == (tmgi(99), D.UNKNOWN_TMGI)
    assert bench.of(TmgisReleased) == [TmgisReleased(NOW, GCS, (tmgi(1),), "given back")]


@pytest.mark.parametrize("means_all", [False, True])
def test_an_empty_list(means_all: bool) -> None:
    bench = Bench(empty_deallocation_means_all=means_all)
    bench.allocate(2)
    assert len(bench.deallocate()) == (2 if means_all else 0)


def test_giving_back_ends_bearers_without_notification() -> None:
    bench = Bench()
    bench.allocate(1)
    bench.bearer(start(tmgi(1), 1))
    bench.deallocate(tmgi(1))
    assert [event.reason for event in bench.of(BearerEnded)] == ["its TMGI was given back"]
    assert bench.notified() == []


def test_or_keeps_them_until_they_end() -> None:
    bench = Bench(deallocation=Deallocation.KEEPS_BEARERS)
    bench.allocate(1)
    bench.bearer(start(tmgi(1), 1))
    assert bench.deallocate(tmgi(1))[0].tmgi_deallocation_result is None
    assert len(bench.engine.bearers.all) == 1
    assert bench.deallocate(tmgi(1))[0].tmgi_deallocation_result == D.UNKNOWN_TMGI
    assert bench.allocate(0, tmgi(1)).tmgi_allocation_result == A.UNKNOWN_TMGI
    (bearer,) = bench.engine.bearers.all
    bench.engine.end(bearer.key, bench.now)
    assert bench.engine.state.holdings == ()
    assert [field.name for field in dataclasses.fields(bench.engine.state)] == ["holdings", "bearers"]


def test_released_ones_expire_without_a_word() -> None:
    bench = Bench(deallocation=Deallocation.KEEPS_BEARERS)
    bench.allocate(1)
    bench.bearer(start(tmgi(1), 1))
    bench.deallocate(tmgi(1))
    bench.advance(3600)
    (notify,) = bench.notified()
    assert notify.expiry is None
    assert len(notify.bearers) == 1
    assert bench.of(TmgisExpired) == []
