"""python-diameter as the other side: its node as BM-SC and as GCS AS, and its dictionary beside ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from diameter.message import Message
from diameter.message.avp import (
    Avp,
    AvpAddress,
    AvpEnumerated,
    AvpFloat32,
    AvpGrouped,
    AvpInteger32,
    AvpOctetString,
    AvpTime,
    AvpUnsigned32,
    AvpUnsigned64,
    AvpUtf8String,
)
from diameter.message.avp.avp import get_avp_dictionary_entry
from diameter.message.commands import GCSAction, GCSNotification
from diameter.node import Node
from diameter.node.application import Application, SimpleThreadingApplication

from mcsec.ids import Tmgi
from mcsec.lab.ports import free_port
from mcsec.net.diameter.config import Listener, NodeConfig, PeerConfig, Timings
from mcsec.net.diameter.effects import PeerDown, PeerUp
from mcsec.net.diameter.errors import RequestRefused
from mcsec.net.diameter.node import DiameterNode
from mcsec.wire.diameter.datatypes import (
    ADDRESS,
    DIAMETER_IDENTITY,
    DIAMETER_URI,
    ENUMERATED,
    FLOAT32,
    IP_FILTER_RULE,
    TIME,
    UNSIGNED32,
    UNSIGNED64,
    UTF8_STRING,
)
from mcsec.wire.diameter.dictionary import MBit
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import encode_answer, encode_request
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import DICTIONARY, MB2C, TGPP
from mcsec.wire.diameter.violation import Violation
from mcsec.wire.mb2.groups import MbmsBearerResponse, TmgiAllocationResponse
from mcsec.wire.mb2.messages import APPLICATION, Gaa, Gar, Gna
from mcsec.wire.mb2.values import FlowId, ServiceArea, SessionDuration
from support.mb2 import GAA, GAR
from support.nodes import BMSC, GCS, MCX, OPERATOR, answer_to, gar, gnr
from support.waiting import soon, until

pytestmark = pytest.mark.anyio

FAST = Timings(
    connect=30, capabilities=30, disconnect=3, redial=0.2, redial_most=1, watchdog=1.5, watchdog_jitter=0.1
)


@contextmanager
def their_node(
    host: str, realm: str, handler: Any, other: str, other_realm: str, port: int
) -> Iterator[Application]:
    """A node of theirs that listens, or dials ``port`` when that is not 0."""
    listening = free_port()
    node = Node(host, realm, ip_addresses=["127.0.0.1"], tcp_port=listening, vendor_ids=[TGPP])
    node.wakeup_interval = 1
    node.idle_timeout = 2
    node.dwa_timeout = 30
    peer = node.add_peer(
        f"aaa://{other}:{port or 3868}",
        other_realm,
        ip_addresses=["127.0.0.1"] if port else [],
        is_persistent=bool(port),
    )
    application = SimpleThreadingApplication(MB2C, is_auth_application=True, request_handler=handler)
    node.add_application(application, [peer], [realm])
    node.start()
    application.port = listening
    try:
        yield application
    finally:
        node.stop(wait_timeout=3)


def our_node(host: str, realm: str, peer: PeerConfig, events: list[Any], **options: Any) -> DiameterNode:
    config = NodeConfig(
        host=host, realm=realm, applications=(APPLICATION,), peers=(peer,), timings=FAST, **options
    )
    return DiameterNode(config, on_event=events.append)


def avp(name: str, value: Any) -> Avp:
    """One of their AVPs, by our dictionary's name; M bits as in TS 29.212 and TS 29.229."""
    row = DICTIONARY.by_name[name]
    return Avp.new(row.code, row.vendor, value, is_mandatory=row.m_bit.sent)


def common(application: Application, session_id: str) -> list[Avp]:
    return [
        avp("Session-Id", session_id),
        avp("Auth-Application-Id", MB2C),
        avp("Auth-Session-State", 1),
        avp("Origin-Host", application.node.origin_host.encode()),
        avp("Origin-Realm", application.node.realm_name.encode()),
    ]


def answer_gar(application: Application, request: Message) -> Message:
    answer = request.to_answer()
    for part in (
        *common(application, request.session_id),
        avp("Result-Code", 2001),
        avp(
            "TMGI-Allocation-Response",
            [
                avp("TMGI", bytes.fromhex("b0000100f110")),
                avp("MBMS-Session-Duration", bytes.fromhex("070800")),
            ],
        ),
        avp(
            "MBMS-Bearer-Response",
            [
                avp("TMGI", bytes.fromhex("b0000200f110")),
                avp("MBMS-Flow-Identifier", b"\0\1"),
                avp("MBMS-Session-Duration", bytes.fromhex("070800")),
                avp("BMSC-Address", "127.0.0.1"),
                avp("BMSC-Port", 9470),
            ],
        ),
        avp("Restart-Counter", 42),
    ):
        answer.append_avp(part)
    return answer


