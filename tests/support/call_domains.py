"""MC domains with group calls for tests: an MCX server each, clients that call and talk, partners by mutual TLS."""

from __future__ import annotations

import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mcsec._core import Secret
from mcsec.client.audio import pcmu
from mcsec.client.calls.desk import POLICY
from mcsec.client.calls.service import McCall
from mcsec.client.engine import ClientEngine, Party
from mcsec.client.floor import ParticipantPolicy
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.profile import Profile, RejoinTimes
from mcsec.client.radio import RadioSide
from mcsec.client.service import McClient
from mcsec.ids import PurposeTag, host_of
from mcsec.keys.events import Event
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server.answers import RetryPolicy
from mcsec.server.calls.groups import Group, GroupTable
from mcsec.server.calls.links import Partner
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.service import Calls, CallSettings
from mcsec.server.delivering import DeliverySettings
from mcsec.server.function import FunctionSettings
from mcsec.server.service import Identity, McServer, ServiceSettings
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from support.domains import kms
from support.mc_server import LOOPBACK, verify
from support.sip_tls import TestAuthority

AREA = 1
#: Calls are made by the test alone.
NEVER_AGAIN = RejoinTimes(within=0)
#: Clients that go on asking on a machine that has much else to do.
PATIENT = replace(POLICY, c100=30, c101=30, c104=30)


def mdsi(domain: str) -> str:
    return f"mcx.{domain}"


def psi(domain: str) -> str:
    return f"sip:mcptt@{domain}"


def controlling(domain: str) -> str:
    return f"sip:mcptt-controlling@{domain}"


@dataclass
class User:
    """A client and what it told and heard."""

    client: McClient
    events: list[Event] = field(default_factory=list)
    heard: array[int] = field(default_factory=lambda: array("h"))

    def of(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]

    def listen(self, group: str) -> McCall:
        """Keeps what its call lets hear, from now on."""
        call = self.client.calls[group]
        call.on_audio = lambda frame, now: self.heard.extend(pcmu.decode(frame.payload))
        return call


@dataclass
class Domain:
    """One domain that runs."""

    name: str
    server: McServer
    calls: Calls
    groups: GroupTable
    host: ClientHost
    port: int
    events: list[Event]
    stack: AsyncExitStack
    rejoin: RejoinTimes = NEVER_AGAIN
    authority: TestAuthority | None = None
    users: dict[str, User] = field(default_factory=dict)

    def of(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]

    async def log_on(self, uri: str, groups: Iterable[str], gmk: Key | None = None) -> User:
        """A user with one client, affiliated to ``groups``, with their GMK."""
        public = kms(f"kms.{self.name}").public
        party = Party(mdsi(self.name), public.kms_uri, self.name)
        keys = kms(public.kms_uri).identity(uri, time.time())
        user = User.__new__(User)
        events: list[Event] = []
        profile = Profile(
            mc_service_id=uri,
            impu=uri,
            client_id=f"urn:uuid:00000000-0000-4000-8000-{abs(hash(uri)) % 10**12:012d}",
            registrar=f"sip:{self.name}",
            psi=psi(self.name),
            server=party,
            rejoin=self.rejoin,
        )
        client = self.host.add(
            profile,
            ClientEngine([keys], [public], party),
            lambda: Secret(uri.encode()),
            radio=RadioSide(AREA),
            on_event=events.append,
        )
        user = self.users[uri] = User(client, events)
        await client.log_on(groups)
        if gmk is not None:
            client.engine.keyring.install(gmk, signer="gms", now=time.time())
        return user


def gmk_of(*groups: str) -> Key:
    """A key for the media of groups, as their GMS makes it."""
    maker = Maker("b.example", "gms.b.example")
    return make(PurposeTag.GMK, scope=Scope.of(*groups), maker=maker, now=time.time())


