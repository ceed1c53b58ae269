"""Values of mcptt-info and URIs, encrypted under the keys of a CSK."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec._core import Secret
from mcsec.errors import CheckFailed, DecodeError, InvalidValue, UnknownKey
from mcsec.ids import KeyId
from mcsec.wire import xenc, xml
from mcsec.wire.mcptt_info import ENCRYPTABLE, Encrypted, McpttInfo, decode, encode
from mcsec.wire.xmlsec import (
    CONTENT,
    XmlKeys,
    decrypt,
    decrypt_uri,
    encrypt,
    encrypt_uri,
    in_clear,
    key_id_of,
)
from support.xml import xml_texts

CSK_ID = KeyId(0x2ABBCCDD)
ALICE = "sip:alice@mc.example"
KEYS = XmlKeys.derive(Secret(bytes(range(16))), CSK_ID, ALICE)
INFO = McpttInfo(
    access_token=Secret(b"eyJ0"),
    session_type="chat",
    request_uri=ALICE,
    emergency_ind=True,
    alert_ind=False,
    client_id="urn:uuid:1",
)


def lookup(key_id: KeyId) -> XmlKeys:
    if key_id != CSK_ID:
        raise UnknownKey("no such key")
    return KEYS


def sealed(octets: bytes, key: Secret = KEYS.confidentiality, name: str = KEYS.name) -> Encrypted:
    return Encrypted(xenc.seal_octets(octets, key, name))


def test_every_value_that_may_be_is_encrypted_and_comes_back() -> None:
    protected = encrypt(INFO, KEYS)
    assert in_clear(INFO) == ("access_token", "request_uri", "emergency_ind", "alert_ind", "client_id")
    assert in_clear(protected) == ()
    written = encode(protected)
    for secret in (b"eyJ0", b"alice", b"urn:uuid", b"true"):
        assert secret not in written
    assert b">chat<" in written
    assert decode(written) == protected
    assert decrypt(decode(written), lookup) == INFO


def test_the_element_names_algorithm_key_and_type() -> None:
    value = encrypt(INFO, KEYS, ["request_uri"]).request_uri
    assert isinstance(value, Encrypted)
    data = xml.parse(value.data)
    assert data.get("Type") == CONTENT
    assert data[0].get("Algorithm") == "http://www.w3.org/2009/xmlenc11#aes128-gcm"
    assert data[1][0].text == b64encode(bytes.fromhex("2abbccdd")).decode()


def test_some_values_only_and_once() -> None:
    once = encrypt(INFO, KEYS, ["request_uri"])
    assert in_clear(once) == ("access_token", "emergency_ind", "alert_ind", "client_id")
    assert encrypt(once, KEYS, ["request_uri"]) == once
    with pytest.raises(InvalidValue):
        encrypt(INFO, KEYS, ["session_type"])


def test_no_two_encryptions_are_the_same() -> None:
    assert encrypt(INFO, KEYS).request_uri != encrypt(INFO, KEYS).request_uri


def test_namespaces_of_the_surrounding_element_count() -> None:
    """Another implementation may take the content as it stands, without declaring the namespace in it."""
    assert (
        decrypt(McpttInfo(request_uri=sealed(b"<mcpttURI>sip:a</mcpttURI>")), lookup).request_uri == "sip:a"
    )


@pytest.mark.parametrize(
    ("attribute", "octets"),
    [
        ("request_uri", b"sip:a"),
        ("request_uri", b""),
        ("request_uri", b"<mcpttURI>a</mcpttURI><mcpttURI>b</mcpttURI>"),
        ("request_uri", b"<mcpttURI>a</mcpttURI></content><content>"),
        ("request_uri", b"<mcpttURI/>"),
        ("request_uri", b"<mcpttBoolean>true</mcpttBoolean>"),
        ("emergency_ind", b"<mcpttURI>true</mcpttURI>"),
        ("emergency_ind", b"<mcpttBoolean>2</mcpttBoolean>"),
        ("request_uri", b'<!DOCTYPE a [<!ENTITY b "c">]><mcpttURI>&b;</mcpttURI>'),
        ("request_uri", b'<mcpttURI xmlns="urn:x">a</mcpttURI>'),
    ],
)
def test_contents_that_are_no_value(attribute: str, octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decrypt(McpttInfo(**{attribute: sealed(octets)}), lookup)


def test_wrong_keys_and_changed_values() -> None:
    value = encrypt(INFO, KEYS, ["request_uri"]).request_uri
    assert isinstance(value, Encrypted)
    start = value.data.index(b"CipherValue>") + 12
    # Not in the last four characters: not every bit of theirs counts.
    for place in (start, start + 20, value.data.index(b"</xenc:CipherValue") - 6):
        octet = b"A" if value.data[place : place + 1] != b"A" else b"B"
        changed = Encrypted(value.data[:place] + octet + value.data[place + 1 :])
        with pytest.raises(CheckFailed):
            decrypt(McpttInfo(request_uri=changed), lookup)
    other = XmlKeys.derive(Secret(bytes(16)), CSK_ID, ALICE)
    with pytest.raises(CheckFailed):
        decrypt(encrypt(INFO, other), lookup)
    with pytest.raises(CheckFailed):
        decrypt(encrypt(INFO, XmlKeys.derive(Secret(bytes(range(16))), CSK_ID, "sip:bob@mc.example")), lookup)
    with pytest.raises(UnknownKey):
        decrypt(encrypt(INFO, XmlKeys.derive(Secret(bytes(16)), KeyId(0x20000001), ALICE)), lookup)
    with pytest.raises(DecodeError):
        decrypt(McpttInfo(request_uri=sealed(b"<mcpttURI>a</mcpttURI>", name="ck")), lookup)


def test_confidentiality_and_integrity_have_keys_of_their_own() -> None:
    assert KEYS.confidentiality != KEYS.integrity
    assert len(KEYS.confidentiality) == 16
    assert "Secret" in repr(KEYS)
    assert KEYS.confidentiality.reveal().hex() not in repr(KEYS)


def test_every_attribute_can_be_encrypted_alone() -> None:
    values = {"emergency_ind": True, "alert_ind": True, "imminentperil_ind": False, "alert_ind_rcvd": True}
    for attribute in ENCRYPTABLE:
        value = Secret(b"x") if attribute == "access_token" else values.get(attribute, "x")
        info = McpttInfo(**{attribute: value})
        assert decrypt(decode(encode(encrypt(info, KEYS))), lookup) == info


@given(xml_texts)
def test_uris(uri: str) -> None:
    written = encrypt_uri(uri, KEYS)
    assert written.endswith(f";key-id={KEYS.name};alg=128-aes-gcm@mc1-encrypted.3gppnetwork.org")
    assert decrypt_uri(written, lookup) == uri


def test_uris_in_clear_and_broken_ones() -> None:
    assert decrypt_uri(ALICE, lookup) == ALICE
    written = encrypt_uri(ALICE, KEYS)
    for broken in (
        written.replace("128-aes", "256-aes"),
        written.replace("iv=", "iw="),
        written.replace(KEYS.name, "AAAA"),
        written + ">",
        "sip:A;iv=AAAA;key-id=" + KEYS.name + ";alg=128-aes-gcm@x",
        "sip:AAAA;iv=AAAA;key-id=" + KEYS.name + ";alg=128-aes-gcm@x",
    ):
        with pytest.raises((DecodeError, CheckFailed)):
            decrypt_uri(broken, lookup)
    changed = written.replace(written[4], "A" if written[4] != "A" else "B", 1)
    with pytest.raises(CheckFailed):
        decrypt_uri(changed, lookup)
    with pytest.raises(UnknownKey):
        decrypt_uri(written.replace(KEYS.name, "IAAAAQ=="), lookup)
    with pytest.raises(InvalidValue):
        encrypt_uri("\ud800", KEYS)


@given(st.text(max_size=12))
def test_key_names(name: str) -> None:
    try:
        key_id_of(name)
    except DecodeError as error:
        code = error.code
    else:
        code = "xmlsec.key-name"
    assert code == "xmlsec.key-name"
    assert key_id_of(KEYS.name) == CSK_ID
