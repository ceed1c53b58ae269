"""A wrapping key in a PKCS#11 token: it encrypts and decrypts there, and never leaves it.

Written as RFC 7512 has it: ``pkcs11:token=LABEL;object=LABEL?module-path=FILE&pin-source=file:PATH``. The PIN is read
from ``file:PATH`` or ``env:NAME``; it never stands in the URI. The key is AES-256 and may encrypt and decrypt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from mcsec.store.kek import Cipher, WrapError, read_private

if TYPE_CHECKING:
    import pkcs11

T = TypeVar("T")
_TAG_BITS = 128


class _TokenCipher:
    """AES-GCM in the token: a session for each use, for uses are rare and tokens are unplugged."""

    def __init__(self, use: Callable[[Callable[[pkcs11.SecretKey], bytes]], bytes]) -> None:
        self._use = use

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Ciphertext and tag."""
        from pkcs11 import GCMParams, Mechanism

        params = GCMParams(nonce, associated_data, _TAG_BITS)
        return self._use(
            lambda key: _use(key).encrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=params)
        )

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """What was encrypted; ``ValueError``: under another key, or changed."""
        from pkcs11 import (
            EncryptedDataInvalid,
            EncryptedDataLenRange,
            FunctionFailed,
            GCMParams,
            GeneralError,
            Mechanism,
        )

        params = GCMParams(nonce, associated_data, _TAG_BITS)

        def open_in_token(key: pkcs11.SecretKey) -> bytes:
            try:
                return bytes(_use(key).decrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=params))
            # Tokens do not agree on how they say that the tag is wrong.
            except (EncryptedDataInvalid, EncryptedDataLenRange, FunctionFailed, GeneralError):
                raise ValueError("the tag is wrong") from None

        return self._use(open_in_token)


def _use(key: pkcs11.SecretKey) -> Any:
    # The library gives a key the methods that it has when it is looked up.
    return key


def token_key(uri: str, environ: Mapping[str, str], directory: Path) -> tuple[Cipher, str]:
    """The key that a PKCS#11 URI names, and a name for it.

    :raises WrapError: no such token or key, a wrong PIN, no library; the text says what to do.
    """
    path, _, query = uri.partition(":")[2].partition("?")
    names = dict(_pairs(path, ";")) | dict(_pairs(query, "&"))
    for wanted in ("token", "object", "module-path", "pin-source"):
        if wanted not in names:
            raise WrapError(
                f"{wanted} is missing in the PKCS#11 URI of the wrapping key",
                code="store.kek-source",
                hint="write pkcs11:token=T;object=K?module-path=FILE&pin-source=file:PATH",
            )
    pin = _pin(names["pin-source"], environ, directory)

    def use(work: Callable[[pkcs11.SecretKey], T]) -> T:
        with _key(names, pin) as key:
            return work(key)

    def name(key: pkcs11.SecretKey) -> str:
        own = b"\0".join((names["token"].encode(), names["object"].encode(), bytes(key.id)))
        return hashlib.sha256(b"mcsec-kek/1\0" + own).hexdigest()[:16]

    return _TokenCipher(use), use(name)


def _pairs(text: str, separator: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, text.split(separator)):
        name, _, value = part.partition("=")
        yield name, unquote(value)


def _pin(source: str, environ: Mapping[str, str], directory: Path) -> str:
    kind, _, name = source.partition(":")
    if kind == "file" and name:
        return read_private(directory / name).decode("utf-8", "replace").strip()
    if kind == "env" and environ.get(name):
        return environ[name]
    raise WrapError(
        "the PIN of the token cannot be had",
        code="store.pin",
        hint="pin-source is file:PATH or env:NAME, and what it names is there",
    )


@contextmanager
def _key(names: Mapping[str, str], pin: str) -> Iterator[pkcs11.SecretKey]:
    try:
        import pkcs11
    except ImportError:
        raise WrapError(
            "the library for PKCS#11 is not installed",
            code="store.driver",
            hint="pip install 'mcsec[pkcs11]'",
        ) from None
    token, label = names["token"], names["object"]
    try:
        with pkcs11.lib(names["module-path"]).get_token(token_label=token).open(user_pin=pin) as session:
            key = session.get_key(label=label, key_type=pkcs11.KeyType.AES)
            if not isinstance(key, pkcs11.SecretKey):
                raise pkcs11.NoSuchKey
            yield key
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
        raise WrapError(
            f"token {token} refuses the PIN",
            code="store.pin",
            hint="correct it before you try again: after a few wrong ones the token locks itself",
        ) from None
    except pkcs11.PinLocked:
        raise WrapError(
            f"token {token} is locked", code="store.pin", hint="its security officer unlocks it"
        ) from None
    except (pkcs11.NoSuchToken, pkcs11.TokenNotPresent, pkcs11.DeviceRemoved):
        raise WrapError(
            f"there is no token {token}", code="store.kek-missing", hint="plug it in, or correct the URI"
        ) from None
    except (pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned):
        raise WrapError(
            f"token {token} does not hold one AES key {label}",
            code="store.kek-missing",
            hint="correct the URI",
        ) from None
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        raise WrapError(
            f"token {token}: {type(error).__name__} {error}".rstrip(), code="store.token"
        ) from None
