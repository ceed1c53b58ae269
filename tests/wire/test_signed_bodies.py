"""Signatures over the XML bodies of a message, and the ways in which they can be abused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from signxml import SignatureConfiguration, SignatureMethod, XMLVerifier

from mcsec._core import Secret
from mcsec.errors import CheckFailed, DecodeError, InvalidValue, PeerError, Refused, UnknownKey
from mcsec.ids import KeyId
from mcsec.wire import dsig, multipart, xml
from mcsec.wire.multipart import MAX_PARTS, Part
from mcsec.wire.signed_bodies import CONTENT_TYPE, sign, verify
from mcsec.wire.xmlsec import XmlKeys

CSK_ID = KeyId(0x2ABBCCDD)
KEYS = XmlKeys.derive(Secret(bytes(range(16))), CSK_ID, "sip:alice@mc.example")
INFO = Part("application/vnd.3gpp.mcptt-info+xml", b"<mcpttinfo>\r\n </mcpttinfo>")
PIDF = Part("application/pidf+xml", b"<presence/>", (("Content-ID", "<p%1@mc.example>"),))
MIKEY = Part("application/mikey", b"\x01\x1a\r\n")
EVIL = b"<mcpttinfo>evil</mcpttinfo>"


def lookup(key_id: KeyId) -> XmlKeys:
    if key_id != CSK_ID:
        raise UnknownKey("no such key")
    return KEYS


def refused(parts: list[Part] | tuple[Part, ...]) -> str:
    with pytest.raises(PeerError) as caught:
        verify(parts, lookup)
    return caught.value.code


def edited(parts: tuple[Part, ...], *edits: tuple[bytes, bytes]) -> tuple[Part, ...]:
    body = parts[-1].body
    for old, new in edits:
        assert old in body
        body = body.replace(old, new)
    return (*parts[:-1], replace(parts[-1], body=body))


def test_over_the_wire() -> None:
    signed = sign([INFO, MIKEY, PIDF], KEYS, "mc.example")
    verified = verify(multipart.decode(*multipart.encode(signed)), lookup)
    assert verified.key_id == CSK_ID
    assert [part.body for part in verified.signed] == [INFO.body, PIDF.body]
    assert verified.unsigned == (MIKEY,)


def test_the_document() -> None:
    root = xml.parse(sign([PIDF], KEYS, "mc.example")[-1].body)
    assert root.tag == "{urn:3gpp:ns:mcpttSignedDoc:1.0}signatures"
    (signature,) = root
    reference = signature[0][2]
    assert reference.get("URI") == "cid:p%251@mc.example"
    assert signature[2][0].text == KEYS.name
    assert signature[0][0].get("Algorithm") == "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"


def test_signxml_agrees() -> None:
    signed = sign([INFO], KEYS, "mc.example")
    config = SignatureConfiguration(
        require_x509=False, location="./", signature_methods=frozenset({SignatureMethod.HMAC_SHA256})
    )
    result = XMLVerifier().verify(
        signed[-1].body,
        hmac_key=KEYS.integrity.reveal(),
        expect_config=config,
        uri_resolver=lambda uri: signed[0].body if uri == f"cid:{signed[0].content_id}" else None,
    )
    assert result.signed_data == INFO.body


def test_a_reference_without_cid() -> None:
    """One reading: the URI is the Content-ID itself."""
    signed = sign([INFO], KEYS, "mc.example")
    assert refused(edited(signed, (b"cid:", b""))) == "signed-bodies.signature", "found, but signed otherwise"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda p: [replace(p[0], body=EVIL), *p[1:]], "signed-bodies.digest"),
        (lambda p: [replace(p[0], body=p[0].body + b" "), *p[1:]], "signed-bodies.digest"),
        (lambda p: [p[0], p[1]], "signed-bodies.unsigned"),
        (lambda p: [*p, p[2]], "signed-bodies.unsigned"),
        (lambda p: [p[1], p[2]], "signed-bodies.shape"),
        (lambda p: [*p, Part("application/pidf+xml", EVIL)], "signed-bodies.unsigned"),
        (lambda p: [replace(p[0], body=EVIL), *p], "signed-bodies.shape"),
        (lambda p: [*p, replace(p[0], body=EVIL)], "signed-bodies.shape"),
        (lambda p: [replace(p[0], content_type="application/octet-stream"), *p[1:]], "signed-bodies.shape"),
        (
            lambda p: [
                replace(p[0], headers=(*p[0].headers, ("Content-Transfer-Encoding", "quoted-printable"))),
                *p[1:],
            ],
            "mime.encoding",
        ),
        (
            lambda p: [p[0], Part("application/pidf+xml", EVIL, (("Content-ID", "<x>"),)), p[2]],
            "signed-bodies.unsigned",
        ),
        (lambda p: [Part("nonsense", b""), *p], "mime.content-type"),
    ],
)
def test_messages_that_were_tampered_with(
    change: Callable[[tuple[Part, ...]], list[Part]], code: str
) -> None:
    assert refused(change(sign([INFO, MIKEY], KEYS, "mc.example"))) == code


def test_base64_around_a_signed_body_is_refused() -> None:
    """The header is not signed, and would make other octets of the body."""
    part = Part("application/pidf+xml", b"QUJD")
    signed = sign([part], KEYS, "mc.example")
    relabelled = replace(signed[0], headers=(*signed[0].headers, ("Content-Transfer-Encoding", "base64")))
    assert refused([relabelled, signed[1]]) == "signed-bodies.shape"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"hmac-sha256", b"hmac-sha384", "signed-bodies.shape"),
        (b"REC-xml-c14n-20010315", b"REC-xml-c14n-20010315#WithComments", "signed-bodies.shape"),
        (b"<ds:DigestMethod", b"<ds:Transforms/><ds:DigestMethod", "signed-bodies.shape"),
        (b"</ds:SignedInfo>", b"<ds:Reference/></ds:SignedInfo>", "signed-bodies.shape"),
        (b"xmlenc#sha256", b"xmlenc#sha512", "signed-bodies.shape"),
        (b"<ds:KeyInfo>", b"<ds:Object/><ds:KeyInfo>", "signed-bodies.shape"),
        (b"<ds:KeyName>", b"<ds:KeyName>!", "xmlsec.key-name"),
        (b'URI="cid:', b'URI="#', "signed-bodies.shape"),
        (b'URI="cid:', b'URI="cid:x', "signed-bodies.shape"),
        (b"urn:3gpp:ns:mcpttSignedDoc:1.0", b"urn:x", "signed-bodies.element"),
        (b"<ds:SignedInfo>", b'<ds:SignedInfo Id="x">', "signed-bodies.signature"),
        (b"<ds:SignedInfo>", b'<ds:SignedInfo xmlns:a="TOBEDEFINED">', "xml.canonical"),
        (b"</signatures>", b"<other/></signatures>", "signed-bodies.shape"),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue>AA", "signed-bodies.shape"),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue>!", "signed-bodies.shape"),
    ],
)
def test_documents_that_were_tampered_with(old: bytes, new: bytes, code: str) -> None:
    assert refused(edited(sign([INFO], KEYS, "mc.example"), (old, new))) == code


def test_a_truncated_signature_is_none() -> None:
    signed = sign([INFO], KEYS, "mc.example")
    method = b'hmac-sha256"/>'
    short = method[:-2] + b"><ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>"
    assert refused(edited(signed, (method, short))) == "signed-bodies.shape"


def test_an_empty_list_of_signatures_covers_nothing() -> None:
    empty = Part(CONTENT_TYPE, b'<signatures xmlns="urn:3gpp:ns:mcpttSignedDoc:1.0"/>')
    assert refused([INFO, empty]) == "signed-bodies.shape"
    assert refused([MIKEY, empty]) == "signed-bodies.shape"


def test_exclusive_canonicalisation_is_read_too() -> None:
    signed = sign([INFO], KEYS, "mc.example")
    changed = edited(signed, (dsig.INCLUSIVE_C14N.encode(), dsig.EXCLUSIVE_C14N.encode()))
    assert refused(changed) == "signed-bodies.signature", "the method is part of what is signed"


def test_keys() -> None:
    signed = sign([INFO], KEYS, "mc.example")
    other = XmlKeys.derive(Secret(bytes(16)), CSK_ID, "sip:alice@mc.example")
    with pytest.raises(CheckFailed):
        verify(signed, lambda _key_id: other)
    with pytest.raises(UnknownKey):
        verify(sign([INFO], replace(KEYS, key_id=KeyId(0x20000001)), "mc.example"), lookup)
    named = replace(INFO, headers=(("Content-ID", "<i@mc.example>"),))
    one, two = sign([named], KEYS, "d"), sign([PIDF], replace(KEYS, key_id=KeyId(0x20000001)), "d")
    inner = two[-1].body[two[-1].body.index(b"<ds:Sig") : two[-1].body.index(b"</signatures>")]
    mixed = edited((one[0], two[0], one[1]), (b"</signatures>", inner + b"</signatures>"))
    assert refused(mixed) == "signed-bodies.shape", "one key for a message"


def test_what_cannot_be_signed() -> None:
    for parts in (
        [],
        [MIKEY],
        [INFO] * MAX_PARTS,
        [PIDF, PIDF],
        [replace(INFO, headers=(("Content-Transfer-Encoding", "base64"),))],
        [replace(INFO, headers=(("Content-ID", "bare"),))],
    ):
        with pytest.raises(InvalidValue):
            sign(parts, KEYS, "mc.example")


def test_nothing_signed_is_a_refusal_of_its_own() -> None:
    with pytest.raises(Refused):
        verify([INFO], lookup)
    with pytest.raises(DecodeError):
        verify([INFO, Part(CONTENT_TYPE, b"<")], lookup)
