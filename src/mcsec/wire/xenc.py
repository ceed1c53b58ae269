"""XML encryption of keys and of octets: AES-GCM for content, AES key wrap for keys, one shape of element each.

A key of 8n octets (n > 1) is wrapped as it is (``kw-aes256``, RFC 3394). Other lengths, which RFC 3394 cannot take,
are encrypted with a fresh content key that lies beside them, itself wrapped; or wrapped with padding (RFC 5649)
where a profile says so. A reader takes all three, by the algorithm that is named.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap,
    aes_key_wrap_with_padding,
)
from lxml import etree

from mcsec._core import Secret
from mcsec.errors import CheckFailed, DecodeError, InvalidValue
from mcsec.wire import dsig, xml

NAMESPACE = "http://www.w3.org/2001/04/xmlenc#"
KW_AES256 = "http://www.w3.org/2001/04/xmlenc#kw-aes256"
KW_AES256_PAD = "http://www.w3.org/2009/xmlenc11#kw-aes-256-pad"
AES128_GCM = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
AES256_GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"

KEK_OCTETS = 32
_GCM_KEY_OCTETS = {AES128_GCM: 16, AES256_GCM: 32}
_NONCE_OCTETS = 12
_WRAP_UNIT = 8
_MAX_KEY_NAME = 512

KeyLookup = Callable[[str], Secret]
"""The key of a name; raises :class:`~mcsec.errors.UnknownKey` where there is none."""


class Form(StrEnum):
    """How a key is sealed that RFC 3394 cannot take (``docs/readings/kms.md``)."""

    NESTED = "nested"
    PADDED = "padded"


def _xenc(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _element(name: str, algorithm: str, key_info: str, octets: bytes, carried: str = "") -> str:
    # Namespaces stand on every element, so that each is whole when it is taken out of its document.
    return (
        f'<xenc:{name} xmlns:xenc="{NAMESPACE}"><xenc:EncryptionMethod Algorithm="{algorithm}"/>'
        f'<ds:KeyInfo xmlns:ds="{dsig.NAMESPACE}">{key_info}</ds:KeyInfo>'
        f"<xenc:CipherData><xenc:CipherValue>{b64encode(octets).decode()}</xenc:CipherValue></xenc:CipherData>"
        f"{carried}</xenc:{name}>"
    )


def _plain(key_name: str) -> str:
    if not 0 < len(key_name) <= _MAX_KEY_NAME or any(character in "<>&\r" for character in key_name):
        raise InvalidValue("a key name that XML cannot carry as it is")
    return key_name


def _named(key_name: str) -> str:
    return f"<ds:KeyName>{_plain(key_name)}</ds:KeyName>"


def _kek(key: Secret) -> bytes:
    if len(key) != KEK_OCTETS:
        raise InvalidValue(f"a key that wraps has {KEK_OCTETS} octets")
    return key.reveal()


def seal_key(
    secret: Secret, kek: Secret, key_name: str, form: Form = Form.NESTED, *, carried_name: str = ""
) -> bytes:
    """``secret`` under ``kek`` (32 octets): the octets of one ``xenc:EncryptedKey`` that names ``key_name``.

    ``carried_name`` says what the secret is called. The wrapping does not protect it: a signature must.

    :raises InvalidValue: an empty secret, a wrapping key of another size, or a name that XML cannot carry.
    """
    if len(secret) == 0:
        raise InvalidValue("an empty key")
    wrapping, named = _kek(kek), _named(key_name)
    carried = f"<xenc:CarriedKeyName>{_plain(carried_name)}</xenc:CarriedKeyName>" if carried_name else ""
    octets = secret.reveal()
    if len(octets) % _WRAP_UNIT == 0 and len(octets) > _WRAP_UNIT:
        element = _element("EncryptedKey", KW_AES256, named, aes_key_wrap(wrapping, octets), carried)
    elif form is Form.PADDED:
        wrapped = aes_key_wrap_with_padding(wrapping, octets)
        element = _element("EncryptedKey", KW_AES256_PAD, named, wrapped, carried)
    else:
        content_key = os.urandom(KEK_OCTETS)
        inner = _element("EncryptedKey", KW_AES256, named, aes_key_wrap(wrapping, content_key))
        element = _element("EncryptedKey", AES256_GCM, inner, _encrypt(content_key, octets), carried)
    return element.encode()


def carried_name(encrypted_key: bytes) -> str:
    """What the key in one ``xenc:EncryptedKey`` is called; empty where it is not said.

    :raises DecodeError: no XML.
    """
    return (xml.parse(encrypted_key).findtext(_xenc("CarriedKeyName")) or "").strip()


def wrapping_name(encrypted_key: bytes) -> str:
    """The name of the key that wraps the key in one ``xenc:EncryptedKey``.

    :raises DecodeError: not such an element.
    """
    _, key_info, _ = _parts(xml.parse(encrypted_key), "EncryptedKey")
    if key_info.tag == _xenc("EncryptedKey"):
        _, key_info, _ = _parts(key_info, "EncryptedKey")
    return _name(key_info)


def open_key(encrypted_key: bytes, keys: KeyLookup) -> Secret:
    """The key in one ``xenc:EncryptedKey``, in any of the three forms.

    :raises DecodeError: not such an element (``xenc.shape``).
    :raises UnknownKey: from ``keys``.
    :raises CheckFailed: another key sealed it, or it was changed (``xenc.integrity``).
    """
    return _open_key(xml.parse(encrypted_key), keys, nested=True)


def seal_octets(octets: bytes, key: Secret, key_name: str) -> bytes:
    """``octets`` under ``key`` (16 or 32 octets, AES-GCM): one ``xenc:EncryptedData`` that names ``key_name``.

    :raises InvalidValue: a key of another size, or a name that XML cannot carry.
    """
    for algorithm, size in _GCM_KEY_OCTETS.items():
        if len(key) == size:
            return _element(
                "EncryptedData", algorithm, _named(key_name), _encrypt(key.reveal(), octets)
            ).encode()
    raise InvalidValue("AES-GCM takes a key of 16 or 32 octets")


def open_octets(element: etree._Element, keys: KeyLookup) -> bytes:
    """The octets in one ``xenc:EncryptedData`` whose key is named or lies beside it, wrapped.

    :raises DecodeError, UnknownKey, CheckFailed: as :func:`open_key`.
    """
    algorithm, key_info, octets = _parts(element, "EncryptedData")
    _shape(algorithm in _GCM_KEY_OCTETS, "algorithm")
    if key_info.tag == _xenc("EncryptedKey"):
        return _decrypt(_open_key(key_info, keys, nested=False), algorithm, octets)
    return _decrypt(keys(_name(key_info)), algorithm, octets)


def _open_key(element: etree._Element, keys: KeyLookup, *, nested: bool) -> Secret:
    algorithm, key_info, octets = _parts(element, "EncryptedKey")
    if algorithm == AES256_GCM and nested:
        content_key = _open_key(key_info, keys, nested=False)
        return Secret(_decrypt(content_key, algorithm, octets))
    _shape(algorithm in (KW_AES256, KW_AES256_PAD), "algorithm")
    kek = _kek(keys(_name(key_info)))
    try:
        if algorithm == KW_AES256:
            return Secret(aes_key_unwrap(kek, octets))
        return Secret(aes_key_unwrap_with_padding(kek, octets))
    except (InvalidUnwrap, ValueError):
        raise _damaged() from None


def _parts(element: etree._Element, name: str) -> tuple[str, etree._Element, bytes]:
    """Algorithm, what is in KeyInfo, and the cipher text."""
    _shape(element.tag == _xenc(name), name)
    children = list(element)
    wanted = [_xenc("EncryptionMethod"), f"{{{dsig.NAMESPACE}}}KeyInfo", _xenc("CipherData")]
    if name == "EncryptedKey" and len(children) > len(wanted):
        wanted.append(_xenc("CarriedKeyName"))
    _shape([child.tag for child in children] == wanted, "parts")
    method, key_info, data = children[:3]
    _shape(len(method) == 0 and len(key_info) == 1 and len(data) == 1, "parts")
    _shape(data[0].tag == _xenc("CipherValue") and len(data[0]) == 0, "CipherValue")
    try:
        octets = b64decode("".join((data[0].text or "").split()), validate=True)
    except ValueError:
        octets = b""
    _shape(bool(octets), "CipherValue")
    return method.get("Algorithm", ""), key_info[0], octets


def _name(element: etree._Element) -> str:
    name = (element.text or "").strip()
    _shape(element.tag == f"{{{dsig.NAMESPACE}}}KeyName" and 0 < len(name) <= _MAX_KEY_NAME, "KeyName")
    return name


def _encrypt(key: bytes, octets: bytes) -> bytes:
    nonce = os.urandom(_NONCE_OCTETS)
    return nonce + AESGCM(key).encrypt(nonce, octets, None)


def _decrypt(key: Secret, algorithm: str, octets: bytes) -> bytes:
    if len(key) != _GCM_KEY_OCTETS[algorithm]:
        raise _damaged()
    try:
        return AESGCM(key.reveal()).decrypt(octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:], None)
    except (InvalidTag, ValueError):
        raise _damaged() from None


def _damaged() -> CheckFailed:
    return CheckFailed("what was encrypted does not open with this key", code="xenc.integrity")


def _shape(wanted: bool, what: str) -> None:
    if not wanted:
        raise DecodeError(f"no encrypted element of the accepted shape: {what}", code="xenc.shape")