async def test_their_node_as_bmsc() -> None:
    seen: list[Any] = []

    def handler(application: Application, request: Message) -> Message:
        seen.append(request)
        return answer_gar(application, request)

    events: list[Any] = []
    with their_node(BMSC, OPERATOR, handler, GCS, MCX, 0) as application:
        peer = PeerConfig(
            host=BMSC, realm=OPERATOR, address="127.0.0.1", port=application.port, require_tls=False
        )
        async with our_node(GCS, MCX, peer, events) as node:
            await soon(node.until_open(BMSC))
            request = replace(GAR, origin_host=GCS, origin_realm=MCX, destination_realm=OPERATOR)
            answer = await node.request(request, timeout=60)
            assert answer.tmgi_allocation_response == TmgiAllocationResponse(
                tmgi=(Tmgi(0xB00001, "001", "01"),), mbms_session_duration=SessionDuration.of(3600)
            )
            assert answer.mbms_bearer_response == (
                MbmsBearerResponse(
                    tmgi=Tmgi(0xB00002, "001", "01"),
                    mbms_flow_identifier=FlowId(1),
                    mbms_session_duration=SessionDuration.of(3600),
                    bmsc_address=(ip_address("127.0.0.1"),),
                    bmsc_port=9470,
                ),
            )
            assert answer.restart_counter == 42
            many = [node.request(replace(request, session_id=f"{GCS};{n}"), timeout=60) for n in range(20)]
            answers = await asyncio.gather(*many)
            assert {answer.session_id for answer in answers} == {f"{GCS};{n}" for n in range(20)}
            # Watchdog requests follow.
            await until(lambda: node.counters["sent.request"] > 23)
            assert node.peers == {BMSC: "i-open"}
    (request, *_) = seen
    bearer = request.mbms_bearer_request
    # The ARP and the bit rates that its own classes lose (defect 6) are there.
    assert bearer.qos_information.max_requested_bandwidth_dl == 256_000
    assert bearer.qos_information.guaranteed_bitrate_dl == 128_000
    assert bearer.qos_information.allocation_retention_priority.priority_level == 2
    assert bearer.qos_information.allocation_retention_priority.pre_emption_capability == 0
    assert bearer.mbms_service_area == ServiceArea((1, 2, 300)).encode()
    assert bearer.mbms_start_time.replace(tzinfo=UTC) in (
        datetime.fromtimestamp(1795450024, UTC),
        datetime.fromtimestamp(1795450024).replace(tzinfo=UTC),  # noqa: DTZ006  # its times have no zone
    )
    assert [type(event) for event in events[:1]] == [PeerUp]


async def test_their_node_as_gcs_as() -> None:
    events: list[Any] = []
    peer = PeerConfig(host=GCS, realm=MCX, require_tls=False)
    listener = Listener(address="127.0.0.1", port=0)
    answers: list[Any] = []

    def notified(application: Application, request: Message) -> Message:
        answer = request.to_answer()
        for part in (*common(application, request.session_id), avp("Result-Code", 2001)):
            answer.append_avp(part)
        return answer

    async with our_node(BMSC, OPERATOR, peer, events, listeners=(listener,)) as node:
        served: list[Gar] = []

        def serve(request: Gar) -> Gaa:
            served.append(request)
            return replace(GAA, session_id=request.session_id, origin_host=BMSC, origin_realm=OPERATOR)

        node.serve(Gar, serve)

        def talk() -> None:
            with their_node(GCS, MCX, notified, BMSC, OPERATOR, node.ports[0]) as application:
                application.wait_for_ready(60)
                for extra in ([], [AvpOctetString(4_000_000, TGPP, b"?", 0x40)]):
                    request = GCSAction()
                    request.header.is_request = True
                    request.header.is_proxyable = True
                    for part in (
                        *common(application, f"{GCS};1;1"),
                        avp("Destination-Realm", OPERATOR.encode()),
                        avp(
                            "TMGI-Allocation-Request",
                            [avp("TMGI-Number", 2), avp("TMGI", bytes.fromhex("123456130014"))],
                        ),
                        *extra,
                    ):
                        request.append_avp(part)
                    answers.append(application.send_request(request, 60))
                asyncio.run_coroutine_threadsafe(notify(), loop).result(60)

        async def notify() -> None:
            answer = await node.request(gnr(), timeout=60)
            assert isinstance(answer, Gna)

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(talk)
    good, bad = answers
    assert good.result_code == 2001
    assert good.tmgi_allocation_response.tmgi == bytes.fromhex("b0000100f110")
    assert good.mbms_bearer_response.bmsc_port == 9470
    assert (bad.result_code, bad.header.is_error) == (ResultCode.AVP_UNSUPPORTED, True)
    (failed,) = bad.find_avps((279, 0))
    assert failed.value[0].code == 4_000_000
    assert len(served) == 1
    assert served[0].tmgi_allocation_request is not None
    assert served[0].tmgi_allocation_request.tmgi == (Tmgi(0x123456, "310", "410"),)
    down = [event for event in events if isinstance(event, PeerDown)]
    assert down[0].reason == "it said good-bye: rebooting"


