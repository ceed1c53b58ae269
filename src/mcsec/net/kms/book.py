"""Which KMS serves which domain: the certificates that a client holds, its own KMS's and those of partners."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.errors import CheckFailed, InvalidValue, Refused
from mcsec.ids import host_of
from mcsec.wire.kms.model import Certificate, Role


class CertificateBook:
    """Certificates by KMS, fed from Initialize and CertCache of a client's own KMS, which vouches for all of them.

    :param kms_uri: the client's own KMS.
    :ivar number: CacheNum of the last update; None before the first.
    """

    def __init__(self, kms_uri: str) -> None:
        self.kms_uri = kms_uri
        self.number: int | None = None
        self._certificates: dict[str, Certificate] = {}
        self._publics: dict[str, KmsPublicKeys] = {}

    def update(self, certificates: Iterable[Certificate], number: int | None = None) -> None:
        """Take certificates; ``number`` is the CacheNum that came with them.

        :raises CheckFailed: our own KMS under other keys than before, or a partner in its role.
        """
        for certificate in certificates:
            own = certificate.kms_uri == self.kms_uri
            if own != (certificate.role is Role.ROOT):
                raise CheckFailed("a KMS certificate in another role than its own", code="kms.role")
            known = self._certificates.get(certificate.kms_uri)
            if known is not None and _keys(known) != _keys(certificate):
                if own:
                    raise CheckFailed(
                        "our own KMS under other keys",
                        code="kms.changed",
                        hint="if the domain was made anew, start this client with an empty store",
                    )
                self._publics.pop(certificate.kms_uri, None)
            self._certificates[certificate.kms_uri] = certificate
            if (public := self._publics.get(certificate.kms_uri)) is not None:
                # The same keys, so the tables stay; perhaps other users are revoked.
                fresh = replace(public, revoked_users=frozenset(certificate.revoked_users))
                self._publics[certificate.kms_uri] = fresh
        if number is not None:
            self.number = number

    def certificates(self) -> list[Certificate]:
        """Every certificate, revoked ones included."""
        return list(self._certificates.values())

    def own(self) -> KmsPublicKeys:
        """Our own KMS.

        :raises Refused: not known yet, or revoked.
        """
        return self._public(self._of_uri(self.kms_uri))

    def of_kms(self, kms_uri: str, now: float) -> KmsPublicKeys:
        """A KMS that a message names.

        :raises Refused: unknown (``kms.unknown``), revoked (``kms.kms-revoked``) or not valid now (``kms.validity``).
        """
        certificate = self._of_uri(kms_uri)
        _check_validity(certificate, now)
        return self._public(certificate)

    def of_user(self, uri: str, now: float) -> KmsPublicKeys:
        """The KMS of a user or server, by its domain.

        :raises Refused: as :meth:`of_kms`.
        """
        host = host_of(uri)
        best: tuple[int, Certificate] | None = None
        for certificate in self._certificates.values():
            for domain in map(str.lower, certificate.domains):
                fits = host == domain or host.endswith(f".{domain}")
                if fits and (best is None or len(domain) > best[0]):
                    best = len(domain), certificate
        if best is None or not host:
            raise _unknown(host or uri)
        _check_validity(best[1], now)
        return self._public(best[1])

    def usable(self, now: float) -> list[KmsPublicKeys]:
        """Every KMS whose users may be believed now."""
        return [
            self._public(certificate)
            for certificate in self._certificates.values()
            if not certificate.revoked and _valid(certificate, now)
        ]

    def _of_uri(self, kms_uri: str) -> Certificate:
        certificate = self._certificates.get(kms_uri)
        if certificate is None:
            raise _unknown(kms_uri)
        if certificate.revoked:
            raise Refused(f"the KMS {kms_uri} is revoked", code="kms.kms-revoked", clause="TS 33.180 D.3.2")
        return certificate

    def _public(self, certificate: Certificate) -> KmsPublicKeys:
        # Made at first use: the tables of a KMS take their time, and most partners are never met.
        public = self._publics.get(certificate.kms_uri)
        if public is None:
            try:
                public = KmsPublicKeys.from_octets(
                    certificate.kms_uri,
                    certificate.pub_enc_key,
                    certificate.pub_auth_key,
                    certificate.period,
                    certificate.offset,
                )
            except InvalidValue:
                raise CheckFailed("a KMS certificate whose keys are none", code="kms.public-keys") from None
            public = replace(public, revoked_users=frozenset(certificate.revoked_users))
            self._publics[certificate.kms_uri] = public
        return public


def _keys(certificate: Certificate) -> tuple[bytes, bytes, int, int]:
    return certificate.pub_enc_key, certificate.pub_auth_key, certificate.period, certificate.offset


def _valid(certificate: Certificate, now: float) -> bool:
    time = datetime.fromtimestamp(now, UTC)
    early = certificate.valid_from is not None and time < certificate.valid_from
    late = certificate.valid_to is not None and time >= certificate.valid_to
    return not early and not late


def _check_validity(certificate: Certificate, now: float) -> None:
    if certificate.revoked:
        raise Refused(
            f"the KMS {certificate.kms_uri} is revoked", code="kms.kms-revoked", clause="TS 33.180 D.3.2"
        )
    if not _valid(certificate, now):
        raise Refused(f"the certificate of {certificate.kms_uri} is not valid now", code="kms.validity")


def _unknown(name: str) -> Refused:
    return Refused(
        f"no KMS is known for {name}",
        code="kms.unknown",
        clause="TS 33.180 5.2.7",
        hint="the operator of this domain's KMS trusts a partner with: mcsec kms trust add FILE",
    )
