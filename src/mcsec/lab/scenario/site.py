"""One MC domain of a scenario, as an operator would run it: KMS, GMS, BM-SC, MCX server, and its clients.

Every entity is the one that ``mcsec run`` runs, made from the files that ``mcsec init`` writes; all in this process,
with sockets between them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from mcsec.bmsc.service import Bmsc
from mcsec.client.host import ClientHost, HostSettings
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.kms.issuers import open_local
from mcsec.lab.domain import mdsi_of
from mcsec.lab.gms import LabGms, lab_gms
from mcsec.lab.kms import LabKms, lab_kms
from mcsec.lab.mb2 import LOOPBACK, lab_bmsc
from mcsec.lab.ports import free_port
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tls import client_context
from mcsec.server.config import Configuration, ServerSection
from mcsec.server.running import Running, running
from mcsec.store.database import Database
from mcsec.store.spks import put_spk

#: Seconds; a server fetches keys as long as the scenario runs.
_TOKEN_LIFETIME = 3600
BEARER = "one"


@dataclass(frozen=True, slots=True)
class BearerWish:
    """The bearer of a domain. ``address`` and ``port``: of its general purpose subchannel.

    ``release_13``: those of ``groups`` that are in Release 13 mode, and whether their GMS gives an MKFC.
    ``temporary``: those that go under the MuSiK for every group.
    """

    areas: tuple[int, ...]
    groups: tuple[str, ...]
    listeners: int
    address: IPv4Address
    port: int
    release_13: Mapping[str, bool] = field(default_factory=dict)
    temporary: frozenset[str] = frozenset()

    def musiks(self, groups: Iterable[str]) -> set[str | None]:
        """Of which groups those who are in ``groups`` are to hold the MuSiK; None: the one for every group."""
        ours = set(self.groups).intersection(groups) - self.release_13.keys()
        return {None if group in self.temporary else group for group in ours}


@dataclass(slots=True, eq=False)
class Site:
    """A domain that runs.

    :ivar happened: what its server told. :ivar offices: KMS and GMS; closed, nobody reaches them.
    """

    name: str
    kms: LabKms
    gms: LabGms
    bmsc: Bmsc | None
    offices: AsyncExitStack
    wish: BearerWish | None
    happened: list[Event] = field(default_factory=list)
    server: Running | None = None
    host: ClientHost | None = None

    @property
    def mdsi(self) -> str:
        """Identity of its MCX server."""
        return mdsi_of(self.name)

    @property
    def running(self) -> Running:
        """Its server."""
        assert self.server is not None, "serve() comes first"
        return self.server

    @property
    def clients(self) -> ClientHost:
        """Where its clients are."""
        assert self.host is not None, "serve() comes first"
        return self.host


@asynccontextmanager
async def kms_site(directory: Path, name: str, now: float) -> AsyncIterator[tuple[LabKms, AsyncExitStack]]:
    """A domain's directory and its KMS; the stack closes what cannot be reached when the story says so."""
    async with AsyncExitStack() as offices:
        yield await offices.enter_async_context(lab_kms(directory / name, name, now)), offices


@asynccontextmanager
async def site(
    kms: LabKms, offices: AsyncExitStack, partners: Collection[LabKms], wish: BearerWish | None, now: float
) -> AsyncIterator[Site]:
    """The rest of a domain but its server: GMS, and BM-SC where a bearer is wanted."""
    name = kms.configuration.domain
    gms = await offices.enter_async_context(lab_gms(kms, partners, now))
    async with AsyncExitStack() as stack:
        bmsc = None
        if wish is not None:
            tls = kms.configuration.path("tls")
            bmsc = await stack.enter_async_context(
                lab_bmsc(tls, name, mdsi_of(name), areas=wish.areas, port=free_port())
            )
        yield Site(name, kms, gms, bmsc, offices, wish)


