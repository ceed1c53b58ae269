"""Who may connect, and what both sides have in common: RFC 6733 5.3."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from mcsec.errors import InvalidValue
from mcsec.net.diameter.config import Limits, PeerConfig
from mcsec.net.diameter.effects import (
    ConnectionRefused,
    Dial,
    DialFailed,
    PeerUp,
    Write,
)
from mcsec.net.diameter.states import State
from mcsec.wire.diameter.avp import Avp
from mcsec.wire.diameter.base import Cea, Cer, Dwa, Dwr, ErrorAnswer
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode, decode_body, encode_answer, encode_request
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import MB2C, RELAY, TGPP
from support.nodes import BMSC, EXACT, GCS, MCX, OPERATOR, World, gar, pair, peer
from support.talk import CER, bmsc, hear, state_of


def test_capabilities_name_vendor_and_application() -> None:
    world = pair()
    cer = decode(world.written[0][1], Cer)[1]
    cea = decode(world.written[1][1], Cea)[1]
    for message in (cer, cea):
        assert message.supported_vendor_id == (TGPP,)
        (vsai,) = message.vendor_specific_application_id
        assert (vsai.vendor_id, vsai.auth_application_id) == (TGPP, MB2C)
        assert message.auth_application_id == ()
        assert message.host_ip_address[0].is_loopback
        assert message.origin_state_id == 1
    assert cea.result_code == ResultCode.SUCCESS
    assert world.of(GCS, PeerUp) == [PeerUp(BMSC, True, frozenset({MB2C}))]
    assert world.of(BMSC, PeerUp) == [PeerUp(GCS, False, frozenset({MB2C}))]


@pytest.mark.parametrize("applications", [(MB2C,), (1, MB2C), (RELAY,)])
def test_bare_application_ids_and_relays_are_taken(applications: tuple[int, ...]) -> None:
    world = bmsc()
    number = world.connect(BMSC)
    world.send(BMSC, number, encode_request(replace(CER, auth_application_id=applications), 1, 2))
    assert decode(hear(world, BMSC), Cea)[1].result_code == ResultCode.SUCCESS


def test_no_common_application() -> None:
    """python-diameter becomes ready without any (defect 1)."""
    world = bmsc()
    number = world.connect(BMSC)
    world.send(BMSC, number, encode_request(replace(CER, auth_application_id=(4,)), 1, 2))
    header, cea = decode(hear(world, BMSC), Cea)
    assert cea.result_code == ResultCode.NO_COMMON_APPLICATION
    assert not header.is_error
    assert state_of(world, BMSC, GCS) is State.CLOSED
    assert world.engines[BMSC].stopped
    assert world.of(BMSC, ConnectionRefused)[0].code == "diameter.no-common-application"


def test_whoever_dials_gives_up_without_common_application() -> None:
    world = World()
    world.add(BMSC, OPERATOR, (peer(GCS, MCX),), applications=())
    world.add(GCS, MCX, (peer(BMSC, OPERATOR, address="127.0.0.1"),))
    world.start()
    assert state_of(world, GCS, BMSC) is State.CLOSED
    assert "5010" in world.of(GCS, DialFailed)[0].reason


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"origin_host": "stranger.example"}, ResultCode.UNKNOWN_PEER),
        ({"origin_realm": "other.example"}, ResultCode.UNKNOWN_PEER),
        ({"inband_security_id": (1,)}, ResultCode.NO_COMMON_SECURITY),
    ],
)
def test_refused_capabilities(changes: dict[str, object], result: ResultCode) -> None:
    world = bmsc()
    number = world.connect(BMSC)
    world.send(BMSC, number, encode_request(replace(CER, **changes), 1, 2))
    octets = hear(world, BMSC)
    cls = ErrorAnswer if result == ResultCode.UNKNOWN_PEER else Cea
    header, answer = decode(octets, cls)
    assert answer.result_code == result
    assert header.is_error is (cls is ErrorAnswer)
    assert world.engines[BMSC].stopped


def test_a_peer_may_be_tied_to_its_network() -> None:
    world = World()
    world.add(BMSC, OPERATOR, (peer(GCS, MCX, networks=(ip_network("192.0.2.0/24"),)),))
    world.send(BMSC, world.connect(BMSC, "198.51.100.1"), encode_request(CER, 1, 2))
    assert "198.51.100.1" in world.of(BMSC, ConnectionRefused)[0].reason
    world.send(BMSC, world.connect(BMSC, "192.0.2.7"), encode_request(CER, 1, 2))
    assert state_of(world, BMSC, GCS) is State.R_OPEN


def test_tls_is_required_unless_said_otherwise() -> None:
    with pytest.raises(InvalidValue, match="without TLS"):
        PeerConfig(host=BMSC, realm=OPERATOR, address="192.0.2.1")
    world = World()
    world.add(BMSC, OPERATOR, (PeerConfig(host=GCS, realm=MCX),))
    world.send(BMSC, world.connect(BMSC), encode_request(CER, 1, 2))
    assert world.of(BMSC, ConnectionRefused)[0].reason == "it came without TLS"
    world.send(BMSC, world.connect(BMSC, names=frozenset({"other.example"})), encode_request(CER, 1, 2))
    assert world.of(BMSC, ConnectionRefused)[1].reason == "its certificate does not carry its name"
    world.send(BMSC, world.connect(BMSC, names=frozenset({GCS})), encode_request(CER, 1, 2))
    assert state_of(world, BMSC, GCS) is State.R_OPEN


def test_whom_we_dial_must_be_whom_we_meant() -> None:
    world = World()
    engine = world.add(GCS, MCX, (peer(BMSC, OPERATOR, address="127.0.0.1"),))
    engine.start(world.now)
    (dial,) = [effect for effect in engine.effects() if isinstance(effect, Dial)]
    engine.connected(dial.connection, world.now, local=CER.host_ip_address[0], remote="127.0.0.1", names=None)
    cer_header = Header.peek(next(effect.octets for effect in engine.effects() if isinstance(effect, Write)))
    cea = Cea(
        result_code=2001,
        origin_host="impostor.example",
        origin_realm=OPERATOR,
        host_ip_address=CER.host_ip_address,
        vendor_id=0,
        product_name="test",
        auth_application_id=(MB2C,),
    )
    world.send(GCS, dial.connection, encode_answer(cea, cer_header))
    assert state_of(world, GCS, BMSC) is State.CLOSED
    assert world.of(GCS, DialFailed)[0].reason == "it calls itself impostor.example"


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (encode_request(Dwr(origin_host=GCS, origin_realm=MCX), 1, 2), "diameter.no-cer"),
        (encode_request(gar(), 1, 2), "diameter.no-cer"),
        (encode_request(replace(CER, other=(Avp(4_000_000, b""),)), 1, 2), "diameter.avp-unsupported"),
    ],
)
def test_a_connection_begins_with_a_sound_cer(octets: bytes, code: str) -> None:
    world = bmsc()
    world.send(BMSC, world.connect(BMSC), octets)
    assert world.engines[BMSC].stopped
    assert [event.code for event in world.of(BMSC, ConnectionRefused)] == [code]


def test_silence_and_too_many_strangers() -> None:
    world = bmsc(limits=Limits(strangers=2))
    world.connect(BMSC)
    world.connect(BMSC)
    assert (
        world.engines[BMSC].accepted(world.now, local=CER.host_ip_address[0], remote="::1", names=None)
        is None
    )
    world.advance(EXACT.capabilities)
    assert [event.code for event in world.of(BMSC, ConnectionRefused)] == [
        "diameter.strangers",
        "diameter.silent",
        "diameter.silent",
    ]
    assert world.engines[BMSC].stopped


def test_a_second_connection_is_refused_while_one_is_open() -> None:
    world = pair()
    number = world.connect(BMSC)
    world.send(BMSC, number, encode_request(CER, 1, 2))
    assert state_of(world, BMSC, GCS) is State.R_OPEN
    assert world.engines[BMSC].counters["event.PeerDown"] == 0
    # The open connection was probed, and the probe answered.
    assert decode_body(hear(world, GCS), Dwa).result_code == ResultCode.SUCCESS
