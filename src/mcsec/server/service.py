"""The MCX server of a domain on asyncio: joins what decides with SIP and the store.

::

    async with McServer(database, identity, settings, verify=validator.validate, may_join=rules) as server:
        address = await server.listen("TLS", "127.0.0.1", 5061, tls=context)
        await server.make_musik(Scope.of("sip:rescue@a.example"))
        await server.announce(Bearer(tmgi, (1, 2), IPv4Address("239.0.0.1"), 5000))

A request is answered when what it changed is on the disk. A server that is killed goes on where it was.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

from mcsec.errors import McsecError
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys.events import Event
from mcsec.keys.key import DEFAULT, Scope
from mcsec.keys.rotation import STANDARD, RotationPolicy
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.invited import IncomingCall, OnInvite
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.registrar import RegistrarSettings
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server import csk_update, keymaking, planning, revocation
from mcsec.server.affiliation_notices import AffiliationNotices
from mcsec.server.announcement import Bearer
from mcsec.server.beginning import Watch
from mcsec.server.collecting import Collecting
from mcsec.server.delivering import Delivering, DeliverySettings
from mcsec.server.duty import Duty
from mcsec.server.engine import ServerEngine
from mcsec.server.events import StoreRefused, UpkeepFailed
from mcsec.server.function import Done, Function, FunctionSettings, MayJoin
from mcsec.server.indexes import StoredIndexes
from mcsec.server.judging import Judging
from mcsec.server.locations import Locations, Place
from mcsec.server.planning import Plan
from mcsec.server.presence import Presence
from mcsec.server.requests import Requests, Verify
from mcsec.server.resume import resume
from mcsec.server.senders import Senders
from mcsec.server.sending import Sending
from mcsec.server.sources import FromMemory
from mcsec.server.subscribers import Credentials, Subscribers
from mcsec.server.upkeep import Upkeep
from mcsec.store import deliveries
from mcsec.store.calls import StoredCall, load_calls
from mcsec.store.database import Database, StoreError
from mcsec.store.group_commit import GroupCommit, Write
from mcsec.store.nodes import Task
from mcsec.store.server_load import load
from mcsec.store.witness import Witness

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """The server as KMS users see it: what it signs with, whose KMS its clients have, what opens their uploads."""

    initiator: Initiator
    clients: Recipient
    receiver: Receiver


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How a server is set up. ``sip.outbound`` is the SIP core; where there is none, clients register here."""

    function: FunctionSettings
    sip: EndpointSettings = field(default_factory=EndpointSettings)
    registrar: RegistrarSettings = field(default_factory=RegistrarSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    rotation: RotationPolicy = STANDARD
    origin_host: str = "127.0.0.1"


class McServer:
    """One participating function. Use it as an async context manager; then :meth:`listen`.

    :ivar function: its state, to look at. What changes it is done by the methods here.
    :ivar events: how many of each were told, by name.
    :ivar presence: what it says to those that share its store; None: nobody does.
    """

    def __init__(
        self,
        database: Database,
        identity: Identity,
        settings: ServiceSettings,
        *,
        verify: Verify,
        may_join: MayJoin,
        subscribers: Subscribers | None = None,
        seen: Witness | None = None,
        duty: Duty | None = None,
        presence: Presence | None = None,
        on_event: Callable[[Event], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """:param subscribers: who registers by digest authentication; None: nobody is asked for it.
        :param seen: where this machine notes how far it saw the store; None: nowhere.
        :param duty: this server's turn where several share the store; None: it is the only one.
        :param presence: what it says to the others, who deliver for it.
        """
        self._database, self._settings, self._clock = database, settings, clock
        self._watch = Watch(database, settings.function.domain, seen)
        self._on_event = on_event or (lambda event: None)
        self.events: Counter[str] = Counter()
        self._hooks: list[Callable[[Event], None]] = []
        self._on_invite: OnInvite | None = None
        indexes = StoredIndexes()
        engine = ServerEngine(
            settings.function.domain,
            identity.initiator,
            identity.clients,
            identity.receiver,
            settings.rotation,
            indexes,
        )
        self.function = Function(engine, database.wrapper, settings.function, may_join)
        self._writer = GroupCommit(database, self._store_refused, None if duty is None else duty.fence)
        self._sending = Sending(self.function, indexes, self._writer, duty, self.carry_out, clock)
        senders = Senders(settings.sip.trust, Credentials(subscribers) if subscribers is not None else None)
        self._senders = senders
        self._locations = Locations(settings.sip.outbound, settings.registrar)
        self.requests = Requests(
            self.function, senders, self._locations, self._writer, verify, self._tell, clock, self._wake
        )
        self._notices = AffiliationNotices(self.function, self.requests.invited, self.requests.refusal)
        self._hooks.append(self._notices.hear)
        self.endpoint = Endpoint(
            self.requests.handle,
            settings.sip,
            on_invite=self._invited,
            on_subscribe=self._notices.subscribed,
            on_event=self.requests.at_the_wire,
        )
        self.presence = presence
        self._node = secrets.token_hex(8) if presence is None else presence.node
        self._judging = Judging(self.function, settings.delivery.retry)
        self._source = FromMemory(
            self.function, self._writer, self._where, self._judging, settings.origin_host, self._node
        )
        self._delivering: Delivering | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._expelled: frozenset[bytes] = frozenset()

    async def __aenter__(self) -> Self:
        now = self._clock()
        found = await self._watch.begin(now)
        state = await load(self._database)
        resume(self.function, state, self._clock())
        self._locations.restore(state.users)
        self._senders.restore(state.users)
        await self._writer.__aenter__()
        await self.endpoint.__aenter__()
        self.endpoint.on_flow_closed(self._flow_closed)
        self._delivering = Delivering(
            self._source,
            self.endpoint,
            self._writer,
            self._tell,
            self._clock,
            self._settings.delivery,
            self._settings.function.psi,
        )
        upkeep = Upkeep(
            self.function,
            self._watch,
            self._settings.delivery.longest,
            self.carry_out,
            self._tell,
            self.tell_failure,
            self._clock,
        )
        await upkeep.begin(found)
        collecting = self._share(self._delivering)
        work = (self._delivering.run(), collecting.run(), upkeep.run())
        self._tasks = [asyncio.create_task(one) for one in work]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._notices.close()
        await self.endpoint.__aexit__(kind, error, trace)
        await self._writer.__aexit__(kind, error, trace)
        await self._watch.note(self._clock(), self.tell_failure)

    async def listen(
        self, transport: str, host: str, port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> tuple[str, int]:
        """Listen for clients or for the SIP core; see :meth:`mcsec.net.sip.endpoint.Endpoint.listen`."""
        return await self.endpoint.listen(transport, host, port, tls=tls)

    # --- what an operator, or the bearer side, asks for

    async def make_musik(self, scope: Scope = DEFAULT) -> None:
        """Make a MuSiK and distribute it; returns when it is written down. It follows the present one of its scope."""
        await self.carry_out(keymaking.make_musik(self.function, scope, self._clock()))

    async def announce(self, bearer: Bearer) -> None:
        """Announce a bearer, new or changed, to everybody concerned, now and later."""
        await self.carry_out(keymaking.announce(self.function, bearer, self._clock()))

    async def withdraw(self, tmgi: Tmgi) -> None:
        """Tell everybody that a bearer ended."""
        await self.carry_out(keymaking.withdraw(self.function, tmgi, self._clock()))

    async def revoke(self, key_id: KeyId, reason: str) -> None:
        """Stop all use of a key, and tell its holders."""
        await self.carry_out(keymaking.revoke(self.function, key_id, reason, self._clock()))

    async def rotate_mscck(self, tmgi: str) -> None:
        """Make another MSCCK for a bearer that is announced, and announce it to everybody concerned."""
        rotation = self.function.engine.keydown.msccks.get(tmgi)
        if rotation is not None:
            await self.carry_out(keymaking.follow(self.function, rotation, self._clock()))

    async def plan(self, tag: PurposeTag, scope: Scope) -> Plan:
        """What a rotation would take; nothing has changed."""
        assert self._delivering is not None, "the server is entered with async with"
        patience = self._settings.rotation.switch_after
        return await planning.plan(self._source, self._delivering, tag, scope, patience, self._clock())

    async def deliveries_by_key(self) -> Mapping[KeyId, dict[str, int]]:
        """How many deliveries of each key are in which state: as the disk knows it, even if it takes nothing."""
        async with self._database.read() as connection:
            counted: Mapping[KeyId, dict[str, int]] = await connection.run_sync(deliveries.count_by_key)
        return counted

    @property
    def store_trouble(self) -> StoreError | None:
        """Why the store took nothing when it was last asked; None: it did."""
        return self._writer.trouble

    async def replace_csk(self, user: str) -> None:
        """Give a user's client a new CSK; it is in force when the client answered that it holds it."""
        await self.carry_out(csk_update.replace_csk(self.function, user, self._clock()))

    async def remove(self, group: str, members: Collection[str]) -> None:
        """Take users off a group, and rekey at once."""
        await self.carry_out(keymaking.remove(self.function, group, members, self._clock()))

    async def bar(self, user: str, group: str) -> None:
        """Take a user off a group of another domain, on that domain's word, and let it join no more until it is
        invited from there again.
        """
        await self.carry_out(keymaking.bar(self.function, user, group, self._clock()))

    async def unbar(self, user: str, group: str) -> None:
        """The home domain of a group invites a user again: it may join."""
        await self.carry_out(keymaking.unbar(self.function, user, group))

    async def expel_revoked(self) -> None:
        """Log off whom the KMS revoked, and rekey at once what they held; looked at when the KMS says something new."""
        known = self.function.engine.keydown.revoked_users
        if known != self._expelled:
            await self.carry_out(revocation.expel(self.function, self._clock()))
            self._expelled = known

    def renew(self, identity: Identity) -> None:
        """The server's keys for another key period; what was received before is remembered."""
        self.function.engine.renew(identity.initiator, identity.receiver)

    async def drain(self, seconds: float) -> None:
        """Deliver nothing more, for this server is about to end; as :meth:`Delivering.drain`."""
        if self._delivering is not None:
            await self._delivering.drain(seconds)

    async def deliveries(self) -> Mapping[str, int]:
        """How many deliveries are in which state."""
        counted: Mapping[str, int] = await self._writer.run(deliveries.count)
        return counted

    async def send(self, produce: Callable[[float], T]) -> T:
        """As :meth:`mcsec.server.sending.Sending.send`."""
        return await self._sending.send(produce)

    async def send_all(self, produces: Sequence[Callable[[float], T]]) -> list[T | McsecError]:
        """As :meth:`mcsec.server.sending.Sending.send_all`."""
        return await self._sending.send_all(produces)

    def send_now(self, produce: Callable[[float], T]) -> T | None:
        """As :meth:`mcsec.server.sending.Sending.send_now`."""
        return self._sending.send_now(produce)

    @property
    def owes(self) -> bool:
        """As :attr:`mcsec.server.sending.Sending.owes`."""
        return self._sending.owes

    # --- for calls

    async def calls_left(self) -> list[StoredCall]:
        """Legs of calls that were written down: of a server that was killed, at the start."""
        found: list[StoredCall] = await self._writer.run(load_calls)
        return found

    def serve_calls(self, on_invite: OnInvite) -> None:
        """Who answers INVITEs from now on; until then they are refused."""
        self._on_invite = on_invite

    def hear(self, hook: Callable[[Event], None]) -> None:
        """Call ``hook`` with each event, when it is told."""
        self._hooks.append(hook)

    def tell(self, happened: Iterable[Event]) -> None:
        """Publish what happened beside the server: in calls."""
        self._tell(happened)

    def where(self, user: str) -> Place | None:
        """How a user's client is reached; None: it is not registered."""
        return self._where(user)

    def tell_failure(self, error: McsecError) -> None:
        """Something around the server failed, and is tried again: the KMS did not answer."""
        self._tell([UpkeepFailed(self._clock(), error.code, str(error), error.hint)])

    async def write(self, writes: Iterable[Write]) -> None:
        """Write down what an operator changes in bulk, in one transaction with nobody else's."""
        await self._writer.write(writes)

    # --- inside

    def _share(self, delivering: Delivering) -> Collecting:
        """Others may deliver for this server from now on."""
        presence = self.presence
        if presence is not None:
            presence.counts.append(lambda: delivering.delivered)
            presence.task = Task.ON_DUTY
        return Collecting(
            self._database,
            self._judging,
            self._writer,
            delivering,
            presence,
            self._node,
            self._tell,
            self._clock,
        )

    async def carry_out(self, done: Done) -> None:
        """Commit what a procedure did, then publish it; keys that are due may be sent now."""
        await self._writer.write(done.writes)
        self._tell(done.events)
        self._wake()

    async def _invited(self, incoming: IncomingCall) -> None:
        if self._on_invite is None:
            incoming.refuse(405)
        else:
            await self._on_invite(incoming)

    def _flow_closed(self, peer: Peer, reason: str) -> None:
        self._senders.closed(peer)
        self._locations.closed(peer)

    def _where(self, user: str) -> Place | None:
        known = self.function.users.get(user)
        return None if known is None else self._locations.where(known.impu, self._clock())

    def _wake(self) -> None:
        if self._delivering is not None:
            self._delivering.wake()

    def _tell(self, happened: Iterable[Event]) -> None:
        for event in happened:
            self.events[event.name] += 1
            self._on_event(event)
            for hook in self._hooks:
                hook(event)

    def _store_refused(self, error: StoreError) -> None:
        self._tell([StoreRefused(self._clock(), error.code, str(error), error.hint)])
