"""3GPP key parameters: what they say (TS 33.180 E.6.1), and their protection under the key they travel with
(8.5.4).
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcsec._core import Secret
from mcsec.crypto.kdf import dpck
from mcsec.errors import DecodeError, InvalidValue
from mcsec.ids import NTP_OF_UNIX_EPOCH, KeyId, PurposeTag
from mcsec.mikey.cursor import Cursor
from mcsec.mikey.extensions import ALGORITHM_AES_128_GCM, IV_OCTETS, ProtectedParameters
from mcsec.mikey.refusals import PARAMETERS

#: Bit 0 of the status: the key is valid. Bit 1: it is shared with a security gateway.
NOT_REVOKED = 0x1
SECURITY_GATEWAY = 0x2

#: Kinds whose parameters name groups (E.6.1).
GROUP_KINDS = frozenset({PurposeTag.GMK, PurposeTag.MKFC, PurposeTag.MUSIK})

_TIME_OCTETS = 5
_TIME_MAX = (1 << 8 * _TIME_OCTETS) - 1


class Epoch(Enum):
    """What the two times of key parameters count from; an open point of docs/readings/mikey.md."""

    UNIX = 0
    NTP = NTP_OF_UNIX_EPOCH


@dataclass(frozen=True, slots=True)
class KeyParameters:
    """What a key is about: kind, status, times in whole Unix seconds, name and groups.

    ``activation`` None: from the message's timestamp on. ``expiry`` None: never. ``groups`` only for the
    kinds of
    :data:`GROUP_KINDS`; empty: no group is named. ``reserved`` is what a later release may have put behind.

    :raises InvalidValue: a field is out of range, or groups for a kind that has none.
    """

    kind: PurposeTag
    status: int = NOT_REVOKED
    activation: int | None = None
    expiry: int | None = None
    text: str = ""
    groups: tuple[str, ...] = ()
    reserved: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.status < 1 << 32:
            raise InvalidValue("key parameters: the status has 32 bits")
        for time in (self.activation, self.expiry):
            if time is not None and not 0 < time <= _TIME_MAX:
                raise InvalidValue("key parameters: a time is out of range")
        if self.groups and self.kind not in GROUP_KINDS:
            raise InvalidValue(f"key parameters: a {self.kind.label} names no groups")
        if len(self.groups) > 0xFF:
            raise InvalidValue("key parameters: more than 255 groups")
        if not all(group and group.isprintable() for group in self.groups):
            raise InvalidValue("key parameters: a group ID is empty or not printable")
        if any(unicodedata.category(character) == "Cc" for character in self.text):
            raise InvalidValue("key parameters: a control character in the text")

    @property
    def revoked(self) -> bool:
        """The key must not be used."""
        return not self.status & NOT_REVOKED

    @property
    def shared_with_gateway(self) -> bool:
        """The key is held by a security gateway too."""
        return bool(self.status & SECURITY_GATEWAY)

    @classmethod
    def decode(cls, octets: bytes, epoch: Epoch = Epoch.UNIX) -> Self:
        """The content of the element, after decryption.

        :raises DecodeError: malformed, or of an undefined kind.
        """
        cursor = Cursor(octets)
        cursor.scope = "key parameters"
        number = cursor.uint(1, "key type")
        if number > max(PurposeTag):
            raise cursor.fail(f"key type {number} is not defined", 0)
        kind = PurposeTag(number)
        status = cursor.uint(4, "status")
        activation = _time(cursor.uint(_TIME_OCTETS, "activation time"), epoch)
        expiry = _time(cursor.uint(_TIME_OCTETS, "expiry time"), epoch)
        text = _text(cursor, cursor.take(cursor.uint(2, "text length"), "text"))
        groups: tuple[str, ...] = ()
        if kind in GROUP_KINDS:
            listed = cursor.window(cursor.uint(2, "group IDs length"), "group IDs")
            groups = tuple(_group(listed) for _ in range(listed.uint(1, "number of group IDs")))
            listed.finish()
        try:
            return cls(kind, status, activation, expiry, text, groups, cursor.rest("reserved"))
        except InvalidValue as error:
            raise cursor.fail(str(error)) from None

    def encode(self, epoch: Epoch = Epoch.UNIX, group_iei: int = 0) -> bytes:
        """The content of the element, before encryption.

        :param group_iei: the element identifier in front of each group ID; the specified value was not at
        hand.
        :raises InvalidValue: text or groups are too long for their length fields.
        """
        text = self.text.encode()
        parts = [bytes((self.kind,)), self.status.to_bytes(4)]
        parts += [_time_octets(self.activation, epoch), _time_octets(self.expiry, epoch)]
        parts += [_sized(text)]
        if self.kind in GROUP_KINDS:
            groups = [bytes((group_iei,)) + _sized(group.encode()) for group in self.groups]
            parts += [_sized(bytes((len(groups),)) + b"".join(groups))]
        return b"".join((*parts, self.reserved))


def protect(
    content: bytes, key: Secret, csb_id: KeyId, date_time: int = 0, *, iei: int = 0
) -> ProtectedParameters:
    """Encrypt encoded parameters under the key that the message carries, with a fresh random IV."""
    draft = ProtectedParameters(
        secrets.token_bytes(IV_OCTETS), csb_id.encode(), bytes(16), date_time.to_bytes(_TIME_OCTETS), iei=iei
    )
    sealed = _cipher(key, csb_id).encrypt(draft.iv, content, draft.authenticated_header)
    return ProtectedParameters(draft.iv, draft.dppk_id, sealed, draft.date_time, iei=iei)


def unprotect(
    protected: ProtectedParameters, key: Secret, csb_id: KeyId, epoch: Epoch = Epoch.UNIX
) -> KeyParameters:
    """Decrypt and decode.

    :raises CheckFailed: ``mikey.parameters``: another key ID or algorithm, a tag that fails, or content
    that is
        malformed.
    """
    if protected.dppk_id != csb_id.encode():
        raise PARAMETERS.because("the key parameters are protected under another key ID")
    if protected.algorithm != ALGORITHM_AES_128_GCM:
        raise PARAMETERS.because(f"payload algorithm {protected.algorithm} is not supported")
    try:
        content = _cipher(key, csb_id).decrypt(protected.iv, protected.sealed, protected.authenticated_header)
    except InvalidTag:
        raise PARAMETERS.because("the key parameters do not authenticate") from None
    try:
        return KeyParameters.decode(content, epoch)
    except DecodeError as error:
        raise PARAMETERS.because(str(error)) from None


def _cipher(key: Secret, csb_id: KeyId) -> AESGCM:
    return AESGCM(dpck(key, csb_id).reveal())


def _time(seconds: int, epoch: Epoch) -> int | None:
    return max(seconds - epoch.value, 1) if seconds else None


def _time_octets(time: int | None, epoch: Epoch) -> bytes:
    seconds = 0 if time is None else time + epoch.value
    if seconds > _TIME_MAX:
        raise InvalidValue("key parameters: a time is out of range")
    return seconds.to_bytes(_TIME_OCTETS)


def _text(cursor: Cursor, octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise cursor.fail("not UTF-8", cursor.offset - len(octets)) from None


def _group(cursor: Cursor) -> str:
    cursor.take(1, "IEI")
    return _text(cursor, cursor.take(cursor.uint(2, "group ID length"), "group ID"))


def _sized(octets: bytes) -> bytes:
    if len(octets) > 0xFFFF:
        raise InvalidValue("key parameters: too long for a length field")
    return len(octets).to_bytes(2) + octets
