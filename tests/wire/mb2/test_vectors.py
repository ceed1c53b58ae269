"""The two published MB2-C examples, built by other people's encoders."""

from __future__ import annotations

from ipaddress import ip_address

from mcsec.ids import Tmgi
from mcsec.wire.diameter.avp import Avp, decode_avps
from mcsec.wire.diameter.base import AuthSessionState
from mcsec.wire.diameter.dictionary import MBit
from mcsec.wire.diameter.message import decode, encode_answer, encode_request
from mcsec.wire.diameter.table import DICTIONARY, MB2C
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
from support.diameter import GAA_BY_FREEDIAMETER, GAR_BY_PYTHON_DIAMETER

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


def normal(avps: tuple[Avp, ...]) -> list[object]:
    """AVPs without order, and without the M bits on which dictionaries disagree."""
    rows: list[object] = []
    for avp in avps:
        row = DICTIONARY.find(avp.code, avp.vendor)
        assert row is not None
        lenient = row.m_bit in (MBit.SENT, MBit.CLEAR)
        inner = normal(decode_avps(avp.data)) if row.members else avp.data.hex()
        rows.append((avp.vendor, avp.code, None if lenient else avp.flags, inner))
    return sorted(rows, key=repr)


def test_gar_decodes() -> None:
    header, body = decode(GAR_BY_PYTHON_DIAMETER, Gar)
    assert body == GAR
    assert (header.command, header.application) == (8388662, MB2C)
    assert (header.hop_by_hop, header.end_to_end) == (0x237DEFB1, 0x4A8E1C83)
    assert body.auth_session_state is AuthSessionState.NO_STATE_MAINTAINED


def test_gar_re_encodes() -> None:
    octets = encode_request(GAR, 0x237DEFB1, 0x4A8E1C83)
    assert octets[:20] == GAR_BY_PYTHON_DIAMETER[:20]
    assert normal(decode_avps(octets, 20)) == normal(decode_avps(GAR_BY_PYTHON_DIAMETER, 20))


def test_gar_is_byte_identical_below_the_grammar() -> None:
    avps = decode_avps(GAR_BY_PYTHON_DIAMETER, 20)
    assert b"".join(avp.encode() for avp in avps) == GAR_BY_PYTHON_DIAMETER[20:]


def test_gaa_decodes() -> None:
    header, body = decode(GAA_BY_FREEDIAMETER, Gaa)
    assert body == GAA
    assert not header.is_request


def test_gaa_re_encodes() -> None:
    header, body = decode(GAA_BY_FREEDIAMETER, Gaa)
    octets = encode_answer(body, header)
    assert octets[:20] == GAA_BY_FREEDIAMETER[:20]
    assert normal(decode_avps(octets, 20)) == normal(decode_avps(GAA_BY_FREEDIAMETER, 20))
