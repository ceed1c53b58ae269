"""Keys and octets under XML encryption: every form opens, every change is found."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from mcsec._core import Secret
from mcsec.errors import CheckFailed, DecodeError, InvalidValue, PeerError, UnknownKey
from mcsec.wire import dsig, xenc
from mcsec.wire.xenc import Form

KEK = Secret(bytes(range(32)))
NAME = "tk.1.sip:u@example.org"
XENC = f"{{{xenc.NAMESPACE}}}"


def keys(name: str) -> Secret:
    if name != NAME:
        raise UnknownKey("no such key")
    return KEK


@given(st.binary(min_size=1, max_size=300), st.sampled_from(Form))
def test_keys_of_any_length(octets: bytes, form: Form) -> None:
    sealed = xenc.seal_key(Secret(octets), KEK, NAME, form)
    assert xenc.open_key(sealed, keys) == Secret(octets)
    if len(octets) > 8:
        assert b64encode(octets)[:-4] not in sealed


def algorithm(sealed: bytes) -> str:
    return etree.fromstring(sealed)[0].get("Algorithm", "")


def test_forms() -> None:
    assert algorithm(xenc.seal_key(Secret(b"s" * 32), KEK, NAME)) == xenc.KW_AES256
    assert algorithm(xenc.seal_key(Secret(b"r" * 257), KEK, NAME)) == xenc.AES256_GCM
    assert algorithm(xenc.seal_key(Secret(b"p" * 65), KEK, NAME, Form.PADDED)) == xenc.KW_AES256_PAD


@given(st.binary(max_size=300), st.sampled_from((16, 32)))
def test_octets(octets: bytes, size: int) -> None:
    key = Secret(b"k" * size)
    sealed = xenc.seal_octets(octets, key, "csk")
    assert xenc.open_octets(etree.fromstring(sealed), lambda name: key) == octets


def test_octets_whose_key_lies_beside_them() -> None:
    content_key = Secret(b"c" * 16)
    data = etree.fromstring(xenc.seal_octets(b"position", content_key, "x"))
    info = data[1]
    info[:] = [etree.fromstring(xenc.seal_key(content_key, KEK, NAME))]
    assert xenc.open_octets(data, keys) == b"position"


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("size", [32, 65, 257])
def test_every_change_is_found(form: Form, size: int) -> None:
    sealed = xenc.seal_key(Secret.random(size), KEK, NAME, form)
    for index, value in enumerate(etree.fromstring(sealed).iter(f"{XENC}CipherValue")):
        octets = b64decode(value.text or "")
        for at in range(0, len(octets), 7):
            root = etree.fromstring(sealed)
            victim = list(root.iter(f"{XENC}CipherValue"))[index]
            victim.text = b64encode(octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]).decode()
            with pytest.raises(CheckFailed) as caught:
                xenc.open_key(etree.tostring(root), keys)
            assert caught.value.code == "xenc.integrity"


def test_another_key_does_not_open() -> None:
    sealed = xenc.seal_key(Secret(b"s" * 257), KEK, NAME)
    with pytest.raises(CheckFailed):
        xenc.open_key(sealed, lambda name: Secret(b"x" * 32))
    with pytest.raises(UnknownKey):
        xenc.open_key(xenc.seal_key(Secret(b"s" * 32), KEK, "tk.2.x"), keys)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"xmlenc#kw-aes256", b"xmlenc#kw-aes128"),
        (b"xmlenc11#aes256-gcm", b"xmlenc#aes256-cbc"),
        (b"KeyName>", b"KeyValue>"),
        (b"CipherValue>", b"CipherReference>"),
        (b"<ds:KeyName>tk.1.sip:u@example.org</ds:KeyName>", b""),
        (b"xenc:EncryptedKey", b"xenc:EncryptedData"),
    ],
)
def test_other_shapes(old: bytes, new: bytes) -> None:
    sealed = xenc.seal_key(Secret(b"s" * 257), KEK, NAME)
    assert old in sealed
    with pytest.raises(DecodeError) as caught:
        xenc.open_key(sealed.replace(old, new), keys)
    assert caught.value.code == "xenc.shape"


@pytest.mark.parametrize("size", [32, 257])
def test_names(size: int) -> None:
    sealed = xenc.seal_key(Secret(b"s" * size), KEK, NAME, carried_name="tk.2.sip:u@example.org")
    assert xenc.carried_name(sealed) == "tk.2.sip:u@example.org"
    assert xenc.wrapping_name(sealed) == NAME
    assert xenc.open_key(sealed, keys) == Secret(b"s" * size)
    assert xenc.carried_name(xenc.seal_key(Secret(b"s" * size), KEK, NAME)) == ""


def test_nesting_ends() -> None:
    sealed = xenc.seal_key(Secret(b"s" * 257), KEK, NAME)
    root = etree.fromstring(sealed)
    root[1][0][1][:] = [etree.fromstring(sealed)]
    with pytest.raises(DecodeError):
        xenc.open_key(etree.tostring(root), keys)


@given(st.binary(max_size=100))
def test_any_octets_are_refused(octets: bytes) -> None:
    with pytest.raises(PeerError):
        xenc.open_key(octets, keys)


@pytest.mark.parametrize("name", ["", "a<b", "a&b", "x" * 513])
def test_a_name_that_xml_cannot_carry(name: str) -> None:
    with pytest.raises(InvalidValue):
        xenc.seal_key(Secret(b"s" * 32), KEK, name)


def test_sizes() -> None:
    with pytest.raises(InvalidValue):
        xenc.seal_key(Secret(b""), KEK, NAME)
    with pytest.raises(InvalidValue):
        xenc.seal_key(Secret(b"s" * 32), Secret(b"k" * 16), NAME)
    with pytest.raises(InvalidValue):
        xenc.seal_octets(b"", Secret(b"k" * 24), NAME)
    assert dsig.NAMESPACE.encode() in xenc.seal_octets(b"", Secret(b"k" * 16), NAME)
