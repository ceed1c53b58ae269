"""The media plane and MB2: RTP, RTCP and its control messages, Diameter, what a bearer's datagrams hold."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address

from mcsec.errors import PeerError
from mcsec.ids import Tmgi
from mcsec.net.diameter.framing import Framer
from mcsec.wire import rtcp
from mcsec.wire.diameter.avp import decode_avps
from mcsec.wire.diameter.base import Cea, Cer, Dpa, Dpr, Dwa, Dwr, ErrorAnswer
from mcsec.wire.diameter.header import HEADER_SIZE, Header
from mcsec.wire.diameter.message import decode, encode_answer, encode_request, peek_envelope
from mcsec.wire.mb2.groups import (
    AllocationRetentionPriority,
    MbmsBearerRequest,
    MbmsBearerResponse,
    QosInformation,
    SupportedFeatures,
    TmgiAllocationRequest,
    TmgiAllocationResponse,
)
from mcsec.wire.mb2.masks import BearerResult, Feature
from mcsec.wire.mb2.messages import Gaa, Gar, Gna, Gnr
from mcsec.wire.mb2.userplane import InnerPacket, decode_inner
from mcsec.wire.mb2.values import CellList, Ecgi, FlowId, ServiceArea, SessionDuration
from mcsec.wire.rtcp import floor as f
from mcsec.wire.rtcp.app import decode_packets
from mcsec.wire.rtcp.floor_values import (
    DenyCause,
    FloorIndicator,
    FloorMessageType,
    Location,
    QueueInfo,
    RejectCause,
    Source,
    TrackInfo,
)
from mcsec.wire.rtcp.preestablished import (
    Acknowledgement,
    AnswerState,
    Connect,
    Disconnect,
    MediaStreams,
    ReasonCode,
    SessionIdentity,
    SessionType,
)
from mcsec.wire.rtcp.subchannel import (
    ApplicationPaging,
    BearerAnnouncement,
    MapGroupToBearer,
    MbmsSubchannel,
    UnmapGroupToBearer,
)
from mcsec.wire.rtp import RtcpHeader, RtpExtension, RtpHeader, RtpPacket, walk_rtcp

from .driver import Target

GROUP, ALICE = "sip:rescue@a.example", "sip:alice@a.example"
TMGI = Tmgi(0x123456, "310", "410")

CONTROL = [
    rtcp.encode(message)
    for message in (
        f.FloorRequest(
            ssrc=1,
            priority=7,
            user_id=ALICE,
            track_info=TrackInfo(True, "dispatcher", (1,)),
            indicator=FloorIndicator.EMERGENCY,
        ),
        f.FloorGranted(ssrc=1, ack_requested=True, duration=30, priority=255, audio_ssrc=9),
        f.FloorTaken(
            ssrc=1,
            permission=False,
            sequence_number=65535,
            granted_party=ALICE,
            granted_users=(ALICE, ALICE),
            ssrcs=(1, 2),
            location=Location(4, b"\x12\x34"),
        ),
        f.FloorDeny(ssrc=1, cause=RejectCause(DenyCause.QUEUE_FULL, "later")),
        f.FloorIdle(ssrc=1, sequence_number=2),
        f.FloorQueuePositionInfo(ssrc=1, queue_info=QueueInfo(4, 6)),
        f.FloorAck(ssrc=1, source=Source.CONTROLLING, acked=FloorMessageType.TAKEN),
        Connect(
            ssrc=1,
            ack_requested=True,
            media_streams=MediaStreams(1, 2),
            session=SessionIdentity(next(iter(SessionType)), GROUP),
            warning_text="later",
            answer_state=next(iter(AnswerState)),
            pck_message=bytes(300),
        ),
        Disconnect(ssrc=1, reason_cause=b"\x01"),
        Acknowledgement(ssrc=1, reason_code=next(iter(ReasonCode))),
        MapGroupToBearer(
            ssrc=1,
            group_id=GROUP,
            tmgi=TMGI,
            subchannel=MbmsSubchannel(2, 3, ip_address("239.1.2.3"), 40000, 40004),
        ),
        MapGroupToBearer(
            ssrc=1, group_id=GROUP, tmgi=TMGI, subchannel=MbmsSubchannel(2, 0, ip_address("ff3e::1"), 40000)
        ),
        UnmapGroupToBearer(ssrc=1, group_id=GROUP),
        ApplicationPaging(ssrc=1, group_id=GROUP),
        BearerAnnouncement(ssrc=1, tmgis=(TMGI, Tmgi(1, "001", "01")), monitoring=True),
    )
]
HEADER = RtpHeader(payload_type=97, sequence=1, timestamp=2, ssrc=3)
MEDIA = [
    RtpPacket(HEADER, bytes(20)).encode(),
    RtpHeader(0, 1, 2, 3, marker=True, csrcs=(4, 5), extension=RtpExtension(0xBEDE, bytes(8))).encode()
    + bytes(9),
]

# --- Diameter

REALM = "mnc001.mcc001.3gppnetwork.org"
FROM_AS = {"origin_host": "gcsas.a.example", "origin_realm": "a.example"}
FROM_BMSC = {"origin_host": f"bmsc.{REALM}", "origin_realm": REALM}
CAPABILITIES = {
    "host_ip_address": (ip_address("192.0.2.1"), ip_address("2001:db8::1")),
    "vendor_id": 10415,
    "product_name": "mcsec",
}
ARP = AllocationRetentionPriority(priority_level=2)
BEARER = MbmsBearerRequest(
    mbms_startstop_indication=0,
    qos_information=QosInformation(
        qos_class_identifier=65, max_requested_bandwidth_dl=256_000, allocation_retention_priority=ARP
    ),
    mbms_service_area=ServiceArea((1, 2, 300)),
    mbms_cell_list=CellList((Ecgi("001", "01", 0xABCDE1),)),
)
REQUESTS = (
    Cer(**FROM_AS, **CAPABILITIES),
    Dwr(**FROM_AS),
    Dpr(**FROM_AS, disconnect_cause=0),
    Gar(
        session_id="gcsas.a.example;1;2",
        **FROM_AS,
        destination_realm=REALM,
        supported_features=(SupportedFeatures(feature_list=Feature.HEARTBEAT),),
        tmgi_allocation_request=TmgiAllocationRequest(tmgi_number=2, tmgi=(TMGI,)),
        mbms_bearer_request=(BEARER,),
        restart_counter=3,
    ),
    Gnr(
        session_id="bmsc;1;2", **FROM_BMSC, destination_realm="a.example", destination_host="gcsas.a.example"
    ),
)
ANSWERS = (
    Cea(result_code=2001, **FROM_BMSC, **CAPABILITIES),
    Dwa(result_code=2001, **FROM_BMSC),
    Dpa(result_code=2001, **FROM_BMSC),
    ErrorAnswer(result_code=3002, **FROM_BMSC),
    Gaa(
        session_id="gcsas.a.example;1;2",
        **FROM_BMSC,
        result_code=2001,
        tmgi_allocation_response=TmgiAllocationResponse(
            tmgi=(TMGI,), mbms_session_duration=SessionDuration.of(3600)
        ),
        mbms_bearer_response=(
            MbmsBearerResponse(tmgi=TMGI, mbms_flow_identifier=FlowId(1), mbms_bearer_result=BearerResult(1)),
        ),
    ),
    Gna(session_id="bmsc;1;2", **FROM_AS, result_code=2001),
)
SIGNALS = {type(message): encode_request(message, 1, 2) for message in REQUESTS}
SIGNALS |= {type(message): encode_answer(message, Header(280, 0, 0x80, 1, 2)) for message in ANSWERS}
IPV4 = InnerPacket(ip_address("192.0.2.1"), ip_address("239.1.2.3"), 1, 2, b"payload")
IPV6 = InnerPacket(ip_address("2001:db8::1"), ip_address("ff3e::1"), 1, 2, b"odd")


def stream(octets: bytes) -> object:
    """Octets of a connection in two reads."""
    framer = Framer(4096)
    half = len(octets) // 2
    messages, broken = framer.feed(octets[:half])
    if broken is None:
        more, broken = framer.feed(octets[half:])
        messages += more
    if broken is not None:
        raise broken
    return messages


def envelope(octets: bytes) -> object:
    """For the answer to a message that is broken: never raises."""
    try:
        return peek_envelope(octets)
    except PeerError as error:
        raise AssertionError(f"raised {error!r}") from error


ALL = list(SIGNALS.values())

TARGETS = (
    Target("rtcp.strict", rtcp.decode, CONTROL),
    Target("rtcp.lenient", lambda octets: rtcp.decode(octets, rtcp.LENIENT), CONTROL),
    Target("rtcp.legacy", lambda octets: rtcp.decode(octets, rtcp.LEGACY), CONTROL),
    Target("rtcp.app", decode_packets, CONTROL),
    Target("rtp.packet", RtpPacket.decode, MEDIA),
    Target("rtp.header", RtpHeader.decode, MEDIA),
    Target("rtp.rtcp-header", RtcpHeader.decode, CONTROL),
    Target("rtp.walk-rtcp", walk_rtcp, [*CONTROL, CONTROL[0] + CONTROL[4]]),
    Target("diameter.header", Header.decode, ALL),
    Target("diameter.avps", lambda octets: decode_avps(octets, HEADER_SIZE), ALL),
    Target("diameter.stream", stream, [*ALL, b"".join(ALL)]),
    Target("diameter.envelope", envelope, ALL),
    *(
        Target(f"diameter.{cls.__name__.lower()}", partial(decode, cls=cls), [octets])
        for cls, octets in SIGNALS.items()
    ),
    Target("mb2.inner", decode_inner, [IPV4.encode(), IPV6.encode()]),
    Target("mb2.service-area", ServiceArea.decode, [ServiceArea((1, 2, 300)).encode()]),
    Target("mb2.duration", SessionDuration.decode, [SessionDuration.of(3600).encode()]),
    Target("mb2.flow", FlowId.decode, [FlowId(1).encode()]),
    Target("mb2.ecgi", Ecgi.decode, [Ecgi("001", "01", 0xABCDE1).encode()]),
    Target("mb2.cells", CellList.decode, [CellList((Ecgi("001", "01", 1), Ecgi("310", "410", 2))).encode()]),
)
