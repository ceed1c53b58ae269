"""A whole MC domain on this machine: its KMS's keys, its MCX server, its GMS, its clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mcsec.client.engine import ClientEngine, Party
from mcsec.errors import LocalError
from mcsec.gms.engine import GmsEngine
from mcsec.lab.kms import LabKms, lab_kms
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.server.engine import ServerEngine


@dataclass(slots=True)
class Domain:
    """One MC domain.

    ``mdsi`` is the MCX server's identity (MCX server domain security identifier), ``gms_uri`` the GMS's.
    """

    name: str
    kms: LabKms
    server: ServerEngine
    gms: GmsEngine
    clients: dict[str, ClientEngine] = field(default_factory=dict)

    @property
    def mdsi(self) -> str:
        """Identity of the domain's MCX server."""
        return mdsi_of(self.name)

    @property
    def gms_uri(self) -> str:
        """Identity of the domain's GMS."""
        return gms_of(self.name)

    @property
    def gms_party(self) -> Party:
        """The domain's GMS as clients know it, whose groups are at home here."""
        return Party(self.gms_uri, self.kms.public.kms_uri, self.name)

    async def add_client(self, user: str, partners: Iterable[Domain], now: float) -> ClientEngine:
        """A client of this domain, provisioned by its KMS. It must know the KMSs of ``partners`` from there."""
        uri = f"sip:{user}@{self.name}"
        keys, known = await self.kms.provision(uri, now)
        missing = {domain.kms.public.kms_uri for domain in partners} - {kms.kms_uri for kms in known}
        if missing:
            raise LocalError(f"the KMS of {self.name} vouches for no {', '.join(sorted(missing))}")
        client = ClientEngine([keys], known, Party(self.mdsi, self.kms.public.kms_uri, self.name))
        self.clients[uri] = client
        return client


@asynccontextmanager
async def lab_domain(directory: Path, name: str, now: float) -> AsyncIterator[Domain]:
    """A domain with its own KMS, running, and a server and a GMS that it provisioned.

    Server and GMS know no KMS but their own.
    """
    async with lab_kms(directory / name, name, now) as kms:
        server_keys, known = await kms.provision(mdsi_of(name), now)
        (public,) = known
        server = ServerEngine(
            name,
            Initiator(server_keys, public),
            Recipient("", public),
            Receiver([server_keys], known, ReplayCache()),
        )
        gms_keys, _ = await kms.provision(gms_of(name), now)
        yield Domain(name, kms, server, GmsEngine(name, Initiator(gms_keys, public)))


def mdsi_of(name: str) -> str:
    """The identity of a domain's MCX server."""
    return f"mcx.{name}"


def gms_of(name: str) -> str:
    """The identity of a domain's GMS."""
    return f"gms.{name}"
