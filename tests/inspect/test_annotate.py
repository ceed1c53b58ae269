"""The annotation model keeps its promise: every octet once, in order."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.inspect.annotate import NOT_DECODED, Annotation, Explanation, Walk


@given(st.binary(max_size=64), st.lists(st.integers(0, 16)))
def test_every_octet_is_accounted_for_in_order(message: bytes, steps: list[int]) -> None:
    walk = Walk("test", message)
    error = None
    try:
        for number, length in enumerate(steps):
            walk.step(length, f"field {number}")
    except DecodeError as caught:
        error = caught
    explanation = walk.finish(error)
    assert explanation.octets == message
    assert explanation.error is error
    assert json.loads(json.dumps(explanation.to_dict()))["length"] == len(message)


def test_octets_that_no_step_took_are_annotated_too() -> None:
    walk = Walk("test", b"abcdef")
    walk.step(2, "first")
    explanation = walk.finish()
    assert explanation.annotations[-1].field == NOT_DECODED
    assert explanation.annotations[-1].octets == b"cdef"


def test_an_error_keeps_its_offset_and_says_why() -> None:
    walk = Walk("test", b"abc")
    walk.step(1, "first", 97, "a letter", "ISO 646")
    with pytest.raises(DecodeError) as caught:
        walk.step(3, "second")
    explanation = walk.finish(caught.value)
    assert explanation.to_dict()["error"]["offset"] == 3
    text = explanation.to_text()
    assert "97 (a letter) [ISO 646]" in text
    assert "error: peer.decode: second: the message ends" in text


def test_long_fields_are_cut_in_text_and_whole_in_json() -> None:
    walk = Walk("test", bytes(300))
    walk.step(300, "long")
    explanation = walk.finish()
    assert "... 300 octets" in explanation.to_text()
    assert explanation.to_dict()["annotations"][0]["octets"] == "00" * 300


def test_gaps_are_refused() -> None:
    with pytest.raises(InvalidValue):
        Explanation("test", (Annotation(0, b"a", "a"), Annotation(2, b"b", "b")))
