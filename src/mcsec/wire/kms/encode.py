"""Values of the KMS interface as XML. Signing is not done here: the element is handed to whoever signs."""

from __future__ import annotations

from base64 import b64encode

from lxml import etree

from mcsec.wire.elements import Namespace, boolean, time
from mcsec.wire.kms.model import (
    NAMESPACE,
    REVOKED_NAMESPACE,
    CertCache,
    Certificate,
    Content,
    Init,
    KeyProv,
    KeySet,
    KmsRequest,
    KmsResponse,
    NewKeys,
    SealedContent,
)

XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NSMAP = {None: NAMESPACE, "xsi": XSI}
_TYPE = f"{{{XSI}}}type"
_KMS = Namespace(NAMESPACE, "kms")

#: Names of the attribute ``Id`` that a signature refers to.
REQUEST_ID = "request"
RESPONSE_ID = "response"


def _add(parent: etree._Element, name: str, text: object = None, **attributes: str) -> etree._Element:
    element = _KMS.add(parent, name, None if text is None else str(text))
    for attribute, value in attributes.items():
        element.set(attribute, value)
    return element


def encode_request(request: KmsRequest) -> etree._Element:
    """A ``KmsRequest`` element."""
    root = etree.Element(f"{{{NAMESPACE}}}KmsRequest", {"Id": REQUEST_ID, "Version": "1.1.0"}, _NSMAP)
    _add(root, "UserUri", request.user_uri)
    _add(root, "KmsUri", request.kms_uri)
    _add(root, "Time", time(request.time))
    _KMS.add_if(root, "ClientId", request.client_id)
    _KMS.add_if(root, "DeviceId", request.device_id)
    _add(root, "ClientReqUrl", request.client_req_url)
    if request.client_error is not None:
        _add_error(root, "ClientError", *request.client_error)
    return root


def encode_response(response: KmsResponse) -> etree._Element:
    """A ``KmsResponse`` element."""
    root = etree.Element(f"{{{NAMESPACE}}}KmsResponse", {"Id": RESPONSE_ID, "Version": "1.0.0"}, _NSMAP)
    _add(root, "UserUri", response.user_uri)
    _add(root, "KmsUri", response.kms_uri)
    _add(root, "Time", time(response.time))
    _KMS.add_if(root, "KmsId", response.kms_id)
    _add(root, "ClientReqUrl", response.client_req_url)
    if response.message is not None:
        _add_message(_add(root, "KmsMessage"), response.message)
    if response.error is not None:
        _add_error(root, "KmsError", response.error.code, response.error.message)
    return root


def encode_message(message: Init | KeyProv | CertCache) -> etree._Element:
    """A ``KmsMessage`` element on its own."""
    root = etree.Element(f"{{{NAMESPACE}}}KmsMessage", None, _NSMAP)
    _add_message(root, message)
    return root


def encode_certificate(certificate: Certificate) -> etree._Element:
    """A ``KmsCertificate`` element on its own, as partners exchange it."""
    root = etree.Element(f"{{{NAMESPACE}}}KmsCertificate", None, _NSMAP)
    _fill_certificate(root, certificate)
    return root


def _add_message(parent: etree._Element, message: Init | KeyProv | CertCache) -> None:
    if isinstance(message, Init):
        element = _add(parent, "KmsInit", Version="1.0.0")
        _fill_certificate(_add(element, "KmsCertificate"), message.certificate)
        _add_new_keys(element, message.new_keys, "KmsInitTkIkType")
    elif isinstance(message, KeyProv):
        element = _add(parent, "KmsKeyProv", Version="1.0.0")
        for key_set in message.key_sets:
            _fill_key_set(_add(element, "KmsKeySet", Version="1.1.0"), key_set)
        _add_new_keys(element, message.new_keys, "KmsKeyProvTkIkType")
    else:
        element = _add(parent, "KmsCertCache", Version="1.0.0", CacheNum=str(message.number))
        for certificate in message.certificates:
            _fill_certificate(_add(element, "KmsCertificate"), certificate)


def _fill_certificate(element: etree._Element, certificate: Certificate) -> None:
    element.set("Version", "1.1.0")
    element.set("Role", certificate.role)
    _KMS.add_if(element, "CertUri", certificate.cert_uri)
    _add(element, "KmsUri", certificate.kms_uri)
    _KMS.add_if(element, "Issuer", certificate.issuer)
    _KMS.add_if(element, "ValidFrom", time(certificate.valid_from))
    _KMS.add_if(element, "ValidTo", time(certificate.valid_to))
    _add(element, "Revoked", boolean(certificate.revoked))
    _add(element, "UserIdFormat", certificate.user_id_format)
    _add(element, "UserKeyPeriod", certificate.period)
    _add(element, "UserKeyOffset", certificate.offset)
    _add(element, "PubEncKey", certificate.pub_enc_key.hex())
    _add(element, "PubAuthKey", certificate.pub_auth_key.hex())
    _add(element, "ParameterSet", certificate.parameter_set)
    if certificate.domains:
        domains = _add(element, "KmsDomainList")
        for domain in certificate.domains:
            _add(domains, "KmsDomain", domain)
    if certificate.revoked_users:
        revoked = etree.SubElement(
            element, f"{{{REVOKED_NAMESPACE}}}RevokedUsers", None, {None: REVOKED_NAMESPACE}
        )
        for user_id in certificate.revoked_users:
            etree.SubElement(revoked, f"{{{REVOKED_NAMESPACE}}}UserID").text = b64encode(user_id).decode()


def _fill_key_set(element: etree._Element, key_set: KeySet) -> None:
    _add(element, "KmsUri", key_set.kms_uri)
    _KMS.add_if(element, "CertUri", key_set.cert_uri)
    _KMS.add_if(element, "Issuer", key_set.issuer)
    _add(element, "UserUri", key_set.user_uri)
    _add(element, "UserID", b64encode(key_set.user_id).decode())
    _KMS.add_if(element, "ValidFrom", time(key_set.valid_from))
    _KMS.add_if(element, "ValidTo", time(key_set.valid_to))
    _add(element, "KeyPeriodNo", key_set.period_no)
    _add(element, "Revoked", boolean(key_set.revoked))
    _add_content(element, "UserDecryptKey", key_set.decrypt_key)
    _add_content(element, "UserSigningKeySSK", key_set.signing_key)
    _add_content(element, "UserPubTokenPVT", key_set.pub_token)


def _add_content(parent: etree._Element, name: str, content: Content) -> None:
    element = _add(parent, name)
    if isinstance(content, SealedContent):
        element.set(_TYPE, "EncKeyContentType")
        # The octets come from our own sealing, not from the network.
        element.append(etree.fromstring(content.encrypted_key))
    else:
        element.set(_TYPE, "KeyContentType")
        element.text = content.secret.reveal().hex()


def _add_new_keys(element: etree._Element, keys: NewKeys, extended_type: str) -> None:
    if not keys:
        return
    element.set(_TYPE, extended_type)
    for content in keys.transport:
        _add_content(element, "NewTransportKey", content)
    for content in keys.integrity:
        _add_content(element, "NewIntegrityKey", content)


def _add_error(parent: etree._Element, name: str, code: int, message: str) -> None:
    error = _add(parent, name)
    _add(error, "ErrorCode", code)
    _add(error, "ErrorMsg", message)
