"""A BM-SC to test with, and what a GCS AS asks of it."""

from __future__ import annotations

from typing import Any, TypeVar

from mcsec.bmsc.config import Area, BmscConfig, Cell, GcsAs
from mcsec.bmsc.engine import Engine
from mcsec.bmsc.events import Notify
from mcsec.bmsc.faults import FaultTable
from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import (
    AllocationRetentionPriority,
    MbmsBearerRequest,
    MbmsBearerResponse,
    Preemption,
    QosInformation,
    StartStop,
    SupportedFeatures,
    TmgiAllocationRequest,
    TmgiAllocationResponse,
    TmgiDeallocationRequest,
    TmgiDeallocationResponse,
)
from mcsec.wire.mb2.masks import Feature
from mcsec.wire.mb2.messages import Gaa, Gar
from mcsec.wire.mb2.values import Ecgi, FlowId, ServiceArea
from support.nodes import BMSC, GCS, MCX, OPERATOR

E = TypeVar("E")
OTHER_GCS = "gcs2.mcx.example"
NOW = 1_800_000_000.0
CELL_ID = Ecgi("001", "01", 7)
PORTS = (9001, 9002, 9003, 9004)


def config(**options: Any) -> BmscConfig:
    """Areas 1, 2 and 3, the last with room for 300 kbit/s; two servers, of which the second may do little."""
    fields: dict[str, Any] = {
        "host": BMSC,
        "realm": OPERATOR,
        "mcc": "001",
        "mnc": "01",
        "gcs_as": (
            GcsAs(host=GCS, realm=MCX, bitrate=1_000_000, tmgis=4),
            GcsAs(host=OTHER_GCS, realm=MCX, areas=frozenset({1}), qcis=frozenset({65}), priority=5),
        ),
        "areas": (
            Area(code=1, radio_frequency=6300),
            Area(code=2, radio_frequency=6400, cells=(CELL_ID,)),
            Area(code=3, capacity=300_000),
        ),
        "cells": (Cell(name="all", areas=frozenset({1, 2, 3}), interface=None),),
        "tmgis": 6,
        "mb2u_port": 0,
        "bearers": 4,
    }
    return BmscConfig(**(fields | options))


def qos(bitrate: int = 128_000, **options: Any) -> QosInformation:
    """QoS of a mission critical voice bearer."""
    level = options.pop("level", 2)
    capability, vulnerability = options.pop("takes", None), options.pop("gives", None)
    fields: dict[str, Any] = {
        "qos_class_identifier": 65,
        "max_requested_bandwidth_dl": 2 * bitrate,
        "guaranteed_bitrate_dl": bitrate,
        "allocation_retention_priority": AllocationRetentionPriority(
            priority_level=level,
            pre_emption_capability=None if capability is None else Preemption(not capability),
            pre_emption_vulnerability=None if vulnerability is None else Preemption(not vulnerability),
        ),
    }
    return QosInformation(**(fields | options))


def start(tmgi: Tmgi | None = None, *areas: int, **options: Any) -> MbmsBearerRequest:
    """Activation."""
    fields: dict[str, Any] = {
        "mbms_startstop_indication": StartStop.START,
        "tmgi": tmgi,
        "qos_information": qos(),
        "mbms_service_area": ServiceArea(areas) if areas else None,
    }
    return MbmsBearerRequest(**(fields | options))


def update(bearer: MbmsBearerResponse, **options: Any) -> MbmsBearerRequest:
    """Modification of what an activation gave."""
    fields: dict[str, Any] = {
        "mbms_startstop_indication": StartStop.UPDATE,
        "tmgi": bearer.tmgi,
        "mbms_flow_identifier": bearer.mbms_flow_identifier,
    }
    return MbmsBearerRequest(**(fields | options))


def stop(tmgi: Tmgi | None, flow: FlowId | None) -> MbmsBearerRequest:
    """Deactivation."""
    return MbmsBearerRequest(mbms_startstop_indication=StartStop.STOP, tmgi=tmgi, mbms_flow_identifier=flow)


class Bench:
    """An engine, the clock, and everything that came out."""

    def __init__(self, *faults: Any, state: Any = None, counter: int = 1, **options: Any) -> None:
        self.now = NOW
        self.engine = Engine(config(**options), PORTS, counter, state=state, faults=FaultTable(*faults))
        self.happened: list[Any] = []
        self._session = 0

    def ask(self, host: str = GCS, **options: Any) -> Gaa:
        """The answer to a GAR."""
        reply = self.engine.handle(self.gar(host, **options), self.now)
        self.happened += self.engine.outputs()
        assert reply.gaa is not None
        assert reply.delay == 0
        return reply.gaa

    def gar(self, host: str = GCS, **options: Any) -> Gar:
        """A GAR; ``features`` are offered."""
        self._session += 1
        features = options.pop("features", None)
        if features is not None:
            options["supported_features"] = (SupportedFeatures(feature_list=Feature(features)),)
        return Gar(
            session_id=f"{host};1;{self._session}",
            origin_host=host,
            origin_realm=MCX,
            destination_realm=OPERATOR,
            **options,
        )

    def allocate(self, number: int, *refresh: Tmgi, host: str = GCS) -> TmgiAllocationResponse:
        """New TMGIs and refreshed ones."""
        asked = TmgiAllocationRequest(tmgi_number=number, tmgi=refresh)
        response = self.ask(host, tmgi_allocation_request=asked).tmgi_allocation_response
        assert response is not None
        return response

    def deallocate(self, *tmgis: Tmgi, host: str = GCS) -> tuple[TmgiDeallocationResponse, ...]:
        """TMGIs given back."""
        asked = TmgiDeallocationRequest(tmgi=tmgis)
        return self.ask(host, tmgi_deallocation_request=asked).tmgi_deallocation_response

    def bearer(self, request: MbmsBearerRequest, host: str = GCS, **options: Any) -> MbmsBearerResponse:
        """One bearer request."""
        (response,) = self.ask(host, mbms_bearer_request=(request,), **options).mbms_bearer_response
        return response

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        while (timer := self.engine.next_timer()) is not None and timer <= end:
            self.now = max(self.now, timer)
            self.engine.tick(self.now)
            self.happened += self.engine.outputs()
        self.now = end

    def of(self, kind: type[E]) -> list[E]:
        """What came out, of one kind."""
        return [one for one in self.happened if isinstance(one, kind)]

    def notified(self) -> list[Notify]:
        """Notifications since the last look."""
        found = self.of(Notify)
        self.happened = [one for one in self.happened if not isinstance(one, Notify)]
        return found
