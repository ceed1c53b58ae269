"""The KMS interface as XML: round trips, valid by the schema, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from mcsec._core import Secret
from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire import dsig, xml
from mcsec.wire.kms.answer import write_response
from mcsec.wire.kms.decode import decode_request, decode_response
from mcsec.wire.kms.encode import encode_request, encode_response
from mcsec.wire.kms.model import (
    SCHEMA,
    CertCache,
    Certificate,
    ClearContent,
    Init,
    KeyProv,
    KeySet,
    KmsError,
    KmsRequest,
    KmsResponse,
    NewKeys,
    Role,
    SealedContent,
)
from mcsec.wire.kms.protect import ProtectionKeys

times = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=0, tzinfo=UTC)
)
uris = st.from_regex(r"\Asip:[a-z0-9.]{1,20}@[a-z0-9.]{1,20}\Z")
texts = st.from_regex(r"\A[A-Za-z0-9 <&>\"']{1,30}\Z").filter(lambda text: text.strip() == text)
SEALED = SealedContent(
    b'<xenc:EncryptedKey xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"><xenc:CipherData></xenc:CipherData></xenc:EncryptedKey>'
)
certificates = st.builds(
    Certificate,
    role=st.sampled_from(Role),
    kms_uri=uris,
    period=st.integers(1000, 10**8),
    offset=st.integers(0, 999),
    pub_enc_key=st.binary(min_size=257, max_size=257),
    pub_auth_key=st.binary(min_size=65, max_size=65),
    cert_uri=st.none() | uris,
    issuer=st.none() | texts,
    valid_from=st.none() | times,
    valid_to=st.none() | times,
    revoked=st.booleans(),
    domains=st.lists(uris, max_size=3).map(tuple),
    revoked_users=st.lists(st.binary(min_size=32, max_size=32), max_size=2).map(tuple),
)
contents = st.just(SEALED) | st.binary(min_size=1, max_size=257).map(
    lambda octets: ClearContent(Secret(octets))
)
key_sets = st.builds(
    KeySet,
    kms_uri=uris,
    user_uri=uris,
    user_id=st.binary(min_size=32, max_size=32),
    period_no=st.integers(0, 10**6),
    decrypt_key=contents,
    signing_key=contents,
    pub_token=contents,
    valid_from=st.none() | times,
    valid_to=st.none() | times,
    revoked=st.booleans(),
)
new_keys = st.sampled_from((NewKeys(), NewKeys((SEALED,), (SEALED,)), NewKeys((SEALED,))))
messages = (
    st.builds(Init, certificates, new_keys)
    | st.builds(KeyProv, st.lists(key_sets, max_size=3).map(tuple), new_keys)
    | st.builds(CertCache, st.integers(0, 10**6), st.lists(certificates, max_size=3).map(tuple))
)
responses = st.builds(
    KmsResponse,
    user_uri=uris,
    kms_uri=uris,
    time=times,
    client_req_url=uris,
    message=st.none() | messages,
    error=st.none() | st.builds(KmsError, st.integers(0, 999), texts),
    kms_id=st.none() | texts,
)
requests = st.builds(
    KmsRequest,
    user_uri=uris,
    kms_uri=uris,
    time=times,
    client_req_url=uris,
    client_id=st.none() | texts,
    device_id=st.none() | texts,
    client_error=st.none() | st.tuples(st.integers(0, 999), texts),
)


@given(requests)
def test_requests_round_trip_and_are_valid(request: KmsRequest) -> None:
    root = xml.parse(xml.serialise(encode_request(request)))
    xml.validate(root, *SCHEMA)
    assert decode_request(root) == request


@given(responses)
def test_responses_round_trip_and_are_valid(response: KmsResponse) -> None:
    root = xml.parse(xml.serialise(encode_response(response)))
    xml.validate(root, *SCHEMA)
    assert decode_response(root) == response


@given(responses, st.data())
def test_a_response_without_any_one_element_is_read_or_refused(
    response: KmsResponse, data: st.DataObject
) -> None:
    root = encode_response(response)
    inner = [element for element in root.iter() if element.getparent() is not None]
    victim = data.draw(st.sampled_from(inner))
    parent = victim.getparent()
    assert parent is not None
    parent.remove(victim)
    try:
        assert decode_response(root) != response or victim.tag.endswith(("Revoked", "ParameterSet"))
    except DecodeError as error:
        assert error.code.startswith("kms.")


EXAMPLE = KmsResponse("sip:u@a", "kms.a", datetime(2026, 1, 1, tzinfo=UTC), "https://kms.a/keyprov")
KEYS = KeySet("kms.a", "sip:u@a", bytes(32), 7, *(ClearContent(Secret(b"k" * 4)),) * 3)


def document(response: KmsResponse) -> bytes:
    return xml.serialise(encode_response(response))


def test_xsi_type_may_be_absent() -> None:
    text = document(replace(EXAMPLE, message=KeyProv((KEYS,)))).replace(b'xsi:type="KeyContentType"', b"")
    assert decode_response(xml.parse(text)).message == KeyProv((KEYS,))


def test_a_user_id_may_be_hex() -> None:
    text = document(replace(EXAMPLE, message=KeyProv((KEYS,))))
    text = text.replace(b"A" * 43 + b"=", b"00" * 32)
    assert decode_response(xml.parse(text)).message == KeyProv((KEYS,))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"<KeyPeriodNo>7</KeyPeriodNo>", b"<KeyPeriodNo>seven</KeyPeriodNo>", "kms.value"),
        (
            b"<KeyPeriodNo>7</KeyPeriodNo>",
            b"<KeyPeriodNo>7</KeyPeriodNo><KeyPeriodNo>8</KeyPeriodNo>",
            "kms.element",
        ),
        (b"<KeyPeriodNo>7</KeyPeriodNo>", b"", "kms.element"),
        (b">6b6b6b6b<", b">6b6b6b6<", "kms.value"),
        (b">6b6b6b6b<", b"><", "kms.value"),
        (b">6b6b6b6b<", b"><other/><", "kms.element"),
        (b"false</Revoked>", b"perhaps</Revoked>", "kms.value"),
    ],
)
def test_bad_key_sets(old: bytes, new: bytes, code: str) -> None:
    text = document(replace(EXAMPLE, message=KeyProv((KEYS,))))
    assert old in text
    with pytest.raises(DecodeError) as caught:
        decode_response(xml.parse(text.replace(old, new)))
    assert caught.value.code == code


def test_no_decode_error_shows_key_content() -> None:
    text = document(replace(EXAMPLE, message=KeyProv((KEYS,)))).replace(b">6b6b6b6b<", b">6b6b6b6x<")
    with pytest.raises(DecodeError) as caught:
        decode_response(xml.parse(text))
    assert "6b6b" not in str(caught.value)


BOMB = b"""<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>"""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (BOMB, "xml.doctype"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "xml.doctype"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "xml.doctype"),
        (b"<a>" * 70 + b"</a>" * 70, "xml.depth"),
        (b"<a>" * 100_000, "xml.malformed"),
        (b"<a>" + b" " * (1 << 20) + b"</a>", "xml.too-large"),
        (b"", "xml.malformed"),
        (b"<a", "xml.malformed"),
        (b"\xff\xfe\x00", "xml.malformed"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "xml.malformed"),
    ],
)
def test_hostile_documents(text: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        xml.parse(text)
    assert caught.value.code == code
    assert "root:" not in str(caught.value)


@given(st.binary(max_size=200) | st.text(alphabet='<>/&;!?ab="[] \n', max_size=60).map(str.encode))
def test_any_octets_parse_or_are_refused(text: bytes) -> None:
    try:
        assert isinstance(xml.parse(text), etree._Element)
    except DecodeError as error:
        assert error.code.startswith("xml.")


def test_the_schema_names_the_place() -> None:
    root = xml.parse(b'<KmsRequest xmlns="urn:3gpp:ns:mcsecKMSInterface:1.0"><UserUri/></KmsRequest>')
    with pytest.raises(DecodeError, match="line 1, ") as caught:
        xml.validate(root, *SCHEMA)
    assert caught.value.code == "xml.schema"


@given(responses)
def test_what_is_written_in_canonical_form_is_the_same_document(response: KmsResponse) -> None:
    """A KMS writes its answers without a tree; the tree is what they must be."""
    written = xml.parse(write_response(response, None))
    assert xml.canonical(written) == xml.canonical(encode_response(response))
    keys = ProtectionKeys.fresh("sip:u@a", 3)
    signed = xml.parse(write_response(response, keys))
    xml.validate(signed, *SCHEMA)
    verified = dsig.verify(signed, keys.integrity_key)
    assert verified.octets == xml.canonical(encode_response(response))
    assert decode_response(verified.element) == response


def test_text_that_xml_cannot_carry_is_refused() -> None:
    with pytest.raises(InvalidValue):
        write_response(replace(EXAMPLE, user_uri="\x01"), None)
    assert b"&lt;&amp;&#xD;" in write_response(replace(EXAMPLE, user_uri="<&\r"), None)
