"""Requests and answers: routing, loss, fail-over, duplicates, and what is refused with which result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import InvalidValue, LocalError
from mcsec.net.diameter.config import Limits
from mcsec.net.diameter.effects import Deliver, DuplicateAnswered, MessageRefused, PeerDown, RequestMoved
from mcsec.net.diameter.errors import PeerLost, RequestRefused, RequestTimeout, Unreachable
from mcsec.wire.diameter.avp import Avp, decode_avps
from mcsec.wire.diameter.base import Dpa, Dwr, ErrorAnswer, ExperimentalResult, ProxyInfo
from mcsec.wire.diameter.header import RETRANSMITTED, Header
from mcsec.wire.diameter.message import decode, decode_body, encode_answer, encode_request, retransmission
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import MB2C, TGPP
from mcsec.wire.diameter.violation import Violation
from mcsec.wire.mb2.messages import Gaa, Gar
from support.nodes import BMSC, EXACT, GCS, MCX, OPERATOR, World, answer_to, gar, gnr, pair, peer

OTHER = "bmsc2.operator.example"


def ask(world: World, message: Any = None, host: str = GCS, timeout: float = 10) -> int:
    number = world.engines[host].request(message or gar(), world.now, timeout)
    world.run()
    return number


def error_of(world: World, message: Any = None) -> Any:
    number = ask(world, message)
    return world.failed(GCS)[number]


def answer_of(world: World) -> Any:
    number = ask(world)
    return world.answered(GCS)[number]


def end_at(world: World, host: str) -> int:
    (number,) = [end[1] for end in world.links if end[0] == host]
    return number


def answers_of(world: World, host: str) -> list[bytes]:
    return [octets for sender, octets in world.written if sender == host and not octets[4] & 0x80]


def refused(world: World, octets: bytes) -> tuple[Header, ErrorAnswer]:
    """What the BM-SC answers to these octets of the GCS AS."""
    before = len(answers_of(world, BMSC))
    world.send(BMSC, end_at(world, BMSC), octets)
    (answer,) = answers_of(world, BMSC)[before:]
    return decode(answer, ErrorAnswer)


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


# --- refusals


def _changed(*avps: Avp, drop: int = 0, **header: int) -> bytes:
    octets = encode_request(gar(), 5, 6)
    body = b"".join(avp.encode() for avp in (*(a for a in decode_avps(octets, 20) if a.code != drop), *avps))
    return replace(Header.peek(octets), **header).encode(body)


@pytest.mark.parametrize(
    ("octets", "result"),
    [
        (_changed(command=8388664), ResultCode.COMMAND_UNSUPPORTED),
        (_changed(command=8388664, application=0), ResultCode.COMMAND_UNSUPPORTED),
        (_changed(application=16777216), ResultCode.APPLICATION_UNSUPPORTED),
        (_changed(Avp(4_000_000, b"x", TGPP)), ResultCode.AVP_UNSUPPORTED),
        (_changed(Avp(277, b"\0\0\0\x09"), drop=277), ResultCode.INVALID_AVP_VALUE),
        (_changed(drop=258), ResultCode.MISSING_AVP),
        (_changed(Avp(258, b"\0"), drop=258), ResultCode.INVALID_AVP_LENGTH),
        (_changed(Avp(283, b"operator.example")), ResultCode.AVP_OCCURS_TOO_MANY_TIMES),
        (_changed(flags=0xC4), ResultCode.INVALID_BIT_IN_HEADER),
        (_changed(flags=0xE0), ResultCode.INVALID_HDR_BITS),
        (encode_request(gar(destination_realm="x.example"), 5, 6), ResultCode.REALM_NOT_SERVED),
        (encode_request(gar(destination_host="x.operator.example"), 5, 6), ResultCode.UNABLE_TO_DELIVER),
        (encode_request(gar(route_record=("a.example", BMSC)), 5, 6), ResultCode.LOOP_DETECTED),
        (encode_request(gar(origin_host="x.example"), 5, 6), ResultCode.AUTHORIZATION_REJECTED),
        (encode_request(gar(origin_realm="x.example"), 5, 6), ResultCode.AUTHORIZATION_REJECTED),
    ],
    ids=lambda value: value.label if isinstance(value, ResultCode) else "",
)
def test_refusals(octets: bytes, result: ResultCode) -> None:
    """Results that python-diameter does not send, or without E bit, Failed-AVP or any AVP (defect 5)."""
    world = pair()
    header, answer = refused(world, octets)
    assert answer.result_code == result
    assert header.is_error
    assert (header.hop_by_hop, header.end_to_end, header.command) == (5, 6, Header.peek(octets).command)
    assert answer.session_id == gar().session_id
    assert answer.error_message
    assert (answer.failed_avp is not None) is (5000 < result < 5020 and result not in (5003, 5013))
    assert world.of(BMSC, MessageRefused)[-1].code == f"diameter.{result.label}"
    assert world.engines[BMSC].counters[f"diameter.{result.label}"] == 1
    assert world.of(BMSC, PeerDown) == []


def test_a_length_overrun_is_answered() -> None:
    """python-diameter drops the message without a word (defect 5)."""
    world = pair()
    octets = bytearray(encode_request(gar(restart_counter=1), 5, 6))
    octets[-9] = 0x80
    _, answer = refused(world, bytes(octets))
    assert answer.result_code == ResultCode.INVALID_AVP_LENGTH
    assert answer.failed_avp is not None
    assert answer.failed_avp.other == (Avp(932, bytes(4), TGPP, 0),)
    assert world.engines[BMSC].peers[GCS].state.is_open


def test_bad_base_messages_are_answered() -> None:
    world = pair()
    _, answer = refused(world, Header(280, 0, 0x80, 1, 2).encode(Avp(264, GCS.encode()).encode()))
    assert answer.result_code == ResultCode.MISSING_AVP
    assert answer.failed_avp is not None
    assert answer.failed_avp.other == (Avp(296, b""),)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda header: replace(header, flags=0x40).encode(b""), Violation),
        (lambda header: replace(header, flags=0x60).encode(b""), Violation),
        (
            lambda header: replace(header, flags=0x40).encode(
                encode_answer(ErrorAnswer(origin_host=BMSC, origin_realm=OPERATOR, result_code=5003), header)[
                    20:
                ]
            ),
            RequestRefused,
        ),
        (
            lambda header: encode_answer(
                ErrorAnswer(origin_host=BMSC, origin_realm=OPERATOR, result_code=3004), header
            ),
            RequestRefused,
        ),
    ],
    ids=["nothing in it", "nothing in an error", "a failure without session AVPs", "an error"],
)
def test_unusable_answers_fail_the_request(answer: Any, error: type[Exception]) -> None:
    world = pair()
    world.handlers[BMSC] = lambda _: None
    number = ask(world)
    header = world.held[BMSC][0].ticket.header
    world.send(GCS, end_at(world, GCS), answer(header))
    assert isinstance(world.failed(GCS)[number], error)
    assert world.engines[GCS].peers[BMSC].state.is_open


def test_an_answer_to_something_else_is_not_ours() -> None:
    world = pair()
    world.handlers[BMSC] = lambda _: None
    number = ask(world)
    held = world.held[BMSC][0]
    wrong = replace(held.ticket.header, end_to_end=1)
    good = answer_to(held.request, BMSC, OPERATOR)
    world.send(GCS, end_at(world, GCS), encode_answer(good, wrong))
    assert world.of(GCS, MessageRefused)[0].code == "diameter.answer-mismatch"
    assert number not in world.answered(GCS)
    world.answer(BMSC, held.ticket, good)
    assert number in world.answered(GCS)


def test_answers_nobody_asked_for() -> None:
    world = pair()
    stray = encode_answer(
        Dpa(result_code=2001, origin_host=BMSC, origin_realm=OPERATOR), Header(257, 0, 0, 1, 1)
    )
    world.send(GCS, end_at(world, GCS), stray)
    gaa = encode_answer(answer_to(gar(), BMSC, OPERATOR), Header(8388662, MB2C, 0, 1, 1))
    world.send(GCS, end_at(world, GCS), gaa)
    assert world.engines[GCS].counters["stray.answer"] == 2


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=8), st.booleans())
def test_arbitrary_octets_never_raise(chunks: list[bytes], framed: bool) -> None:
    world = pair()
    for chunk in chunks:
        ends = [end[1] for end in world.links if end[0] == BMSC]
        number = ends[0] if ends else world.connect(BMSC)
        octets = chunk
        if framed:
            body = chunk + bytes(-len(chunk) % 4)
            octets = Header(chunk[0] % 3 + 280, 0, 0x80, 1, 2).encode(body)
        world.send(BMSC, number, octets)
    world.advance(60)


@given(st.lists(st.integers(1, 700), max_size=6))
def test_fragments_make_the_same_messages(cuts: list[int]) -> None:
    world = pair()
    octets = b"".join(encode_request(gar(n), n, n) for n in range(3))
    number, offset = end_at(world, BMSC), 0
    for cut in [*sorted(cuts), len(octets)]:
        world.send(BMSC, number, octets[offset:cut])
        offset = max(offset, cut)
    assert [effect.request for effect in world.of(BMSC, Deliver)] == [gar(n) for n in range(3)]
    assert all(isinstance(effect.request, Gar) for effect in world.of(BMSC, Deliver))
    assert decode_body(answers_of(world, BMSC)[-1], Gaa).result_code == 2001


def test_the_t_bit_is_the_t_bit() -> None:
    octets = encode_request(gar(), 5, 6)
    again = retransmission(octets, 9)
    assert again[4] == octets[4] | RETRANSMITTED
    assert again[20:] == octets[20:]
