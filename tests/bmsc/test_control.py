"""Bearers: activated, modified, deactivated; every result bit and every event (TS 29.468 5.3, 6.4.4 to 6.4.8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mcsec.bmsc.bearer import BEARER, Occurrence, State
from mcsec.bmsc.config import GcsAs
from mcsec.bmsc.events import BearerAccepted, BearerActive, BearerEnded, BearerModified, RequestRefused
from mcsec.bmsc.faults import FailActivation, Fault, Operation, Refuse
from mcsec.errors import InvalidValue
from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import (
    LocalM1Information,
    LocalMb2UInformation,
    Mb2uSecurity,
    MbmsBearerRequest,
    MbmsBearerResponse,
    RohcProfile,
    RohcRequest,
    StartStop,
    UserplaneProtocolResult,
)
from mcsec.wire.mb2.masks import BearerEvent, BearerResult, DiagnosticInfo, Feature, FecResult
from mcsec.wire.mb2.values import CellList, Ecgi, FlowId, ServiceArea, SessionDuration
from support.bmsc import CELL_ID, NOW, OTHER_GCS, PORTS, Bench, qos, start, stop, update
from support.nodes import GCS, MCX

R = BearerResult
T1 = Tmgi(1, "001", "01")


def with_tmgi(*faults: Fault, **options: Any) -> Bench:
    bench = Bench(*faults, **options)
    bench.allocate(1)
    bench.happened.clear()
    return bench


def test_activation_names_everything() -> None:
    bench = with_tmgi()
    bench.advance(100)
    response = bench.bearer(start(T1, 1, 2, mb2u_security=Mb2uSecurity.SECURITY))
    assert response == MbmsBearerResponse(
        tmgi=T1,
        mbms_flow_identifier=FlowId(1),
        mbms_session_duration=SessionDuration.of(3500),
        bmsc_address=bench.engine.config.mb2u_addresses,
        bmsc_port=PORTS[0],
        mb2u_security=Mb2uSecurity.NONE,
        radio_frequency=(6300, 6400),
    )
    assert bench.of(BearerActive) == [BearerActive(NOW + 100, GCS, T1, FlowId(1), PORTS[0], (1, 2))]
    assert bench.notified() == []
    bearer = bench.engine.bearers.at_port(PORTS[0])
    assert bearer is not None
    assert bearer.key == (T1, FlowId(1))


def test_without_tmgi_one_is_given() -> None:
    bench = Bench()
    response = bench.bearer(start(None, 1))
    assert (response.tmgi, response.mbms_session_duration) == (T1, SessionDuration.of(3600))
    assert bench.allocate(0, T1).tmgi == (T1,)


def test_a_second_bearer_of_a_tmgi_has_another_flow_and_port() -> None:
    bench = with_tmgi()
    first, second = bench.bearer(start(T1, 1)), bench.bearer(start(T1, 2))
    assert (first.mbms_flow_identifier, second.mbms_flow_identifier) == (FlowId(1), FlowId(2))
    assert (first.bmsc_port, second.bmsc_port) == PORTS[:2]
    bench.bearer(stop(T1, FlowId(2)))
    assert bench.bearer(start(T1, 2)).mbms_flow_identifier == FlowId(3)


def test_several_in_one_gar_are_answered_in_order() -> None:
    bench = with_tmgi()
    parts = (start(T1, 1), start(None, 99), start(None, 3))
    one, two, three = bench.ask(mbms_bearer_request=parts).mbms_bearer_response
    assert (one.mbms_bearer_result, two.mbms_bearer_result, three.mbms_bearer_result) == (
        None,
        R.UNKNOWN_SERVICE_AREA,
        None,
    )


def test_success_may_be_said() -> None:
    bench = with_tmgi(success_bit=True)
    assert bench.bearer(start(T1, 1)).mbms_bearer_result == R.SUCCESS


@pytest.mark.parametrize(
    ("request_", "result"),
    [
        (start(Tmgi(99, "001", "01"), 1), R.UNKNOWN_TMGI),
        (start(T1, 99), R.UNKNOWN_SERVICE_AREA),
        (start(T1), R.INVALID_AVP_COMBINATION),
        (start(T1, 1, qos_information=None), R.INVALID_AVP_COMBINATION),
        (start(T1, 1, mbms_flow_identifier=FlowId(1)), R.INVALID_AVP_COMBINATION),
        (start(T1, 1, qos_information=qos(qos_class_identifier=None)), R.INVALID_AVP_COMBINATION),
        (start(T1, 1, qos_information=qos(max_requested_bandwidth_dl=None)), R.INVALID_AVP_COMBINATION),
        (start(T1, 1, mbms_cell_list=CellList((CELL_ID,))), R.INVALID_AVP_COMBINATION),
        (start(T1, 1, fec_request=b"v=0"), R.INVALID_AVP_COMBINATION),
        (start(T1, 1, rohc_max_cid=1), R.INVALID_AVP_COMBINATION),
        (start(T1, 1, local_m1_information=LocalM1Information()), R.INVALID_AVP_COMBINATION),
        (start(T1, 1, local_mb2_u_information=LocalMb2UInformation()), R.INVALID_AVP_COMBINATION),
        (
            start(
                T1, 1, rohc_request=(RohcRequest(flow_description=("x",), rohc_profile=RohcProfile.UDP_IP),)
            ),
            R.INVALID_AVP_COMBINATION,
        ),
        (start(T1, 1, qos_information=qos(qos_class_identifier=1)), R.QOS_AUTHORIZATION_REJECTED),
        (start(T1, 1, qos_information=qos(600_000)), R.QOS_AUTHORIZATION_REJECTED),
        (start(T1, 1, qos_information=qos(max_requested_bandwidth_dl=100_000)), R.QOS_AUTHORIZATION_REJECTED),
        (start(T1, 1, qos_information=qos(max_requested_bandwidth_dl=0)), R.QOS_AUTHORIZATION_REJECTED),
        (start(T1, 1, qos_information=qos(level=16)), R.QOS_AUTHORIZATION_REJECTED),
        (start(T1, 1, mbms_start_time=int(NOW) - 60), R.BAD_START_TIME),
        (start(T1, 1, mbms_start_time=int(NOW) + 3600), R.BAD_START_TIME),
        (start(T1, 1, mbms_start_time=int(NOW) + 10**7), R.BAD_START_TIME),
        (start(T1, 99, qos_information=qos(600_000)), R.UNKNOWN_SERVICE_AREA | R.QOS_AUTHORIZATION_REJECTED),
        (
            MbmsBearerRequest(mbms_startstop_indication=StartStop.HEARTBEAT),
            R.INVALID_AVP_COMBINATION,
        ),
        (stop(None, FlowId(1)), R.INVALID_AVP_COMBINATION),
        (stop(T1, None), R.INVALID_AVP_COMBINATION),
        (stop(T1, FlowId(1)), R.TMGI_NOT_IN_USE),
        (stop(Tmgi(99, "001", "01"), FlowId(1)), R.UNKNOWN_TMGI),
    ],
)
def test_refused_at_once(request_: MbmsBearerRequest, result: R) -> None:
    bench = with_tmgi()
    response = bench.bearer(request_)
    assert response == MbmsBearerResponse(
        tmgi=request_.tmgi, mbms_flow_identifier=request_.mbms_flow_identifier, mbms_bearer_result=result
    )
    (refused,) = bench.of(RequestRefused)
    assert refused.reasons == result.reasons
    assert bench.engine.bearers.all == ()


@pytest.mark.parametrize("bit", R)
def test_every_bit_can_be_played(bit: R) -> None:
    bench = with_tmgi(Fault(Operation.START, Refuse(bit)))
    assert bench.bearer(start(T1, 1)).mbms_bearer_result == bit
    assert bench.bearer(start(T1, 1)).mbms_bearer_result is None


def test_what_servers_may_do() -> None:
    bench = with_tmgi()
    assert (
        bench.bearer(start(T1, 1), OTHER_GCS).mbms_bearer_result
        == R.AUTHORIZATION_REJECTED | R.QOS_AUTHORIZATION_REJECTED
    )
    low = qos(level=5)
    assert (
        bench.bearer(start(None, 2, qos_information=low), OTHER_GCS).mbms_bearer_result
        == R.SERVICE_AREA_AUTHORIZATION_REJECTED
    )
    bearer = bench.bearer(start(T1, 1))
    stranger = bench.bearer(stop(T1, bearer.mbms_flow_identifier), OTHER_GCS)
    assert stranger.mbms_bearer_result == R.AUTHORIZATION_REJECTED
    nobody = Bench(gcs_as=(GcsAs(host=GCS, realm=MCX, may_control=False),))
    assert nobody.bearer(start(None, 1)).mbms_bearer_result == R.AUTHORIZATION_REJECTED


def test_an_unknown_server_gets_nothing() -> None:
    bench = Bench()
    answer = bench.ask("stranger.mcx.example", mbms_bearer_request=(start(None, 1),))
    assert (answer.result_code, answer.mbms_bearer_response) == (5003, ())


def test_areas_of_one_tmgi_do_not_overlap() -> None:
    bench = with_tmgi()
    bench.bearer(start(T1, 1))
    assert bench.bearer(start(T1, 1, 2)).mbms_bearer_result == R.OVERLAPPING_SERVICE_AREA
    other = bench.bearer(start(T1, 2))
    area = ServiceArea((1, 2))
    assert (
        bench.bearer(update(other, mbms_service_area=area)).mbms_bearer_result == R.OVERLAPPING_SERVICE_AREA
    )


def test_cells_are_a_feature() -> None:
    bench = with_tmgi()
    wish = start(T1, mbms_cell_list=CellList((CELL_ID,)))
    answer = bench.ask(mbms_bearer_request=(wish,), features=Feature.CELL_LIST)
    (response,) = answer.mbms_bearer_response
    assert response.mbms_bearer_result is None
    assert answer.supported_features[0].feature_list == bench.engine.config.features
    assert bench.engine.bearers.all[0].areas == {2}
    unknown = start(None, mbms_cell_list=CellList((Ecgi("001", "01", 8),)))
    # The feature stays agreed until it is offered otherwise.
    assert bench.bearer(unknown).mbms_bearer_result == R.UNKNOWN_SERVICE_AREA
    assert bench.bearer(wish, features=0).mbms_bearer_result is not None


def test_modification() -> None:
    bench = with_tmgi()
    bearer = bench.bearer(start(T1, 1))
    wish = update(bearer, mbms_service_area=ServiceArea((2,)), qos_information=qos(level=1))
    assert bench.bearer(wish) == MbmsBearerResponse(tmgi=T1, mbms_flow_identifier=FlowId(1))
    assert bench.of(BearerModified) == [BearerModified(NOW, GCS, T1, FlowId(1), (2,))]
    (now,) = bench.engine.bearers.all
    assert now.areas == {2}
    assert now.qos == qos(level=1)
    assert now.port == bearer.bmsc_port


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, R.INVALID_AVP_COMBINATION),
        ({"mbms_service_area": ServiceArea((99,))}, R.UNKNOWN_SERVICE_AREA),
        ({"qos_information": qos(64_000)}, R.QOS_AUTHORIZATION_REJECTED),
        ({"qos_information": qos(qos_class_identifier=69)}, R.QOS_AUTHORIZATION_REJECTED),
        ({"mbms_service_area": ServiceArea((2,)), "mbms_start_time": 1}, R.INVALID_AVP_COMBINATION),
        (
            {"mbms_service_area": ServiceArea((2,)), "mbms_flow_identifier": FlowId(9)},
            R.UNKNOWN_FLOW_IDENTIFIER,
        ),
        ({"mbms_service_area": ServiceArea((2,)), "mbms_flow_identifier": None}, R.INVALID_AVP_COMBINATION),
    ],
)
def test_refused_modification(changes: dict[str, Any], result: R) -> None:
    bench = with_tmgi()
    bearer = bench.bearer(start(T1, 1))
    before = bench.engine.bearers.all
    assert bench.bearer(update(bearer, **changes)).mbms_bearer_result == result
    assert bench.engine.bearers.all == before


def test_deactivation() -> None:
    bench = with_tmgi()
    bearer = bench.bearer(start(T1, 1))
    assert bench.bearer(stop(T1, bearer.mbms_flow_identifier)) == MbmsBearerResponse(
        tmgi=T1, mbms_flow_identifier=FlowId(1)
    )
    assert bench.of(BearerEnded) == [BearerEnded(NOW, GCS, T1, FlowId(1), "stopped by its server")]
    assert bench.notified() == []
    assert bench.engine.bearers.at_port(PORTS[0]) is None
    assert bench.bearer(stop(T1, FlowId(1))).mbms_bearer_result == R.TMGI_NOT_IN_USE


# --- capacity


def test_areas_and_ports_are_full_some_time() -> None:
    bench = Bench()
    assert bench.bearer(start(None, 1, 3)).mbms_bearer_result is None
    assert bench.bearer(start(None, 3)).mbms_bearer_result is None
    assert bench.bearer(start(None, 3)).mbms_bearer_result == R.RESOURCES_EXCEEDED
    for _ in range(2):
        assert bench.bearer(start(None, 1)).mbms_bearer_result is None
    assert bench.bearer(start(None, 1)).mbms_bearer_result == R.RESOURCES_EXCEEDED
    assert bench.engine.bearers.load == 1


def test_no_tmgi_is_left_for_a_bearer_without_one() -> None:
    bench = Bench(tmgis=1)
    bench.bearer(start(None, 1))
    assert bench.bearer(start(None, 2)).mbms_bearer_result == R.RESOURCES_EXCEEDED


def test_a_modification_needs_room_too() -> None:
    bench = Bench()
    bench.bearer(start(None, 3, qos_information=qos(200_000)))
    other = bench.bearer(start(None, 1, qos_information=qos(200_000)))
    moved = update(other, mbms_service_area=ServiceArea((1, 3)))
    assert bench.bearer(moved).mbms_bearer_result == R.RESOURCES_EXCEEDED
    # Its own share counts as free.
    same = update(other, mbms_service_area=ServiceArea((1,)))
    assert bench.bearer(same).mbms_bearer_result is None


def test_higher_priority_takes_the_place_of_lower() -> None:
    bench = Bench()
    low = bench.bearer(start(None, 3, qos_information=qos(200_000, level=9)))
    sure = bench.bearer(start(None, 1, qos_information=qos(200_000, level=9)))
    polite = start(None, 3, qos_information=qos(200_000, level=1))
    assert bench.bearer(polite).mbms_bearer_result == R.RESOURCES_EXCEEDED
    pushing = start(None, 3, qos_information=qos(200_000, level=1, takes=True))
    assert bench.bearer(pushing).mbms_bearer_result is None
    (notify,) = bench.notified()
    assert [(event.tmgi, event.mbms_bearer_event) for event in notify.bearers] == [
        (low.tmgi, BearerEvent.TERMINATED)
    ]
    assert sure.tmgi in {bearer.tmgi for bearer in bench.engine.bearers.all}
    # The same priority does not, nor does any where the other gives no way.
    assert bench.bearer(pushing).mbms_bearer_result == R.RESOURCES_EXCEEDED


def test_who_gives_no_way_stays() -> None:
    bench = Bench()
    bench.bearer(start(None, 3, qos_information=qos(200_000, level=9, gives=False)))
    pushing = start(None, 3, qos_information=qos(200_000, level=1, takes=True))
    assert bench.bearer(pushing).mbms_bearer_result == R.RESOURCES_EXCEEDED


# --- activation that takes time


def test_activation_takes_its_time() -> None:
    bench = with_tmgi(activation=2.0)
    response = bench.bearer(start(T1, 1))
    assert response.mbms_bearer_result == R.SUCCESS | R.ACTIVATION_ONGOING
    assert bench.of(BearerAccepted) == [BearerAccepted(NOW, GCS, T1, FlowId(1), PORTS[0], (1,), NOW + 2)]
    bench.advance(1.9)
    assert bench.notified() == []
    bench.advance(0.2)
    (notify,) = bench.notified()
    assert [event.mbms_bearer_event for event in notify.bearers] == [BearerEvent.ACTIVATED]
    assert bench.engine.bearers.all[0].state is State.ACTIVE


def test_a_start_time_ahead() -> None:
    bench = with_tmgi()
    response = bench.bearer(start(T1, 1, mbms_start_time=int(NOW) + 60))
    assert response.mbms_bearer_result == R.SUCCESS | R.ACTIVATION_ONGOING
    bench.advance(60)
    assert len(bench.notified()) == 1
    # A little in the past is now.
    assert bench.bearer(start(None, 2, mbms_start_time=int(bench.now) - 2)).mbms_bearer_result is None


def test_activation_may_fail() -> None:
    fault = Fault(Operation.START, FailActivation(1.0, DiagnosticInfo.SGMB_TRANSIENT_PATH_FAILURE))
    bench = with_tmgi(fault)
    assert bench.bearer(start(T1, 1)).mbms_bearer_result == R.SUCCESS | R.ACTIVATION_ONGOING
    bench.advance(1)
    (notify,) = bench.notified()
    (event,) = notify.bearers
    assert event.mbms_bearer_event == BearerEvent.ACTIVATION_FAILED
    assert event.mbms_bearer_event_diagnostic_info == DiagnosticInfo.SGMB_TRANSIENT_PATH_FAILURE
    assert bench.engine.bearers.all == ()


# --- events


def test_the_network_loses_a_bearer() -> None:
    bench = with_tmgi()
    bearer = bench.bearer(start(T1, 1))
    assert bearer.mbms_flow_identifier is not None
    key = (T1, bearer.mbms_flow_identifier)
    bench.engine.user_plane_event(key, UserplaneProtocolResult(fec_result=FecResult.NO_TRAFFIC))
    bench.engine.end(key, bench.now, DiagnosticInfo.MBMS_GW_USER_PLANE_FAILURE)
    bench.happened += bench.engine.outputs()
    (notify,) = bench.notified()
    told, ended = notify.bearers
    assert told.mbms_bearer_event == BearerEvent.USER_PLANE
    assert told.userplane_protocol_result[0].fec_result == FecResult.NO_TRAFFIC
    assert ended.mbms_bearer_event == BearerEvent.TERMINATED
    assert ended.mbms_bearer_event_diagnostic_info == DiagnosticInfo.MBMS_GW_USER_PLANE_FAILURE
    for call in (
        bench.engine.end,
        lambda k, _: bench.engine.user_plane_event(k, told.userplane_protocol_result[0]),
    ):
        with pytest.raises(InvalidValue, match="no bearer"):
            call(key, bench.now)


def test_what_is_not_in_the_table_does_not_happen() -> None:
    bench = with_tmgi()
    bench.bearer(start(T1, 1))
    (bearer,) = bench.engine.bearers.all
    with pytest.raises(InvalidValue, match="cannot be"):
        bench.engine.bearers.happened(bearer, Occurrence.BEGUN, bench.now)
    ended = replace(bearer, state=State.ENDED)
    assert BEARER[ended.state] == {}


def test_an_ongoing_activation_ends_in_every_way() -> None:
    assert set(BEARER[State.WAITING]) == set(Occurrence)
    assert set(BEARER[State.ACTIVE]) == set(Occurrence) - {Occurrence.BEGUN, Occurrence.FAILED}
