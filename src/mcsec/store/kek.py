"""The key-encryption key (KEK): where it comes from, and the one thing it does, wrapping data keys.

A source is written ``file:PATH``, ``env:NAME``, ``credential:NAME`` (a systemd credential, found below
``$CREDENTIALS_DIRECTORY``), or ``pkcs11:...`` (RFC 7512), the URI of an AES key that never leaves its token. The value
of the others is 32 octets, or 64 hex digits.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcsec._core import Secret, kdf
from mcsec.errors import LocalError

KEK_OCTETS = 32
_NONCE_OCTETS = 12
_LABEL = b"mcsec-kek/1"


class WrapError(LocalError):
    """A key at rest cannot be had: its wrapping key is missing or wrong, or what lies there was changed."""

    code = "store.wrap"


class Cipher(Protocol):
    """AES-256-GCM under a key that it does not show; refuses by :class:`InvalidTag` or ``ValueError``."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Ciphertext and tag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """What was encrypted."""


class Kek:
    """A key-encryption key of 256 bits (AES-GCM).

    :ivar id: a name for the key that gives nothing of it away: which KEK a data key needs must be readable.
    """

    def __init__(self, key: Secret) -> None:
        if len(key) != KEK_OCTETS:
            raise WrapError(f"a wrapping key has {KEK_OCTETS} octets, not {len(key)}", code="store.kek-size")
        self._cipher: Cipher = AESGCM(key.reveal())
        self.id = kdf(key, 0xFF, [_LABEL]).reveal()[:8].hex()

    @classmethod
    def of(cls, cipher: Cipher, name: str) -> Self:
        """A KEK that lies elsewhere."""
        kek = cls.__new__(cls)
        kek._cipher, kek.id = cipher, name
        return kek

    @classmethod
    def load(cls, source: str, environ: Mapping[str, str] | None = None, *, directory: Path = Path()) -> Self:
        """The KEK from ``source``; a relative path starts from ``directory``.

        :raises WrapError: nothing there, readable by others, or of the wrong size; the text says what to do.
        """
        environ = os.environ if environ is None else environ
        kind, _, name = source.partition(":")
        if kind == "file" and name:
            return cls(_parse(read_private(directory / name), source))
        if kind == "pkcs11" and name:
            # Only who keeps the key in a token needs the library for it.
            from mcsec.store.pkcs11 import token_key

            return cls.of(*token_key(source, environ, directory))
        if kind == "credential" and name:
            credentials = environ.get("CREDENTIALS_DIRECTORY")
            if not credentials:
                raise WrapError(
                    "no systemd credentials here",
                    code="store.kek-missing",
                    hint="start the unit with LoadCredential= or choose file: or env:",
                )
            return cls(_parse(read_private(Path(credentials) / Path(name).name), source))
        if kind == "env" and name:
            if name not in environ:
                raise WrapError(
                    f"environment variable {name} is not set",
                    code="store.kek-missing",
                    hint=f"set {name} to the wrapping key of the store, or choose file: or credential:",
                )
            return cls(_parse(environ[name].encode(), source))
        raise WrapError(
            f"{source!r} is no source of a wrapping key",
            code="store.kek-source",
            hint="write file:PATH, env:NAME, credential:NAME or pkcs11:...",
        )

    def wrap(self, data_key: Secret, data_key_id: str) -> bytes:
        """``data_key`` for storage, bound to its ID."""
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        return nonce + self._cipher.encrypt(nonce, data_key.reveal(), _LABEL + data_key_id.encode())

    def unwrap(self, blob: bytes, data_key_id: str) -> Secret:
        """The data key again.

        :raises WrapError: another KEK wrapped it, or the octets were changed.
        """
        try:
            nonce, sealed = blob[:_NONCE_OCTETS], blob[_NONCE_OCTETS:]
            return Secret(self._cipher.decrypt(nonce, sealed, _LABEL + data_key_id.encode()))
        except (InvalidTag, ValueError):
            raise WrapError(
                f"data key {data_key_id} does not open with wrapping key {self.id}",
                code="store.kek-wrong",
                hint="give the wrapping key that this store was made with",
            ) from None


def create_kek_file(path: Path) -> None:
    """A fresh KEK in a file that only its owner can read. Never overwrites one.

    :raises WrapError: the file exists.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise WrapError(
            f"{path} exists; a wrapping key is never overwritten", code="store.kek-exists"
        ) from None
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(KEK_OCTETS) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path) -> bytes:
    """What a file holds that only its owner may read.

    :raises WrapError: it cannot be read, or others may read it too.
    """
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise WrapError(
            f"wrapping key file {path}: {reason}",
            code="store.kek-missing",
            hint="put it back from its copy; without it nothing in the store opens, and only a backup with its own"
            " recovery key helps",
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise WrapError(
            f"wrapping key file {path} is open to others", code="store.kek-exposed", hint=f"chmod 600 {path}"
        )
    return content


def _parse(content: bytes, source: str) -> Secret:
    if len(content) == KEK_OCTETS:
        return Secret(content)
    try:
        octets = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        octets = b""
    if len(octets) != KEK_OCTETS:
        raise WrapError(
            f"{source} holds no wrapping key",
            code="store.kek-size",
            hint=f"it must be {KEK_OCTETS} octets or {2 * KEK_OCTETS} hex digits",
        )
    return Secret(octets)
