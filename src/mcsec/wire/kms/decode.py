"""XML of the KMS interface as values.

The caller has parsed the document (:func:`mcsec.wire.xml.parse`), validated it and checked its signature; what
is read here is the element that the signature covers. Reading is strict about values and tolerant about what
the schema leaves open: ``xsi:type`` may be absent, a UserID may be base64 or hex.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from lxml import etree

from mcsec._core import Secret
from mcsec.errors import DecodeError
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

T = TypeVar("T")
_UID_OCTETS = 32
_ENCRYPTED_KEY = "{http://www.w3.org/2001/04/xmlenc#}EncryptedKey"


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _expect(element: etree._Element, name: str) -> None:
    if element.tag != _name(name):
        raise DecodeError(f"element {name} expected", code="kms.element")


def _find(parent: etree._Element, name: str) -> etree._Element | None:
    found = parent.findall(_name(name))
    if len(found) > 1:
        raise DecodeError(f"element {name} occurs {len(found)} times", code="kms.element")
    return found[0] if found else None


def _required(parent: etree._Element, name: str) -> etree._Element:
    element = _find(parent, name)
    if element is None:
        raise DecodeError(f"element {name} is missing", code="kms.element")
    return element


def _value(element: etree._Element, convert: Callable[[str], T]) -> T:
    text = (element.text or "").strip()
    try:
        return convert(text)
    except ValueError:
        raise DecodeError(f"{etree.QName(element).localname} has no valid value", code="kms.value") from None


def _get(parent: etree._Element, name: str, convert: Callable[[str], T]) -> T:
    return _value(_required(parent, name), convert)


def _maybe(parent: etree._Element, name: str, convert: Callable[[str], T]) -> T | None:
    element = _find(parent, name)
    return None if element is None else _value(element, convert)


def _text(text: str) -> str:
    if not text:
        raise ValueError
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "1", "false", "0"):
        raise ValueError
    return text in ("true", "1")


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    # A time without zone is taken as UTC, as the examples of the specification are.
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _octets(size: int) -> Callable[[str], bytes]:
    def convert(text: str) -> bytes:
        octets = bytes.fromhex(text)
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
    error = _find(root, "ClientError")
    return KmsRequest(
        user_uri=_get(root, "UserUri", _text),
        kms_uri=_get(root, "KmsUri", _text),
        time=_get(root, "Time", _time),
        client_id=_maybe(root, "ClientId", str),
        device_id=_maybe(root, "DeviceId", str),
        client_req_url=_get(root, "ClientReqUrl", _text),
        client_error=None if error is None else (_get(error, "ErrorCode", int), _get(error, "ErrorMsg", str)),
    )


def decode_response(root: etree._Element) -> KmsResponse:
    """A ``KmsResponse`` element.

    :raises DecodeError: as :func:`decode_request`.
    """
    _expect(root, "KmsResponse")
    message, error = _find(root, "KmsMessage"), _find(root, "KmsError")
    return KmsResponse(
        user_uri=_get(root, "UserUri", str),
        kms_uri=_get(root, "KmsUri", _text),
        time=_get(root, "Time", _time),
        kms_id=_maybe(root, "KmsId", str),
        client_req_url=_get(root, "ClientReqUrl", str),
        message=None if message is None else _message(message),
        error=None
        if error is None
        else KmsError(_get(error, "ErrorCode", int), _get(error, "ErrorMsg", str)),
    )


def decode_certificate(element: etree._Element) -> Certificate:
    """A ``KmsCertificate`` element, or the one inside a ``SignedKmsCertificate``.

    :raises DecodeError: as :func:`decode_request`; also a user ID format or parameter set that is not ours.
    """
    if element.tag == _name("SignedKmsCertificate"):
        element = _required(element, "KmsCertificate")
    _expect(element, "KmsCertificate")
    role = element.get("Role")
    if role not in list(Role):
        raise DecodeError("a certificate without a known Role", code="kms.value")
    domains = _find(element, "KmsDomainList")
    certificate = Certificate(
        role=Role(role),
        cert_uri=_maybe(element, "CertUri", str),
        kms_uri=_get(element, "KmsUri", _text),
        issuer=_maybe(element, "Issuer", str),
        valid_from=_maybe(element, "ValidFrom", _time),
        valid_to=_maybe(element, "ValidTo", _time),
        revoked=_maybe(element, "Revoked", _boolean) or False,
        user_id_format=_get(element, "UserIdFormat", str),
        period=_get(element, "UserKeyPeriod", int),
        offset=_get(element, "UserKeyOffset", int),
        pub_enc_key=_get(element, "PubEncKey", _octets(257)),
        pub_auth_key=_get(element, "PubAuthKey", _octets(65)),
        parameter_set=_maybe(element, "ParameterSet", int) or 1,
        domains=()
        if domains is None
        else tuple(_value(domain, _text) for domain in domains.findall(_name("KmsDomain"))),
        revoked_users=tuple(
            _value(user, _user_id)
            for user in element.iterfind(f"{{{REVOKED_NAMESPACE}}}RevokedUsers/{{{REVOKED_NAMESPACE}}}UserID")
        ),
    )
    if certificate.user_id_format != "2" or certificate.parameter_set != 1:
        raise DecodeError("a user ID format or parameter set that is not supported", code="kms.unsupported")
    if not 0 <= certificate.offset < certificate.period:
        raise DecodeError("a key period offset that is not below the key period", code="kms.value")
    return certificate


def _certificates(parent: etree._Element) -> tuple[Certificate, ...]:
    wanted = (_name("SignedKmsCertificate"), _name("KmsCertificate"))
    return tuple(decode_certificate(child) for child in parent if child.tag in wanted)


def _message(parent: etree._Element) -> Init | KeyProv | CertCache:
    children = list(parent)
    if len(children) != 1:
        raise DecodeError("a KmsMessage has one part", code="kms.element")
    child = children[0]
    if child.tag == _name("KmsInit"):
        certificates = _certificates(child)
        if len(certificates) != 1:
            raise DecodeError("a KmsInit has one certificate", code="kms.element")
        return Init(certificates[0], _new_keys(child))
    if child.tag == _name("KmsKeyProv"):
        return KeyProv(tuple(map(_key_set, child.findall(_name("KmsKeySet")))), _new_keys(child))
    if child.tag == _name("KmsCertCache"):
        try:
            number = int(child.get("CacheNum", ""))
        except ValueError:
            raise DecodeError("a certificate cache without its number", code="kms.value") from None
        return CertCache(number, _certificates(child))
    raise DecodeError("an unknown KmsMessage", code="kms.element")


def _key_set(element: etree._Element) -> KeySet:
    return KeySet(
        kms_uri=_get(element, "KmsUri", _text),
        cert_uri=_maybe(element, "CertUri", str),
        issuer=_maybe(element, "Issuer", str),
        user_uri=_get(element, "UserUri", _text),
        user_id=_get(element, "UserID", _user_id),
        valid_from=_maybe(element, "ValidFrom", _time),
        valid_to=_maybe(element, "ValidTo", _time),
        period_no=_get(element, "KeyPeriodNo", int),
        revoked=_maybe(element, "Revoked", _boolean) or False,
        decrypt_key=_content(_required(element, "UserDecryptKey")),
        signing_key=_content(_required(element, "UserSigningKeySSK")),
        pub_token=_content(_required(element, "UserPubTokenPVT")),
    )


def _content(element: etree._Element) -> Content:
    children = list(element)
    if not children:
        return ClearContent(_value(element, lambda text: Secret(bytes.fromhex(_text(text)))))
    if len(children) != 1 or children[0].tag != _ENCRYPTED_KEY:
        raise DecodeError("key content is hexadecimal or one EncryptedKey", code="kms.element")
    # Exclusive canonical form: the element alone, without the namespaces of the document around it.
    return SealedContent(etree.tostring(children[0], method="c14n", exclusive=True))


def _new_keys(element: etree._Element) -> NewKeys:
    def sealed(name: str) -> tuple[SealedContent, ...]:
        contents = [_content(child) for child in element.findall(_name(name))]
        if not all(isinstance(content, SealedContent) for content in contents):
            raise DecodeError("a new protection key in clear", code="kms.element")
        return tuple(content for content in contents if isinstance(content, SealedContent))

    return NewKeys(sealed("NewTransportKey"), sealed("NewIntegrityKey"))