@asynccontextmanager
async def serve(
    place: Site,
    port: int,
    groups: Iterable[Mapping[str, object]],
    partners: Mapping[Site, int],
    spks: Iterable[Key],
    on_event: Callable[[Event], None],
) -> AsyncIterator[None]:
    """The domain's server on ``port``, and a host for its clients.

    :param partners: other domains, with the port of the server of each.
    """
    configuration = _configuration(place, port, groups, partners)
    database = await Database.open(configuration.store.address, configuration.kek())
    try:
        async with database.begin() as connection:
            for key in spks:
                (peer,) = key.scope.names
                await connection.run_sync(partial(put_spk, wrapper=database.wrapper, peer=peer, key=key))
    finally:
        await database.close()

    def told(event: Event) -> None:
        place.happened.append(event)
        on_event(event)

    tls = client_context(place.kms.configuration.path("tls/ca.pem"))
    settings = HostSettings(
        Hop("TLS", str(LOOPBACK), port, place.mdsi),
        EndpointSettings(client_tls=tls, trust=Trust(names=frozenset({place.mdsi}))),
    )
    async with running(configuration, told) as found, ClientHost(settings) as host:
        place.server, place.host = found, host
        yield


def spk_between(one: str, other: str, now: float) -> tuple[Key, Key]:
    """An SPK that two operators agreed on, as each of them keeps it."""
    made = make(PurposeTag.SPK, scope=Scope.of(mdsi_of(other)), maker=Maker(one, mdsi_of(one)), now=now)
    theirs = Key(
        made.key_id, made.secret, made.rand, Scope.of(mdsi_of(one)), made.maker, made.created, made.activation
    )
    return made, theirs


def _gms(place: Site, other: Site) -> dict[str, object]:
    """How the server of a domain reaches the GMS of one, with a token of its own for it."""
    token = f"gms-{other.name}.token"
    place.kms.configuration.path(token).write_text(other.gms.token(place.mdsi, _TOKEN_LIFETIME))
    return {
        "address": other.gms.service.address,
        "ca": str(other.kms.configuration.path("tls/ca.pem")),
        "token": f"file:{token}",
        "refresh": 1.0,
    }


def _configuration(
    place: Site,
    port: int,
    groups: Iterable[Mapping[str, object]],
    partners: Mapping[Site, int],
) -> Configuration:
    """What the operator writes into the section ``[server]``."""
    directory, known = place.kms.configuration.path("."), list(groups)
    issuer = open_local(place.kms.configuration)
    tokens = place.kms.configuration.kms.tokens
    token = issuer.issue(
        place.mdsi,
        audience=place.kms.configuration.kms.uri,
        scopes=tokens.scopes,
        now=time.time(),
        lifetime=_TOKEN_LIFETIME,
    )
    directory.joinpath("server.token").write_text(token)
    made = Configuration.load(directory / "mcsec.toml")
    section: dict[str, object] = made.server.model_dump(exclude={"mb2", "bearers"}) | {
        "listen": [f"tls:{LOOPBACK}:{port}"],
        "kms": made.server.kms.model_dump() | {"address": place.kms.service.address},
        "csk_required": True,
        "groups": known,
        # A MuSiK would come first, so there is none for everybody.
        "default_musik": not any(group["release_13"] for group in known),
        "gms": _gms(place, place),
        "partners": [
            {
                "domain": other.name,
                "sip": f"tls:{LOOPBACK}:{there}",
                "ca": str(other.kms.configuration.path("tls/ca.pem")),
                "gms": _gms(place, other),
            }
            for other, there in partners.items()
        ],
    }
    if (wish := place.wish) is not None and place.bmsc is not None:
        section["calls"] = {"listeners": wish.listeners, "t16": 0.1, "t17": 0.05, "t15": 5.0}
        section["mb2"] = {
            "bmsc": place.bmsc.config.host,
            "peers": [{"host": place.bmsc.config.host, "address": f"{LOOPBACK}:{place.bmsc.node.ports[0]}"}],
            "redial_first": 0.2,
            "retry_first": 0.2,
            "sign_of_life": 0.2,
        }
        section["bearers"] = [
            {
                "name": BEARER,
                "areas": list(wish.areas),
                "address": str(wish.address),
                "port": wish.port,
                "groups": list(wish.groups),
            }
        ]
    return Configuration(place.name, directory, ServerSection.model_validate(section), made.store)
