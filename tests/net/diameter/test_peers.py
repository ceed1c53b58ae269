"""How peers find each other, watch each other and part: RFC 6733 5, RFC 3539 3.4."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from mcsec.errors import InvalidValue
from mcsec.net.diameter.config import Limits, NodeConfig, PeerConfig, Timings
from mcsec.net.diameter.effects import (
    ConnectionRefused,
    Dial,
    DialFailed,
    MessageRefused,
    PeerDown,
    PeerRecovered,
    PeerRestarted,
    PeerSuspect,
    PeerUp,
    Write,
)
from mcsec.net.diameter.states import State
from mcsec.net.diameter.watchdog import Status
from mcsec.wire.diameter.avp import Avp
from mcsec.wire.diameter.base import Cea, Cer, DisconnectCause, Dpa, Dpr, Dwa, Dwr, ErrorAnswer
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode, decode_body, encode_answer, encode_request
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import MB2C, RELAY, TGPP
from mcsec.wire.mb2.messages import APPLICATION
from support.nodes import BMSC, EXACT, GCS, MCX, OPERATOR, World, gar, pair, peer

CER = Cer(
    origin_host=GCS,
    origin_realm=MCX,
    host_ip_address=(ip_address("127.0.0.1"),),
    vendor_id=0,
    product_name="test",
    auth_application_id=(MB2C,),
)


def state_of(world: World, host: str, other: str) -> State:
    return world.engines[host].peers[other].state


def bmsc(**options: object) -> World:
    """A BM-SC alone; the test speaks for the GCS AS."""
    world = World()
    world.add(BMSC, OPERATOR, (peer(GCS, MCX),), **options)  # type: ignore[arg-type]  # options of add
    return world


def hear(world: World, host: str) -> bytes:
    """The last message that a host wrote."""
    return [octets for sender, octets in world.written if sender == host][-1]


# --- capabilities


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


# --- election


def test_two_nodes_that_dial_each_other_keep_one_connection() -> None:
    """python-diameter keeps both (defect 8)."""
    world = World()
    world.add(BMSC, OPERATOR, (peer(GCS, MCX, address="127.0.0.1"),))
    world.add(GCS, MCX, (peer(BMSC, OPERATOR, address="127.0.0.1"),))
    world.start()
    assert len(world.links) == 2  # two ends
    # The higher identity keeps the connection that it was called on.
    assert GCS > BMSC
    assert state_of(world, GCS, BMSC) is State.R_OPEN
    assert state_of(world, BMSC, GCS) is State.I_OPEN
    assert len(world.of(GCS, PeerUp)) == len(world.of(BMSC, PeerUp)) == 1
    world.engines[GCS].request(gar(), world.now, 5)
    world.run()
    assert len(world.answered(GCS)) == 1


# --- watchdog


def test_an_idle_connection_is_watched() -> None:
    world = pair()
    before = len(world.written)
    world.advance(EXACT.watchdog + 1)
    commands = [(host, Header.peek(octets).command) for host, octets in world.written[before:]]
    assert commands[:2] == [(BMSC, 280), (GCS, 280)] or commands[:2] == [(GCS, 280), (BMSC, 280)]
    world.advance(10 * EXACT.watchdog)
    assert not world.of(GCS, PeerSuspect)
    assert state_of(world, GCS, BMSC).is_open


def test_a_dead_peer_is_suspected_then_closed() -> None:
    """python-diameter takes 42 s with its defaults, and its callers wait on (defects 3, 4)."""
    timings = replace(EXACT, watchdog=6.0)
    world = pair(timings=timings)
    world.asleep.add(BMSC)
    world.advance(11.9)
    assert not world.of(GCS, PeerSuspect)
    world.advance(0.2)
    assert world.of(GCS, PeerSuspect) == [PeerSuspect(BMSC)]
    world.advance(6)
    assert world.of(GCS, PeerDown) == [PeerDown(BMSC, "it does not answer the watchdog")]
    assert world.engines[GCS].peers[BMSC].watchdog.status is Status.DOWN


def test_a_suspect_peer_recovers() -> None:
    timings = replace(EXACT, watchdog=6.0)
    world = pair(timings=timings)
    world.asleep.add(BMSC)
    world.advance(13)
    assert world.of(GCS, PeerSuspect)
    world.asleep.clear()
    (number,) = [end[1] for end in world.links if end[0] == GCS]
    dwa = Dwa(result_code=2001, origin_host=BMSC, origin_realm=OPERATOR)
    world.send(GCS, number, encode_answer(dwa, Header(280, 0, 0x80, 1, 1)))
    assert world.of(GCS, PeerRecovered) == [PeerRecovered(BMSC)]
    assert world.engines[GCS].peers[BMSC].takes_requests


def test_after_a_loss_the_peer_must_prove_itself_but_serves_if_need_be() -> None:
    world = pair()
    world.cut(BMSC)
    world.advance(EXACT.redial)
    node = world.engines[GCS].peers[BMSC]
    assert node.state.is_open
    assert node.watchdog.status is Status.REOPEN
    world.engines[GCS].request(gar(), world.now, 5)
    world.run()
    assert len(world.answered(GCS)) == 1
    world.advance(3 * EXACT.watchdog)
    assert node.watchdog.status is Status.OKAY


def test_jitter_spreads_the_watchdog() -> None:
    with pytest.raises(InvalidValue):
        Timings(watchdog=2.0, watchdog_jitter=2.0)


# --- reconnection and good-bye


def test_dialling_again_backs_off() -> None:
    """python-diameter waits 30 s, always (defect 4)."""
    world = World()
    world.add(GCS, MCX, (peer(BMSC, OPERATOR, address="127.0.0.1"),))
    began = world.now
    world.start()
    world.advance(100)
    dialled = []
    world2 = World()
    engine = world2.add(GCS, MCX, (peer(BMSC, OPERATOR, address="127.0.0.1"),))
    engine.start(began)
    now = began
    while now < began + 100:
        for effect in engine.effects():
            if isinstance(effect, Dial):
                dialled.append(now - began)
                engine.not_connected(effect.connection, "refused", now)
        timer = engine.next_timer()
        assert timer is not None
        now = timer
        engine.tick(now)
    assert dialled == [0, 1, 3, 7, 15, 31, 61, 91]
    assert len(world.of(GCS, DialFailed)) == len(dialled)


def test_back_off_begins_anew_after_a_lasting_connection() -> None:
    world = pair()
    world.advance(EXACT.stable)
    lost = world.now
    world.cut(BMSC)
    world.advance(EXACT.redial)
    assert world.now == lost + EXACT.redial
    assert state_of(world, GCS, BMSC).is_open


def test_good_bye() -> None:
    world = pair()
    world.engines[GCS].stop(world.now)
    world.run()
    assert world.engines[GCS].stopped
    assert world.of(BMSC, PeerDown) == [PeerDown(GCS, "it said good-bye: rebooting")]
    assert not world.links
    # Who left properly is trusted at once when it comes back.
    world.engines[GCS].start(world.now)
    world.run()
    assert world.engines[BMSC].peers[GCS].takes_requests


def test_a_good_bye_that_is_not_heard_ends_in_time() -> None:
    world = pair()
    world.asleep.add(BMSC)
    world.engines[GCS].stop(world.now)
    world.run()
    assert not world.engines[GCS].stopped
    world.advance(EXACT.disconnect)
    assert world.engines[GCS].stopped


@pytest.mark.parametrize(
    ("cause", "wait"),
    [
        (DisconnectCause.REBOOTING, EXACT.redial),
        (DisconnectCause.BUSY, EXACT.redial_most),
        (DisconnectCause.DO_NOT_WANT_TO_TALK_TO_YOU, EXACT.redial_most),
    ],
)
def test_who_does_not_want_us_is_left_alone(cause: DisconnectCause, wait: float) -> None:
    world = pair()
    (number,) = [end[1] for end in world.links if end[0] == GCS]
    dpr = Dpr(origin_host=BMSC, origin_realm=OPERATOR, disconnect_cause=cause)
    world.send(GCS, number, encode_request(dpr, 1, 2))
    assert decode_body(hear(world, GCS), Dpa).result_code == ResultCode.SUCCESS
    assert state_of(world, GCS, BMSC) is State.CLOSING
    world.cut(BMSC)
    dials = len(world.of(GCS, Dial))
    world.advance(wait - 0.1)
    assert len(world.of(GCS, Dial)) == dials
    world.advance(0.2)
    assert len(world.of(GCS, Dial)) == dials + 1


def test_both_say_good_bye_at_once() -> None:
    world = pair()
    for host in (GCS, BMSC):
        world.engines[host].stop(world.now)
    world.run()
    assert world.engines[GCS].stopped
    assert world.engines[BMSC].stopped


def test_a_restart_shows_in_origin_state_id() -> None:
    world = pair()
    world.cut(BMSC)
    world.add(BMSC, OPERATOR, (peer(GCS, MCX),), state=5)
    world.advance(EXACT.redial)
    assert world.of(GCS, PeerRestarted) == [PeerRestarted(BMSC, 5)]


# --- bad input before and after


def test_speaking_before_the_cea_ends_the_connection() -> None:
    world = World()
    world.add(GCS, MCX, (peer(BMSC, OPERATOR, address="127.0.0.1"),))
    # Nobody answers the CER, so the machine waits; then the other side calls and does not wait for its CEA.
    engine = world.engines[GCS]
    engine.start(world.now)
    (dial,) = [effect for effect in engine.effects() if isinstance(effect, Dial)]
    number = world.connect(GCS)
    other = replace(CER, origin_host=BMSC, origin_realm=OPERATOR)
    world.send(
        GCS,
        number,
        encode_request(other, 1, 2) + encode_request(Dwr(origin_host=BMSC, origin_realm=OPERATOR), 1, 3),
    )
    assert world.of(GCS, MessageRefused)[0].code == "diameter.early"
    assert state_of(world, GCS, BMSC) is State.WAIT_CONN_ACK
    assert dial.connection != number


def test_a_stream_that_cannot_be_read_ends_the_connection() -> None:
    world = pair()
    (number,) = [end[1] for end in world.links if end[0] == BMSC]
    world.send(BMSC, number, b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert state_of(world, BMSC, GCS) is State.CLOSED
    assert world.engines[BMSC].counters["diameter.unsupported-version"] == 1


def test_a_message_above_the_limit_is_answered_and_ends_the_connection() -> None:
    world = pair(limits=Limits(message=4096))
    (number,) = [end[1] for end in world.links if end[0] == BMSC]
    octets = bytearray(encode_request(gar(), 1, 2))
    octets[1:4] = (5000).to_bytes(3)
    world.send(BMSC, number, bytes(octets))
    answers = [
        decode_body(octets, ErrorAnswer)
        for host, octets in world.written
        if host == BMSC and octets[4] & 0x20
    ]
    assert answers[0].result_code == ResultCode.INVALID_MESSAGE_LENGTH
    assert state_of(world, BMSC, GCS) is State.CLOSED


def test_an_identity_stands_once_in_a_configuration() -> None:
    twice = (peer(GCS, MCX), peer(GCS.upper(), MCX))
    for host, peers in ((BMSC, twice), (GCS, (peer(GCS, MCX),))):
        with pytest.raises(InvalidValue, match="twice"):
            NodeConfig(host=host, realm=OPERATOR, applications=(APPLICATION,), peers=peers)
