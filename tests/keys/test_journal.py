"""A log of acts: chained, read back, and broken wherever somebody touched it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError
from mcsec.keys import journal
from mcsec.keys.chain import ChainBroken
from mcsec.keys.journal import Entry, JournalRecord

FORM, DOMAIN = "test-log/1", "a.example"


def records(count: int = 3) -> list[JournalRecord]:
    entries = [Entry("made", "operator", f"sip:g{number}@a.example", "é") for number in range(count)]
    return journal.append(journal.start(DOMAIN, FORM), DOMAIN, FORM, entries, 1000.5)[0]


def test_what_was_written_is_read_back_and_holds() -> None:
    written = records()
    read = [journal.decode(journal.encode(record)) for record in written]
    assert read == written
    head = journal.verify(read, DOMAIN, FORM)
    assert head.length == 3
    assert journal.head_after(journal.encode(written[-1]), DOMAIN, FORM) == head
    assert journal.head_after(None, DOMAIN, FORM) == journal.start(DOMAIN, FORM)


@pytest.mark.parametrize("what", ["altered", "left out", "other order", "other form", "other domain"])
def test_what_was_touched_shows(what: str) -> None:
    written = records()
    lines = [journal.encode(record) for record in written]
    form, domain = FORM, DOMAIN
    if what == "altered":
        lines[1] = lines[1].replace("operator", "nobody")
    elif what == "left out":
        del lines[1]
    elif what == "other order":
        lines[0], lines[1] = lines[1], lines[0]
    elif what == "other form":
        form = "another/1"
    else:
        domain = "b.example"
    with pytest.raises(ChainBroken):
        journal.verify(map(journal.decode, lines), domain, form)


@given(st.text(max_size=80))
def test_any_text_is_a_record_or_none(text: str) -> None:
    with pytest.raises(DecodeError):
        journal.decode(text)
