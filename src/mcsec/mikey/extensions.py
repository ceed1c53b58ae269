"""General extensions: SAKKE-to-self (TS 33.180 E.5) and protected 3GPP key parameters (E.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from mcsec.errors import InvalidValue
from mcsec.mikey.cursor import Cursor
from mcsec.mikey.numbers import ExtensionType, PayloadType
from mcsec.mikey.payloads import Sakke

#: DATA PAYLOAD of TS 24.282 15, encrypted (TS 33.180 8.5.4).
PROTECTED_DATA_PAYLOAD = 0x43
#: AEAD_AES_128_GCM.
ALGORITHM_AES_128_GCM = 1
IV_OCTETS = 16
TAG_OCTETS = 16

_MESSAGE_TYPE_BITS = 0x3F
_DATA_PAYLOAD = 0x03
_ENCRYPTED_BIT = 0x40


def _extension(number: int, data: bytes) -> bytes:
    return bytes((number,)) + len(data).to_bytes(2) + data


@dataclass(frozen=True, slots=True)
class SakkeToSelf:
    """The same key, encapsulated to the initiator: a SAKKE payload whose next-payload octet means nothing."""

    sakke: Sakke
    inner_next: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.inner_next <= 0xFF:
            raise InvalidValue("SAKKE-to-self: next payload is one octet")

    type: ClassVar[PayloadType] = PayloadType.GENERAL_EXTENSION
    slot: ClassVar[str] = "SAKKE-to-self"

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """The extension's data."""
        inner_next = cursor.uint(1, "next payload (ignored)")
        return cls(Sakke.decode(cursor), inner_next)

    def encode(self) -> bytes:
        """Type, length, data."""
        return _extension(ExtensionType.SAKKE_TO_SELF, bytes((self.inner_next,)) + self.sakke.encode())


@dataclass(frozen=True, slots=True)
class ProtectedParameters:
    """Key parameters in an MCData protected payload (TS 33.180 8.5.4), as they are on the wire.

    ``date_time`` (5 octets), ``payload_id``, ``sequence`` and ``iei`` are ignored on receipt. ``sealed`` is
    the ciphertext and its tag of 16 octets.
    """

    iv: bytes
    dppk_id: bytes
    sealed: bytes
    date_time: bytes = bytes(5)
    payload_id: int = 0
    sequence: int = 0
    algorithm: int = ALGORITHM_AES_128_GCM
    message_type: int = PROTECTED_DATA_PAYLOAD
    iei: int = 0

    type: ClassVar[PayloadType] = PayloadType.GENERAL_EXTENSION
    slot: ClassVar[str] = "key parameters"

    def __post_init__(self) -> None:
        if len(self.iv) != IV_OCTETS or len(self.dppk_id) != 4 or len(self.date_time) != 5:
            raise InvalidValue("key parameters: a field has the wrong size")
        octets = (self.sequence, self.algorithm, self.message_type, self.iei)
        if not all(0 <= octet <= 0xFF for octet in octets) or not 0 <= self.payload_id < 1 << 32:
            raise InvalidValue("key parameters: a field is out of range")
        if not TAG_OCTETS <= len(self.sealed) <= 0xFFFF:
            raise InvalidValue("key parameters: no room for the tag")
        if self.message_type & _MESSAGE_TYPE_BITS != _DATA_PAYLOAD or not self.message_type & _ENCRYPTED_BIT:
            raise InvalidValue("key parameters: not an encrypted data payload")

    @property
    def authenticated_header(self) -> bytes:
        """The 32 octets in front of the element: additional data of the AEAD."""
        return b"".join(
            (
                bytes((self.message_type,)),
                self.date_time,
                self.payload_id.to_bytes(4),
                bytes((self.sequence, self.algorithm)),
                self.iv,
                self.dppk_id,
            )
        )

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """The extension's data."""
        message_type = cursor.uint(1, "message type")
        date_time = cursor.take(5, "date and time")
        payload_id = cursor.uint(4, "payload ID")
        sequence = cursor.uint(1, "payload sequence number")
        algorithm = cursor.uint(1, "payload algorithm")
        iv = cursor.take(IV_OCTETS, "IV")
        dppk_id = cursor.take(4, "DPPK-ID")
        iei = cursor.uint(1, "IEI")
        sealed = cursor.take(cursor.uint(2, "element length"), "ciphertext and tag")
        return cls(iv, dppk_id, sealed, date_time, payload_id, sequence, algorithm, message_type, iei)

    def encode(self) -> bytes:
        """Type, length, data."""
        data = b"".join(
            (self.authenticated_header, bytes((self.iei,)), len(self.sealed).to_bytes(2), self.sealed)
        )
        return _extension(ExtensionType.KEY_PARAMETERS, data)


@dataclass(frozen=True, slots=True)
class OtherExtension:
    """An extension that means nothing to us: signed like the rest, kept, ignored."""

    number: int
    data: bytes

    type: ClassVar[PayloadType] = PayloadType.GENERAL_EXTENSION

    def __post_init__(self) -> None:
        if not 0 <= self.number <= 0xFF or len(self.data) > 0xFFFF:
            raise InvalidValue("a general extension is out of range")

    @property
    def slot(self) -> str:
        """One of each number."""
        return f"general extension {self.number}"

    def encode(self) -> bytes:
        """Type, length, data."""
        return _extension(self.number, self.data)


Extension = SakkeToSelf | ProtectedParameters | OtherExtension


def decode_extension(cursor: Cursor) -> Extension:
    """Type, length, and the data by its type."""
    number = cursor.uint(1, "extension type")
    inner = cursor.window(cursor.uint(2, "extension length"), "extension data")
    if number == ExtensionType.SAKKE_TO_SELF:
        inner.scope = SakkeToSelf.slot
        to_self = SakkeToSelf.decode(inner)
        inner.finish()
        return to_self
    if number == ExtensionType.KEY_PARAMETERS:
        inner.scope = ProtectedParameters.slot
        protected = ProtectedParameters.decode(inner)
        inner.finish()
        return protected
    return OtherExtension(number, inner.rest("extension data"))
