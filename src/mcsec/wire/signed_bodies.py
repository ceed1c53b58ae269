"""XML bodies of a SIP message signed under XPK: ``application/vnd.3gpp.mcptt-signed+xml`` (TS 24.379 F.6, 6.6.3).

One more part holds a ``ds:Signature`` for each XML part. It names the part by Content-ID, and hashes its octets as they
stand in the message: no transforms, so there is nothing to wrap. A signature has one shape (HMAC-SHA256 at full length,
SHA-256, a named key); everything else is refused before anything is hashed. A caller gets the parts that were signed,
and no other XML.

Signatures are independent of one another, as TS 24.379 has them: they do not say which parts belong together, nor when
they were made. What joins a message together is the SIP hop's TLS.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from lxml import etree

from mcsec._core import Secret
from mcsec.errors import CheckFailed, DecodeError, InvalidValue, Refused
from mcsec.ids import KeyId
from mcsec.wire import dsig, xml
from mcsec.wire.elements import Namespace
from mcsec.wire.multipart import MAX_PARTS, Part
from mcsec.wire.xmlsec import KeyLookup, XmlKeys, key_id_of

CONTENT_TYPE = "application/vnd.3gpp.mcptt-signed+xml"
SIGNED = Namespace("urn:3gpp:ns:mcpttSignedDoc:1.0", "signed-bodies")
DS = Namespace(dsig.NAMESPACE, "signed-bodies")
_CANONICAL = (dsig.INCLUSIVE_C14N, dsig.EXCLUSIVE_C14N)
_DIGEST_OCTETS = 32
_CLAUSE = "TS 24.379 F.6"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a message may be acted on for: its signed XML parts, its parts that are no XML, and who could sign.

    A part that is no XML (a MIKEY message, a session description) is protected by other means, or by none.
    """

    key_id: KeyId
    signed: tuple[Part, ...]
    unsigned: tuple[Part, ...]


def is_xml(part: Part) -> bool:
    """Whether a part is one of those that are signed."""
    return part.essence.endswith("+xml") and part.essence != CONTENT_TYPE


def sign(parts: Sequence[Part], keys: XmlKeys, domain: str) -> tuple[Part, ...]:
    """``parts``, each XML part with a Content-ID, and the part with the signatures at the end.

    :param domain: what comes after the ``@`` of Content-IDs that are made here.
    :raises InvalidValue: there is no XML part, too many parts, or one has a Content-Transfer-Encoding or Content-ID
        that cannot be signed over.
    """
    named = [_with_content_id(part, domain) if is_xml(part) else part for part in parts]
    signed = [part for part in named if is_xml(part)]
    if not signed or len(parts) >= MAX_PARTS:
        raise InvalidValue("no XML part to sign, or too many parts", code="signed-bodies.parts")
    if len({part.content_id for part in named if part.content_id}) != sum(
        bool(part.content_id) for part in named
    ):
        raise InvalidValue("two parts with one Content-ID", code="signed-bodies.content-id")
    root = SIGNED.root("signatures")
    for part in signed:
        _write_signature(root, part, keys)
    return (*named, Part(CONTENT_TYPE, xml.serialise(root)))


def verify(parts: Sequence[Part], keys: KeyLookup) -> Verified:
    """Check the signatures of a message.

    :raises Refused: there is no part with signatures, or an XML part is not signed.
    :raises DecodeError: signatures that are not of the one shape, or that name a part that is not there once.
    :raises UnknownKey: from ``keys``.
    :raises CheckFailed: a signature is wrong, or a part was changed.
    """
    holders = [part for part in parts if part.essence == CONTENT_TYPE]
    if len(holders) != 1:
        raise Refused(
            f"{len(holders)} parts with signatures, not one", code="signed-bodies.unsigned", clause=_CLAUSE
        )
    root = SIGNED.parse(holders[0].content, "signatures")
    signatures = [_read_signature(child) for child in root]
    key_ids = {signature.key_id for signature in signatures}
    if len(key_ids) != 1 or len(signatures) > MAX_PARTS:
        raise _shape("signatures under one key, one for each part")
    key_id = key_ids.pop()
    key = keys(key_id).integrity
    for signature in signatures:
        _check(signature, key, [part for part in parts if part.content_id == signature.content_id])
    covered = {signature.content_id for signature in signatures}
    if any(is_xml(part) and part.content_id not in covered for part in parts):
        raise Refused("an XML body is not signed", code="signed-bodies.unsigned", clause="TS 24.379 6.6.3")
    return Verified(
        key_id,
        tuple(part for part in parts if is_xml(part)),
        tuple(part for part in parts if not is_xml(part) and part is not holders[0]),
    )


@dataclass(frozen=True, slots=True)
class _Signature:
    """One signature, taken apart: the octets that the value authenticates, and what they say."""

    signed_info: bytes
    value: bytes
    key_id: KeyId
    content_id: str
    digest: bytes


