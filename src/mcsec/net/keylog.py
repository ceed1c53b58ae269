"""The key log: SRTP master keys in clear, so that a capture can be opened later. Off unless somebody makes one.

Format ``mcsec-keylog/1``, text, one entry a line; lines that start with ``#`` and empty lines say nothing::

    # mcsec-keylog/1
    SRTCP <MKI> <profile> <master key> <master salt>
    SRTP <MKI> <profile> <master key> <master salt>

Values are lower-case hexadecimal, an empty MKI is ``-``, the profile is the name of an ``SrtpProfile``. ``SRTCP`` keys
open control packets, ``SRTP`` keys media. A line may stand there more than once.

Whoever reads the file reads everything that the keys protect: it is made with mode 0600, in every use it says so in
the log, and nothing turns it on by default.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import structlog

from mcsec._core import Secret
from mcsec.crypto.srtp import SrtpProfile
from mcsec.errors import DecodeError, InvalidValue, LocalError

HEADER = "# mcsec-keylog/1"
_NO_MKI = "-"
_log = structlog.get_logger("mcsec.keylog")


class Protects(StrEnum):
    """What a key of the log opens."""

    SRTCP = "SRTCP"
    SRTP = "SRTP"


@dataclass(frozen=True, slots=True)
class KeyLogEntry:
    """One key of the log."""

    protects: Protects
    mki: bytes
    profile: SrtpProfile
    master_key: Secret
    master_salt: Secret

    def encode(self) -> str:
        """The line, without its end. It holds the key in clear."""
        key, salt = self.master_key.reveal().hex(), self.master_salt.reveal().hex()
        return f"{self.protects} {self.mki.hex() or _NO_MKI} {self.profile} {key} {salt}"


class KeyLog:
    """Appends to a key log. A context manager.

    :raises LocalError: the file belongs to somebody else, is no key log, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Without O_NOFOLLOW somebody could have us write keys through a link of theirs.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise LocalError(f"no key log at {path}: {error.strerror}", code="keylog.open") from error
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            self._claim()
        except BaseException:
            self._file.close()
            raise
        _log.warning(
            "keys are being written in clear",
            path=str(path),
            hint="whoever reads this file reads everything that they protect; delete it after use",
        )

    def write(self, entry: KeyLogEntry) -> None:
        """One line, in the file when this returns."""
        self._file.write(entry.encode().encode() + b"\n")

    def close(self) -> None:
        """Ends the log; more than once does no harm."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _claim(self) -> None:
        """Sees to it that the file is ours alone and a key log."""
        status = os.fstat(self._file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise LocalError(f"{self.path} is no file of ours", code="keylog.owner")
        os.fchmod(self._file.fileno(), 0o600)
        if status.st_size == 0:
            self._file.write(HEADER.encode() + b"\n")
        elif self._file.readline(len(HEADER) + 1) != HEADER.encode() + b"\n":
            raise LocalError(
                f"{self.path} is no key log", code="keylog.format", hint="name a file that does not exist yet"
            )


def parse_key_log(text: str) -> tuple[KeyLogEntry, ...]:
    """Every entry of a key log, in order.

    :raises DecodeError: no key log, or a line that is none; the offset is that of the line. The error does not quote
        it, since it may hold a key.
    """
    if text.partition("\n")[0].strip() != HEADER:
        raise DecodeError(f"the first line is not '{HEADER}'", 0, code="keylog.format")
    entries = []
    offset = 0
    for line in text.splitlines(keepends=True):
        content = line.strip()
        if content and not content.startswith("#"):
            try:
                entries.append(_entry(content))
            except (ValueError, InvalidValue):
                raise DecodeError("a line is no key log entry", offset, code="keylog.line") from None
        offset += len(line.encode(errors="surrogatepass"))
    return tuple(entries)


def _entry(line: str) -> KeyLogEntry:
    protects, mki, profile_name, key, salt = line.split()
    profile = SrtpProfile(profile_name)
    entry = KeyLogEntry(
        Protects(protects),
        b"" if mki == _NO_MKI else bytes.fromhex(mki),
        profile,
        Secret(bytes.fromhex(key)),
        Secret(bytes.fromhex(salt)),
    )
    sizes = len(entry.master_key), len(entry.master_salt)
    if sizes != (profile.key_length, profile.salt_length) or len(entry.mki) > 128:
        raise InvalidValue("a key, salt or MKI of the wrong size")
    return entry