def spk_between(one: str, other: str) -> tuple[Key, Key]:
    """One SPK, as each of two domains has it: the scope is the other one."""
    made = make(PurposeTag.SPK, scope=Scope.of(mdsi(other)), maker=Maker(one, mdsi(one)), now=time.time())
    same = Key(
        made.key_id, made.secret, made.rand, Scope.of(mdsi(one)), made.maker, made.created, made.activation
    )
    return made, same


def identity(domain: str) -> Identity:
    found = kms(f"kms.{domain}")
    keys = found.identity(mdsi(domain), time.time())
    receiver = Receiver([keys], [found.public], ReplayCache())
    return Identity(Initiator(keys, found.public), Recipient("", found.public), receiver)


@asynccontextmanager
async def domain(
    directory: Path,
    name: str,
    groups: Iterable[Group],
    *,
    policy: CallPolicy | None = None,
    authority: TestAuthority | None = None,
    partners: Callable[[], Mapping[str, Partner]] = dict,
    port: int = 0,
    floor: ParticipantPolicy = PATIENT,
    rejoin: RejoinTimes = NEVER_AGAIN,
    **function: object,
) -> AsyncIterator[Domain]:
    """A domain on loopback: clients by TCP, partners by TLS on ``port``. ``floor``: what its clients' floors share.
    ``rejoin``: when they are back in calls that were lost.
    """
    table = GroupTable(groups)
    events: list[Event] = []
    tls = None if authority is None else authority.client(mdsi(name))
    async with AsyncExitStack() as stack:
        database = await Database.open(directory / f"{name}.sqlite", Kek(Secret(bytes(32))))
        stack.push_async_callback(database.close)
        server = McServer(
            database,
            identity(name),
            ServiceSettings(
                FunctionSettings(name, psi(name), **({"csk_required": True} | function)),  # type: ignore[arg-type]  # passed on
                sip=EndpointSettings(client_tls=tls),
                delivery=DeliverySettings(retry=RetryPolicy(0.05, 0.2, 4)),
            ),
            verify=verify,
            may_join=lambda user, group: table.find(group) is not None,
            on_event=events.append,
        )
        await stack.enter_async_context(server)
        settings = CallSettings(controlling(name), policy=policy or CallPolicy(), partners=partners())
        calls = await stack.enter_async_context(Calls(server, table, settings))
        _, clients = await server.listen("TCP", "127.0.0.1")
        if authority is not None:
            context = authority.server(mdsi(name), ask=True)
            await server.listen("TLS", "127.0.0.1", port, tls=context)
        hop = Hop("TCP", "127.0.0.1", clients)
        host = await stack.enter_async_context(
            ClientHost(HostSettings(hop, EndpointSettings(trust=LOOPBACK), floor=floor))
        )
        yield Domain(name, server, calls, table, host, clients, events, stack, rejoin, authority)


@asynccontextmanager
async def two_domains(
    directory: Path,
    groups: Iterable[Group],
    policy: CallPolicy | None = None,
    rejoin: RejoinTimes = NEVER_AGAIN,
) -> AsyncIterator[tuple[Domain, Domain]]:
    """Domains a.example and b.example, partners of one another."""
    from mcsec.lab.ports import free_port

    names = ("a.example", "b.example")
    authority = TestAuthority(directory)
    ports = dict(zip(names, (free_port(), free_port()), strict=True))
    keys = dict(zip(names, spk_between(*names), strict=True))

    def partner(own: str, other: str) -> Callable[[], Mapping[str, Partner]]:
        return lambda: {
            other: Partner(
                domain=other,
                mdsi=mdsi(other),
                participating=psi(other),
                controlling=controlling(other),
                hop=Hop("TLS", "127.0.0.1", ports[other], mdsi(other)),
                spks=(keys[own],),
                names=frozenset({mdsi(other)}),
            )
        }

    known = list(groups)
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(
                domain(
                    directory,
                    own,
                    known,
                    policy=policy,
                    authority=authority,
                    partners=partner(own, other),
                    port=ports[own],
                    rejoin=rejoin,
                )
            )
            for own, other in (names, names[::-1])
        ]
        yield made[0], made[1]


def home(uri: str) -> str:
    return host_of(uri)
