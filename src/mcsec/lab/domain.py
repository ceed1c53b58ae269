"""A whole MC domain on this machine: its KMS's keys, its MCX server, its GMS, its clients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mcsec.client.engine import ClientEngine, Party
from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys, KmsPublicKeys
from mcsec.gms.engine import GmsEngine
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.server.engine import ServerEngine

#: UserKeyPeriod of TS 33.180's own example: 30 days.
KEY_PERIOD = 2_592_000


@dataclass(frozen=True, slots=True)
class Kms:
    """A domain's KMS, as keys: what it keeps, and what it publishes."""

    master: KmsMasterKeys
    public: KmsPublicKeys

    @classmethod
    def create(cls, domain: str) -> Kms:
        """A KMS with fresh master secrets."""
        master = KmsMasterKeys.generate()
        return cls(master, master.public(f"kms.{domain}", KEY_PERIOD))

    def provision(self, uri: str, now: float) -> IdentityKeys:
        """The validated keys of ``uri`` for the present key period."""
        period = self.public.period_at(now)
        material = self.master.extract(self.public.uid_in(uri, period))
        return IdentityKeys.validate(self.public, uri, period, material.rsk, material.ssk, material.pvt)


@dataclass(slots=True)
class Domain:
    """One MC domain.

    ``mdsi`` is the MCX server's identity (MCX server domain security identifier), ``gms_uri`` the GMS's.
    """

    name: str
    kms: Kms
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

    @classmethod
    def create(cls, name: str, now: float) -> Domain:
        """A domain with its own KMS, and a server and a GMS provisioned by it."""
        kms = Kms.create(name)
        server_keys = kms.provision(mdsi_of(name), now)
        server = ServerEngine(
            name,
            Initiator(server_keys, kms.public),
            Recipient("", kms.public),
            Receiver([server_keys], [kms.public], ReplayCache()),
        )
        gms = GmsEngine(name, Initiator(kms.provision(gms_of(name), now), kms.public))
        return cls(name, kms, server, gms)

    def add_client(self, user: str, partners: Iterable[Domain], now: float) -> ClientEngine:
        """A client of this domain that also knows the KMSs of ``partners``."""
        uri = f"sip:{user}@{self.name}"
        client = ClientEngine(
            [self.kms.provision(uri, now)],
            [domain.kms.public for domain in [self, *partners]],
            Party(self.mdsi, self.kms.public.kms_uri, self.name),
        )
        self.clients[uri] = client
        return client


def mdsi_of(name: str) -> str:
    """The identity of a domain's MCX server."""
    return f"mcx.{name}"


def gms_of(name: str) -> str:
    """The identity of a domain's GMS."""
    return f"gms.{name}"
