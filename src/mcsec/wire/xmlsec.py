"""XML in SIP, kept confidential under XPK (TS 33.180 9.3, TS 24.379 6.6.2): elements and URIs.

XPK is the CSK between a client and its server, or the SPK between servers. It is never used itself: :class:`XmlKeys`
holds the two keys that come from it. Encryption says nothing about where a value stands; whoever acts on one verifies
the signature over its body first (:mod:`mcsec.wire.signed_bodies`).
"""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcsec._core import Secret
from mcsec.crypto.kdf import Half, xml_confidentiality_key, xml_integrity_key
from mcsec.errors import CheckFailed, DecodeError, InvalidValue
from mcsec.ids import KeyId
from mcsec.wire import xenc, xml
from mcsec.wire.mcptt_info import ENCRYPTABLE, INFO, Encrypted, McpttInfo, read_clear, write_clear

#: Type of an EncryptedData that stands for the content of an element.
CONTENT = "http://www.w3.org/2001/04/xmlenc#Content"
#: Domain of URIs that are no addresses but cipher text (TS 23.003).
ENCRYPTED_DOMAIN = "mc1-encrypted.3gppnetwork.org"
_NONCE_OCTETS = 12
_URI = re.compile(
    r"sip:([A-Za-z0-9+/=]+);iv=([A-Za-z0-9+/=]+);key-id=([A-Za-z0-9+/=]+);alg=128-aes-gcm@([^;>\s]+)\Z"
)


@dataclass(frozen=True, slots=True)
class XmlKeys:
    """The keys that one XPK gives for one user: TS 33.180 F.1.4 with FC 0x51 and 0x52."""

    key_id: KeyId
    confidentiality: Secret
    integrity: Secret

    @classmethod
    def derive(cls, xpk: Secret, key_id: KeyId, uri: str, half: Half = Half.LOW) -> Self:
        """Both keys.

        :param xpk: CSK or SPK.
        :param uri: MC service user ID.
        :param half: which half of the KDF's output (``docs/readings/crypto.md``).
        """
        return cls(
            key_id,
            xml_confidentiality_key(xpk, key_id, uri, half),
            xml_integrity_key(xpk, key_id, uri, half),
        )

    @property
    def name(self) -> str:
        """What KeyName holds: the base64 of the key ID (TS 36.579-1 5.5.13)."""
        return b64encode(self.key_id.encode()).decode()


KeyLookup = Callable[[KeyId], XmlKeys]
"""The keys under a key ID; raises :class:`~mcsec.errors.UnknownKey` where there are none."""


def key_id_of(name: str) -> KeyId:
    """The key ID in a KeyName.

    :raises DecodeError: it holds none.
    """
    try:
        return KeyId.decode(b64decode(name, validate=True))
    except (Base64Error, ValueError, DecodeError):
        raise DecodeError(
            "a KeyName that holds no key ID", code="xmlsec.key-name", clause="TS 33.180 9.3"
        ) from None


def encrypt(info: McpttInfo, keys: XmlKeys, attributes: Collection[str] = ENCRYPTABLE) -> McpttInfo:
    """``info`` with these values encrypted; values that are absent or encrypted already stay as they are.

    :raises InvalidValue: an attribute that the schema does not let encrypt, or a value that XML cannot write.
    """
    if not set(attributes) <= set(ENCRYPTABLE):
        raise InvalidValue("not every one of these elements can be encrypted", code="xmlsec.attribute")
    sealed: dict[str, Encrypted] = {}
    for attribute in attributes:
        value = getattr(info, attribute)
        if value is not None and not isinstance(value, Encrypted):
            data = xml.parse(
                xenc.seal_octets(
                    xml.canonical(write_clear(attribute, value)), keys.confidentiality, keys.name
                )
            )
            data.set("Type", CONTENT)
            sealed[attribute] = Encrypted(xml.canonical(data))
    return replace(info, **sealed)  # type: ignore[arg-type]  # each attribute of ENCRYPTABLE takes an Encrypted


def decrypt(info: McpttInfo, keys: KeyLookup) -> McpttInfo:
    """``info`` with every encrypted value opened.

    :raises UnknownKey: from ``keys``.
    :raises CheckFailed: a value was changed, or another key encrypted it.
    :raises DecodeError: what was encrypted is no value of its element.
    """
    opened = {
        attribute: _open(attribute, value.data, keys)
        for attribute in ENCRYPTABLE
        if isinstance(value := getattr(info, attribute), Encrypted)
    }
    return replace(info, **opened)  # type: ignore[arg-type]  # read_clear gives what the attribute holds


def in_clear(info: McpttInfo) -> tuple[str, ...]:
    """The attributes that could be encrypted and are not: what policy looks at when protection is required."""
    return tuple(
        attribute
        for attribute in ENCRYPTABLE
        if getattr(info, attribute) is not None and not isinstance(getattr(info, attribute), Encrypted)
    )


def encrypt_uri(uri: str, keys: XmlKeys, domain: str = ENCRYPTED_DOMAIN) -> str:
    """A URI for an attribute, which can hold no element: the cipher text is its user part.

    :raises InvalidValue: not text that UTF-8 can write.
    """
    nonce = os.urandom(_NONCE_OCTETS)
    try:
        sealed = AESGCM(keys.confidentiality.reveal()).encrypt(nonce, uri.encode(), None)
    except UnicodeEncodeError:
        raise InvalidValue("a URI that is no Unicode text", code="xmlsec.uri") from None
    text, iv = b64encode(sealed).decode(), b64encode(nonce).decode()
    return f"sip:{text};iv={iv};key-id={keys.name};alg=128-aes-gcm@{domain}"


def decrypt_uri(uri: str, keys: KeyLookup) -> str:
    """The URI in an encrypted one; one in clear is returned as it is.

    :raises UnknownKey: from ``keys``.
    :raises CheckFailed: it was changed, or another key encrypted it.
    :raises DecodeError: encrypted, but not in the form that is read here.
    """
    if ";alg=" not in uri:
        return uri
    found = _URI.match(uri)
    if found is None:
        raise DecodeError("no encrypted URI", code="xmlsec.uri", clause="TS 24.379 6.6.2")
    key = keys(key_id_of(found[3])).confidentiality
    try:
        sealed, nonce = b64decode(found[1], validate=True), b64decode(found[2], validate=True)
        return AESGCM(key.reveal()).decrypt(nonce, sealed, None).decode()
    except InvalidTag:
        raise CheckFailed(
            "an encrypted URI does not open with this key", code="xmlsec.uri-integrity"
        ) from None
    except ValueError:
        raise DecodeError("no encrypted URI", code="xmlsec.uri", clause="TS 24.379 6.6.2") from None


def _open(attribute: str, data: bytes, keys: KeyLookup) -> object:
    octets = xenc.open_octets(xml.parse(data), lambda name: keys(key_id_of(name)).confidentiality)
    # The content may lean on the namespaces of the element that it was taken from.
    wrapped = xml.parse(f'<content xmlns="{INFO.uri}">'.encode() + octets + b"</content>")
    if len(wrapped) != 1:
        raise DecodeError(
            "what was encrypted is not one element", code="xmlsec.content", clause="TS 24.379 F.1"
        )
    return read_clear(attribute, wrapped[0])