def _check(signature: _Signature, key: Secret, named: Sequence[Part]) -> None:
    # The headers of a part are not signed. So they must not change what its octets mean.
    if len(named) != 1 or not is_xml(named[0]) or named[0].content != named[0].body:
        raise _shape("a reference to exactly one XML part")
    expected = hmac.digest(key.reveal(), signature.signed_info, "sha256")
    if not hmac.compare_digest(expected, signature.value):
        raise CheckFailed("the XML signature is wrong", code="signed-bodies.signature", clause=_CLAUSE)
    if not hmac.compare_digest(hashlib.sha256(named[0].body).digest(), signature.digest):
        raise CheckFailed("a signed body was changed", code="signed-bodies.digest", clause=_CLAUSE)


def _write_signature(root: etree._Element, part: Part, keys: XmlKeys) -> None:
    signature = etree.SubElement(root, DS("Signature"), nsmap={"ds": DS.uri})
    info = DS.add(signature, "SignedInfo")
    DS.add(info, "CanonicalizationMethod").set("Algorithm", dsig.INCLUSIVE_C14N)
    DS.add(info, "SignatureMethod").set("Algorithm", dsig.HMAC_SHA256)
    reference = DS.add(info, "Reference")
    reference.set("URI", f"cid:{quote(part.content_id or '', safe='@')}")
    DS.add(reference, "DigestMethod").set("Algorithm", dsig.SHA256)
    DS.add(reference, "DigestValue", b64encode(hashlib.sha256(part.body).digest()).decode())
    value = hmac.digest(keys.integrity.reveal(), _canonical(info, dsig.INCLUSIVE_C14N), "sha256")
    DS.add(signature, "SignatureValue", b64encode(value).decode())
    DS.add(DS.add(signature, "KeyInfo"), "KeyName", keys.name)


def _read_signature(signature: etree._Element) -> _Signature:
    if signature.tag != DS("Signature"):
        raise _shape("nothing but signatures")
    info, value, key_info = _children(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    (name,) = _children(key_info, "KeyName")
    canonicalisation, method, reference = _children(
        info, "CanonicalizationMethod", "SignatureMethod", "Reference"
    )
    digest_method, digest = _children(reference, "DigestMethod", "DigestValue")
    # HMACOutputLength and InclusiveNamespaces would be children here, and Transforms a child of the reference.
    if any(len(element) for element in (canonicalisation, method, digest_method)):
        raise _shape("no parameters")
    algorithm = canonicalisation.get("Algorithm", "")
    if algorithm not in _CANONICAL:
        raise _shape("a canonicalisation without comments")
    if (method.get("Algorithm"), digest_method.get("Algorithm")) != (dsig.HMAC_SHA256, dsig.SHA256):
        raise _shape("HMAC-SHA256 over SHA-256")
    return _Signature(
        _canonical(info, algorithm),
        _octets(value),
        key_id_of((name.text or "").strip()),
        _content_id(reference.get("URI", "")),
        _octets(digest),
    )


def _children(parent: etree._Element, *names: str) -> list[etree._Element]:
    children = list(parent)
    if [child.tag for child in children] != [DS(name) for name in names]:
        raise _shape(", ".join(names))
    return children


def _content_id(uri: str) -> str:
    """The Content-ID that a reference names. Some write the ID itself where a ``cid:`` URI belongs."""
    name = unquote(uri[4:]) if uri[:4].lower() == "cid:" else uri
    if not name or name.startswith("#"):
        raise _shape("a reference by Content-ID")
    return name


def _octets(element: etree._Element) -> bytes:
    try:
        octets = b64decode("".join((element.text or "").split()), validate=True)
    except ValueError:
        octets = b""
    if len(element) or len(octets) != _DIGEST_OCTETS:
        raise _shape("values at their full length")
    return octets


def _canonical(info: etree._Element, algorithm: str) -> bytes:
    return xml.canonical(info, inclusive=algorithm == dsig.INCLUSIVE_C14N)


def _with_content_id(part: Part, domain: str) -> Part:
    if part.header("Content-Transfer-Encoding") is not None:
        raise InvalidValue("a body to be signed travels as it is", code="signed-bodies.encoding")
    if part.content_id is not None:
        return part
    if part.header("Content-ID") is not None:
        raise InvalidValue("a Content-ID without angle brackets", code="signed-bodies.content-id")
    return replace(part, headers=(*part.headers, ("Content-ID", f"<{secrets.token_hex(8)}@{domain}>")))


def _shape(wanted: str) -> DecodeError:
    return DecodeError(
        f"signatures that are not of the one accepted shape: {wanted}",
        code="signed-bodies.shape",
        clause=_CLAUSE,
    )
