"""The two published MB2-C examples as objects."""

from __future__ import annotations

from ipaddress import ip_address

from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import (
    AllocationRetentionPriority,
    Mb2uSecurity,
    MbmsBearerRequest,
    MbmsBearerResponse,
    Preemption,
    Qci,
    QosInformation,
    StartStop,
    SupportedFeatures,
    TmgiAllocationRequest,
    TmgiAllocationResponse,
)
from mcsec.wire.mb2.masks import BearerResult, Feature, TmgiAllocationResult
from mcsec.wire.mb2.messages import Gaa, Gar
from mcsec.wire.mb2.values import CellList, Ecgi, FlowId, ServiceArea, SessionDuration

GAR = Gar(
    session_id="gcsas.mcx.example;6b0464a8;e126cd83;4ff03386",
    origin_host="gcsas.mcx.example",
    origin_realm="mcx.example",
    destination_realm="mnc001.mcc001.3gppnetwork.org",
    supported_features=(SupportedFeatures(feature_list=Feature.HEARTBEAT),),
    tmgi_allocation_request=TmgiAllocationRequest(tmgi_number=2, tmgi=(Tmgi(0x123456, "310", "410"),)),
    mbms_bearer_request=(
        MbmsBearerRequest(
            mbms_startstop_indication=StartStop.START,
            qos_information=QosInformation(
                qos_class_identifier=Qci.MC_PTT_VOICE,
                max_requested_bandwidth_dl=256_000,
                guaranteed_bitrate_dl=128_000,
                allocation_retention_priority=AllocationRetentionPriority(
                    priority_level=2,
                    pre_emption_capability=Preemption.ENABLED,
                    pre_emption_vulnerability=Preemption.DISABLED,
                ),
            ),
            mbms_service_area=ServiceArea((1, 2, 300)),
            mbms_start_time=1795450024,
            mb2u_security=Mb2uSecurity.NONE,
            mbms_cell_list=CellList((Ecgi("001", "01", 0xABCDE1),)),
        ),
    ),
    restart_counter=3,
)

GAA = Gaa(
    session_id="gcsas.mcx.example;6b0465e8;480f1bba;90c7c835",
    origin_host="bmsc.mnc001.mcc001.3gppnetwork.org",
    origin_realm="mnc001.mcc001.3gppnetwork.org",
    result_code=2001,
    tmgi_allocation_response=TmgiAllocationResponse(
        tmgi=(Tmgi(0xB00001, "001", "01"),),
        mbms_session_duration=SessionDuration.of(3600),
        tmgi_allocation_result=TmgiAllocationResult.SUCCESS,
    ),
    mbms_bearer_response=(
        MbmsBearerResponse(
            tmgi=Tmgi(0xB00002, "001", "01"),
            mbms_flow_identifier=FlowId(1),
            mbms_bearer_result=BearerResult.SUCCESS,
            bmsc_address=(ip_address("127.0.0.1"),),
            bmsc_port=9470,
        ),
    ),
    restart_counter=42,
)
