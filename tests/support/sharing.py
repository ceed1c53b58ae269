"""Several servers of one domain in this process, on one PostgreSQL, behind a SIP core that the test plays."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mcsec.crypto.secret import Secret
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server.answers import RetryPolicy
from mcsec.server.delivering import DeliverySettings
from mcsec.server.from_store import Sender
from mcsec.server.function import FunctionSettings
from mcsec.server.presence import Presence
from mcsec.server.service import McServer, ServiceSettings
from mcsec.server.sharing import turn
from mcsec.server.users import User
from mcsec.store import server as written
from mcsec.store.address import Address
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from mcsec.store.nodes import Task
from mcsec.store.server import StoredUser
from support.mc_server import DOMAIN, GROUP, PSI, identity, verify
from support.waiting import until

#: Messages that a server leaves unanswered at a time.
IN_FLIGHT = 8
KEK = Kek(Secret(bytes(32)))


def name(number: int) -> str:
    return f"sip:many{number}@{DOMAIN}"


@dataclass
class SipCore:
    """The next hop of every server: it answers for the clients.

    :ivar came: the requests. :ivar answer: what is answered; None: 200.
    :ivar go: what :meth:`on_the_word` waits for.
    """

    port: int = 0
    came: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Response | Awaitable[Response]] | None = None
    go: asyncio.Event = field(default_factory=asyncio.Event)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def handle(self, request: Request, peer: Peer) -> Response | Awaitable[Response]:
        self.came.append(request)
        self._more.set()
        return make_response(request, 200) if self.answer is None else self.answer(request)

    async def on_the_word(self, request: Request) -> Response:
        """An answer that waits until somebody says so."""
        await self.go.wait()
        return make_response(request, 200)

    async def when_both_sent(self, request: Request) -> Response:
        """An answer that waits until there are more requests than one server sends unanswered."""
        while len(self.came) <= IN_FLIGHT:
            self._more.clear()
            await self._more.wait()
        return make_response(request, 200)

    @property
    def times(self) -> Counter[str]:
        """How many messages each client got."""
        return Counter(request.uri for request in self.came)


@asynccontextmanager
async def sip_core() -> AsyncIterator[SipCore]:
    core = SipCore()
    async with Endpoint(core.handle) as endpoint:
        core.port = (await endpoint.listen("TCP", "127.0.0.1"))[1]
        yield core


@dataclass
class Server:
    """One server: its events, and what serves when its turn has come.

    :ivar database: while it runs. :ivar ahead: by how many seconds its clock is wrong.
    """

    events: list[Event] = field(default_factory=list)
    serving: McServer | None = None
    database: Database | None = None
    ahead: float = 0.0
    task: asyncio.Task[None] | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]

    def told(self) -> list[str]:
        return [event.name for event in self.events]

    @property
    def mcx(self) -> McServer:
        assert self.serving is not None
        return self.serving

    @property
    def presence(self) -> Presence:
        found = self.mcx.presence
        assert found is not None
        return found

    @property
    def delivered(self) -> int:
        """Keys that clients took from it."""
        return sum(count() for count in self.presence.counts)

    def others(self) -> int:
        """Keys that clients took from the other servers, as far as it was told."""
        nodes = self.presence.nodes.values()
        return sum(node.delivered for node in nodes if node.node != self.presence.node)

    async def stop(self) -> None:
        """It ends as after SIGTERM."""
        self.done.set()
        assert self.task is not None
        if self.serving is None:
            self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


def settings(core: SipCore | None, **delivery: object) -> ServiceSettings:
    values: dict[str, object] = {
        "in_flight": IN_FLIGHT,
        "batch": IN_FLIGHT,
        "lease": 60.0,
        "retry": RetryPolicy(0.1, 0.3, 5),
    }
    return ServiceSettings(
        FunctionSettings(DOMAIN, PSI, default_musik=False),
        sip=EndpointSettings(outbound=None if core is None else Hop("TCP", "127.0.0.1", core.port)),
        delivery=DeliverySettings(**(values | delivery)),  # type: ignore[arg-type]  # passed on
    )


async def _run(server: Server, where: str | Path, found: ServiceSettings) -> None:
    own = identity()

    async def ask() -> Sender:
        return Sender(own.initiator, own.clients)

    def clock() -> float:
        return time.time() + server.ahead

    address = Address(path=where) if isinstance(where, Path) else Address(uri=where)
    server.database = database = await Database.open(address, KEK)
    try:
        async with (
            turn(database, found, ask, server.events.append, clock) as its,
            McServer(
                database,
                own,
                found,
                verify=verify,
                may_join=lambda user, group: True,
                duty=its.duty,
                presence=its.presence,
                on_event=server.events.append,
                clock=clock,
            ) as serving,
        ):
            server.serving = serving
            await server.done.wait()
            await serving.drain(10.0)
    finally:
        await database.close()


@asynccontextmanager
async def a_server(where: str | Path, found: ServiceSettings, ahead: float = 0.0) -> AsyncIterator[Server]:
    """A server that is started, on a database or a file; it is on duty when no other one is."""
    server = Server(ahead=ahead)
    server.task = asyncio.create_task(_run(server, where, found))
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def two_servers(
    uri: str, found: ServiceSettings, *, ahead: float = 0.0
) -> AsyncIterator[tuple[Server, Server]]:
    """The first is on duty, the other delivers for it. ``ahead``: by how much the other's clock is wrong."""
    async with a_server(uri, found) as first:
        await until(lambda: first.serving)
        async with a_server(uri, found, ahead) as second:
            await until(lambda: "DeliveringToo" in second.told())
            await until(lambda: Task.DELIVERING in {node.task for node in first.presence.nodes.values()})
            yield first, second


async def users(server: McServer, count: int, *path: str) -> dict[str, Key]:
    """Users with CSKs, in the group; their CSKs."""
    function, now = server.function, time.time()
    writes, csks = [], {}
    for number in range(count):
        one = name(number)
        csk = make(PurposeTag.CSK, scope=Scope.of(one), maker=Maker(DOMAIN, one), now=now)
        function.users.put(User(one, one, "urn:uuid:1", now + 3600, frozenset({GROUP})))
        function.engine.csks.put(one, csk, now)
        contact = "sip:192.0.2.1:5070;transport=tcp" if path else ""
        writes += [
            written.put_user(StoredUser(one, one, "urn:uuid:1", now + 3600, contact, path)),
            *written.affiliate(one, [GROUP], []),
            function.csk_write(one, csk),
        ]
        csks[one] = csk
    await server.write(writes)
    return csks
