"""XML of the KMS interface as values.

The caller has parsed the document (:func:`mcsec.wire.xml.parse`), validated it and checked its signature; what
is read here is the element that the signature covers. Reading is strict about values and tolerant about what
the schema leaves open: ``xsi:type`` may be absent, a UserID may be base64 or hex.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import TypeVar

from lxml import etree

from mcsec._core import Secret
from mcsec.errors import DecodeError
from mcsec.wire import xml
from mcsec.wire.elements import Namespace, to_boolean, to_octets, to_text, to_time
from mcsec.wire.kms.model import (
    NAMESPACE,
    REVOKED_NAMESPACE,
    CertCache,
    Certificate,
    ClearContent,
    Content,
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

_KMS = Namespace(NAMESPACE, "kms")
T = TypeVar("T")
_UID_OCTETS = 32
_ENCRYPTED_KEY = "{http://www.w3.org/2001/04/xmlenc#}EncryptedKey"


def _expect(element: etree._Element, name: str) -> None:
    if element.tag != _KMS(name):
        raise _KMS.error(f"element {name} expected")


def _get(parent: etree._Element, name: str, convert: Callable[[str], T]) -> T:
    return _KMS.value(_KMS.need(parent, name), convert)


def _integer(text: str) -> int:
    # Bounded, because the time that int() takes grows with the square of the digits.
    if len(text) > 18:
        raise ValueError
    return int(text)


def _octets(size: int) -> Callable[[str], bytes]:
    def convert(text: str) -> bytes:
        octets = to_octets(text)
        if len(octets) != size:
            raise ValueError
        return octets

    return convert


def _user_id(text: str) -> bytes:
    octets = bytes.fromhex(text) if len(text) == 2 * _UID_OCTETS else b64decode(text, validate=True)
    if len(octets) != _UID_OCTETS:
        raise ValueError
    return octets


def decode_request(root: etree._Element) -> KmsRequest:
    """A ``KmsRequest`` element.

    :raises DecodeError: an element is missing, doubled or has no valid value.
    """
    _expect(root, "KmsRequest")
    error = _KMS.find(root, "ClientError")
    return KmsRequest(
        user_uri=_get(root, "UserUri", to_text),
        kms_uri=_get(root, "KmsUri", to_text),
        time=_get(root, "Time", to_time),
        client_id=_KMS.maybe(root, "ClientId", str),
        device_id=_KMS.maybe(root, "DeviceId", str),
        client_req_url=_get(root, "ClientReqUrl", to_text),
        client_error=None
        if error is None
        else (_get(error, "ErrorCode", _integer), _get(error, "ErrorMsg", str)),
    )


def decode_response(root: etree._Element) -> KmsResponse:
    """A ``KmsResponse`` element.

    :raises DecodeError: as :func:`decode_request`.
    """
    _expect(root, "KmsResponse")
    message, error = _KMS.find(root, "KmsMessage"), _KMS.find(root, "KmsError")
    return KmsResponse(
        user_uri=_get(root, "UserUri", str),
        kms_uri=_get(root, "KmsUri", to_text),
        time=_get(root, "Time", to_time),
        kms_id=_KMS.maybe(root, "KmsId", str),
        client_req_url=_get(root, "ClientReqUrl", str),
        message=None if message is None else _message(message),
        error=None
        if error is None
        else KmsError(_get(error, "ErrorCode", _integer), _get(error, "ErrorMsg", str)),
    )


def decode_certificate(element: etree._Element) -> Certificate:
    """A ``KmsCertificate`` element, or the one inside a ``SignedKmsCertificate``.

    :raises DecodeError: as :func:`decode_request`; also a user ID format or parameter set that is not ours.
    """
    if element.tag == _KMS("SignedKmsCertificate"):
        element = _KMS.need(element, "KmsCertificate")
    _expect(element, "KmsCertificate")
    role = element.get("Role")
    if role not in list(Role):
        raise DecodeError("a certificate without a known Role", code="kms.value")
    domains = _KMS.find(element, "KmsDomainList")
    certificate = Certificate(
        role=Role(role),
        cert_uri=_KMS.maybe(element, "CertUri", str),
        kms_uri=_get(element, "KmsUri", to_text),
        issuer=_KMS.maybe(element, "Issuer", str),
        valid_from=_KMS.maybe(element, "ValidFrom", to_time),
        valid_to=_KMS.maybe(element, "ValidTo", to_time),
        revoked=_KMS.maybe(element, "Revoked", to_boolean) or False,
        user_id_format=_get(element, "UserIdFormat", str),
        period=_get(element, "UserKeyPeriod", _integer),
        offset=_get(element, "UserKeyOffset", _integer),
        pub_enc_key=_get(element, "PubEncKey", _octets(257)),
        pub_auth_key=_get(element, "PubAuthKey", _octets(65)),
        parameter_set=_KMS.maybe(element, "ParameterSet", _integer) or 1,
        domains=()
        if domains is None
        else tuple(_KMS.value(domain, to_text) for domain in domains.findall(_KMS("KmsDomain"))),
        revoked_users=tuple(
            _KMS.value(user, _user_id)
            for user in element.iterfind(f"{{{REVOKED_NAMESPACE}}}RevokedUsers/{{{REVOKED_NAMESPACE}}}UserID")
        ),
    )
    if certificate.user_id_format != "2" or certificate.parameter_set != 1:
        raise DecodeError("a user ID format or parameter set that is not supported", code="kms.unsupported")
    if not 0 <= certificate.offset < certificate.period:
        raise DecodeError("a key period offset that is not below the key period", code="kms.value")
    return certificate


def _certificates(parent: etree._Element) -> tuple[Certificate, ...]:
    wanted = (_KMS("SignedKmsCertificate"), _KMS("KmsCertificate"))
    return tuple(decode_certificate(child) for child in parent if child.tag in wanted)


def _message(parent: etree._Element) -> Init | KeyProv | CertCache:
    children = list(parent)
    if len(children) != 1:
        raise _KMS.error("a KmsMessage has one part")
    child = children[0]
    if child.tag == _KMS("KmsInit"):
        certificates = _certificates(child)
        if len(certificates) != 1:
            raise _KMS.error("a KmsInit has one certificate")
        return Init(certificates[0], _new_keys(child))
    if child.tag == _KMS("KmsKeyProv"):
        return KeyProv(tuple(map(_key_set, child.findall(_KMS("KmsKeySet")))), _new_keys(child))
    if child.tag == _KMS("KmsCertCache"):
        try:
            number = _integer(child.get("CacheNum", ""))
        except ValueError:
            raise DecodeError("a certificate cache without its number", code="kms.value") from None
        return CertCache(number, _certificates(child))
    raise _KMS.error("an unknown KmsMessage")


def _key_set(element: etree._Element) -> KeySet:
    return KeySet(
        kms_uri=_get(element, "KmsUri", to_text),
        cert_uri=_KMS.maybe(element, "CertUri", str),
        issuer=_KMS.maybe(element, "Issuer", str),
        user_uri=_get(element, "UserUri", to_text),
        user_id=_get(element, "UserID", _user_id),
        valid_from=_KMS.maybe(element, "ValidFrom", to_time),
        valid_to=_KMS.maybe(element, "ValidTo", to_time),
        period_no=_get(element, "KeyPeriodNo", _integer),
        revoked=_KMS.maybe(element, "Revoked", to_boolean) or False,
        decrypt_key=_content(_KMS.need(element, "UserDecryptKey")),
        signing_key=_content(_KMS.need(element, "UserSigningKeySSK")),
        pub_token=_content(_KMS.need(element, "UserPubTokenPVT")),
    )


def _content(element: etree._Element) -> Content:
    children = list(element)
    if not children:
        return ClearContent(_KMS.value(element, lambda text: Secret(to_octets(text))))
    if len(children) != 1 or children[0].tag != _ENCRYPTED_KEY:
        raise _KMS.error("key content is hexadecimal or one EncryptedKey")
    # Exclusive canonical form: the element alone, without the namespaces of the document around it.
    return SealedContent(xml.canonical(children[0]))


def _new_keys(element: etree._Element) -> NewKeys:
    def sealed(name: str) -> tuple[SealedContent, ...]:
        contents = [_content(child) for child in element.findall(_KMS(name))]
        if not all(isinstance(content, SealedContent) for content in contents):
            raise _KMS.error("a new protection key in clear")
        return tuple(content for content in contents if isinstance(content, SealedContent))

    return NewKeys(sealed("NewTransportKey"), sealed("NewIntegrityKey"))
