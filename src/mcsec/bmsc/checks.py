"""What is wrong with a bearer request: all of it at once, as bits of MBMS-Bearer-Result (TS 29.468 6.4.6, 6.4.8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mcsec.bmsc.bearer import Bearer, arp_of
from mcsec.bmsc.config import BmscConfig, GcsAs
from mcsec.bmsc.tmgis import Holding
from mcsec.wire.mb2.groups import MbmsBearerRequest, QosInformation
from mcsec.wire.mb2.masks import BearerResult, Feature

R = BearerResult
NONE = BearerResult(0)


def areas_of(config: BmscConfig, request: MbmsBearerRequest) -> frozenset[int] | None:
    """The service areas that a request means, by code or by cell; None where one is unknown."""
    codes = set(request.mbms_service_area.codes) if request.mbms_service_area is not None else set()
    if not codes <= {area.code for area in config.areas}:
        return None
    for cell in request.mbms_cell_list.cells if request.mbms_cell_list is not None else ():
        code = next((area.code for area in config.areas if cell in area.cells), None)
        if code is None:
            return None
        codes.add(code)
    return frozenset(codes)


def check_start(
    config: BmscConfig,
    server: GcsAs,
    request: MbmsBearerRequest,
    features: Feature,
    holding: Holding | None,
    siblings: Iterable[Bearer],
    now: float,
) -> BearerResult:
    """An activation. ``holding`` is that of its TMGI, ``siblings`` are the TMGI's bearers."""
    result = _common(config, server, request, features)
    if request.mbms_flow_identifier is not None or request.qos_information is None:
        result |= R.INVALID_AVP_COMBINATION
    else:
        result |= _qos(server, request.qos_information)
    if request.mbms_service_area is None and request.mbms_cell_list is None:
        result |= R.INVALID_AVP_COMBINATION
    if request.tmgi is not None:
        result |= _tmgi(server, holding)
    result |= _overlap(config, request, siblings)
    begins = request.mbms_start_time
    if begins is not None:
        expiry = None if holding is None else holding.expiry
        early, late = now - config.start_tolerance, now + config.start_ahead
        if not early <= begins <= late or (expiry is not None and begins >= expiry):
            result |= R.BAD_START_TIME
    return result


def check_update(
    config: BmscConfig,
    server: GcsAs,
    request: MbmsBearerRequest,
    features: Feature,
    holding: Holding | None,
    bearers: Sequence[Bearer],
) -> BearerResult:
    """A modification: other areas, or another ARP."""
    result = _common(config, server, request, features) | check_stop(server, request, holding, bearers)
    qos = request.qos_information
    if (request.mbms_service_area, request.mbms_cell_list, qos) == (
        None,
        None,
        None,
    ) or request.mbms_start_time:
        result |= R.INVALID_AVP_COMBINATION
    mine = [bearer for bearer in bearers if bearer.flow == request.mbms_flow_identifier]
    if qos is not None:
        result |= _qos(server, qos)
        if any(_without_arp(qos) != _without_arp(bearer.qos) for bearer in mine):
            result |= R.QOS_AUTHORIZATION_REJECTED
    return result | _overlap(config, request, (bearer for bearer in bearers if bearer not in mine))


def check_stop(
    server: GcsAs, request: MbmsBearerRequest, holding: Holding | None, bearers: Sequence[Bearer]
) -> BearerResult:
    """A deactivation. ``bearers`` are those of the TMGI."""
    result = NONE if server.may_control else R.AUTHORIZATION_REJECTED
    if request.tmgi is None or request.mbms_flow_identifier is None:
        return result | R.INVALID_AVP_COMBINATION
    result |= _tmgi(server, holding)
    if result:
        return result
    if not bearers:
        return R.TMGI_NOT_IN_USE
    known = any(bearer.flow == request.mbms_flow_identifier for bearer in bearers)
    return NONE if known else R.UNKNOWN_FLOW_IDENTIFIER


def _common(config: BmscConfig, server: GcsAs, request: MbmsBearerRequest, features: Feature) -> BearerResult:
    result = NONE if server.may_control else R.AUTHORIZATION_REJECTED
    if request.mbms_cell_list is not None and not features & Feature.CELL_LIST:
        result |= R.INVALID_AVP_COMBINATION
    unsupported = (
        request.local_m1_information,
        request.local_mb2_u_information,
        request.fec_request,
        request.rohc_max_cid,
    )
    if any(part is not None for part in unsupported) or request.rohc_request:
        result |= R.INVALID_AVP_COMBINATION
    areas = areas_of(config, request)
    if areas is None:
        result |= R.UNKNOWN_SERVICE_AREA
    elif server.areas is not None and not areas <= server.areas:
        result |= R.SERVICE_AREA_AUTHORIZATION_REJECTED
    return result


def _tmgi(server: GcsAs, holding: Holding | None) -> BearerResult:
    if holding is None or holding.released:
        return R.UNKNOWN_TMGI
    return NONE if holding.host == server.host else R.AUTHORIZATION_REJECTED


def _qos(server: GcsAs, qos: QosInformation) -> BearerResult:
    most, guaranteed = qos.max_requested_bandwidth_dl, qos.guaranteed_bitrate_dl
    if qos.qos_class_identifier is None or most is None:
        return R.INVALID_AVP_COMBINATION
    level = arp_of(qos).priority_level
    refused = (
        qos.qos_class_identifier not in server.qcis
        or not 0 < most <= server.bitrate
        or (guaranteed or 0) > most
        or not server.priority <= level <= 15
    )
    return R.QOS_AUTHORIZATION_REJECTED if refused else NONE


def _without_arp(qos: QosInformation) -> tuple[int | None, ...]:
    return (
        qos.qos_class_identifier,
        qos.max_requested_bandwidth_dl,
        qos.guaranteed_bitrate_dl,
        qos.max_requested_bandwidth_ul,
        qos.guaranteed_bitrate_ul,
    )


def _overlap(config: BmscConfig, request: MbmsBearerRequest, others: Iterable[Bearer]) -> BearerResult:
    areas = areas_of(config, request) or frozenset()
    return R.OVERLAPPING_SERVICE_AREA if any(areas & other.areas for other in others) else NONE
