"""What is refused with which result, and what becomes of answers that cannot be used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.net.diameter.effects import Deliver, MessageRefused, PeerDown
from mcsec.net.diameter.errors import RequestRefused
from mcsec.wire.diameter.avp import Avp, decode_avps
from mcsec.wire.diameter.base import Dpa, ErrorAnswer
from mcsec.wire.diameter.header import RETRANSMITTED, Header
from mcsec.wire.diameter.message import decode_body, encode_answer, encode_request, retransmission
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import MB2C, TGPP
from mcsec.wire.diameter.violation import Violation
from mcsec.wire.mb2.messages import Gaa, Gar
from support.nodes import BMSC, GCS, OPERATOR, answer_to, gar, pair
from support.talk import answers_of, ask, end_at, refused


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
