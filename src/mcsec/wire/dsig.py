"""XML signatures with a shared key: HMAC-SHA256 at its full length, over one element, and nothing else.

The generality of XML signatures is where their holes are. Here a signature has one shape: a ``ds:Signature`` that
is a child of the root, with one reference, by ``Id``, to another child of the root, with one canonicalisation and
no other transform. Everything else is refused before any octet is hashed; then signxml verifies. A caller gets
only what was signed, parsed again from the octets that were hashed, so that no wrapping of elements can put
something else in its place.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from lxml import etree

from mcsec._core import Secret
from mcsec.errors import CheckFailed, DecodeError, InvalidValue
from mcsec.wire import xml

NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
HMAC_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"

#: What a verifier takes; a signer writes the first.
_C14N = (EXCLUSIVE_C14N, INCLUSIVE_C14N)
_NCNAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_MAX_KEY_NAME = 512

#: SignedInfo in canonical form, so that it is hashed as it is written.
_SIGNED_INFO = (
    f'<ds:SignedInfo xmlns:ds="{NAMESPACE}">'
    f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
    f'<ds:SignatureMethod Algorithm="{HMAC_SHA256}"></ds:SignatureMethod>'
    '<ds:Reference URI="#{identifier}"><ds:Transforms>'
    f'<ds:Transform Algorithm="{EXCLUSIVE_C14N}"></ds:Transform></ds:Transforms>'
    f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod>'
    "<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
)

KeyLookup = Callable[[str], Secret]
"""The key of a name; raises :class:`~mcsec.errors.UnknownKey` where there is none."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a signature covers: the signed element, on its own, and the name of the key that signed it.

    ``mark`` is the signature's value: two messages that are the same octets have the same one.
    """

    element: etree._Element
    key_name: str
    mark: bytes


def _ds(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def sign(element: etree._Element, key: Secret, key_name: str) -> etree._Element:
    """A ``ds:Signature`` over ``element``, which has an attribute ``Id``; to be put beside the element.

    The element must not be changed afterwards.

    :raises InvalidValue: no ``Id`` that a reference can name.
    """
    identifier = element.get("Id", "")
    if not _NCNAME.fullmatch(identifier):
        raise InvalidValue("an element without an Id cannot be signed")
    signed = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    digest = b64encode(hashlib.sha256(signed).digest()).decode()
    info = _SIGNED_INFO.format(identifier=identifier, digest=digest)
    value = b64encode(hmac.digest(key.reveal(), info.encode(), "sha256")).decode()
    # The text is ours throughout; the name of the key is set as a value, not pasted.
    signature = etree.fromstring(
        f'<ds:Signature xmlns:ds="{NAMESPACE}">{info}<ds:SignatureValue>{value}</ds:SignatureValue>'
        "<ds:KeyInfo><ds:KeyName/></ds:KeyInfo></ds:Signature>"
    )
    signature[2][0].text = key_name
    return signature


def key_name_of(root: etree._Element) -> str:
    """The name of the key that is said to have signed. Nothing is checked but the shape.

    :raises DecodeError: ``root`` has no signature of the one shape that is read here.
    """
    return _examine(root)[1]


def verify(root: etree._Element, keys: KeyLookup) -> Verified:
    """Check the signature of a document; what it covers.

    :raises DecodeError: no signature (``dsig.missing``), or not of the one shape (``dsig.shape``).
    :raises UnknownKey: from ``keys``.
    :raises CheckFailed: the signature is wrong (``dsig.signature``).
    """
    signature, key_name, covered = _examine(root)
    key = keys(key_name)
    verifier, config, refusals = _verifier()
    try:
        result = verifier.verify(
            root,
            hmac_key=key.reveal(),
            expect_config=config,
            id_attribute="Id",
            validate_schema=False,  # the shape was held to something much narrower
        )
    except refusals:
        # The texts of the library quote digests and keys; none of it is needed to know what to do.
        raise CheckFailed(
            "the XML signature is wrong", code="dsig.signature", clause="TS 33.180 D.1"
        ) from None
    element = xml.parse(result.signed_data)
    if element.tag != covered.tag or element.get("Id") != covered.get("Id"):
        raise CheckFailed("the signature covers another element", code="dsig.wrapped")
    value = signature.findtext(_ds("SignatureValue")) or ""
    return Verified(element, key_name, hashlib.sha256("".join(value.split()).encode()).digest())


@cache
def _verifier() -> tuple[Any, Any, tuple[type[Exception], ...]]:
    # Imported late: it takes a third of a second, and most commands never verify XML.
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    config = SignatureConfiguration(
        require_x509=False,
        location="./",
        expect_references=1,
        signature_methods=frozenset({SignatureMethod.HMAC_SHA256}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
    )
    return _Verifier(XMLVerifier), config, (SignXMLException, ValueError, TypeError, etree.LxmlError)


class _Verifier:
    """A fresh verifier for each document: signxml keeps what it works on in the object."""

    def __init__(self, maker: Any) -> None:
        self._maker = maker

    def verify(self, root: etree._Element, **options: Any) -> Any:
        return self._maker().verify(root, **options)


def _shape(wanted: bool, what: str) -> None:
    if not wanted:
        raise DecodeError(
            f"an XML signature that is not of the one accepted shape: {what}", code="dsig.shape"
        )


def _only(parent: etree._Element, *names: str) -> list[etree._Element]:
    """The children of ``parent``, which are to be exactly these, in this order."""
    children = list(parent)
    _shape([child.tag for child in children] == [_ds(name) for name in names], etree.QName(parent).localname)
    return children


def _examine(root: etree._Element) -> tuple[etree._Element, str, etree._Element]:
    """The signature, the name of its key and the element it points to."""
    signatures = list(root.iter(_ds("Signature")))
    if not signatures:
        raise DecodeError("no XML signature", code="dsig.missing", clause="TS 33.180 D.1")
    signature = signatures[0]
    _shape(len(signatures) == 1 and signature.getparent() is root, "one signature, below the root")
    info, _value, key_info = _only(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    (name,) = _only(key_info, "KeyName")
    key_name = (name.text or "").strip()
    _shape(0 < len(key_name) <= _MAX_KEY_NAME, "a key name")
    canonical, method, reference = _only(info, "CanonicalizationMethod", "SignatureMethod", "Reference")
    transforms, digest, _digest_value = _only(reference, "Transforms", "DigestMethod", "DigestValue")
    (transform,) = _only(transforms, "Transform")
    # HMACOutputLength and InclusiveNamespaces would be children here.
    _shape(not any(map(len, (canonical, method, transform, digest))), "parameters")
    _shape(canonical.get("Algorithm") in _C14N and transform.get("Algorithm") in _C14N, "canonicalisation")
    _shape(method.get("Algorithm") == HMAC_SHA256 and digest.get("Algorithm") == SHA256, "algorithm")
    uri = reference.get("URI", "")
    _shape(uri[:1] == "#" and _NCNAME.fullmatch(uri[1:]) is not None, "reference")
    named = [element for element in root.iter() if element.get("Id") == uri[1:]]
    _shape(len(named) == 1 and named[0].getparent() is root and named[0] is not signature, "what it covers")
    return signature, key_name, named[0]
