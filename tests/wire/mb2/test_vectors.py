"""The two published MB2-C examples, built by other people's encoders."""

from __future__ import annotations

from mcsec.wire.diameter.avp import Avp, decode_avps
from mcsec.wire.diameter.base import AuthSessionState
from mcsec.wire.diameter.dictionary import MBit
from mcsec.wire.diameter.message import decode, encode_answer, encode_request
from mcsec.wire.diameter.table import DICTIONARY, MB2C
from mcsec.wire.mb2.messages import Gaa, Gar
from support.diameter import GAA_BY_FREEDIAMETER, GAR_BY_PYTHON_DIAMETER
from support.mb2 import GAA, GAR


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
