"""A domain's GMS on this machine, as its groups' members and its administrators reach it: over HTTPS, with tokens."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcsec.client.engine import Carrier, ClientEngine, Party
from mcsec.client.groupmail import adopt, messages
from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError
from mcsec.gms.config import BelievedSection, Configuration, load
from mcsec.gms.observe import Observer
from mcsec.gms.operations import Operations
from mcsec.gms.service import Running, running
from mcsec.keys.key import Key
from mcsec.kms.issuers import open_local
from mcsec.lab.kms import LabKms
from mcsec.net.gms import GmsClient, GmsClientSettings
from mcsec.net.tls import client_context
from mcsec.wire.gktp import GktpDocument
from mcsec.wire.groups import GroupDocument, Member, Protection


@dataclass(frozen=True, slots=True)
class LabGms:
    """A running GMS with its domain's directory; ``partners`` are KMSs of domains whose users are members."""

    configuration: Configuration
    service: Running
    home: LabKms
    partners: tuple[LabKms, ...]

    @property
    def party(self) -> Party:
        """Who signs what it hands out."""
        return Party(self.configuration.uri, self.home.public.kms_uri, self.configuration.domain)

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every group key that it holds: what an adversary has who took over the machine."""
        return self.service.gms.engine.keys

    async def make_group(
        self, group: str, members: Iterable[str], *, multicast_floor: bool = False
    ) -> GroupDocument:
        """An administrator writes the group's document, which protects everything; its keys follow."""
        document = GroupDocument(
            uri=group,
            members=tuple(Member(uri=member) for member in members),
            protection=Protection(media=True, floor=True, multicast_floor=multicast_floor),
        )
        async with self._client(_chief(self.configuration.domain)) as client:
            await client.put(document, new=True)
        return document

    async def change(self, document: GroupDocument) -> None:
        """An administrator puts another document in the place of a group's."""
        async with self._client(_chief(self.configuration.domain)) as client:
            await client.put(document)

    async def release_13(self, group: str) -> None:
        """The operator switches Release 13 mode on for a group."""
        await Operations(self.service.gms).release_13(group, True, time.time())

    async def regroup(self, group: str, constituents: list[str], seconds: float = 600.0) -> None:
        """The operator makes a temporary group of others."""
        now = time.time()
        await Operations(self.service.gms).regroup(group, constituents, now + seconds, now)

    async def remove(self, group: str) -> None:
        """The operator ends a group."""
        await Operations(self.service.gms).remove(group, time.time())

    async def give_keys(self, group: str, client: ClientEngine) -> None:
        """A member fetches the keys of a group, checks every message and takes them."""
        document = await self.fetch(group, client.uri)
        adopt(document, self.party, client)
        for message in messages(document):
            client.key_message(message, Carrier.GROUP_KEYS, time.time())

    async def fetch(self, group: str, identity: str) -> GktpDocument:
        """What ``identity``, a member or a server, is given of a group."""
        async with self._client(identity) as client:
            found = await client.keys(group)
        if found is None:
            raise LocalError("a GMS that answered nothing", code="lab.gms")
        return found[0]

    async def mkfc(self, group: str, server: str) -> bytes:
        """The message with the MKFC of a group for an MCX server."""
        found = await self.fetch(group, server)
        if found.mkfc is None or len(found.mkfc.gktps) != 1:
            raise LocalError(f"no MKFC of {group} for {server}", code="lab.gms")
        return found.mkfc.gktps[0].message

    def token(self, identity: str, lifetime: int = 600) -> str:
        """An access token for this GMS, from the issuer of the domain that ``identity`` is of."""
        domain = next(
            (kms for kms in self.partners if identity.endswith(kms.configuration.domain)), self.home
        )
        return open_local(domain.configuration).issue(
            identity,
            audience=self.configuration.uri,
            scopes=self.configuration.gms.tokens.scopes,
            now=time.time(),
            lifetime=lifetime,
        )

    def _client(self, identity: str) -> GmsClient:
        async def token() -> Secret:
            return Secret(self.token(identity).encode())

        tls = client_context(self.configuration.path("tls/ca.pem"))
        return GmsClient(GmsClientSettings(self.service.address), token, tls)


def _chief(domain: str) -> str:
    return f"sip:chief@{domain}"


@asynccontextmanager
async def lab_gms(home: LabKms, partners: Iterable[LabKms], now: float) -> AsyncIterator[LabGms]:
    """Runs the GMS of a domain whose KMS runs, on a free port of loopback. It believes the issuers of ``partners``."""
    believed = tuple(partners)
    made = load(home.configuration.directory / "mcsec.toml")
    changed = {
        "listen": "127.0.0.1:0",
        "administrators": [_chief(made.domain)],
        "servers": made.gms.servers
        | {f"mcx.{kms.configuration.domain}": f"mcx.{kms.configuration.domain}" for kms in believed},
        "kms": made.gms.kms.model_copy(update={"address": home.service.address}),
        "issuers": [
            BelievedSection(
                issuer=kms.configuration.issuer_name,
                jwks=str(kms.configuration.path("issuer.jwks.json")),
                domains=[kms.configuration.domain],
            )
            for kms in believed
        ],
    }
    configuration = made.model_copy(update={"gms": made.gms.model_copy(update=changed)})
    async with running(configuration, Observer(io.StringIO()), now) as service:
        yield LabGms(configuration, service, home, believed)
