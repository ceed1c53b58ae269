"""The GMS's own keys from its KMS, and the KMSs of everybody it makes keys for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mcsec.crypto.secret import Secret
from mcsec.errors import McsecError, Refused
from mcsec.gms.config import Configuration
from mcsec.mikey.build import Initiator, Recipient
from mcsec.net.kms.book import CertificateBook
from mcsec.net.kms.client import KmsClient, KmsClientSettings
from mcsec.net.kms.upkeep import Upkeep
from mcsec.net.tls import client_context
from mcsec.net.token_source import read_token
from mcsec.store.database import Database
from mcsec.store.kms_answers import KmsAnswers
from mcsec.store.server_kms import keep_pair, load_pair

#: Seconds between looks at the key period and at the certificates of partners.
LOOK = 60.0
#: And while it goes by what the KMS gave before it was started.
SOON = 5.0


class Provisioning:
    """Keys of the present key period and, shortly before it begins, of the next; certificates of every KMS."""

    def __init__(
        self, config: Configuration, database: Database, now: Callable[[], float] = time.time
    ) -> None:
        self._config, self._database, self._now = config, database, now
        book = CertificateBook(config.kms_uri)
        memory = KmsAnswers(database, config.uri)
        self._upkeep = Upkeep(self._connect, book, config.uri, look=LOOK, now=now, memory=memory)
        self._missing: McsecError | None = None

    async def fetch(self) -> Initiator:
        """Ask the KMS for what is due; what to sign with now.

        It need not answer where it did in this key period: what it gave then is in the store.

        :raises KmsRefused: :raises KmsUnreachable: :raises CheckFailed: no keys that count.
        """
        self._missing = await self._upkeep.begin()
        return self.initiator()

    def initiator(self) -> Initiator:
        """What to sign with now.

        :raises CheckFailed: the keys of the present key period are not at hand.
        """
        return Initiator(self._upkeep.present(), self._upkeep.book.own())

    def recipient(self, uri: str) -> Recipient:
        """Somebody with the KMS of its own domain.

        :raises Refused: no KMS is known for it (``kms.unknown``), it is revoked or not valid now, or it revoked the
            user (``gms.user-revoked``).
        """
        book, now = self._upkeep.book, self._now()
        public = book.of_user(uri, now)
        if public.uid_of(uri, now) in public.revoked_users:
            raise Refused(f"{uri} was revoked by its KMS", code="gms.user-revoked", clause="TS 33.180 D.3.2")
        return Recipient(uri, public)

    async def renew(self, install: Callable[[Initiator], None], failed: Callable[[McsecError], None]) -> None:
        """Fetch what is due, and change to the next period's keys when it begins; for ever."""
        if self._missing is not None:
            failed(self._missing)
        while True:
            await asyncio.sleep(LOOK if self._missing is None else SOON)
            try:
                await self._upkeep.fetch()
                self._missing = None
            except McsecError as error:
                failed(error)
            try:
                install(self.initiator())
            except McsecError as error:
                failed(error)

    async def _connect(self) -> KmsClient:
        config, database = self._config, self._database
        section = config.gms.kms

        async def token() -> Secret:
            return await asyncio.to_thread(
                read_token, section.token, config.directory, "[gms.kms]", config.uri
            )

        return KmsClient(
            KmsClientSettings(
                section.address.rstrip("/"), config.kms_uri, config.uri, "", section.protection
            ),
            token,
            client_context(config.path(section.ca)),
            keys=await load_pair(database, config.uri) if section.protection else None,
            keep=lambda pair: keep_pair(database, pair),
            now=self._now,
        )
