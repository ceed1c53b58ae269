"""A whole MC domain on this machine: its KMS, the names of its servers, its clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mcsec.client.engine import Party
from mcsec.errors import LocalError
from mcsec.lab.kms import LabKms, lab_kms
from mcsec.lab.watched import WatchedClient


@dataclass(slots=True)
class Domain:
    """One MC domain.

    ``mdsi`` is the MCX server's identity (MCX server domain security identifier), ``gms_uri`` the GMS's.
    """

    name: str
    kms: LabKms
    clients: dict[str, WatchedClient] = field(default_factory=dict)

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

    async def add_client(self, user: str, partners: Iterable[Domain], now: float) -> WatchedClient:
        """A client of this domain, provisioned by its KMS. It must know the KMSs of ``partners`` from there."""
        uri = f"sip:{user}@{self.name}"
        keys, known = await self.kms.provision(uri, now)
        missing = {domain.kms.public.kms_uri for domain in partners} - {kms.kms_uri for kms in known}
        if missing:
            raise LocalError(f"the KMS of {self.name} vouches for no {', '.join(sorted(missing))}")
        client = WatchedClient([keys], known, Party(self.mdsi, self.kms.public.kms_uri, self.name))
        self.clients[uri] = client
        return client


@asynccontextmanager
async def lab_domain(directory: Path, name: str, now: float) -> AsyncIterator[Domain]:
    """A domain with its own KMS, running."""
    async with lab_kms(directory / name, name, now) as kms:
        yield Domain(name, kms)


def mdsi_of(name: str) -> str:
    """The identity of a domain's MCX server."""
    return f"mcx.{name}"


def gms_of(name: str) -> str:
    """The identity of a domain's GMS."""
    return f"gms.{name}"
