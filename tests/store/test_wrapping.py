"""Keys at rest: what opens, what does not, and where the wrapping key may come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec._core import Secret
from mcsec.store.kek import Kek, WrapError, create_kek_file
from mcsec.store.wrapping import Place, Wrapper

PLACE = Place("musik", "6abcdef0", "MuSiK")


def wrapper(kek: Kek) -> Wrapper:
    key = Wrapper.new_data_key(kek)
    return Wrapper(kek, {key.id: key}, key.id)


@pytest.fixture(scope="module")
def kek() -> Kek:
    return Kek(Secret.random(32))


@given(octets=st.binary(max_size=300))
def test_round_trip_never_shows_the_key(kek: Kek, octets: bytes) -> None:
    wrapping = wrapper(kek)
    blob = wrapping.wrap(Secret(octets), PLACE)
    assert wrapping.unwrap(blob, PLACE) == Secret(octets)
    if len(octets) >= 8:
        assert octets not in blob


@pytest.mark.parametrize("changed", [{"table": "csk"}, {"row": "6abcdef1"}, {"kind": "MSCCK"}])
def test_a_wrapped_key_opens_only_in_its_place(kek: Kek, changed: dict[str, str]) -> None:
    wrapping = wrapper(kek)
    blob = wrapping.wrap(Secret(b"k" * 16), PLACE)
    with pytest.raises(WrapError) as caught:
        wrapping.unwrap(blob, replace(PLACE, **changed))
    assert caught.value.code == "store.tampered"


def test_parts_of_a_place_cannot_be_shifted(kek: Kek) -> None:
    wrapping = wrapper(kek)
    blob = wrapping.wrap(Secret(b"k" * 16), Place("ab", "c", "d"))
    with pytest.raises(WrapError):
        wrapping.unwrap(blob, Place("a", "bc", "d"))


def test_every_changed_octet_is_found(kek: Kek) -> None:
    wrapping = wrapper(kek)
    blob = wrapping.wrap(Secret(b"k" * 16), PLACE)
    for at in range(len(blob)):
        broken = bytearray(blob)
        broken[at] ^= 1
        with pytest.raises(WrapError):
            wrapping.unwrap(bytes(broken), PLACE)
    for length in range(len(blob)):
        with pytest.raises(WrapError):
            wrapping.unwrap(blob[:length], PLACE)


def test_a_new_kek_rewraps_data_keys_and_nothing_else(kek: Kek) -> None:
    key = Wrapper.new_data_key(kek)
    blob = Wrapper(kek, {key.id: key}, key.id).wrap(Secret(b"k" * 16), PLACE)
    successor = Kek(Secret.random(32))
    moved = Wrapper.rewrap(kek, successor, key)
    assert moved.kek_id == successor.id != key.kek_id
    assert Wrapper(successor, {moved.id: moved}, moved.id).unwrap(blob, PLACE) == Secret(b"k" * 16)
    with pytest.raises(WrapError) as caught:
        Wrapper(kek, {moved.id: moved}, moved.id)
    assert caught.value.code == "store.kek-wrong"


def test_sources(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    create_kek_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text().strip()
    kek = Kek.load(f"file:{path}")
    assert Kek.load("env:KEK", {"KEK": text}).id == kek.id
    assert Kek.load("credential:kek", {"CREDENTIALS_DIRECTORY": str(tmp_path)}).id == kek.id
    path.write_bytes(bytes.fromhex(text))
    assert Kek.load(f"file:{path}").id == kek.id
    assert text not in kek.id
    with pytest.raises(WrapError, match="never overwritten"):
        create_kek_file(path)


@pytest.mark.parametrize(
    ("source", "environ", "code"),
    [
        ("file:/nowhere/kek", {}, "store.kek-missing"),
        ("env:KEK", {}, "store.kek-missing"),
        ("env:KEK", {"KEK": "abc"}, "store.kek-size"),
        ("credential:kek", {}, "store.kek-missing"),
        ("vault:kek", {}, "store.kek-source"),
        ("file:", {}, "store.kek-source"),
    ],
)
def test_a_bad_source_says_what_to_do(source: str, environ: dict[str, str], code: str) -> None:
    with pytest.raises(WrapError) as caught:
        Kek.load(source, environ)
    assert caught.value.code == code


def test_a_file_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    create_kek_file(path)
    path.chmod(0o640)
    with pytest.raises(WrapError) as caught:
        Kek.load(f"file:{path}")
    assert caught.value.code == "store.kek-exposed"
    assert "chmod 600" in caught.value.hint
