"""The table does not contradict itself."""

from __future__ import annotations

import dataclasses

import pytest

from mcsec.wire.diameter.dictionary import Dictionary, MBit
from mcsec.wire.diameter.table import DICTIONARY, TGPP


def test_every_mb2c_avp_is_there() -> None:
    assert [avp.code for avp in DICTIONARY.avps if avp.code in range(3500, 3600)] == list(range(3500, 3534))
    for code in range(3500, 3534):
        row = DICTIONARY.find(code, TGPP)
        assert row is not None
        assert row.m_bit is (MBit.MUST if code < 3518 else MBit.MUST_NOT)
        assert DICTIONARY.find(code, 0) is None


def test_every_grammar_can_be_read() -> None:
    grammars = [avp.members for avp in DICTIONARY.avps] + [row.members for row in DICTIONARY.command_rows]
    assert sum(len(DICTIONARY.members(grammar)) for grammar in grammars) > 150


@pytest.mark.parametrize(
    ("word", "least", "most", "first"),
    [
        ("<Session-Id>", 1, 1, True),
        ("{Session-Id}", 1, 1, False),
        ("[Session-Id]", 0, 1, False),
        ("*[Session-Id]", 0, None, False),
        ("1*{Session-Id}", 1, None, False),
        ("0*2[Session-Id]", 0, 2, False),
    ],
)
def test_the_notation(word: str, least: int, most: int | None, first: bool) -> None:
    (member,) = DICTIONARY.members(word)
    assert (member.least, member.most, member.first) == (least, most, first)


@pytest.mark.parametrize("word", ["Session-Id", "*Session-Id", "{Session-Id", "{}"])
def test_other_notation_is_refused(word: str) -> None:
    with pytest.raises(TypeError):
        DICTIONARY.members(word)


def test_a_name_or_code_may_stand_once() -> None:
    row = DICTIONARY.by_name["TMGI"]
    for twin in (dataclasses.replace(row, code=1), dataclasses.replace(row, name="Other")):
        with pytest.raises(TypeError):
            Dictionary((row, twin), ())


@pytest.mark.parametrize(
    ("code", "sent"), [(920, True), *((code, False) for code in (932, 934, 1034, 1046, 1047, 1048))]
)
def test_m_bits_on_which_dictionaries_disagree(code: int, sent: bool) -> None:
    """python-diameter has them the other way, for the whole process (defect 7)."""
    row = DICTIONARY.find(code, TGPP)
    assert row is not None
    assert row.m_bit.sent is sent
    assert not row.m_bit.strict
