"""The payloads between header and signature, and the signature (RFC 3830 6, RFC 6043 6.6, RFC 6509 4.2).

Each class keeps what is on the wire, so that a decoded message encodes to the same octets. ``decode`` gets a
cursor behind the payload's next-payload octet, and ``encode`` gives what follows that octet. Values
that we do not support but can step over are kept; :mod:`mcsec.mikey.open` refuses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from mcsec.crypto.eccsi import SIGNATURE_OCTETS
from mcsec.crypto.sakke import SED_OCTETS
from mcsec.crypto.uid import UID_OCTETS
from mcsec.errors import InvalidValue
from mcsec.ids import NTP_OF_UNIX_EPOCH
from mcsec.mikey.cursor import Cursor
from mcsec.mikey.numbers import (
    PROTOCOL_SRTP,
    RAND_OCTETS,
    SAKKE_PARAMETERS_1,
    SCHEME_3GPP_HASHED_UID,
    SIGNATURE_ECCSI,
    TIMESTAMP_NTP_UTC,
    IdRole,
    IdType,
    PayloadType,
)

_NTP_ERA = 1 << 32
_NTP_SIGN = 1 << 31
_ID_OCTETS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Timestamp:
    """T: NTP seconds since 1900 and their fraction in units of 2^-32 s, both 32 bits."""

    seconds: int
    fraction: int = 0

    type: ClassVar[PayloadType] = PayloadType.T
    slot: ClassVar[str] = "T"

    def __post_init__(self) -> None:
        if not (0 <= self.seconds < _NTP_ERA and 0 <= self.fraction < _NTP_ERA):
            raise InvalidValue("an NTP timestamp has two 32-bit halves")

    @classmethod
    def from_unix(cls, time: float) -> Self:
        """``time`` in seconds since 1970."""
        units = int((time + NTP_OF_UNIX_EPOCH) * _NTP_ERA)
        return cls(*divmod(units % (_NTP_ERA << 32), _NTP_ERA))

    @property
    def unix(self) -> float:
        """Seconds since 1970. A clear top bit means the era that starts in 2036 (RFC 4330 3)."""
        era = 0 if self.seconds & _NTP_SIGN else _NTP_ERA
        return self.seconds + era - NTP_OF_UNIX_EPOCH + self.fraction / _NTP_ERA

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Nine octets."""
        number = cursor.uint(1, "TS type")
        if number != TIMESTAMP_NTP_UTC:
            raise cursor.fail(f"TS type {number} is not NTP-UTC", cursor.offset - 1)
        return cls(cursor.uint(4, "NTP seconds"), cursor.uint(4, "NTP fraction"))

    def encode(self) -> bytes:
        """Nine octets."""
        return bytes((TIMESTAMP_NTP_UTC,)) + self.seconds.to_bytes(4) + self.fraction.to_bytes(4)


