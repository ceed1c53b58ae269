"""What the benchmark of MB2-C asks and answers: the same for every implementation."""

from __future__ import annotations

from ipaddress import IPv4Address

from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import (
    AllocationRetentionPriority,
    MbmsBearerRequest,
    MbmsBearerResponse,
    QosInformation,
    StartStop,
    TmgiAllocationRequest,
    TmgiAllocationResponse,
)
from mcsec.wire.mb2.messages import Gaa, Gar
from mcsec.wire.mb2.values import FlowId, ServiceArea, SessionDuration

GCS, BMSC, MCX, OPERATOR = "gcs.mcx.example", "bmsc.operator.example", "mcx.example", "operator.example"
#: Requests without an answer at a time.
IN_FLIGHT = 32
TMGIS = (Tmgi(1, "001", "01"), Tmgi(2, "001", "01"))

GAR = Gar(
    session_id="",
    origin_host=GCS,
    origin_realm=MCX,
    destination_realm=OPERATOR,
    tmgi_allocation_request=TmgiAllocationRequest(tmgi_number=2, tmgi=TMGIS[:1]),
    mbms_bearer_request=(
        MbmsBearerRequest(
            mbms_startstop_indication=StartStop.START,
            tmgi=TMGIS[0],
            qos_information=QosInformation(
                qos_class_identifier=65,
                max_requested_bandwidth_dl=256_000,
                guaranteed_bitrate_dl=128_000,
                allocation_retention_priority=AllocationRetentionPriority(priority_level=2),
            ),
            mbms_service_area=ServiceArea((1, 2, 300)),
            mbms_start_time=1_795_450_024,
        ),
    ),
    restart_counter=3,
)
GAA = Gaa(
    session_id="",
    origin_host=BMSC,
    origin_realm=OPERATOR,
    result_code=2001,
    tmgi_allocation_response=TmgiAllocationResponse(
        tmgi=TMGIS, mbms_session_duration=SessionDuration.of(3600)
    ),
    mbms_bearer_response=(
        MbmsBearerResponse(
            tmgi=TMGIS[0],
            mbms_flow_identifier=FlowId(1),
            bmsc_address=(IPv4Address("127.0.0.1"),),
            bmsc_port=9470,
        ),
    ),
    restart_counter=42,
)
