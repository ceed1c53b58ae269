"""A GMS in this process, over TLS on loopback, with the KMS of its domain and of a partner's; and clients of it."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from mcsec.client.engine import ClientEngine, Party
from mcsec.crypto.secret import Secret
from mcsec.gms.access import DEFAULT_SCOPES
from mcsec.gms.config import Configuration, load
from mcsec.gms.gms import Gms
from mcsec.gms.observe import Observer
from mcsec.gms.service import Running, running
from mcsec.kms.issuers import open_local
from mcsec.lab.kms import LabKms, lab_kms
from mcsec.net.gms import GmsClient, GmsClientSettings
from mcsec.net.tls import client_context
from mcsec.net.token_source import TokenSource
from mcsec.wire.groups import GroupDocument, Member, Protection

HOME, PARTNER = "b.example", "a.example"
GROUP, OTHER = f"sip:rescue@{HOME}", f"sip:police@{HOME}"
CHIEF, ANN, BOB, CAT = f"sip:chief@{HOME}", f"sip:ann@{HOME}", f"sip:bob@{HOME}", f"sip:cat@{HOME}"
DAN = f"sip:dan@{PARTNER}"
SERVER, FOREIGN_SERVER = f"mcx.{HOME}", f"mcx.{PARTNER}"
PARTY = Party(f"gms.{HOME}", f"kms.{HOME}", HOME)


def document(*members: str, group: str = GROUP, **facts: Any) -> GroupDocument:
    return GroupDocument(uri=group, members=tuple(Member(uri=uri) for uri in members), **facts)


MULTICAST = Protection(multicast_floor=True)


@dataclass
class GmsDomain:
    """A GMS that serves, and what tests need around it."""

    config: Configuration
    running: Running
    kms: dict[str, LabKms]
    log: io.StringIO
    waits: list[float] = field(default_factory=list)

    @property
    def gms(self) -> Gms:
        return self.running.gms

    def token(self, subject: str = ANN, *, issuer: str = "", **options: Any) -> str:
        domain = issuer or (PARTNER if subject.endswith(PARTNER) else HOME)
        wanted: dict[str, Any] = {"audience": self.config.uri, "scopes": DEFAULT_SCOPES, "now": time.time()}
        return open_local(self.kms[domain].configuration).issue(subject, **(wanted | options))

    def source(self, subject: str, **options: Any) -> TokenSource:
        async def source() -> Secret:
            return Secret(self.token(subject, **options).encode())

        return source

    def client(self, user: str = ANN, **options: Any) -> GmsClient:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        settings = GmsClientSettings(self.running.address, attempts=2)
        tls = client_context(self.config.path("tls/ca.pem"))
        return GmsClient(settings, self.source(user, **options), tls, sleep=sleep)

    def http(self) -> httpx2.AsyncClient:
        """A bare HTTPS client that believes the domain's CA."""
        return httpx2.AsyncClient(
            base_url=self.running.address,
            verify=client_context(self.config.path("tls/ca.pem")),
            trust_env=False,
        )

    def admin(self) -> httpx2.AsyncClient:
        """A client of the operators' socket."""
        transport = httpx2.AsyncHTTPTransport(uds=str(self.running.admin.file))
        return httpx2.AsyncClient(base_url="http://gms", transport=transport)

    async def put(self, wanted: GroupDocument, by: str = CHIEF, **options: Any) -> str:
        async with self.client(by) as client:
            return await client.put(wanted, **options)

    async def engine(self, user: str, *groups: str) -> ClientEngine:
        """A user's client, provisioned by its own KMS; ``groups`` are at home with the GMS."""
        domain = PARTNER if user.endswith(PARTNER) else HOME
        keys, known = await self.kms[domain].provision(user, time.time())
        server = Party(f"mcx.{domain}", f"kms.{domain}", domain)
        return ClientEngine([keys], known, server, dict.fromkeys(groups or (GROUP, OTHER), PARTY))


def change(directory: Path, text: str) -> None:
    """Puts a section into a domain's file, before everything that comes after [gms]'s own names."""
    file = directory / "mcsec.toml"
    before = file.read_text()
    for line in text.strip().splitlines():
        name = line.partition("=")[0].strip()
        at = before.index("[gms]")
        place = before.index(f"\n{name} =", at) + 1
        before = before[:place] + line.strip() + before[before.index("\n", place) :]
    file.write_text(before)


def prepare(directory: Path, kms_address: str, partner: Path | None = None) -> Path:
    """A domain's file, so that its GMS takes any port, has an administrator and believes a partner."""
    change(directory, f'listen = "127.0.0.1:0"\nadministrators = ["{CHIEF}"]')
    file = directory / "mcsec.toml"
    text = file.read_text()
    at = text.index("[gms.kms]")
    text = text[:at] + text[at:].replace("https://127.0.0.1:8443", kms_address, 1)
    if partner is not None:
        text = text.replace("[gms.servers]\n", f'[gms.servers]\n"{FOREIGN_SERVER}" = "{FOREIGN_SERVER}"\n', 1)
        text += (
            f'\n[[gms.issuers]]\nissuer = "https://id.{PARTNER}"\n'
            f'jwks = "{partner / "issuer.jwks.json"}"\ndomains = ["{PARTNER}"]\n'
        )
    file.write_text(text)
    return file


@asynccontextmanager
async def serve(file: Path, kms: dict[str, LabKms]) -> AsyncIterator[GmsDomain]:
    log = io.StringIO()
    config = load(file)
    async with running(config, Observer(log), time.time()) as service:
        yield GmsDomain(config, service, kms, log)


@asynccontextmanager
async def gms_domain(directory: Path, *, extra: str = "") -> AsyncIterator[GmsDomain]:
    """Two KMSs that trust one another, and the GMS of the home domain; ``extra`` goes into its file."""
    now = time.time()
    async with AsyncExitStack() as stack:
        kms = {
            name: await stack.enter_async_context(lab_kms(directory / name, name, now))
            for name in (HOME, PARTNER)
        }
        await kms[HOME].trust(kms[PARTNER], now)
        await kms[PARTNER].trust(kms[HOME], now)
        file = prepare(directory / HOME, kms[HOME].service.address, directory / PARTNER)
        file.write_text(file.read_text() + extra)
        yield await stack.enter_async_context(serve(file, kms))
