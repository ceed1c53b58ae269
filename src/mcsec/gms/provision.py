"""The GMS's own keys from its KMS, and the KMSs of everybody it makes keys for."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from mcsec.crypto.kms_keys import IdentityKeys, KmsPublicKeys
from mcsec.errors import McsecError, WrongState
from mcsec.gms.config import ConfigError, Configuration
from mcsec.mikey.build import Initiator, Recipient
from mcsec.net.kms.book import CertificateBook
from mcsec.net.kms.client import KmsClient, KmsClientSettings
from mcsec.net.tls import client_context
from mcsec.store.database import Database
from mcsec.store.server_kms import keep_pair, load_pair

#: Seconds between looks at the key period and at the certificates of partners.
LOOK = 60.0


class Provisioning:
    """Keys of the present key period and, as soon as they can be had, of the next; certificates of every KMS."""

    def __init__(
        self, config: Configuration, database: Database, now: Callable[[], float] = time.time
    ) -> None:
        self._config, self._database, self._now = config, database, now
        self._book = CertificateBook(config.kms_uri)
        self._held: dict[int, IdentityKeys] = {}

    async def fetch(self) -> Initiator:
        """Ask the KMS; what to sign with now.

        :raises KmsRefused: :raises KmsUnreachable: :raises CheckFailed: no keys that count.
        """
        config, database = self._config, self._database
        section = config.gms.kms
        settings = KmsClientSettings(
            section.address.rstrip("/"), config.kms_uri, config.uri, "", section.protection
        )

        async def token() -> str:
            return await asyncio.to_thread(read_token, config)

        async with KmsClient(
            settings,
            token,
            client_context(config.path(section.ca)),
            keys=await load_pair(database, config.uri) if section.protection else None,
            keep=lambda pair: keep_pair(database, pair),
            now=self._now,
        ) as client:
            client.book = self._book
            await client.init()
            await client.identity(config.uri)
            await client.certificates()
            self._held |= {keys.period_no: keys for keys in client.identities()}
        return self.initiator()

    def initiator(self) -> Initiator:
        """What to sign with now.

        :raises WrongState: the keys of the present key period are not at hand.
        """
        public = self._book.own()
        keys = self._held.get(public.period_at(self._now()))
        if keys is None:
            raise WrongState(
                "no keys of the GMS for the present key period",
                code="gms.key-period",
                clause="TS 33.180 F.2.1",
                hint="is the KMS reachable, and the token in [gms.kms] still good?",
            )
        return Initiator(keys, public)

    def recipient(self, uri: str) -> Recipient:
        """Somebody with the KMS of its own domain.

        :raises Refused: no KMS is known for it (``kms.unknown``), or it is revoked or not valid now.
        """
        return Recipient(uri, self._public(uri))

    def _public(self, uri: str) -> KmsPublicKeys:
        return self._book.of_user(uri, self._now())

    async def renew(self, install: Callable[[Initiator], None], failed: Callable[[McsecError], None]) -> None:
        """Fetch what is due, for ever: keys of the next period, certificates of partners."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                install(await self.fetch())
            except McsecError as error:
                failed(error)


def read_token(config: Configuration) -> str:
    """The GMS's access token for its KMS.

    :raises ConfigError: there is none.
    """
    kind, _, name = config.gms.kms.token.partition(":")
    if kind == "env" and name:
        found = os.environ.get(name, "")
    elif kind == "file" and name:
        try:
            found = config.path(name).read_text()
        except OSError as error:
            raise ConfigError(
                f"{config.path(name)}: {error.strerror}",
                hint=f"put a token for {config.uri} there: `mcsec token issue --user {config.uri}`",
            ) from None
    else:
        raise ConfigError("[gms.kms] token is file:PATH or env:NAME")
    if not found.strip():
        raise ConfigError(f"[gms.kms] {config.gms.kms.token} holds no token")
    return found.strip()
