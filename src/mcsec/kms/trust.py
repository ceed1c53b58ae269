"""Certificates that a KMS hands out: its own, and those of partner KMSs that its operator trusts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.errors import InvalidValue, LocalError
from mcsec.store.kms import CertificateRow
from mcsec.wire import xml
from mcsec.wire.kms.decode import decode_certificate
from mcsec.wire.kms.encode import encode_certificate
from mcsec.wire.kms.model import SCHEMA, Certificate, Role


class TrustError(LocalError):
    """A partner's certificate cannot be trusted."""

    code = "kms.trust"


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner's certificate and the cache number of its last change."""

    certificate: Certificate
    changed: int


def own(public: KmsPublicKeys, domains: Sequence[str], issuer: str) -> Certificate:
    """A KMS's certificate about itself."""
    return Certificate(
        role=Role.ROOT,
        kms_uri=public.kms_uri,
        period=public.period,
        offset=public.offset,
        pub_enc_key=public.encryption.octets(),
        pub_auth_key=public.authentication.octets(),
        issuer=issuer,
        domains=tuple(domains),
    )


def read_partner(document: bytes) -> Certificate:
    """A partner's certificate from a file: ``KmsCertificate``, or ``SignedKmsCertificate``.

    The operator vouches for it: an XML signature in it is by keys that only its own domain has.

    :raises DecodeError: no such document.
    :raises TrustError: its keys are no points of their curves.
    """
    root = xml.parse(document)
    xml.validate(root, *SCHEMA)
    certificate = decode_certificate(root)
    try:
        KmsPublicKeys.from_octets(
            certificate.kms_uri,
            certificate.pub_enc_key,
            certificate.pub_auth_key,
            certificate.period,
            certificate.offset,
        )
    except InvalidValue as error:
        raise TrustError(f"the certificate of {certificate.kms_uri}: {error}") from None
    return replace(certificate, role=Role.EXTERNAL)


def check(certificate: Certificate, own: Certificate, partners: Iterable[Partner], now: float) -> None:
    """Whether a certificate may be trusted beside the others.

    :raises TrustError: it is over, names our own KMS, or claims a domain that is somebody else's.
    """
    if certificate.kms_uri == own.kms_uri:
        raise TrustError("the certificate names this KMS itself")
    if not valid_at(certificate, now) and not certificate.revoked:
        raise TrustError(f"the certificate of {certificate.kms_uri} is not valid now")
    if not certificate.domains and not certificate.revoked:
        raise TrustError(
            f"the certificate of {certificate.kms_uri} names no domain",
            hint="ask the partner for one with a KmsDomainList: clients find a KMS by domain",
        )
    live = [partner.certificate for partner in partners if not partner.certificate.revoked]
    for other in (own, *live):
        if other.kms_uri == certificate.kms_uri:
            continue
        shared = set(map(str.lower, other.domains)) & set(map(str.lower, certificate.domains))
        if shared:
            raise TrustError(f"{min(shared)} is a domain of {other.kms_uri}")


def valid_at(certificate: Certificate, now: float) -> bool:
    """Whether a time lies in a certificate's validity. Revocation is another question."""
    time = datetime.fromtimestamp(now, UTC)
    early = certificate.valid_from is not None and time < certificate.valid_from
    late = certificate.valid_to is not None and time >= certificate.valid_to
    return not early and not late


def to_row(partner: Partner) -> CertificateRow:
    """For the store."""
    certificate = partner.certificate
    document = xml.serialise(encode_certificate(certificate))
    return CertificateRow(certificate.kms_uri, document, certificate.revoked, partner.changed)


def from_row(row: CertificateRow) -> Partner:
    """From the store."""
    return Partner(decode_certificate(xml.parse(row.document)), row.changed)


@dataclass(frozen=True, slots=True)
class Book:
    """All certificates, with cache numbers: ``number`` is that of the last change.

    Numbers follow the length of the log, which only grows: a number that a client holds stays meaningful when the
    KMS starts anew.
    """

    own: Certificate
    partners: tuple[Partner, ...] = ()
    own_changed: int = 1

    @property
    def number(self) -> int:
        """CacheNum."""
        return max([self.own_changed, *(partner.changed for partner in self.partners)])

    def since(self, number: int | None) -> tuple[Certificate, ...]:
        """What changed after a client's cache number; everything for a number that was never given."""
        after = 0 if number is None or number > self.number else number
        changed = [self.own] if self.own_changed > after else []
        return (*changed, *(partner.certificate for partner in self.partners if partner.changed > after))

    def find(self, name: str) -> Certificate | None:
        """The certificate of a KMS by its URI, or of the KMS of a domain."""
        certificates = [self.own, *(partner.certificate for partner in self.partners)]
        for certificate in certificates:
            if name == certificate.kms_uri:
                return certificate
        lower = name.lower()
        live = [certificate for certificate in certificates if not certificate.revoked]
        for certificate in live:
            if lower in map(str.lower, certificate.domains):
                return certificate
        return None

    def with_partner(self, certificate: Certificate, length: int) -> tuple[Book, Partner]:
        """With a partner's certificate, new or instead of its last. ``length`` is that of the log."""
        partner = Partner(certificate, max(length, self.number + 1))
        others = [known for known in self.partners if known.certificate.kms_uri != certificate.kms_uri]
        return replace(self, partners=(*others, partner)), partner

    def with_revoked_users(self, user_ids: Iterable[bytes], length: int) -> Book:
        """With the UIDs of revoked users in our own certificate. ``length`` is that of the log."""
        revoked = tuple(sorted(user_ids))
        if revoked == self.own.revoked_users:
            return self
        return replace(
            self, own=replace(self.own, revoked_users=revoked), own_changed=max(length, self.number + 1)
        )
