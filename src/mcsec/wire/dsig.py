"""XML signatures with a shared key: HMAC-SHA256 at its full length, over one element, and nothing else.

The generality of XML signatures is where their holes are, and most of what a library for them costs. Here a
signature has one shape: a ``ds:Signature`` that is a child of the root, with one reference, by ``Id``, to another
child of the root, with one canonicalisation and no other transform. Everything else is refused before any octet is
hashed. Other signatures may stand only inside what it covers: there they are content like any other. A caller gets
only what was signed, as the octets that were hashed, so that no wrapping of elements can put something else in its
place. xmlsec and signxml are the referees in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from xml.sax.saxutils import escape

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
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]")

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
    """What a signature covers: the octets that were hashed, and the name of the key that signed them.

    ``mark`` tells messages apart: two that are the same octets have the same one.
    """

    octets: bytes
    key_name: str
    mark: bytes

    @property
    def element(self) -> etree._Element:
        """The signed element on its own, parsed from what was hashed."""
        return xml.parse(self.octets)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of the one shape, read and not yet checked.

    ``covered`` is the element that it points to, a child of the root; ``octets`` and ``signed_info`` are canonical.
    """

    key_name: str
    covered: etree._Element
    octets: bytes
    signed_info: bytes
    digest: bytes
    value: bytes

    def verify(self, key: Secret) -> Verified:
        """Check it.

        :raises CheckFailed: it is wrong (``dsig.signature``).
        """
        expected = hmac.digest(key.reveal(), self.signed_info, "sha256")
        # Both are compared whole: a shortened value is a wrong one.
        signed = hmac.compare_digest(expected, self.value)
        intact = hmac.compare_digest(hashlib.sha256(self.octets).digest(), self.digest)
        if not (signed and intact):
            raise CheckFailed("the XML signature is wrong", code="dsig.signature", clause="TS 33.180 D.1")
        return Verified(self.octets, self.key_name, self.value)


def _ds(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def sign(element: etree._Element, key: Secret, key_name: str) -> etree._Element:
    """A ``ds:Signature`` over ``element``, which has an attribute ``Id``; to be put beside the element.

    The element must not be changed afterwards.

    :raises InvalidValue: no ``Id`` that a reference can name, or a key name that XML cannot carry.
    """
    return etree.fromstring(sign_octets(xml.canonical(element), element.get("Id", ""), key, key_name))


def sign_octets(canonical: bytes, identifier: str, key: Secret, key_name: str) -> bytes:
    """The same for an element in exclusive canonical form, whose ``Id`` is ``identifier``; as a document's part.

    :raises InvalidValue: as :func:`sign`.
    """
    if not _NCNAME.fullmatch(identifier):
        raise InvalidValue("an element without an Id cannot be signed")
    key_info = _key_info(key_name)
    digest = b64encode(hashlib.sha256(canonical).digest()).decode()
    info = _SIGNED_INFO.format(identifier=identifier, digest=digest)
    value = b64encode(hmac.digest(key.reveal(), info.encode(), "sha256")).decode()
    return (
        f'<ds:Signature xmlns:ds="{NAMESPACE}">{info}<ds:SignatureValue>{value}</ds:SignatureValue>'
        f"{key_info}</ds:Signature>"
    ).encode()


@lru_cache(4096)
def _key_info(key_name: str) -> str:
    # A key signs again and again.
    if not 0 < len(key_name) <= _MAX_KEY_NAME or _UNPRINTABLE.search(key_name):
        raise InvalidValue("a key name that XML cannot carry")
    return f"<ds:KeyInfo><ds:KeyName>{escape(key_name)}</ds:KeyName></ds:KeyInfo>"


def key_name_of(root: etree._Element) -> str:
    """The name of the key that is said to have signed. Nothing is checked but the shape.

    :raises DecodeError: as :func:`read`.
    """
    return read(root).key_name


def verify(root: etree._Element, keys: KeyLookup) -> Verified:
    """Check the signature of a document; what it covers.

    :raises DecodeError: as :func:`read`.
    :raises UnknownKey: from ``keys``.
    :raises CheckFailed: the signature is wrong (``dsig.signature``).
    """
    signature = read(root)
    return signature.verify(keys(signature.key_name))


def _shape(wanted: bool, what: str) -> None:
    if not wanted:
        raise DecodeError(
            f"an XML signature that is not of the one accepted shape: {what}", code="dsig.shape"
        )


#: The elements of the one shape in document order, and how many children each has: together they say where each
#: stands. ``HMACOutputLength`` and ``InclusiveNamespaces`` would be children where there are none.
_SHAPE = [
    (_ds(name), children)
    for name, children in (
        ("Signature", 3),
        ("SignedInfo", 3),
        ("CanonicalizationMethod", 0),
        ("SignatureMethod", 0),
        ("Reference", 3),
        ("Transforms", 1),
        ("Transform", 0),
        ("DigestMethod", 0),
        ("DigestValue", 0),
        ("SignatureValue", 0),
        ("KeyInfo", 1),
        ("KeyName", 0),
    )
]


def read(root: etree._Element) -> Signature:
    """The signature of a document, if it is of the one shape.

    :raises DecodeError: there is none (``dsig.missing``), or it is of another shape (``dsig.shape``).
    """
    signatures = list(root.iter(_ds("Signature")))
    if not signatures:
        raise DecodeError("no XML signature", code="dsig.missing", clause="TS 33.180 D.1")
    own = [signature for signature in signatures if signature.getparent() is root]
    _shape(len(own) == 1, "one signature, below the root")
    signature = own[0]
    parts = list(signature.iter())
    _shape([(part.tag, len(part)) for part in parts] == _SHAPE, "its elements")
    _, info, canonical, method, reference, _, transform, digest, digest_value, value, _, name = parts
    key_name = (name.text or "").strip()
    _shape(0 < len(key_name) <= _MAX_KEY_NAME, "a key name")
    forms = canonical.get("Algorithm"), transform.get("Algorithm")
    _shape(forms[0] in _C14N and forms[1] in _C14N, "canonicalisation")
    _shape(method.get("Algorithm") == HMAC_SHA256 and digest.get("Algorithm") == SHA256, "algorithm")
    uri = reference.get("URI", "")
    _shape(uri[:1] == "#" and _NCNAME.fullmatch(uri[1:]) is not None, "reference")
    named = [element for element in root.iter() if element.get("Id") == uri[1:]]
    _shape(len(named) == 1 and named[0].getparent() is root and named[0] is not signature, "what it covers")
    _shape(len(signatures) == 1 + sum(1 for _ in named[0].iter(_ds("Signature"))), "a signature elsewhere")
    return Signature(
        key_name,
        named[0],
        xml.canonical(named[0], inclusive=forms[1] == INCLUSIVE_C14N),
        xml.canonical(info, inclusive=forms[0] == INCLUSIVE_C14N),
        _octets(digest_value),
        _octets(value),
    )


def _octets(element: etree._Element) -> bytes:
    """What is written in base64; none where it is not, which no check takes for a value."""
    try:
        return a2b_base64("".join((element.text or "").split()), strict_mode=True)
    except ValueError:
        return b""
