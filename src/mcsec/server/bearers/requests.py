"""What a GAR asks for one bearer (TS 29.468 5.2, 5.3)."""

from __future__ import annotations

from mcsec.server.bearers.bearer import Bearer, Wish
from mcsec.wire.mb2.groups import (
    MbmsBearerRequest,
    StartStop,
    TmgiAllocationRequest,
    TmgiDeallocationRequest,
)

NEW_TMGI = TmgiAllocationRequest(tmgi_number=1)


def refresh(bearer: Bearer) -> TmgiAllocationRequest:
    """No new TMGI, and the one at hand for longer."""
    return TmgiAllocationRequest(tmgi_number=0, tmgi=(bearer.tmgi,) if bearer.tmgi is not None else ())


def release(*bearers: Bearer) -> TmgiDeallocationRequest:
    """Their TMGIs are not needed any more."""
    return TmgiDeallocationRequest(tmgi=tuple(bearer.tmgi for bearer in bearers if bearer.tmgi is not None))


def start(bearer: Bearer) -> MbmsBearerRequest:
    """Activation: no flow identifier, which the BM-SC gives."""
    return MbmsBearerRequest(
        mbms_startstop_indication=StartStop.START,
        tmgi=bearer.tmgi,
        qos_information=bearer.wish.qos,
        mbms_service_area=bearer.wish.service_area,
    )


def update(bearer: Bearer, wish: Wish) -> MbmsBearerRequest:
    """Modification: the QoS values that may not change are repeated."""
    return MbmsBearerRequest(
        mbms_startstop_indication=StartStop.UPDATE,
        tmgi=bearer.tmgi,
        mbms_flow_identifier=bearer.flow,
        qos_information=wish.qos,
        mbms_service_area=wish.service_area,
    )


def stop(bearer: Bearer) -> MbmsBearerRequest:
    """Deactivation."""
    return MbmsBearerRequest(
        mbms_startstop_indication=StartStop.STOP, tmgi=bearer.tmgi, mbms_flow_identifier=bearer.flow
    )
