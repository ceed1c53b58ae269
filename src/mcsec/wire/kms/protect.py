"""Protection of the KMS interface inside TLS: transport keys (TrK) seal key content, integrity keys (InK) sign.

A client and its KMS share a numbered pair of them, called ``tk.{n}.{user}`` and ``ink.{n}.{user}``. A KMS
replaces them in its answers; the first pair travels under a key that the two agree on in that one exchange
(X25519), or was handed over by the operator.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from lxml import etree

from mcsec._core import Secret, kdf
from mcsec.errors import CheckFailed, DecodeError, UnknownKey
from mcsec.wire import dsig, xenc, xml
from mcsec.wire.kms.encode import encode_request
from mcsec.wire.kms.model import (
    NAMESPACE,
    ClearContent,
    Content,
    KmsRequest,
    NewKeys,
    SealedContent,
)

#: Our extension of a request that asks for a first pair of keys; schema and standard leave room for it.
BOOTSTRAP_NAMESPACE = "urn:mcsec:kms:bootstrap:1"
_BOOTSTRAP = f"{{{BOOTSTRAP_NAMESPACE}}}PublicKey"
_BOOTSTRAP_LABEL = b"mcsec-kms-bootstrap/1"
_KEY_OCTETS = 32
_NAME = re.compile(r"(tk|ink|bootstrap)\.([0-9]{1,9})\.(.{1,400})", re.DOTALL)
_TRANSPORT, _INTEGRITY, _FIRST = "tk", "ink", "bootstrap"


@dataclass(frozen=True, slots=True)
class ProtectionKeys:
    """A numbered pair of TrK and InK, 32 octets each, between ``user``'s client and its KMS."""

    user: str
    number: int
    transport: Secret
    integrity: Secret

    @classmethod
    def fresh(cls, user: str, number: int) -> Self:
        """A new pair."""
        return cls(user, number, Secret.random(_KEY_OCTETS), Secret.random(_KEY_OCTETS))

    @property
    def transport_name(self) -> str:
        """``tk.{n}.{user}``."""
        return f"{_TRANSPORT}.{self.number}.{self.user}"

    @property
    def integrity_name(self) -> str:
        """``ink.{n}.{user}``."""
        return f"{_INTEGRITY}.{self.number}.{self.user}"

    def transport_key(self, name: str) -> Secret:
        """A look-up for :mod:`mcsec.wire.xenc`.

        :raises UnknownKey: another name.
        """
        return _of_name(name, self.transport_name, self.transport)

    def integrity_key(self, name: str) -> Secret:
        """A look-up for :mod:`mcsec.wire.dsig`.

        :raises UnknownKey: another name.
        """
        return _of_name(name, self.integrity_name, self.integrity)


def _of_name(name: str, wanted: str, key: Secret) -> Secret:
    if name != wanted:
        raise UnknownKey("a protection key that is not the present one", code="kms.protection-key")
    return key


def parse_integrity_name(name: str) -> tuple[str, int]:
    """User and number in ``ink.{n}.{user}``.

    :raises UnknownKey: no such name.
    """
    match = _NAME.fullmatch(name)
    if match is None or match[1] != _INTEGRITY:
        raise UnknownKey("no name of an integrity key", code="kms.protection-key")
    return match[3], int(match[2])


# Requests


def write_request(
    request: KmsRequest, keys: ProtectionKeys | None, bootstrap: Bootstrap | None = None
) -> bytes:
    """A request as a document: signed where there are keys, asking for some where there is a bootstrap."""
    element = encode_request(request)
    # Two requests of the same second differ, so that the second is no replay of the first.
    element.set("Id", f"r{secrets.token_hex(8)}")
    if bootstrap is not None:
        etree.SubElement(element, _BOOTSTRAP, None, {None: BOOTSTRAP_NAMESPACE}).text = b64encode(
            bootstrap.public
        ).decode()
    if keys is None:
        return xml.serialise(element)
    return _signed("SignedKmsRequest", element, keys)


def bootstrap_of(request: etree._Element) -> bytes | None:
    """The public key of a client that asks for a first pair of keys (32 octets).

    :raises DecodeError: it is none.
    """
    text = request.findtext(_BOOTSTRAP)
    if text is None:
        return None
    try:
        octets = b64decode(text.strip(), validate=True)
    except ValueError:
        octets = b""
    if len(octets) != _KEY_OCTETS:
        raise DecodeError("a bootstrap key that is none", code="kms.value")
    return octets


def _signed(name: str, element: etree._Element, keys: ProtectionKeys) -> bytes:
    root = etree.Element(f"{{{NAMESPACE}}}{name}", None, {None: NAMESPACE})
    root.append(element)
    root.append(dsig.sign(element, keys.integrity, keys.integrity_name))
    return xml.serialise(root)


