"""Each thing that can be wrong with a message has its Result-Code and its Failed-AVP (RFC 6733 7.1, 7.5)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.wire.diameter.avp import Avp, decode_avps
from mcsec.wire.diameter.base import Dwr, ErrorAnswer, FailedAvp, ProxyInfo
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode, decode_body, encode_answer, encode_request, peek_envelope
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import TGPP
from mcsec.wire.diameter.typed import schema_of
from mcsec.wire.diameter.violation import Violation
from mcsec.wire.mb2.messages import Gar
from support.diameter import GAR_BY_PYTHON_DIAMETER as GAR

_HEAD = GAR[:20]
_AVPS = decode_avps(GAR, 20)


def gar(*avps: Avp) -> bytes:
    body = b"".join(avp.encode() for avp in avps)
    return replace(Header.peek(_HEAD)).encode(body)


def refused(octets: bytes) -> Violation:
    with pytest.raises(Violation) as caught:
        decode(octets, Gar)
    return caught.value


def swapped(code: int, **changes: object) -> bytes:
    """The example with one AVP changed."""
    assert any(avp.code == code for avp in _AVPS)
    return gar(*(replace(avp, **changes) if avp.code == code else avp for avp in _AVPS))


def test_the_example_is_sound() -> None:
    assert gar(*_AVPS) == GAR
    decode(GAR, Gar)


def test_unknown_mandatory_avp() -> None:
    unknown = Avp(4_000_000, b"hello", TGPP)
    violation = refused(gar(*_AVPS, unknown))
    assert violation.result_code is ResultCode.AVP_UNSUPPORTED
    assert violation.failed == unknown
    assert violation.offset == len(GAR)


def test_an_avp_of_another_command_is_unknown_here() -> None:
    stray = Avp(3502, bytes(4), TGPP)
    assert refused(gar(*_AVPS, stray)).result_code is ResultCode.AVP_UNSUPPORTED


def test_the_same_code_of_another_vendor_is_another_avp() -> None:
    assert refused(swapped(283, vendor=TGPP)).result_code is ResultCode.AVP_UNSUPPORTED


def test_the_offender_comes_inside_its_groups() -> None:
    unknown = Avp(4_000_000, b"x")
    qos = Avp(1016, unknown.encode(), TGPP)
    bearer = Avp(3504, Avp(902, bytes(4), TGPP).encode() + qos.encode(), TGPP)
    violation = refused(gar(*_AVPS, bearer))
    assert violation.result_code is ResultCode.AVP_UNSUPPORTED
    assert violation.failed == Avp(3504, qos.encode(), TGPP)


def test_missing_avp_gives_an_example() -> None:
    violation = refused(gar(*(avp for avp in _AVPS if avp.code != 283)))
    assert violation.result_code is ResultCode.MISSING_AVP
    assert violation.failed == Avp(283, b"")
    in_group = refused(gar(*_AVPS, Avp(3504, b"", TGPP)))
    assert in_group.result_code is ResultCode.MISSING_AVP
    assert in_group.failed == Avp(3504, Avp(902, bytes(4), TGPP).encode(), TGPP)


def test_session_id_stands_first() -> None:
    violation = refused(gar(_AVPS[1], _AVPS[0], *_AVPS[2:]))
    assert violation.result_code is ResultCode.MISSING_AVP
    assert violation.failed == Avp(263, b"")
    assert refused(gar()).result_code is ResultCode.MISSING_AVP


def test_too_many() -> None:
    second = Avp(283, b"other.example")
    violation = refused(gar(*_AVPS, second))
    assert violation.result_code is ResultCode.AVP_OCCURS_TOO_MANY_TIMES
    assert violation.failed == second


@pytest.mark.parametrize(("code", "data"), [(277, b"\0\0\0\x07"), (283, b"a b"), (264, b"\xff")])
def test_value(code: int, data: bytes) -> None:
    violation = refused(swapped(code, data=data))
    assert violation.result_code is ResultCode.INVALID_AVP_VALUE
    assert violation.failed == Avp(code, data)


@pytest.mark.parametrize(("code", "data", "vendor"), [(258, b"\1", 0), (932, b"", TGPP)])
def test_length_against_format(code: int, data: bytes, vendor: int) -> None:
    violation = refused(swapped(code, data=data))
    assert violation.result_code is ResultCode.INVALID_AVP_LENGTH
    assert violation.failed is not None
    assert (violation.failed.code, violation.failed.vendor, violation.failed.data) == (code, vendor, data)


def test_length_overrun() -> None:
    octets = bytearray(GAR)
    octets[-9] = 0xFF  # the length of Restart-Counter, the last AVP
    violation = refused(bytes(octets))
    assert violation.result_code is ResultCode.INVALID_AVP_LENGTH
    assert violation.failed == Avp(932, bytes(4), TGPP, 0)
    assert violation.offset == len(GAR) - 16


@pytest.mark.parametrize("rest", ["00000107", "00000107c0000008"])
def test_a_cut_off_header(rest: str) -> None:
    cut = bytes.fromhex(rest)
    body = GAR[20:] + cut
    assert refused(Header.peek(_HEAD).encode(body)).result_code is ResultCode.INVALID_AVP_LENGTH


def test_missing_padding_in_a_group() -> None:
    inner = Avp(900, bytes(6), TGPP).encode()[:-2]
    violation = refused(gar(*_AVPS, Avp(3512, inner, TGPP)))
    assert violation.result_code is ResultCode.INVALID_AVP_LENGTH


@pytest.mark.parametrize("flags", [0, 0x50], ids=["M clear where it must be set", "reserved bit"])
def test_flag_bits(flags: int) -> None:
    violation = refused(swapped(283, flags=flags))
    assert violation.result_code is ResultCode.INVALID_AVP_BITS
    assert violation.failed is not None
    assert violation.failed.code == 283


def test_m_where_it_must_not_be() -> None:
    result = Avp(3529, b"", TGPP)
    event = b"".join(avp.encode() for avp in (Avp(902, bytes(4), TGPP), Avp(3525, b"v=0", TGPP)))
    assert refused(gar(*_AVPS, Avp(3504, event, TGPP))).result_code is ResultCode.INVALID_AVP_BITS
    assert refused(gar(*_AVPS, result)).result_code is ResultCode.AVP_UNSUPPORTED


@pytest.mark.parametrize("code", [628, 932])
@pytest.mark.parametrize("flags", [0, 0x40])
def test_where_dictionaries_disagree_either_m_bit_is_taken(code: int, flags: int) -> None:
    decode(swapped(code, flags=flags), Gar)


def _header(index: int, value: int) -> bytes:
    octets = bytearray(GAR)
    octets[index] = value
    return bytes(octets)


@pytest.mark.parametrize(
    ("octets", "result"),
    [
        (_header(0, 2), ResultCode.UNSUPPORTED_VERSION),
        (_header(3, 0x0C), ResultCode.INVALID_MESSAGE_LENGTH),
        (GAR[:-1], ResultCode.INVALID_MESSAGE_LENGTH),
        (GAR[:19], ResultCode.INVALID_MESSAGE_LENGTH),
        (b"", ResultCode.INVALID_MESSAGE_LENGTH),
        (_header(4, 0xC1), ResultCode.INVALID_BIT_IN_HEADER),
        (_header(4, 0xE0), ResultCode.INVALID_HDR_BITS),
    ],
)
def test_header(octets: bytes, result: ResultCode) -> None:
    assert refused(octets).result_code is result


@given(st.lists(st.tuples(st.integers(20, len(GAR) - 1), st.integers(0, 255)), max_size=6))
def test_a_damaged_message_decodes_or_can_be_answered(changes: list[tuple[int, int]]) -> None:
    octets = bytearray(GAR)
    for index, value in changes:
        octets[index] = value
    try:
        decode_body(bytes(octets), Gar)
    except Violation as violation:
        failed = FailedAvp(other=() if violation.failed is None else (violation.failed,))
        answer = ErrorAnswer(
            origin_host="a", origin_realm="b", result_code=violation.result_code, failed_avp=failed
        )
        assert decode(encode_answer(answer, Header.peek(GAR)), ErrorAnswer)[1] == answer


@given(st.binary(max_size=120))
def test_arbitrary_octets_raise_violations_only(octets: bytes) -> None:
    for cls in (Gar, Dwr, ErrorAnswer):
        with pytest.raises(Violation):
            decode_body(_HEAD + octets + b"\1", cls)


def test_what_an_answer_needs_of_a_message_that_cannot_be_read() -> None:
    session = "gcsas.mcx.example;6b0464a8;e126cd83;4ff03386"
    info = ProxyInfo(proxy_host="proxy.example", proxy_state=b"state")
    proxy = Avp(284, schema_of(ProxyInfo).encode(info))
    assert peek_envelope(gar(*_AVPS, proxy)) == (session, (info,))
    assert peek_envelope(gar(_AVPS[0], proxy, Avp(284, b"bad")) + b"\0\0\1") == (session, (info,))
    assert peek_envelope(gar(*_AVPS[1:])) == (None, ())
    assert peek_envelope(_HEAD + b"\0\0\1") == (None, ())
    assert peek_envelope(gar(Avp(263, b"\xff"))) == (None, ())


def test_flags_of_requests_and_answers() -> None:
    request = encode_request(Dwr(origin_host="a", origin_realm="b"), 1, 2)
    assert request[4] == 0x80
    error = ErrorAnswer(origin_host="a", origin_realm="b", result_code=3001)
    assert encode_answer(error, Header.peek(GAR))[4] == 0x60
