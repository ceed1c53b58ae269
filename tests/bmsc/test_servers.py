"""GCS ASs that restart, are lost or are asked whether they are there; faults of whole requests; restarts of our own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcsec.bmsc.engine import Engine, State, operations
from mcsec.bmsc.events import (
    BearerActive,
    BearerEnded,
    FaultPlayed,
    NotificationLost,
    Notify,
    ServerLost,
    ServerRestarted,
    TmgisReleased,
)
from mcsec.bmsc.faults import Delay, FailWith, Fault, FaultTable, Operation, Silence
from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import TmgiAllocationRequest, TmgiDeallocationRequest
from mcsec.wire.mb2.masks import Feature
from mcsec.wire.mb2.messages import Gna
from support.bmsc import NOW, OTHER_GCS, PORTS, Bench, config, start, stop
from support.nodes import GCS, MCX

T1 = Tmgi(1, "001", "01")


def test_a_gar_without_parts_is_a_heartbeat() -> None:
    bench = Bench(counter=7)
    answer = bench.ask(restart_counter=3, features=Feature.HEARTBEAT)
    assert (answer.result_code, answer.restart_counter) == (2001, 7)
    assert operations(bench.gar()) == [Operation.HEARTBEAT]
    assert bench.happened == []


def test_features_are_told_to_who_asks() -> None:
    bench = Bench(features=Feature.HEARTBEAT)
    assert bench.ask().supported_features == ()
    (features,) = bench.ask(features=Feature.HEARTBEAT | Feature.ROHC).supported_features
    assert features.feature_list == Feature.HEARTBEAT


def test_a_restarted_server_loses_everything() -> None:
    bench = Bench()
    bench.ask(restart_counter=3, tmgi_allocation_request=TmgiAllocationRequest(tmgi_number=2))
    bench.bearer(start(T1, 1))
    other = bench.allocate(1, host=OTHER_GCS).tmgi[0]
    bench.ask(restart_counter=3)
    assert bench.of(ServerRestarted) == []
    bench.ask(restart_counter=4)
    assert bench.of(ServerRestarted) == [ServerRestarted(NOW, GCS, 4)]
    assert [event.reason for event in bench.of(BearerEnded)] == ["its server restarted or is lost"]
    assert bench.of(TmgisReleased)[-1].tmgis == (T1, Tmgi(2, "001", "01"))
    assert [holding.tmgi for holding in bench.engine.state.holdings] == [other]
    # It did not know of them any more, so there is nothing to notify.
    assert bench.notified() == []


def test_a_restart_shows_in_the_answer_to_a_notification_too() -> None:
    bench = Bench()
    bench.ask(restart_counter=3)
    bench.allocate(1)
    gna = Gna(session_id="x", origin_host=GCS, origin_realm=MCX, result_code=2001, restart_counter=9)
    bench.engine.notified(GCS, gna, bench.now)
    bench.engine.notified("stranger.example", gna, bench.now)
    bench.happened += bench.engine.outputs()
    assert len(bench.of(ServerRestarted)) == 1
    assert bench.engine.state == State()


def test_heartbeats_of_ours() -> None:
    bench = Bench(heartbeat=10.0)
    bench.ask()
    bench.advance(30)
    assert bench.notified() == []
    bench.ask(features=Feature.HEARTBEAT)
    bench.advance(25)
    assert [notify.number for notify in bench.notified()] == [1, 2]
    bench.engine.server_down(GCS, bench.now)
    bench.advance(30)
    assert bench.notified() == []


def test_a_heartbeat_has_no_content() -> None:
    bench = Bench(heartbeat=10.0)
    bench.ask(features=Feature.HEARTBEAT)
    bench.advance(10)
    assert bench.notified() == [Notify(1, GCS, MCX, None, ())]


@pytest.mark.parametrize("back", [False, True])
def test_a_lost_server_is_given_time(back: bool) -> None:
    bench = Bench(release_after_loss=60.0)
    bench.bearer(start(None, 1))
    bench.engine.server_down(GCS, bench.now)
    bench.advance(59)
    if back:
        bench.engine.server_up(GCS)
    bench.advance(2)
    assert len(bench.of(ServerLost)) == (not back)
    assert len(bench.engine.bearers.all) == back


def test_without_a_limit_a_lost_server_keeps_everything() -> None:
    bench = Bench()
    bench.bearer(start(None, 1))
    bench.engine.server_down(GCS, bench.now)
    bench.advance(3000)
    assert len(bench.engine.bearers.all) == 1


def test_a_notification_that_nobody_takes() -> None:
    bench = Bench()
    bench.engine.not_notified(GCS, "gone", bench.now)
    assert bench.engine.outputs() == [NotificationLost(NOW, GCS, "gone")]


# --- faults


def test_the_whole_gar_may_fail() -> None:
    bench = Bench(Fault(Operation.ALLOCATE, FailWith(5012)))
    asked = TmgiAllocationRequest(tmgi_number=1)
    answer = bench.ask(tmgi_allocation_request=asked, mbms_bearer_request=(start(None, 1),))
    assert (answer.result_code, answer.tmgi_allocation_response, answer.mbms_bearer_response) == (
        5012,
        None,
        (),
    )
    assert bench.engine.state == State()
    assert bench.of(FaultPlayed) == [FaultPlayed(NOW, GCS, "allocate", "FailWith")]


def test_answers_may_be_late_or_never_come() -> None:
    bench = Bench(Fault(Operation.START, Delay(3.0)), Fault(Operation.START, Silence()))
    reply = bench.engine.handle(bench.gar(mbms_bearer_request=(start(None, 1),)), bench.now)
    assert reply.gaa is not None
    assert reply.delay == 3.0
    reply = bench.engine.handle(bench.gar(mbms_bearer_request=(start(None, 1),)), bench.now)
    assert reply.gaa is None
    assert len(bench.engine.bearers.all) == 2


def test_faults_choose_whom_and_how_often() -> None:
    table = FaultTable(
        Fault(Operation.STOP, FailWith(1), host=OTHER_GCS, times=None),
        Fault(Operation.STOP, FailWith(2), times=2, after=1),
    )
    taken = [table.take(Operation.STOP, GCS) for _ in range(4)]
    assert taken == [None, FailWith(2), FailWith(2), None]
    assert [table.take(Operation.STOP, OTHER_GCS) for _ in range(3)] == [FailWith(1)] * 3
    assert table.take(Operation.START, OTHER_GCS) is None
    table.clear()
    table.add(Fault(Operation.HEARTBEAT, Silence()))
    assert table.take(Operation.STOP, OTHER_GCS) is None
    assert table.take(Operation.HEARTBEAT, GCS) == Silence()


def test_parts_are_carried_out_in_order() -> None:
    bench = Bench()
    bench.allocate(1)
    answer = bench.ask(
        tmgi_allocation_request=TmgiAllocationRequest(tmgi_number=1),
        tmgi_deallocation_request=TmgiDeallocationRequest(tmgi=(T1,)),
        mbms_bearer_request=(start(Tmgi(2, "001", "01"), 1), start(T1, 2)),
    )
    assert answer.tmgi_deallocation_response[0].tmgi_deallocation_result is None
    assert [response.mbms_bearer_result for response in answer.mbms_bearer_response] == [None, 8]


# --- restarts of our own


def test_restart_with_state() -> None:
    bench = Bench()
    bearer = bench.bearer(start(None, 1))
    again = Bench(state=bench.engine.state)
    (kept,) = again.engine.bearers.all
    assert kept.port == bearer.bmsc_port
    assert again.bearer(start(None, 1)).bmsc_port == PORTS[1]
    assert again.bearer(stop(bearer.tmgi, bearer.mbms_flow_identifier)).mbms_bearer_result is None
    again.advance(3600)
    assert again.notified()[0].expiry is not None


def test_restart_without_state() -> None:
    bench = Bench()
    bearer = bench.bearer(start(None, 1))
    again = Bench(counter=2)
    assert again.bearer(stop(bearer.tmgi, bearer.mbms_flow_identifier)).mbms_bearer_result == 8
    assert again.ask().restart_counter == 2


def test_load_is_reported_where_wanted() -> None:
    engine = Engine(replace(config(), report_load=True), PORTS, 1)
    gar = Bench().gar(mbms_bearer_request=(start(None, 1),))
    reply = engine.handle(gar, NOW)
    assert reply.gaa is not None
    (load,) = reply.gaa.load
    assert load.load_value == 49151
    assert any(isinstance(event, BearerActive) for event in engine.outputs())
    assert Bench().ask().load == ()
