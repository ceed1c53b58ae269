"""Requests and answers: routing, loss, fail-over and duplicates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mcsec.errors import InvalidValue, LocalError
from mcsec.net.diameter.config import Limits
from mcsec.net.diameter.effects import Deliver, DuplicateAnswered, RequestMoved
from mcsec.net.diameter.errors import PeerLost, RequestRefused, RequestTimeout, Unreachable
from mcsec.wire.diameter.base import Dwr, ExperimentalResult, ProxyInfo
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode, encode_request, retransmission
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import TGPP
from mcsec.wire.mb2.messages import Gaa
from support.nodes import BMSC, EXACT, GCS, MCX, OPERATOR, World, answer_to, gar, gnr, pair, peer
from support.talk import answer_of, answers_of, ask, end_at, error_of

OTHER = "bmsc2.operator.example"


# --- there and back


def test_both_ways() -> None:
    world = pair()
    number = ask(world)
    assert world.answered(GCS) == {number: answer_to(gar(), BMSC, OPERATOR)}
    number = ask(world, gnr(), BMSC)
    assert world.answered(BMSC) == {number: answer_to(gnr(), GCS, MCX)}
    # python-diameter keeps an entry for each request for ever (defect 2).
    for host in (GCS, BMSC):
        engine = world.engines[host]
        assert not any(node.pending for node in engine.peers.values())
        assert engine.requests._pending == {}


def test_many_in_flight_are_answered_in_any_order() -> None:
    world = pair()
    world.handlers[BMSC] = lambda _: None
    numbers = [ask(world, gar(n)) for n in range(32)]
    for held in reversed(world.held[BMSC]):
        world.answer(BMSC, held.ticket, answer_to(held.request, BMSC, OPERATOR))
    assert [world.answered(GCS)[number].session_id for number in numbers] == [
        f"{GCS};1;{n}" for n in range(32)
    ]


def test_in_flight_is_bounded() -> None:
    world = pair(limits=Limits(in_flight=2))
    world.handlers[BMSC] = lambda _: None
    first = ask(world)
    ask(world)
    with pytest.raises(LocalError, match="too many"):
        ask(world)
    world.engines[GCS].requests.cancel(first)
    world.engines[GCS].requests.cancel(first)
    ask(world)


def test_what_is_awaited_of_us_is_bounded() -> None:
    world = pair(limits=Limits(handling=1))
    world.handlers[BMSC] = lambda _: None
    ask(world)
    busy = ask(world)
    assert world.failed(GCS)[busy].result_code == ResultCode.TOO_BUSY
    assert answers_of(world, BMSC)[-1][4] & 0x20
    held = world.held[BMSC].pop()
    world.answer(BMSC, held.ticket, answer_to(held.request, BMSC, OPERATOR))
    world.handlers[BMSC] = lambda request: answer_to(request, BMSC, OPERATOR)
    assert ask(world) in world.answered(GCS)


def test_failure_is_raised_not_returned() -> None:
    world = pair()
    world.handlers[BMSC] = lambda request: answer_to(request, BMSC, OPERATOR, ResultCode.UNABLE_TO_COMPLY)
    error = error_of(world)
    assert isinstance(error, RequestRefused)
    assert (error.result_code, type(error.answer)) == (5012, Gaa)
    vendor = ExperimentalResult(vendor_id=TGPP, experimental_result_code=5120)
    world.handlers[BMSC] = lambda request: replace(
        answer_to(request, BMSC, OPERATOR), result_code=None, experimental_result=vendor
    )
    error = error_of(world)
    assert error.result_code is None
    assert "result 5120 of vendor 10415" in str(error)


def test_withdrawn() -> None:
    world = pair()
    world.handlers[BMSC] = lambda _: None
    number = ask(world)
    world.engines[BMSC].withdraw(world.held[BMSC][0].ticket, "something broke")
    world.run()
    assert world.failed(GCS)[number].result_code == ResultCode.UNABLE_TO_COMPLY


# --- routing


def test_no_way() -> None:
    world = pair()
    for message in (
        gar(destination_realm="elsewhere.example"),
        gar(destination_host="other.operator.example"),
    ):
        with pytest.raises(Unreachable):
            ask(world, message)
    with pytest.raises(LocalError, match="no application"):
        world.engines[GCS].request(Dwr(origin_host=GCS, origin_realm=MCX), world.now, 1)  # type: ignore[arg-type]  # the point
    with pytest.raises(InvalidValue):
        ask(world, gar(origin_host="no host"))
    world.cut(BMSC)
    with pytest.raises(Unreachable):
        ask(world)


def test_an_agent_reaches_the_realms_behind_it() -> None:
    world = World()
    world.add(BMSC, OPERATOR, (peer(GCS, MCX),))
    world.add(GCS, MCX, (peer(BMSC, OPERATOR, address="127.0.0.1", realms=frozenset({"far.example"})),))
    world.start()
    number = ask(world, gar(destination_realm="Far.example", destination_host="bmsc.far.example"))
    # The BM-SC here is no agent after all, and says so with the E bit.
    assert world.failed(GCS)[number].result_code == ResultCode.REALM_NOT_SERVED
    assert answers_of(world, BMSC)[-1][4] & 0x20


# --- loss


def test_pending_requests_fail_at_once_when_the_peer_goes() -> None:
    """python-diameter lets callers wait their full time-out (defect 3)."""
    world = pair()
    world.handlers[BMSC] = lambda _: None
    number = ask(world)
    world.cut(BMSC)
    assert isinstance(world.failed(GCS)[number], PeerLost)
    # An answer that comes too late for its connection is dropped.
    held = world.held[BMSC][0]
    world.answer(BMSC, held.ticket, answer_to(held.request, BMSC, OPERATOR))
    assert world.engines[BMSC].counters["unsent.answer"] == 1


def test_a_request_times_out_and_its_late_answer_is_stray() -> None:
    world = pair()
    world.handlers[BMSC] = lambda _: None
    number = ask(world, timeout=3)
    world.advance(2.9)
    assert world.failed(GCS) == {}
    world.advance(0.1)
    assert isinstance(world.failed(GCS)[number], RequestTimeout)
    held = world.held[BMSC][0]
    world.answer(BMSC, held.ticket, answer_to(held.request, BMSC, OPERATOR))
    assert world.engines[GCS].counters["stray.answer"] == 1
    assert world.engines[GCS].peers[BMSC].state.is_open


def _three() -> World:
    world = World()
    world.add(BMSC, OPERATOR, (peer(GCS, MCX),))
    world.add(OTHER, OPERATOR, (peer(GCS, MCX),))
    world.add(GCS, MCX, tuple(peer(host, OPERATOR, address="127.0.0.1") for host in (BMSC, OTHER)))
    world.start()
    return world


def test_fail_over_sets_the_t_bit_and_keeps_the_end_to_end_identifier() -> None:
    world = _three()
    world.handlers[BMSC] = lambda _: None
    number = ask(world)
    before = len(world.written)
    world.cut(BMSC)
    assert world.answered(GCS)[number].origin_host == OTHER
    assert world.of(GCS, RequestMoved) == [RequestMoved(BMSC, OTHER)]
    again = Header.peek(next(octets for host, octets in world.written[before:] if host == GCS))
    first = Header.peek(
        next(octets for host, octets in world.written[:before] if host == GCS and octets[5:8] != b"\0\1\1")
    )
    assert again.is_retransmission
    assert not first.is_retransmission
    assert again.end_to_end == first.end_to_end
    assert again.hop_by_hop != first.hop_by_hop


def test_a_suspect_peer_loses_its_requests_to_another() -> None:
    world = _three()
    world.asleep.add(BMSC)
    number = ask(world, timeout=1000)
    world.advance(2 * EXACT.watchdog + 1)
    assert world.answered(GCS)[number].origin_host == OTHER
    # New ones go there too, while the first peer is in doubt.
    assert answer_of(world).origin_host == OTHER


def test_a_request_for_one_host_does_not_go_to_another() -> None:
    world = _three()
    world.handlers[BMSC] = lambda _: None
    number = ask(world, gar(destination_host=BMSC))
    world.cut(BMSC)
    assert isinstance(world.failed(GCS)[number], PeerLost)


def test_requests_fail_when_we_stop() -> None:
    world = _three()
    world.handlers[BMSC] = lambda _: None
    number = ask(world)
    world.engines[GCS].stop(world.now)
    world.run()
    assert isinstance(world.failed(GCS)[number], PeerLost)
    assert world.of(GCS, RequestMoved) == []


# --- duplicates


def test_a_duplicate_gets_the_answer_it_had_got() -> None:
    """python-diameter answers 5012 (defect 5)."""
    world = pair()
    calls: list[Any] = []

    def handler(request: Any) -> Any:
        calls.append(request)
        return replace(answer_to(request, BMSC, OPERATOR), restart_counter=len(calls))

    world.handlers[BMSC] = handler
    number = end_at(world, BMSC)
    octets = encode_request(gar(), 7, 8)
    world.send(BMSC, number, octets)
    world.send(BMSC, number, retransmission(octets, 9))
    first, second = (decode(answer, Gaa) for answer in answers_of(world, BMSC)[-2:])
    assert len(calls) == 1
    assert first[1] == second[1]
    assert (first[0].hop_by_hop, second[0].hop_by_hop) == (7, 9)
    assert world.of(BMSC, DuplicateAnswered) == [DuplicateAnswered(GCS, GCS)]
    # The same identifiers without the T bit, or another session, are another request.
    world.send(BMSC, number, octets)
    world.send(BMSC, number, retransmission(encode_request(gar(2), 7, 8), 10))
    assert len(calls) == 3


def test_a_duplicate_waits_for_the_first_answer_and_gets_its_own_proxy_info() -> None:
    world = pair()
    world.handlers[BMSC] = lambda _: None
    number = end_at(world, BMSC)
    infos = [(ProxyInfo(proxy_host="proxy.example", proxy_state=state),) for state in (b"one", b"two")]
    world.send(BMSC, number, encode_request(gar(proxy_info=infos[0]), 7, 8))
    world.send(BMSC, number, retransmission(encode_request(gar(proxy_info=infos[1]), 9, 8), 9))
    (held,) = world.held[BMSC]
    before = len(answers_of(world, BMSC))
    world.answer(BMSC, held.ticket, answer_to(held.request, BMSC, OPERATOR))
    answers = [decode(octets, Gaa) for octets in answers_of(world, BMSC)[before:]]
    assert [(header.hop_by_hop, body.proxy_info) for header, body in answers] == [
        (7, infos[0]),
        (9, infos[1]),
    ]


def test_answers_are_kept_for_a_time_and_a_number() -> None:
    world = pair(limits=Limits(answers=2))
    number = end_at(world, BMSC)
    requests = [encode_request(gar(n), n, n) for n in range(4)]
    for octets in requests:
        world.send(BMSC, number, octets)
    world.send(BMSC, number, retransmission(requests[0], 100))
    assert world.of(BMSC, DuplicateAnswered) == []
    world.send(BMSC, number, retransmission(requests[3], 101))
    assert len(world.of(BMSC, DuplicateAnswered)) == 1
    world.advance(EXACT.duplicates + 1)
    world.send(BMSC, number, retransmission(requests[3], 102))
    assert len(world.of(BMSC, DuplicateAnswered)) == 1
    assert len(world.of(BMSC, Deliver)) == 6
