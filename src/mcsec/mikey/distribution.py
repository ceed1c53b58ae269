"""A key as it is distributed: everything that must be the same for every receiver of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Self

from mcsec._core import Secret
from mcsec.crypto.kdf import guk_id
from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.mikey.numbers import KEY_OCTETS, RAND_OCTETS


@dataclass(frozen=True, slots=True)
class KeyDistribution:
    """A key, its ID and its RAND, 16 octets each but the ID.

    RAND is an input of the SRTP derivation (RFC 3830 4.1.3), so every client must get the same one with a
    given key: with the first download, with a late one and with a retransmission. It belongs here and not
    to a message.

    :raises InvalidValue: wrong sizes.
    """

    key_id: KeyId
    key: Secret
    rand: bytes

    def __post_init__(self) -> None:
        if len(self.key) != KEY_OCTETS:
            raise InvalidValue(
                f"a key has {KEY_OCTETS} octets, not {len(self.key)}", clause="TS 33.180 E.1.1"
            )
        if len(self.rand) != RAND_OCTETS:
            raise InvalidValue(f"RAND has {RAND_OCTETS} octets, not {len(self.rand)}")

    @classmethod
    def fresh(cls, tag: PurposeTag) -> Self:
        """A new random key. The caller refuses an ID that is already live in its domain."""
        return cls(KeyId.random(tag), Secret.random(KEY_OCTETS), secrets.token_bytes(RAND_OCTETS))

    @property
    def kind(self) -> PurposeTag:
        """What the key is for."""
        return self.key_id.tag

    def csb_id_for(self, uri: str) -> KeyId:
        """The CSB ID of the message to ``uri``: the key ID, or for a GMK that user's GUK-ID (5.2.3)."""
        return guk_id(self.key, self.key_id, uri) if self.kind is PurposeTag.GMK else self.key_id

    def mki_for(self, uri: str) -> bytes:
        """What packets protected by ``uri`` carry as MKI: the key ID; for a GMK followed by the GUK-ID."""
        key_id = self.key_id.encode()
        return key_id + self.csb_id_for(uri).encode() if self.kind is PurposeTag.GMK else key_id
