"""How peers find each other, watch each other and part: RFC 6733 5, RFC 3539 3.4."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcsec.errors import InvalidValue
from mcsec.net.diameter.config import Limits, NodeConfig, Timings
from mcsec.net.diameter.effects import (
    Dial,
    DialFailed,
    MessageRefused,
    PeerDown,
    PeerRecovered,
    PeerRestarted,
    PeerSuspect,
    PeerUp,
)
from mcsec.net.diameter.states import State
from mcsec.net.diameter.watchdog import Status
from mcsec.wire.diameter.base import DisconnectCause, Dpa, Dpr, Dwa, Dwr, ErrorAnswer
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode_body, encode_answer, encode_request
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.mb2.messages import APPLICATION
from support.nodes import BMSC, EXACT, GCS, MCX, OPERATOR, World, gar, pair, peer
from support.talk import CER, hear, state_of

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
