"""What a KMS publishes, what it hands out, and what it keeps: the values that every room shares.

Everybody holds a KMS's :class:`KmsPublicKeys`; the owner of an identity holds :class:`IdentityKeys` for each key
period, which exist only validated; a KMS holds :class:`KmsMasterKeys`. How they are transported and stored is said
elsewhere (``wire.kms``, ``store``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Self

from mcsec._core import (
    EccsiMasterSecret,
    EccsiPublicKey,
    EccsiSigner,
    SakkeMasterSecret,
    SakkePublicKey,
    SakkeReceiver,
    Secret,
)
from mcsec.crypto.uid import check_period, ntp_seconds, period_number, uid

__all__ = ["IdentityKeys", "KmsMasterKeys", "KmsPublicKeys", "MasterSecrets", "UserKeyMaterial"]


@dataclass(frozen=True, slots=True)
class KmsPublicKeys:
    """What a KMS publishes (its certificate, TS 33.180 D.3.2): names, keys, key periods, and whom it revoked.

    ``period`` and ``offset`` are UserKeyPeriod and UserKeyOffset in seconds. ``revoked_users`` are UIDs (32 octets)
    whose messages count no more. The native keys carry tables of multiples; share one object per KMS.

    :raises InvalidValue: unless 0 <= offset < period.
    """

    kms_uri: str
    encryption: SakkePublicKey
    authentication: EccsiPublicKey
    period: int
    offset: int = 0
    revoked_users: frozenset[bytes] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        check_period(self.period, self.offset)

    @classmethod
    def from_octets(cls, kms_uri: str, z: bytes, kpak: bytes, period: int, offset: int = 0) -> Self:
        """From the octets of PubEncKey (Z, 257) and PubAuthKey (KPAK, 65). Makes the tables.

        :raises InvalidValue: a key is no point of its curve, or the period is none.
        """
        check_period(period, offset)
        return cls(kms_uri, SakkePublicKey(z), EccsiPublicKey(kpak), period, offset)

    def period_at(self, unix_time: float) -> int:
        """The number of the key period at a time in seconds since 1970.

        :raises InvalidValue: the time is before the first period.
        """
        return period_number(ntp_seconds(unix_time), self.period, self.offset)

    def uid_in(self, uri: str, period_no: int) -> bytes:
        """The UID of ``uri`` in one key period, 32 octets.

        :raises InvalidValue: the URI or the number is none.
        """
        return uid(uri, self.kms_uri, self.period, self.offset, period_no)

    def uid_of(self, uri: str, unix_time: float) -> bytes:
        """The UID of ``uri`` at a time in seconds since 1970 (the message's, not the clock's), 32 octets.

        :raises InvalidValue: the URI is none, or the time is before the first period.
        """
        return self.uid_in(uri, self.period_at(unix_time))


@dataclass(frozen=True, slots=True)
class UserKeyMaterial:
    """What a KMS hands to the owner of a UID: RSK (257 octets), SSK (32 octets) and PVT (65 octets)."""

    rsk: Secret
    ssk: Secret
    pvt: bytes


@dataclass(frozen=True, slots=True)
class IdentityKeys:
    """An identity's keys in one key period, validated: made by :meth:`validate` only."""

    uri: str
    kms_uri: str
    period_no: int
    uid: bytes
    decryption: SakkeReceiver
    signer: EccsiSigner

    @classmethod
    def validate(
        cls,
        public: KmsPublicKeys,
        uri: str,
        period_no: int,
        rsk: Secret,
        ssk: Secret,
        pvt: bytes,
        *,
        compact: bool = False,
    ) -> Self:
        """Check what a KMS delivered against what it publishes (RFC 6508 6.1.2, RFC 6507 5.1.2).

        ``compact`` keys are small and open slowly, as :class:`~mcsec._core.SakkeReceiver` says.

        :raises CheckFailed: RSK, or SSK with PVT, does not belong to ``uri`` in that period.
        :raises InvalidValue: a key has not its size, or the URI or number is none.
        """
        uid = public.uid_in(uri, period_no)
        signer = EccsiSigner(public.authentication, uid, ssk, pvt)
        decryption = SakkeReceiver(public.encryption, uid, rsk, compact=compact)
        return cls(uri, public.kms_uri, period_no, uid, decryption, signer)


class IdentitySecrets(NamedTuple):
    """An identity's keys in one key period as a KMS delivers them, for storage under wrap: RSK, SSK, and PVT."""

    uri: str
    period_no: int
    rsk: Secret
    ssk: Secret
    pvt: bytes


class MasterSecrets(NamedTuple):
    """A KMS's master secrets as octets, for storage under wrap: z (128) and KSAK (32)."""

    z: Secret
    ksak: Secret


@dataclass(frozen=True, slots=True)
class KmsMasterKeys:
    """What a KMS keeps: the master secrets of SAKKE and ECCSI. Whoever has them can be anybody in the domain."""

    encryption: SakkeMasterSecret
    authentication: EccsiMasterSecret

    @classmethod
    def generate(cls) -> Self:
        """Fresh master secrets.

        :raises RandomnessUnavailable: the operating system gave no randomness.
        """
        return cls(SakkeMasterSecret.generate(), EccsiMasterSecret.generate())

    @classmethod
    def from_secrets(cls, secrets: MasterSecrets) -> Self:
        """From what :meth:`export` gave.

        :raises InvalidValue: a secret has not its size or is out of range.
        """
        return cls(SakkeMasterSecret(secrets.z), EccsiMasterSecret(secrets.ksak))

    def export(self) -> MasterSecrets:
        """The master secrets, for storage under wrap."""
        return MasterSecrets(self.encryption.export(), self.authentication.export())

    def public(self, kms_uri: str, period: int, offset: int = 0) -> KmsPublicKeys:
        """What this KMS publishes under its URI. Makes the tables: keep the result.

        :raises InvalidValue: unless 0 <= offset < period.
        """
        z, kpak = self.encryption.public_octets(), self.authentication.public_octets()
        return KmsPublicKeys.from_octets(kms_uri, z, kpak, period, offset)

    def extract(self, uid: bytes) -> UserKeyMaterial:
        """The keys of a UID. SSK and PVT are new ones at every call; all of them are valid.

        :raises InvalidValue: the UID is the one, out of 2^256, that has no RSK.
        """
        ssk, pvt = self.authentication.extract(uid)
        return UserKeyMaterial(self.encryption.extract(uid), ssk, pvt)