@dataclass(frozen=True, slots=True)
class Rand:
    """RAND: 16 octets; an input of key derivation, so the same for every receiver of a key."""

    octets: bytes

    type: ClassVar[PayloadType] = PayloadType.RAND
    slot: ClassVar[str] = "RAND"

    def __post_init__(self) -> None:
        if len(self.octets) != RAND_OCTETS:
            raise InvalidValue(f"RAND has {RAND_OCTETS} octets, not {len(self.octets)}")

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Length, then RAND."""
        return cls(cursor.take(cursor.uint(1, "RAND length"), "RAND"))

    def encode(self) -> bytes:
        """Length, then RAND."""
        return bytes((len(self.octets),)) + self.octets


@dataclass(frozen=True, slots=True)
class Idr:
    """IDR: who takes part. The data is a URI in UTF-8, or a UID of 32 octets in the two UID roles (E.7).

    :raises InvalidValue: the data is no printable text, or no UID, or of a size that makes no sense.
    """

    role: IdRole
    data: bytes
    id_type: IdType = IdType.URI

    type: ClassVar[PayloadType] = PayloadType.IDR

    def __post_init__(self) -> None:
        if self.role.is_uid:
            if len(self.data) != UID_OCTETS:
                raise InvalidValue(f"{self.role.label}: a UID has {UID_OCTETS} octets")
            return
        if not 0 < len(self.data) <= _ID_OCTETS_MAX:
            raise InvalidValue(f"{self.role.label}: a URI has 1 to {_ID_OCTETS_MAX} octets")
        try:
            printable = self.data.decode().isprintable()
        except UnicodeDecodeError:
            raise InvalidValue(f"{self.role.label}: not UTF-8") from None
        if not printable:
            raise InvalidValue(f"{self.role.label}: not printable")

    @classmethod
    def of_uri(cls, role: IdRole, uri: str) -> Self:
        """The payload for a URI, hashed and compared exactly as written."""
        return cls(role, uri.encode())

    @property
    def slot(self) -> str:
        """Which payload of the message this is; a UID takes the URI's place."""
        return _ID_SLOTS[self.role]

    @property
    def uri(self) -> str | None:
        """The URI, or None where a UID stands for it."""
        return None if self.role.is_uid else self.data.decode()

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Role, type, length, data."""
        role = cursor.uint(1, "ID role")
        if role not in _ID_SLOTS:
            raise cursor.fail(f"ID role {role}", cursor.offset - 1)
        id_type = cursor.uint(1, "ID type")
        if id_type not in _ID_TYPES:
            raise cursor.fail(f"ID type {id_type}", cursor.offset - 1)
        return cls(IdRole(role), cursor.take(cursor.uint(2, "ID length"), "ID data"), IdType(id_type))

    def encode(self) -> bytes:
        """Role, type, length, data."""
        return bytes((self.role, self.id_type)) + len(self.data).to_bytes(2) + self.data


_ID_TYPES = frozenset(IdType)
_ID_SLOTS = {
    IdRole.INITIATOR: "IDRi",
    IdRole.RESPONDER: "IDRr",
    IdRole.INITIATOR_KMS: "IDRkmsi",
    IdRole.RESPONDER_KMS: "IDRkmsr",
    IdRole.INITIATOR_UID: "IDRi",
    IdRole.RESPONDER_UID: "IDRr",
}


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """SP: parameters by type, in wire order (RFC 3830 6.10)."""

    parameters: tuple[tuple[int, bytes], ...]
    policy: int = 0
    protocol: int = PROTOCOL_SRTP

    type: ClassVar[PayloadType] = PayloadType.SP
    slot: ClassVar[str] = "SP"

    def __post_init__(self) -> None:
        if len({number for number, _ in self.parameters}) != len(self.parameters):
            raise InvalidValue("SP: a parameter stands twice")
        if not all(0 <= octet <= 0xFF for octet in (self.policy, self.protocol)):
            raise InvalidValue("SP: a field is out of range")
        if not all(0 <= number <= 0xFF and len(value) <= 0xFF for number, value in self.parameters):
            raise InvalidValue("SP: a parameter is out of range")

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Policy number, protocol, length, parameters."""
        policy = cursor.uint(1, "policy")
        protocol = cursor.uint(1, "prot type")
        inner = cursor.window(cursor.uint(2, "parameters length"), "parameters")
        parameters: list[tuple[int, bytes]] = []
        while inner.left:
            number = inner.uint(1, "parameter type")
            parameters.append((number, inner.take(inner.uint(1, "parameter length"), "parameter value")))
        return cls(tuple(parameters), policy, protocol)

    def encode(self) -> bytes:
        """Policy number, protocol, length, parameters."""
        body = b"".join(bytes((number, len(value))) + value for number, value in self.parameters)
        return bytes((self.policy, self.protocol)) + len(body).to_bytes(2) + body


@dataclass(frozen=True, slots=True)
class Sakke:
    """SAKKE: the key, encapsulated to an identity. ``sed`` is R and H, 273 octets under parameter set 1."""

    sed: bytes
    parameters: int = SAKKE_PARAMETERS_1
    scheme: int = SCHEME_3GPP_HASHED_UID

    type: ClassVar[PayloadType] = PayloadType.SAKKE
    slot: ClassVar[str] = "SAKKE"

    def __post_init__(self) -> None:
        if not (0 <= self.parameters <= 0xFF and 0 <= self.scheme <= 0xFF and len(self.sed) <= 0xFFFF):
            raise InvalidValue("SAKKE: a field is out of range")
        if self.parameters == SAKKE_PARAMETERS_1 and len(self.sed) != SED_OCTETS:
            raise InvalidValue(f"SAKKE: the encapsulated key has {SED_OCTETS} octets, not {len(self.sed)}")

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Parameter set, identifier scheme, length, data."""
        parameters = cursor.uint(1, "SAKKE parameters")
        scheme = cursor.uint(1, "ID scheme")
        return cls(cursor.take(cursor.uint(2, "SAKKE length"), "SAKKE data"), parameters, scheme)

    def encode(self) -> bytes:
        """Parameter set, identifier scheme, length, data."""
        return bytes((self.parameters, self.scheme)) + len(self.sed).to_bytes(2) + self.sed


#: The two octets in front of an ECCSI signature; they are part of what is signed.
SIGN_HEADER = (SIGNATURE_ECCSI << 12 | SIGNATURE_OCTETS).to_bytes(2)


@dataclass(frozen=True, slots=True)
class Sign:
    """SIGN: always last, without a next-payload octet. ECCSI signatures have 129 octets: r, s, PVT."""

    signature: bytes
    signature_type: int = SIGNATURE_ECCSI

    type: ClassVar[PayloadType] = PayloadType.SIGN

    def __post_init__(self) -> None:
        if not 0 <= self.signature_type <= 0xF or len(self.signature) > 0xFFF:
            raise InvalidValue("SIGN: a field is out of range")
        if self.signature_type == SIGNATURE_ECCSI and len(self.signature) != SIGNATURE_OCTETS:
            raise InvalidValue(f"SIGN: an ECCSI signature has {SIGNATURE_OCTETS} octets")

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """Type and length in two octets, then the signature."""
        cursor.scope = "SIGN"
        signature_type, length = divmod(cursor.uint(2, "S type and length"), 1 << 12)
        return cls(cursor.take(length, "signature"), signature_type)

    def encode(self) -> bytes:
        """Type and length in two octets, then the signature."""
        return (self.signature_type << 12 | len(self.signature)).to_bytes(2) + self.signature
