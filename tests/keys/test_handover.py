"""An SPK carried to the partner: the same key on both sides, for them and nobody else."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue, LocalError
from mcsec.ids import PurposeTag
from mcsec.keys import handover
from mcsec.keys.key import Key, Maker, Scope, make

OWN, PEER = "mcx.a.example", "mcx.b.example"


def spk() -> Key:
    return make(PurposeTag.SPK, scope=Scope.of(PEER), maker=Maker("a.example", OWN), now=1000.0)


def test_both_sides_have_the_same_key(tmp_path: Path) -> None:
    made, file = spk(), tmp_path / "spk"
    handover.write(file, made, OWN)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    taken = handover.read(file.read_bytes(), PEER)
    assert taken.same_octets(made)
    assert (taken.key_id, taken.scope, taken.maker) == (made.key_id, Scope.of(OWN), made.maker)
    assert handover.read(file.read_bytes(), OWN) == made
    with pytest.raises(DecodeError):
        handover.read(file.read_bytes(), "mcx.c.example")
    with pytest.raises(LocalError):
        handover.write(file, made, OWN)


def test_no_other_kind_is_handed_over(tmp_path: Path) -> None:
    musik = make(PurposeTag.MUSIK, scope=Scope.of(PEER), maker=Maker("a.example", OWN), now=1.0)
    with pytest.raises(InvalidValue):
        handover.write(tmp_path / "spk", musik, OWN)


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_what_is_no_file_of_that_kind(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        handover.read(octets, OWN)


@pytest.mark.parametrize("name", ["format", "between", "key_id", "key", "rand", "maker", "created", "expiry"])
def test_a_broken_file_is_refused_and_not_quoted(tmp_path: Path, name: str) -> None:
    made, file = spk(), tmp_path / "spk"
    handover.write(file, made, OWN)
    content = json.loads(file.read_text())
    for broken in ("zz", [], None if name != "expiry" else "never"):
        with pytest.raises(DecodeError) as refused:
            handover.read(json.dumps(content | {name: broken}).encode(), PEER)
        assert made.secret.reveal().hex() not in str(refused.value)
