"""What a KMS and its clients say to each other (TS 33.180 D.3), as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mcsec._core import Secret

NAMESPACE = "urn:3gpp:ns:mcsecKMSInterface:1.0"
#: Our extension of certificates: UIDs of revoked users.
REVOKED_NAMESPACE = "urn:mcsec:kms:revoked:1"
SCHEMA = ("mcsec.wire.kms", "schema.xsd")

#: Below this path a KMS is served (TS 33.180 D.1).
BASE_PATH = "/keymanagement/identity/v1"

#: ``UserIdFormat``: the UID of TS 33.180 F.2.1.
USER_ID_FORMAT = "2"
#: ``ParameterSet``: parameter set 1 of RFC 6509.
PARAMETER_SET = 1


class Role(StrEnum):
    """Whose certificate it is: the client's own KMS, or another domain's."""

    ROOT = "Root"
    EXTERNAL = "External"


@dataclass(frozen=True, slots=True)
class KmsRequest:
    """What a client asks. Times are aware of their zone; ``client_error`` is ``(code, message)``."""

    user_uri: str
    kms_uri: str
    time: datetime
    client_req_url: str
    client_id: str | None = None
    device_id: str | None = None
    client_error: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A KMS's public keys: ``pub_enc_key`` is Z (257 octets), ``pub_auth_key`` KPAK (65 octets).

    ``period`` and ``offset`` are seconds (UserKeyPeriod, UserKeyOffset). ``domains`` are the MC domains whose
    users this KMS serves. ``revoked_users`` are UIDs (32 octets each, of the present key period and its neighbours)
    whose owners were revoked: an extension of ours, in a namespace of its own where the schema leaves room.
    """

    role: Role
    kms_uri: str
    period: int
    offset: int
    pub_enc_key: bytes
    pub_auth_key: bytes
    cert_uri: str | None = None
    issuer: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    revoked: bool = False
    domains: tuple[str, ...] = ()
    user_id_format: str = USER_ID_FORMAT
    parameter_set: int = PARAMETER_SET
    revoked_users: tuple[bytes, ...] = ()

    def __hash__(self) -> int:
        # What tells KMSs apart is enough: the list of revoked users may be long, and answers are looked up by hash.
        return hash((self.kms_uri, self.pub_auth_key))


@dataclass(frozen=True, slots=True)
class ClearContent:
    """Key content in clear inside TLS (``KeyContentType``)."""

    secret: Secret


@dataclass(frozen=True, slots=True)
class SealedContent:
    """Key content under a transport key (``EncKeyContentType``): the octets of one ``xenc:EncryptedKey``."""

    encrypted_key: bytes


Content = ClearContent | SealedContent


@dataclass(frozen=True, slots=True)
class KeySet:
    """A user's keys for one key period: RSK (257 octets), SSK (32) and PVT (65), each in clear or sealed.

    ``user_id`` is the UID, 32 octets. Times are the bounds of the key period.
    """

    kms_uri: str
    user_uri: str
    user_id: bytes
    period_no: int
    decrypt_key: Content
    signing_key: Content
    pub_token: Content
    cert_uri: str | None = None
    issuer: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class NewKeys:
    """Keys for the protection of later exchanges, under the present transport key."""

    transport: tuple[SealedContent, ...] = ()
    integrity: tuple[SealedContent, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.transport or self.integrity)


@dataclass(frozen=True, slots=True)
class Init:
    """Answer to Initialize: the certificate of the client's own KMS."""

    certificate: Certificate
    new_keys: NewKeys = NewKeys()


@dataclass(frozen=True, slots=True)
class KeyProv:
    """Answer to KeyProvision."""

    key_sets: tuple[KeySet, ...]
    new_keys: NewKeys = NewKeys()


@dataclass(frozen=True, slots=True)
class CertCache:
    """Answer to CertCache: what changed since the client's cache number, and the present number."""

    number: int
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class KmsError:
    """A refusal: ``code`` is ours to choose (no list is published), ``message`` gives nothing away."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class KmsResponse:
    """What a KMS answers: a message or an error."""

    user_uri: str
    kms_uri: str
    time: datetime
    client_req_url: str
    message: Init | KeyProv | CertCache | None = None
    error: KmsError | None = None
    kms_id: str | None = None
