"""A domain's KMS in this process, over TLS on loopback, and clients of it."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from mcsec.crypto.secret import Secret
from mcsec.kms.config import Configuration, load
from mcsec.kms.issuers import open_local
from mcsec.kms.kms import Kms
from mcsec.kms.observe import Observer
from mcsec.kms.service import Running, running
from mcsec.lab.init import make_domain
from mcsec.net.issuer import LocalIssuer
from mcsec.net.kms.client import KmsClient, KmsClientSettings
from mcsec.net.tls import client_context
from mcsec.net.token_source import TokenSource

DOMAIN = "a.example"
ALICE = f"sip:alice@{DOMAIN}"
BOB = f"sip:bob@{DOMAIN}"
SERVER = f"mcx.{DOMAIN}"


async def no_sleep(_: float) -> None:
    """Waits for nothing."""


@dataclass
class KmsDomain:
    """A KMS that serves, and what tests need around it."""

    config: Configuration
    running: Running
    issuer: LocalIssuer
    log: io.StringIO
    waits: list[float] = field(default_factory=list)

    @property
    def kms(self) -> Kms:
        return self.running.kms

    @property
    def address(self) -> str:
        return self.running.address

    def token(self, subject: str = ALICE, **options: Any) -> str:
        wanted = {
            "audience": self.config.kms.uri,
            "scopes": self.config.kms.tokens.scopes,
            "now": time.time(),
        }
        return self.issuer.issue(subject, **(wanted | options))

    def source(self, subject: str = ALICE, **options: Any) -> TokenSource:
        async def source() -> Secret:
            return Secret(self.token(subject, **options).encode())

        return source

    def client(self, user: str = ALICE, *, client_id: str = "", **options: Any) -> KmsClient:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        settings = KmsClientSettings(
            self.address,
            self.config.kms.uri,
            user,
            client_id,
            protection=self.config.kms.protection,
            attempts=options.pop("attempts", 3),
        )
        return KmsClient(
            settings,
            options.pop("token", self.source(user)),
            client_context(self.config.path("tls/ca.pem")),
            sleep=sleep,
            **options,
        )

    def http(self) -> httpx2.AsyncClient:
        """A bare HTTPS client that believes the domain's CA."""
        return httpx2.AsyncClient(
            base_url=self.address, verify=client_context(self.config.path("tls/ca.pem")), trust_env=False
        )

    def admin(self) -> httpx2.AsyncClient:
        """A client of the operators' socket."""
        transport = httpx2.AsyncHTTPTransport(uds=str(self.running.admin.file))
        return httpx2.AsyncClient(base_url="http://kms", transport=transport)

    def refusals(self) -> str:
        return self.kms.observer.metrics().decode()


async def make(directory: Path, domain: str = DOMAIN, **changes: str) -> Configuration:
    """A domain's directory; ``changes`` replace values in its configuration."""
    await make_domain(directory, domain, time.time())
    return change(directory, listen='"127.0.0.1:0"', **changes)


def change(directory: Path, **changes: str) -> Configuration:
    file = directory / "mcsec.toml"
    lines = file.read_text().splitlines()
    for name, value in changes.items():
        at = next(at for at in range(lines.index("[kms]"), len(lines)) if lines[at].startswith(f"{name} ="))
        lines[at] = f"{name} = {value}"
    file.write_text("\n".join(lines) + "\n")
    return load(file)


@asynccontextmanager
async def serve(config: Configuration) -> AsyncIterator[KmsDomain]:
    log = io.StringIO()
    async with running(config, Observer(log), time.time()) as service:
        yield KmsDomain(config, service, open_local(config), log)
