"""The four MB2-C commands (TS 29.468 6.6), and the application they belong to."""

from __future__ import annotations

from mcsec.wire.diameter.application import Application
from mcsec.wire.diameter.base import SessionAnswer, SessionRequest
from mcsec.wire.diameter.table import MB2C, TGPP
from mcsec.wire.diameter.typed import command
from mcsec.wire.mb2.groups import (
    Load,
    MbmsBearerEventNotification,
    MbmsBearerRequest,
    MbmsBearerResponse,
    SupportedFeatures,
    TmgiAllocationRequest,
    TmgiAllocationResponse,
    TmgiDeallocationRequest,
    TmgiDeallocationResponse,
    TmgiExpiry,
)


@command("GAA")
class Gaa(SessionAnswer):
    """GCS-Action-Answer. Bearer responses stand in the order of the requests (see readings)."""

    auth_application_id: int = MB2C
    supported_features: tuple[SupportedFeatures, ...] = ()
    tmgi_allocation_response: TmgiAllocationResponse | None = None
    tmgi_deallocation_response: tuple[TmgiDeallocationResponse, ...] = ()
    mbms_bearer_response: tuple[MbmsBearerResponse, ...] = ()
    restart_counter: int | None = None
    load: tuple[Load, ...] = ()


@command("GAR")
class Gar(SessionRequest[Gaa]):
    """GCS-Action-Request, from the GCS AS to the BM-SC: TMGIs and bearers. With neither it is a heartbeat."""

    auth_application_id: int = MB2C
    supported_features: tuple[SupportedFeatures, ...] = ()
    tmgi_allocation_request: TmgiAllocationRequest | None = None
    tmgi_deallocation_request: TmgiDeallocationRequest | None = None
    mbms_bearer_request: tuple[MbmsBearerRequest, ...] = ()
    restart_counter: int | None = None


@command("GNA")
class Gna(SessionAnswer):
    """GCS-Notification-Answer."""

    auth_application_id: int = MB2C
    restart_counter: int | None = None


@command("GNR")
class Gnr(SessionRequest[Gna]):
    """GCS-Notification-Request, from the BM-SC to the GCS AS: TMGIs expired, bearers changed."""

    auth_application_id: int = MB2C
    destination_host: str
    tmgi_expiry: TmgiExpiry | None = None
    mbms_bearer_event_notification: tuple[MbmsBearerEventNotification, ...] = ()
    restart_counter: int | None = None


APPLICATION = Application("MB2-C", MB2C, TGPP, ((Gar, Gaa), (Gnr, Gna)))
