"""Secrets: what leaks nothing, what is impossible, and what is allowed."""

from __future__ import annotations

import ast
import copy
import dataclasses
import json
import pickle
import traceback
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mcsec
from mcsec.crypto.kms_keys import KmsMasterKeys, UserKeyMaterial
from mcsec.crypto.secret import Secret
from mcsec.errors import InvalidValue

OCTETS = b"not for your eyes"


def shows(text: str) -> bool:
    return any(form in text for form in (OCTETS.decode(), OCTETS.hex(), OCTETS.hex(" "), repr(list(OCTETS))))


def test_the_way_out_is_explicit() -> None:
    secret = Secret(OCTETS)
    assert secret.reveal() == OCTETS
    assert len(secret) == len(OCTETS)


@pytest.mark.parametrize("form", [repr, str, "{}".format, "{!r:>80}".format, ascii])
def test_no_text_shows_the_octets(form: Callable[[Any], str]) -> None:
    secret = Secret(OCTETS)
    assert form(secret).strip() == "<Secret of 17 octets>"
    assert not shows(form({"key": [secret]}))
    assert not shows(form(UserKeyMaterial(secret, secret, b"pvt")))


@pytest.mark.parametrize(
    "convert",
    [bytes, bytearray, memoryview, list, iter, int, float, hash, dict, json.dumps, b"".join, OCTETS.__add__],
)
def test_nothing_converts_a_secret(convert: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as caught:
        convert(Secret(OCTETS))
    assert not shows("".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize(
    "leave", [copy.copy, copy.deepcopy, pickle.dumps, *(lambda s, p=p: pickle.dumps(s, p) for p in range(6))]
)
def test_no_copy_and_no_pickle(leave: Callable[[object], object]) -> None:
    for holder in (Secret(OCTETS), [Secret(OCTETS)], UserKeyMaterial(Secret(OCTETS), Secret(OCTETS), b"")):
        if leave is copy.copy and not isinstance(holder, Secret):
            continue  # A shallow copy of a container shares the secret.
        with pytest.raises(TypeError, match="Secret holds secrets: it is never pickled or copied"):
            leave(holder)


def test_a_record_with_secrets_cannot_become_a_dictionary_by_accident() -> None:
    with pytest.raises(TypeError, match="never pickled or copied"):
        dataclasses.asdict(UserKeyMaterial(Secret(OCTETS), Secret(OCTETS), b""))


def test_no_way_around() -> None:
    secret = Secret(OCTETS)
    assert not hasattr(secret, "__dict__")
    assert not hasattr(secret, "__getstate__") or secret.__getstate__() is None
    assert not shows(str(secret.__reduce__()) if reduces(secret) else "")
    with pytest.raises(AttributeError):
        secret.octets = b""  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        type("Leaky", (Secret,), {})


def reduces(secret: Secret) -> bool:
    try:
        secret.__reduce__()
    except TypeError:
        return False
    return True


def test_secrets_have_no_hash_on_purpose() -> None:
    """A hash would be an oracle for guesses, and a dictionary compares in variable time."""
    assert not isinstance(Secret(OCTETS), Hashable)
    with pytest.raises(TypeError, match="unhashable"):
        {Secret(OCTETS)}


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_equality_is_that_of_the_octets(a: bytes, b: bytes) -> None:
    assert (Secret(a) == Secret(b)) is (a == b)
    assert (Secret(a) != Secret(b)) is (a != b)


def test_a_secret_equals_only_secrets_and_has_no_order() -> None:
    assert Secret(OCTETS) != OCTETS
    with pytest.raises(TypeError):
        _ = Secret(OCTETS) < Secret(OCTETS)  # type: ignore[operator]


@pytest.mark.parametrize("octets", ["text", 16, None, [1, 2], bytearray(OCTETS), memoryview(OCTETS)])
def test_only_bytes_make_a_secret(octets: Any) -> None:
    with pytest.raises(TypeError) as caught:
        Secret(octets)
    assert not shows(str(caught.value))


def test_random_secrets() -> None:
    assert len({Secret.random(16).reveal() for _ in range(100)}) == 100
    assert len(Secret.random(0)) == 0
    with pytest.raises(InvalidValue):
        Secret.random(1 << 40)


def test_parts() -> None:
    secret = Secret(b"abcdef")
    assert secret.head(2) == Secret(b"ab")
    assert secret.tail(2) == Secret(b"ef")
    assert secret.head(6) == secret.tail(6) == secret
    for part in (secret.head, secret.tail):
        with pytest.raises(InvalidValue):
            part(7)


def test_exported_master_keys_are_secrets() -> None:
    exported = KmsMasterKeys.generate().export()
    assert [len(secret) for secret in exported] == [128, 32]
    assert repr(exported) == "MasterSecrets(z=<Secret of 128 octets>, ksak=<Secret of 32 octets>)"


def test_nobody_uses_the_sharp_tools() -> None:
    """Only the checker of interoperability vectors may fix randomness."""
    package = Path(mcsec.__file__).parent
    users = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = (
                node.attr
                if isinstance(node, ast.Attribute)
                else node.id
                if isinstance(node, ast.Name)
                else ""
            )
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            imported = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            )
            if any("hazmat" in name and "cryptography" not in module for name in (named, module, *imported)):
                users.add(str(path.relative_to(package)))
    assert users - {"inspect/vectors.py"} == {"crypto/hazmat.py"}
