"""Signed heads of a chain: read back, and refused when anything about them is not so."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import CheckFailed, DecodeError, PeerError
from mcsec.keys.chain import Head
from mcsec.keys.checkpoint import Checkpoint

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
MADE, LINE = Checkpoint.sign("a.example", Head(7, bytes(range(32))), KEY, 1_795_435_200.25)


def test_round_trip() -> None:
    assert Checkpoint.read(LINE) == MADE
    assert Checkpoint.read(LINE, KEY.public_key().public_bytes_raw()).head == Head(7, bytes(range(32)))
    assert "\n" not in LINE


@pytest.mark.parametrize(
    "change",
    [{"length": 6}, {"digest": "00" * 32}, {"domain": "b.example"}, {"time": 1}, {"signature": "00" * 64}],
)
def test_every_change_is_found(change: dict[str, object]) -> None:
    with pytest.raises(CheckFailed):
        Checkpoint.read(json.dumps(json.loads(LINE) | change))


def test_the_signer_must_be_the_one_that_is_known() -> None:
    _, other = Checkpoint.sign("a.example", MADE.head, Ed25519PrivateKey.generate(), 0)
    assert Checkpoint.read(other).head == MADE.head
    with pytest.raises(CheckFailed, match="not by"):
        Checkpoint.read(other, MADE.signer)


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        Checkpoint.read(text)


@given(st.sampled_from(sorted(json.loads(LINE))), st.none() | st.integers() | st.text())
def test_any_value_is_refused(name: str, value: object) -> None:
    if value != json.loads(LINE)[name]:
        with pytest.raises(PeerError):
            Checkpoint.read(json.dumps(json.loads(LINE) | {name: value}))