async def test_their_refusals_are_raised() -> None:
    def handler(application: Application, request: Message) -> Message:
        answer = request.to_answer()
        for part in (*common(application, request.session_id), avp("Result-Code", 5012)):
            answer.append_avp(part)
        return answer

    with their_node(BMSC, OPERATOR, handler, GCS, MCX, 0) as application:
        peer = PeerConfig(
            host=BMSC,
            realm=OPERATOR,
            address="127.0.0.1",
            port=application.port,
            require_tls=False,
            realms=frozenset({"far.example"}),
        )
        async with our_node(GCS, MCX, peer, []) as node:
            await soon(node.until_open(BMSC))
            with pytest.raises(RequestRefused) as caught:
                await node.request(gar(), timeout=60)
            assert caught.value.result_code == ResultCode.UNABLE_TO_COMPLY
            # Its own error answer to a command that it has no class for is empty (defect 5): that fails at once, too.
            with pytest.raises(Violation) as violation:
                await node.request(gar(destination_realm="far.example"), timeout=60)
            assert violation.value.result_code == ResultCode.MISSING_AVP


# --- codec against codec

_TYPES = {
    UNSIGNED32.name: (AvpUnsigned32, AvpEnumerated),
    UNSIGNED64.name: (AvpUnsigned64,),
    ENUMERATED.name: (AvpEnumerated, AvpInteger32),
    FLOAT32.name: (AvpFloat32,),
    ADDRESS.name: (AvpAddress,),
    TIME.name: (AvpTime,),
    UTF8_STRING.name: (AvpUtf8String,),
    DIAMETER_IDENTITY.name: (AvpOctetString, AvpUtf8String),
    DIAMETER_URI.name: (AvpOctetString, AvpUtf8String),
    IP_FILTER_RULE.name: (AvpOctetString, AvpUtf8String),
}

#: Their dictionary stops at 3517, and lacks these.
_UNKNOWN_TO_THEM = {*range(3518, 3534)}


def test_the_dictionaries_agree() -> None:
    unknown, other_type, other_flag = set(), set(), set()
    for row in DICTIONARY.avps:
        theirs = get_avp_dictionary_entry(row.code, row.vendor)
        if theirs is None:
            unknown.add(row.code)
            continue
        grouped = row.members or row.name == "Failed-AVP"
        kinds = (AvpGrouped,) if grouped else _TYPES.get(row.datatype.name, (AvpOctetString,))
        if not issubclass(theirs["type"], kinds):
            other_type.add(row.name)
        if row.m_bit in (MBit.MUST, MBit.MUST_NOT) and bool(theirs.get("mandatory")) is not row.m_bit.sent:
            other_flag.add(row.name)
    assert unknown == _UNKNOWN_TO_THEM
    assert other_type == set()
    assert other_flag == set()


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (encode_request(GAR, 1, 2), 8388662),
        (encode_answer(GAA, Header(8388662, MB2C, 0xC0, 1, 2)), 8388662),
        (encode_request(gnr(), 1, 2), 8388663),
        (encode_answer(answer_to(gnr(), GCS, MCX), Header(8388663, MB2C, 0xC0, 1, 2)), 8388663),
    ],
    ids=["GAR", "GAA", "GNR", "GNA"],
)
def test_their_codec_reads_and_writes_our_octets(octets: bytes, code: int) -> None:
    message = Message.from_bytes(octets, plain_msg=True)
    assert message.header.command_code == code
    assert message.as_bytes() == octets
    assert isinstance(Message.from_bytes(octets), GCSAction if code == 8388662 else GCSNotification)
