"""Where a client's own keys come from: its KMS, behind an interface; fetched anew before a key period ends."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mcsec._core import Secret
from mcsec.client.config import Configuration
from mcsec.crypto.kms_keys import IdentityKeys, KmsPublicKeys
from mcsec.errors import McsecError
from mcsec.net.kms.book import CertificateBook
from mcsec.net.kms.client import KmsClient, KmsClientSettings
from mcsec.net.kms.upkeep import Upkeep
from mcsec.net.tls import client_context
from mcsec.store.kek import Kek, WrapError, create_kek_file
from mcsec.wire.kms.protect import ProtectionKeys

#: Seconds between looks at what changed about KMSs and revoked users.
LOOK = 3600.0
_RETRY = 600.0
#: Seconds after which the clock is looked at again.
_LONGEST = 3600.0


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A user's keys of the key periods at hand, and the KMSs whose certificates are held."""

    identities: tuple[IdentityKeys, ...]
    kms: tuple[KmsPublicKeys, ...]


class KeySource(Protocol):
    """Gives keys of one user."""

    async def fetch(self) -> Provisioned:
        """The keys of now, and of the next key period where they can be had.

        :raises McsecError: they cannot be had.
        """

    async def due(self) -> float:
        """When to fetch again, Unix seconds."""


class KmsSource:
    """From the KMS, by its HTTPS interface."""

    def __init__(self, upkeep: Upkeep, now: Callable[[], float] = time.time) -> None:
        self._upkeep, self._now = upkeep, now

    async def fetch(self) -> Provisioned:
        """See :class:`KeySource`.

        :raises KmsRefused: :raises KmsUnreachable: :raises CheckFailed: no keys that count.
        """
        await self._upkeep.fetch()
        known = self._upkeep.book.usable(self._now())
        return Provisioned(tuple(self._upkeep.held.values()), tuple(known))

    async def due(self) -> float:
        """See :class:`KeySource`."""
        return self._upkeep.due()


class KeptPair:
    """The protection keys between a client and its KMS, in a file, wrapped under the client's KEK."""

    def __init__(self, file: Path, kek: Kek) -> None:
        self._file, self._kek = file, kek

    def load(self) -> ProtectionKeys | None:
        """What was kept; None: nothing yet.

        :raises WrapError: it cannot be read, or another KEK wrapped it.
        """
        try:
            kept = json.loads(self._file.read_text())
            return ProtectionKeys(
                kept["user"],
                kept["number"],
                self._kek.unwrap(bytes.fromhex(kept["transport"]), _TRANSPORT),
                self._kek.unwrap(bytes.fromhex(kept["integrity"]), _INTEGRITY),
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WrapError(f"{self._file}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise WrapError(
                f"{self._file} holds no protection keys",
                hint="the operator of the KMS can enrol the client anew",
            ) from None

    async def keep(self, keys: ProtectionKeys) -> None:
        """Write them down before they are used.

        :raises WrapError: the file cannot be written.
        """
        text = json.dumps(
            {
                "user": keys.user,
                "number": keys.number,
                "transport": self._kek.wrap(keys.transport, _TRANSPORT).hex(),
                "integrity": self._kek.wrap(keys.integrity, _INTEGRITY).hex(),
            }
        )
        await asyncio.to_thread(_replace, self._file, text)


_TRANSPORT, _INTEGRITY = "kms-transport-key", "kms-integrity-key"


def _replace(file: Path, text: str) -> None:
    fresh = file.with_name(f"{file.name}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(file)
    except OSError as error:
        raise WrapError(f"{file}: {error.strerror}") from None


class KmsSources:
    """The sources of many clients of one configuration; they share what the KMS publishes."""

    def __init__(self, config: Configuration) -> None:
        """:raises TlsError: the CA file cannot be used."""
        self._config = config
        kms = config.kms
        self._tls = client_context(config.path(kms.ca) if kms.ca is not None else None)
        self._book = CertificateBook(kms.uri)

    def source(self, number: int) -> KmsSource:
        """The source of client ``number``.

        :raises WrapError: the protection keys of before cannot be read.
        """
        config, kms = self._config, self._config.kms
        profile = config.profile(number)
        settings = KmsClientSettings(
            kms.address.rstrip("/"), kms.uri, profile.mc_service_id, profile.client_id, kms.protection
        )
        pair = self._pair(number, profile.client_id) if kms.protection else None

        async def token() -> Secret:
            return config.token(number, for_kms=True)

        async def connect() -> KmsClient:
            return KmsClient(
                settings,
                token,
                self._tls,
                keys=None if pair is None else pair.load(),
                keep=None if pair is None else pair.keep,
            )

        return KmsSource(Upkeep(connect, self._book, profile.mc_service_id, look=LOOK))

    def _pair(self, number: int, client_id: str) -> KeptPair:
        kms = self._config.kms
        kind, _, name = kms.kek.partition(":")
        spec = kms.kek
        if kind == "file":
            file = self._config.path(name)
            if not file.exists():
                create_kek_file(file)
            spec = f"file:{file}"
        safe = client_id.replace(":", "-").replace("/", "-")
        keys = kms.keys.replace("{client_id}", safe).replace("{n}", str(number))
        return KeptPair(self._config.path(keys), Kek.load(spec))


async def renew(
    source: KeySource,
    install: Callable[[Provisioned], None],
    failed: Callable[[McsecError], None],
    now: Callable[[], float] = time.time,
) -> None:
    """Fetch keys whenever they are due, until cancelled."""
    while True:
        try:
            due = await source.due()
            if now() < due:
                await asyncio.sleep(min(due - now(), _LONGEST))
                continue
            install(await source.fetch())
        except McsecError as error:
            failed(error)
        # The KMS may hand out the next period's keys later than we ask for them.
        await asyncio.sleep(_RETRY)
