"""Keys at rest: AES-256-GCM under a data key, each bound to its table, row and kind (design: envelope).

A wrapped value cannot be moved to another row, read as another kind, or shortened: the additional data name
its place. The data keys are themselves wrapped under the :class:`~mcsec.store.kek.Kek`, so that changing the
KEK rewrites a few short rows and no key.

Octets of a wrapped value: version (1) = 1 | data key ID (8) | nonce (12) | ciphertext and tag (16).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcsec._core import Secret
from mcsec.store.kek import Kek, WrapError

_VERSION = 1
_ID_OCTETS = 8
_NONCE_OCTETS = 12
_DATA_KEY_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key lies: a wrapped value opens nowhere else."""

    table: str
    row: str
    kind: str

    def bound(self) -> bytes:
        """Additional data: each part with its length before it, so that no two places look alike."""
        parts = [part.encode() for part in (self.table, self.row, self.kind)]
        return b"mcsec-wrap/1" + b"".join(len(part).to_bytes(2) + part for part in parts)


@dataclass(frozen=True, slots=True)
class WrappedDataKey:
    """A data key as stored: its ID (hex), the ID of the KEK that wrapped it, and the octets."""

    id: str
    kek_id: str
    blob: bytes


class Wrapper:
    """Wraps and unwraps keys with the data keys of one store. One of them wraps; all of them unwrap."""

    def __init__(self, kek: Kek, stored: Mapping[str, WrappedDataKey], current: str) -> None:
        """:param stored: the store's data keys by ID. :param current: the ID of the one that wraps.

        :raises WrapError: the KEK is not the one that wrapped them.
        """
        self._ciphers = {key.id: AESGCM(kek.unwrap(key.blob, key.id).reveal()) for key in stored.values()}
        if current not in self._ciphers:
            raise WrapError(f"data key {current} is not in the store", code="store.data-key-missing")
        self._current = current

    @staticmethod
    def new_data_key(kek: Kek) -> WrappedDataKey:
        """A fresh data key, to be stored before it is used."""
        data_key_id = secrets.token_hex(_ID_OCTETS)
        return WrappedDataKey(data_key_id, kek.id, kek.wrap(Secret.random(_DATA_KEY_OCTETS), data_key_id))

    @staticmethod
    def rewrap(old: Kek, new: Kek, key: WrappedDataKey) -> WrappedDataKey:
        """The same data key under another KEK."""
        return WrappedDataKey(key.id, new.id, new.wrap(old.unwrap(key.blob, key.id), key.id))

    def wrap(self, secret: Secret, place: Place) -> bytes:
        """``secret`` for storage at ``place`` and nowhere else."""
        head = bytes([_VERSION]) + bytes.fromhex(self._current)
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        sealed = self._ciphers[self._current].encrypt(nonce, secret.reveal(), head + place.bound())
        return head + nonce + sealed

    def unwrap(self, blob: bytes, place: Place) -> Secret:
        """The key that was wrapped for ``place``.

        :raises WrapError: other octets, another place, or a data key that the store does not have.
        """
        head, nonce = blob[: 1 + _ID_OCTETS], blob[1 + _ID_OCTETS : 1 + _ID_OCTETS + _NONCE_OCTETS]
        cipher = self._ciphers.get(head[1:].hex()) if head[:1] == bytes([_VERSION]) else None
        if cipher is None:
            raise WrapError(
                f"{place.table} row {place.row}: wrapped by a key that this store does not have",
                code="store.data-key-missing",
            )
        try:
            return Secret(cipher.decrypt(nonce, blob[len(head) + len(nonce) :], head + place.bound()))
        except (InvalidTag, ValueError):
            raise WrapError(
                f"{place.table} row {place.row}: the wrapped {place.kind} was changed or moved",
                code="store.tampered",
                hint="restore from a backup",
            ) from None
