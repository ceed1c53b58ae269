"""Responses of a KMS as documents, written in canonical form at once, and the signatures of certificates in them."""

from __future__ import annotations

import re
from functools import lru_cache
from xml.sax.saxutils import escape

from lxml import etree

from mcsec.errors import CheckFailed, InvalidValue
from mcsec.wire import dsig, xml
from mcsec.wire.elements import time
from mcsec.wire.kms.encode import RESPONSE_ID, encode_message
from mcsec.wire.kms.model import NAMESPACE, CertCache, Init, KeyProv, KmsResponse
from mcsec.wire.kms.protect import ProtectionKeys


def write_response(
    response: KmsResponse, keys: ProtectionKeys | None, *, sign_certificates: bool = False
) -> bytes:
    """A response as a document: ``SignedKmsResponse`` under ``keys``, or a bare ``KmsResponse``.

    It is written in canonical form at once, as what is signed must be; a KMS answers thousands in a second.

    :param sign_certificates: each certificate in it is a ``SignedKmsCertificate`` under ``keys`` too.
    """
    octets = _canonical_response(response, keys if sign_certificates else None)
    if keys is None:
        return _DECLARATION + octets
    signature = dsig.sign_octets(octets, RESPONSE_ID, keys.integrity, keys.integrity_name)
    return b"".join((_DECLARATION, _SIGNED_HEAD, octets, signature, _SIGNED_TAIL))


_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_SIGNED_HEAD = f'<SignedKmsResponse xmlns="{NAMESPACE}">'.encode()
_SIGNED_TAIL = b"</SignedKmsResponse>"
_RESPONSE_HEAD = f'<KmsResponse xmlns="{NAMESPACE}" Id="{RESPONSE_ID}" Version="1.0.0">'
_MESSAGE_HEAD = f'<KmsMessage xmlns="{NAMESPACE}"'.encode()


def _canonical_response(response: KmsResponse, certifying: ProtectionKeys | None) -> bytes:
    parts = [
        _RESPONSE_HEAD,
        _written("UserUri", response.user_uri),
        _written("KmsUri", response.kms_uri),
        _written("Time", time(response.time) or ""),
        "" if response.kms_id is None else _written("KmsId", response.kms_id),
        _written("ClientReqUrl", response.client_req_url),
    ]
    message = b"" if response.message is None else _canonical_message(response.message, certifying)
    error = ""
    if response.error is not None:
        inner = _written("ErrorCode", str(response.error.code)) + _written("ErrorMsg", response.error.message)
        error = f"<KmsError>{inner}</KmsError>"
    return b"".join(("".join(parts).encode(), message, error.encode(), b"</KmsResponse>"))


def _canonical_message(message: Init | KeyProv | CertCache, certifying: ProtectionKeys | None) -> bytes:
    if isinstance(message, Init) and not message.new_keys and certifying is None:
        return _canonical_init(message)
    return _message_octets(message, certifying)


@lru_cache(8)
def _canonical_init(message: Init) -> bytes:
    # The same for every client until something changes about the KMS.
    return _message_octets(message, None)


def _message_octets(message: Init | KeyProv | CertCache, certifying: ProtectionKeys | None) -> bytes:
    element = encode_message(message)
    if certifying is not None:
        _sign_certificates(element, certifying)
    octets = xml.canonical(element)
    # Inside a response the namespace is already declared, and canonical form declares nothing twice.
    return b"<KmsMessage" + octets.removeprefix(_MESSAGE_HEAD)


def _sign_certificates(message: etree._Element, keys: ProtectionKeys) -> None:
    for number, certificate in enumerate(list(message.iter(_CERTIFICATE))):
        certificate.set("Id", f"certificate{number}")
        signed = etree.Element(_SIGNED_CERTIFICATE, nsmap=certificate.nsmap)
        parent = certificate.getparent()
        assert parent is not None, "a message holds its certificates"
        parent.replace(certificate, signed)
        signed.append(certificate)
        signed.append(dsig.sign(certificate, keys.integrity, keys.integrity_name))


def check_certificates(response: etree._Element, keys: ProtectionKeys) -> None:
    """Check the signatures of the certificates in a response whose own signature holds.

    One under another key than ours says nothing to us, and takes nothing from the signature around it.

    :raises DecodeError, CheckFailed: as :func:`mcsec.wire.dsig.verify`; or it covers something else.
    """
    for signed in response.iter(_SIGNED_CERTIFICATE):
        if len(signed) < 2:
            continue
        signature = dsig.read(xml.parse(xml.canonical(signed)))
        if signature.key_name != keys.integrity_name:
            continue
        if signature.covered.tag != _CERTIFICATE:
            raise CheckFailed("a signature of a certificate over something else", code="kms.wrapped")
        signature.verify(keys.integrity)


_CERTIFICATE = f"{{{NAMESPACE}}}KmsCertificate"
_SIGNED_CERTIFICATE = f"{{{NAMESPACE}}}SignedKmsCertificate"


def _written(name: str, text: str) -> str:
    if _SPECIAL.search(text):
        if _UNWRITABLE.search(text):
            raise InvalidValue(f"{name}: no text for XML", code="xml.text")
        text = escape(text, _CARRIAGE_RETURN)
    return f"<{name}>{text}</{name}>"


_SPECIAL = re.compile(r"[^ -%'-;=?-~]")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_CARRIAGE_RETURN = {"\r": "&#xD;"}
