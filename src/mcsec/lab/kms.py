"""A domain's KMS on this machine, as its users and its operator reach it: over HTTPS, with tokens."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys, KmsPublicKeys
from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError
from mcsec.kms.config import Configuration, load
from mcsec.kms.issuers import open_local
from mcsec.kms.observe import Observer
from mcsec.kms.operations import Operations
from mcsec.kms.service import Running, running
from mcsec.lab.init import make_domain
from mcsec.net.kms.client import KmsClient, KmsClientSettings
from mcsec.net.tls import client_context
from mcsec.store.database import Database
from mcsec.store.kms import KmsTables


@dataclass(frozen=True, slots=True)
class LabKms:
    """A running KMS with its domain's directory."""

    configuration: Configuration
    service: Running

    @property
    def public(self) -> KmsPublicKeys:
        """What it publishes."""
        return self.service.kms.public

    async def provision(self, uri: str, now: float) -> tuple[IdentityKeys, list[KmsPublicKeys]]:
        """The keys of ``uri``, fetched and validated by its own client; and every KMS that client then knows."""
        issuer = open_local(self.configuration)
        tokens = self.configuration.kms.tokens

        async def token() -> Secret:
            found = issuer.issue(
                uri, audience=self.configuration.kms.uri, scopes=tokens.scopes, now=now, lifetime=600
            )
            return Secret(found.encode())

        settings = KmsClientSettings(self.service.address, self.configuration.kms.uri, uri)
        tls = client_context(self.configuration.path("tls/ca.pem"))
        async with KmsClient(settings, token, tls) as client:
            await client.init()
            keys = await client.identity(uri)
            book = await client.certificates()
        return keys, book.usable(now)

    async def trust(self, partner: LabKms, now: float) -> None:
        """The operator imports the certificate of a partner's KMS."""
        await Operations(self.service.kms).trust(Operations(partner.service.kms).certificate(), now)

    async def master_keys(self) -> KmsMasterKeys:
        """The master secrets, as somebody has them who took over the machine: database and wrapping key."""
        configuration = self.configuration
        file = configuration.path(configuration.kms.database)
        database = await Database.open(file, configuration.kek(), read_only=True)
        try:
            async with database.read() as connection:
                row = await connection.run_sync(lambda plain: KmsTables(plain, database.wrapper).master())
        finally:
            await database.close()
        if row is None:
            raise LocalError("this KMS has no master secrets")
        return KmsMasterKeys.from_secrets(row.secrets)


@asynccontextmanager
async def lab_kms(directory: Path, domain: str, now: float) -> AsyncIterator[LabKms]:
    """Makes a domain in ``directory`` as ``mcsec init`` does, and runs its KMS on a free port of loopback."""
    await make_domain(directory, domain, now)
    made = load(directory / "mcsec.toml")
    configuration = made.model_copy(update={"kms": made.kms.model_copy(update={"listen": "127.0.0.1:0"})})
    # What the KMS logs is for its operator; the demo tells its own story.
    async with running(configuration, Observer(io.StringIO()), now) as service:
        yield LabKms(configuration, service)
