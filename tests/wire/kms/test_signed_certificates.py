"""Certificates that are signed one by one, inside an answer that is signed as a whole."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lxml import etree

from mcsec.errors import CheckFailed, DecodeError
from mcsec.wire import dsig, xml
from mcsec.wire.kms.answer import check_certificates, write_response
from mcsec.wire.kms.decode import decode_response
from mcsec.wire.kms.model import NAMESPACE, SCHEMA, CertCache, Certificate, Init, KmsResponse, Role
from mcsec.wire.kms.protect import ProtectionKeys

KEYS = ProtectionKeys.fresh("sip:u@a.example", 3)
OTHERS = ProtectionKeys.fresh("sip:u@a.example", 4)
OWN = Certificate(
    Role.ROOT, "kms.a.example", 2_592_000, 0, b"\4" * 257, b"\4" * 65, revoked_users=(b"r" * 32,)
)
PARTNER = replace(OWN, role=Role.EXTERNAL, kms_uri="kms.b.example", revoked_users=(), domains=("b.example",))
SIGNED = f"{{{NAMESPACE}}}SignedKmsCertificate"


def answer(message: Init | CertCache) -> KmsResponse:
    return KmsResponse(
        "sip:u@a.example", "kms.a.example", datetime(2026, 11, 23, tzinfo=UTC), "https://kms", message
    )


@pytest.mark.parametrize("message", [Init(OWN), CertCache(7, (OWN, PARTNER)), CertCache(7, ())])
def test_each_certificate_and_the_whole_are_signed(message: Init | CertCache) -> None:
    document = xml.parse(write_response(answer(message), KEYS, sign_certificates=True))
    xml.validate(document, *SCHEMA)
    element = dsig.verify(document, KEYS.integrity_key).element
    count = 1 if isinstance(message, Init) else len(message.certificates)
    assert len(list(element.iter(SIGNED))) == count
    check_certificates(element, KEYS)
    assert decode_response(element).message == message


def test_none_is_signed_unless_asked_for() -> None:
    document = xml.parse(write_response(answer(Init(OWN)), KEYS))
    assert not list(document.iter(SIGNED))


def _another_period(signed: etree._Element) -> None:
    signed[0].find(f"{{{NAMESPACE}}}UserKeyPeriod").text = "60"  # type: ignore[union-attr]  # it is there


def _another_element(signed: etree._Element) -> None:
    """The signature is right, of something else that stands beside."""
    other = etree.SubElement(signed, "{urn:x}Other", {"Id": "other"}, {None: "urn:x"})
    other.text = "anything"
    signed[1].getparent().replace(signed[1], dsig.sign(other, KEYS.integrity, KEYS.integrity_name))  # type: ignore[union-attr]


def _two(signed: etree._Element) -> None:
    signed.append(deepcopy(signed[1]))


@pytest.mark.parametrize("attack", [_another_period, _another_element, _two])
def test_what_is_wrong_with_one_is_refused(attack: Callable[[etree._Element], None]) -> None:
    """Also by somebody who can sign the answer around it."""
    document = xml.parse(write_response(answer(Init(OWN)), KEYS, sign_certificates=True))
    attack(next(document.iter(SIGNED)))
    with pytest.raises((CheckFailed, DecodeError)):
        check_certificates(document[0], KEYS)


def test_a_signature_under_another_key_counts_for_nothing() -> None:
    document = xml.parse(write_response(answer(Init(OWN)), OTHERS, sign_certificates=True))
    _another_period(next(document.iter(SIGNED)))
    check_certificates(document[0], KEYS)
    with pytest.raises(CheckFailed):
        check_certificates(document[0], OTHERS)