# Key content


def seal(secret: Secret, keys: ProtectionKeys | None, form: xenc.Form = xenc.Form.NESTED) -> Content:
    """Key content under the TrK; in clear, for inside TLS only, where there are no keys."""
    if keys is None:
        return ClearContent(secret)
    return SealedContent(xenc.seal_key(secret, keys.transport, keys.transport_name, form))


def unseal(content: Content, keys: ProtectionKeys | None) -> Secret:
    """The secret in key content. With keys, content in clear is refused: nobody may take the protection away.

    :raises CheckFailed: in clear, or changed.
    :raises DecodeError, UnknownKey: as :func:`mcsec.wire.xenc.open_key`.
    """
    if isinstance(content, ClearContent):
        if keys is not None:
            raise CheckFailed("key content in clear where it is to be sealed", code="kms.unsealed")
        return content.secret
    if keys is None:
        raise UnknownKey("sealed key content and no transport key", code="kms.protection-key")
    return xenc.open_key(content.encrypted_key, keys.transport_key)


# New pairs of keys


def offer(new: ProtectionKeys, wrapping: Secret, wrapping_name: str) -> NewKeys:
    """``new`` for an answer, under the present TrK or under that of a bootstrap."""

    def sealed(key: Secret, name: str) -> SealedContent:
        return SealedContent(xenc.seal_key(key, wrapping, wrapping_name, carried_name=name))

    return NewKeys((sealed(new.transport, new.transport_name),), (sealed(new.integrity, new.integrity_name),))


def accept(offered: NewKeys, keys: Callable[[str], Secret]) -> ProtectionKeys:
    """The pair of keys in an answer.

    :raises DecodeError: not one TrK and one InK of the same number and user.
    :raises UnknownKey, CheckFailed: as :func:`mcsec.wire.xenc.open_key`.
    """
    if len(offered.transport) != 1 or len(offered.integrity) != 1:
        raise DecodeError("new protection keys come as one pair", code="kms.element")
    transport, integrity = offered.transport[0].encrypted_key, offered.integrity[0].encrypted_key
    names = _NAME.fullmatch(xenc.carried_name(transport)), _NAME.fullmatch(xenc.carried_name(integrity))
    if names[0] is None or names[1] is None or names[0].groups()[1:] != names[1].groups()[1:]:
        raise DecodeError("new protection keys without names that belong together", code="kms.element")
    if (names[0][1], names[1][1]) != (_TRANSPORT, _INTEGRITY):
        raise DecodeError("new protection keys under names of another kind", code="kms.element")
    pair = ProtectionKeys(
        names[0][3], int(names[0][2]), xenc.open_key(transport, keys), xenc.open_key(integrity, keys)
    )
    if len(pair.transport) != _KEY_OCTETS or len(pair.integrity) != _KEY_OCTETS:
        raise DecodeError("a protection key of another size", code="kms.value")
    return pair


class Bootstrap:
    """A client's side of the one exchange in which it has no keys yet."""

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()

    def accept(self, offered: NewKeys, user: str) -> ProtectionKeys:
        """The first pair of keys, as the KMS offered it.

        :raises DecodeError, CheckFailed: it is none, or not for ``user``.
        """

        def key(name: str) -> Secret:
            match = _NAME.fullmatch(name)
            try:
                public = b64decode(match[3], validate=True) if match and match[1] == _FIRST else b""
            except ValueError:
                public = b""
            if len(public) != _KEY_OCTETS:
                raise UnknownKey("a first pair of keys under another key", code="kms.protection-key")
            return _agreed(self._private, public, self.public, public, user)

        pair = accept(offered, key)
        if pair.user != user:
            raise CheckFailed("protection keys of another user", code="kms.protection-key")
        return pair


def offer_first(new: ProtectionKeys, client_public: bytes) -> NewKeys:
    """A KMS's side: ``new`` under a key agreed with the client's public key (32 octets).

    :raises CheckFailed: the public key is of low order.
    """
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    wrapping = _agreed(private, client_public, client_public, public, new.user)
    return offer(new, wrapping, f"{_FIRST}.1.{b64encode(public).decode()}")


def _agreed(private: X25519PrivateKey, peer: bytes, client: bytes, kms: bytes, user: str) -> Secret:
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        raise CheckFailed("a bootstrap key that agrees with everybody", code="kms.bootstrap") from None
    return kdf(Secret(shared), 0xFF, [_BOOTSTRAP_LABEL, client, kms, user.encode()])
