"""Key derivations: published values, agreement with plain HMAC, readings and refusals."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.crypto import kdf
from mcsec.crypto.kdf import Half
from mcsec.crypto.secret import Secret
from mcsec.errors import InvalidValue
from mcsec.ids import KeyId
from support.published import Streamwide

CSK = Secret(Streamwide.csk)
CSK_ID = KeyId(Streamwide.csk_id)
RAND = bytes.fromhex("4d13c41798b82de13b701a9697328edd")


def hmac_sha256(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), "sha256")


def reference_prf(inkey: bytes, label: bytes, length: int) -> bytes:
    """RFC 3830 4.1.2, written the other way round: first all streams, then their sum."""
    streams = []
    for start in range(0, len(inkey), 32):
        block = inkey[start : start + 32]
        a, stream = label, b""
        while len(stream) < length:
            a = hmac_sha256(block, a)
            stream += hmac_sha256(block, a, label)
        streams.append(int.from_bytes(stream[:length]))
    total = 0
    for number in streams:
        total ^= number
    return total.to_bytes(length)


def test_master_key_and_salt_of_a_published_csk() -> None:
    """The published CSK with values that an independent script derived from it."""
    context = (CSK, 6, CSK_ID.encode(), RAND)
    assert kdf.master_key(*context).reveal().hex() == "1ea4fa6630d5f87aa62dbcb7074734a9"
    assert kdf.master_salt(*context).reveal().hex() == "b9ffaf7574efa2a286289109"


def test_payload_key_of_a_published_message() -> None:
    assert kdf.dpck(CSK, CSK_ID) == Secret(Streamwide.dpck)


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=60), st.integers(1, 200))
def test_prf_agrees_with_the_reference(inkey: bytes, label: bytes, length: int) -> None:
    assert kdf.mikey_prf(Secret(inkey), label, length).reveal() == reference_prf(inkey, label, length)


@given(st.binary(min_size=1, max_size=64), st.integers(0, 255), st.lists(st.binary(max_size=300), max_size=4))
def test_kdf_agrees_with_the_reference(key: bytes, fc: int, parameters: list[bytes]) -> None:
    text = bytes([fc]) + b"".join(part + len(part).to_bytes(2) for part in parameters)
    assert kdf.kdf(Secret(key), fc, parameters).reveal() == hmac_sha256(key, text)


def test_each_derivation_has_its_constant() -> None:
    label = b"\x06" + CSK_ID.encode() + RAND
    for derive, constant in (
        (kdf.master_key, "2ad01c64"),
        (kdf.master_salt, "39a2c14b"),
        (kdf.authentication_key, "1b5c7973"),
        (kdf.encryption_key, "15798cef"),
    ):
        derived = derive(CSK, 6, CSK_ID.encode(), RAND, 20)
        assert derived.reveal() == reference_prf(Streamwide.csk, bytes.fromhex(constant) + label, 20)


def test_guk_id_and_back() -> None:
    gmk, gmk_id, uri = Secret(bytes(range(16))), KeyId(0x01234567), "sip:user@example.org"
    salt = hmac_sha256(bytes(range(16)), b"\x50", uri.encode(), b"\x00\x14")[-4:]
    guk_id = kdf.guk_id(gmk, gmk_id, uri)
    assert guk_id.value == gmk_id.value ^ int.from_bytes(salt) & 0x0FFFFFFF
    assert guk_id.tag is gmk_id.tag
    assert kdf.guk_id(gmk, guk_id, uri) == gmk_id
    assert kdf.guk_id(gmk, gmk_id, "sip:other@example.org") != guk_id


@pytest.mark.parametrize(
    ("derive", "fc"), [(kdf.xml_confidentiality_key, b"\x51"), (kdf.xml_integrity_key, b"\x52")]
)
def test_xml_keys(derive: Callable[..., Secret], fc: bytes) -> None:
    uri = "sip:user@example.org"
    whole = hmac_sha256(Streamwide.csk, fc, uri.encode(), b"\x00\x14", CSK_ID.encode(), b"\x00\x04")
    assert derive(CSK, CSK_ID, uri).reveal() == whole[16:]
    assert derive(CSK, CSK_ID, uri, Half.HIGH).reveal() == whole[:16]
    long = Secret(bytes(range(32)))
    assert derive(long, CSK_ID, uri) == derive(long, CSK_ID, uri, Half.HIGH)
    assert len(derive(long, CSK_ID, uri)) == 32
    with pytest.raises(InvalidValue):
        derive(Secret(bytes(20)), CSK_ID, uri)


def test_derived_keys_differ() -> None:
    uri = "sip:user@example.org"
    keys = (
        kdf.xml_confidentiality_key(CSK, CSK_ID, uri),
        kdf.xml_integrity_key(CSK, CSK_ID, uri),
        kdf.dpck(CSK, CSK_ID),
        kdf.master_key(CSK, 6, CSK_ID.encode(), RAND),
        kdf.encryption_key(CSK, 6, CSK_ID.encode(), RAND, 16),
    )
    assert len({key.reveal() for key in keys}) == len(keys)


def test_refusals() -> None:
    for cs_id, csb_id in ((-1, bytes(4)), (256, bytes(4)), (0, bytes(3)), (0, bytes(8))):
        with pytest.raises(InvalidValue):
            kdf.master_key(CSK, cs_id, csb_id, RAND)
    for length in (0, 8161):
        with pytest.raises(InvalidValue):
            kdf.mikey_prf(CSK, b"", length)
    with pytest.raises(InvalidValue):
        kdf.mikey_prf(Secret(b""), b"", 16)
    with pytest.raises(InvalidValue):
        kdf.kdf(Secret(b""), 0x50, [])
    with pytest.raises(InvalidValue):
        kdf.kdf(CSK, 0x50, [bytes(65_536)])
    for uri in ("\ud800", "x" * 65_536):
        with pytest.raises(InvalidValue):
            kdf.guk_id(CSK, CSK_ID, uri)
