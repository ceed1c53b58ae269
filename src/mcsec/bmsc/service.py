"""The BM-SC's shell: Diameter for MB2-C, UDP for MB2-U, multicast for the air, and one timer."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from mcsec.bmsc.bearer import Bearer, Key
from mcsec.bmsc.config import BmscConfig
from mcsec.bmsc.doors import Address, Doors
from mcsec.bmsc.engine import Engine, Reply
from mcsec.bmsc.events import DatagramsDropped, Event, Notify
from mcsec.bmsc.faults import FaultTable
from mcsec.bmsc.radio import Emission, Radio
from mcsec.bmsc.userplane import UserPlane
from mcsec.errors import McsecError
from mcsec.net.config import ConfigError
from mcsec.net.diameter import effects
from mcsec.net.diameter.config import Limits, Listener, NodeConfig, PeerConfig, Timings
from mcsec.net.diameter.errors import NoAnswer
from mcsec.net.diameter.node import DiameterNode
from mcsec.net.diameter.restart_counter import next_counter
from mcsec.net.radio import RadioSender
from mcsec.net.tls import server_context
from mcsec.wire.mb2.groups import UserplaneProtocolResult
from mcsec.wire.mb2.masks import DiagnosticInfo
from mcsec.wire.mb2.messages import APPLICATION, Gaa, Gar, Gnr

#: Seconds until dropped datagrams of one port and reason are told of again.
_QUIET = 10.0


class Bmsc:
    """A BM-SC on this machine; use as an asynchronous context manager.

    ``on_event`` gets the events of :mod:`mcsec.bmsc.events`, in order; ``on_diameter`` those of the Diameter node;
    ``on_air`` every datagram that a cell sends, also of cells without an interface.

    :raises LocalError: on entry, an address, port, interface or file cannot be had.
    """

    def __init__(
        self,
        config: BmscConfig,
        listeners: tuple[Listener, ...],
        *,
        peers: tuple[PeerConfig, ...] | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
        on_diameter: Callable[[effects.Event], None] = lambda event: None,
        on_air: Callable[[Emission], None] = lambda emission: None,
        faults: FaultTable | None = None,
        timings: Timings | None = None,
        limits: Limits | None = None,
    ) -> None:
        """:param peers: the GCS ASs' Diameter settings; by default each of them, with TLS required."""
        self.config = config
        self.faults = faults or FaultTable()
        self.radio = Radio(config.cells, config.seed)
        self.userplane = UserPlane(config)
        self._on_event, self._on_diameter, self._on_air = on_event, on_diameter, on_air
        if peers is None:
            peers = tuple(PeerConfig(host=server.host, realm=server.realm) for server in config.gcs_as)
        self._node_config = NodeConfig(
            host=config.host,
            realm=config.realm,
            applications=(APPLICATION,),
            peers=peers,
            listeners=listeners,
            timings=timings or Timings(),
            limits=limits or Limits(),
        )
        self._senders: dict[str, RadioSender] = {}
        self._told: dict[tuple[int, str], float] = {}
        self._doors: Doors | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._engine: Engine | None = None
        self._node: DiameterNode | None = None

    @classmethod
    def configured(cls, config: BmscConfig, directory: Path, **callbacks: Any) -> Self:
        """As a file says; ``directory`` is the file's. ``callbacks`` as above.

        :raises LocalError: a certificate, key or address cannot be used.
        """
        diameter = config.diameter
        context = None
        if not diameter.plain:
            files = (directory / diameter.certificate, directory / diameter.key)
            context = server_context(*files, clients=directory / diameter.authorities)
        if config.state is not None:
            config = replace(config, state=directory / config.state)
        peers = tuple(
            PeerConfig(host=server.host, realm=server.realm, require_tls=not diameter.plain)
            for server in config.gcs_as
        )
        listeners = tuple(_listener(text, context) for text in diameter.listen)
        return cls(config, listeners, peers=peers, **callbacks)

    # --- life

    async def __aenter__(self) -> Self:
        try:
            for cell in self.config.cells:
                if cell.interface is not None:
                    self._senders[cell.name] = RadioSender(cell.interface, cell.ttl)
            doors = self._doors = Doors(
                self.config.mb2u_addresses, self.config.mb2u_port, self.config.bearers
            )
            counter = next_counter(self.config.state)
            self._engine = Engine(self.config, doors.ports, counter, faults=self.faults)
            await self._connect()
        except BaseException:
            self._close()
            raise
        doors.watch(self._arrived)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disconnect(self.node.stop())
        self._close()

    async def restart(self, *, keep_state: bool, abruptly: bool = False) -> None:
        """Go away and come back, with or without TMGIs and bearers; ``abruptly``: without good-bye.

        Without state the Restart-Counter grows, and so does Origin-State-Id.
        """
        ports = self.node.ports
        await self._disconnect(self.node.abort() if abruptly else self.node.stop())
        engine, doors = self.engine, self._doors
        assert doors is not None
        counter = engine.restart_counter
        if not keep_state:
            counter = max(next_counter(self.config.state), counter + 1)
        state = engine.state if keep_state else None
        self._engine = Engine(self.config, doors.ports, counter, state=state, faults=self.faults)
        listeners = tuple(
            replace(listener, port=port)
            for listener, port in zip(self._node_config.listeners, ports, strict=True)
        )
        self._node_config = replace(self._node_config, listeners=listeners)
        await self._connect()
        self._follow()

    async def _connect(self) -> None:
        self._node = DiameterNode(
            self._node_config, on_event=self._diameter_event, origin_state_id=self.engine.restart_counter
        )
        self._node.serve(Gar, self._asked)
        await self._node.start()

    async def _disconnect(self, ending: Coroutine[Any, Any, None]) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await ending
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        if self._doors is not None:
            self._doors.close()
        for sender in self._senders.values():
            sender.close()

    # --- use

    @property
    def engine(self) -> Engine:
        """The decisions; only there while the BM-SC runs."""
        assert self._engine is not None, "enter the BM-SC first"
        return self._engine

    @property
    def node(self) -> DiameterNode:
        """The Diameter node; another one after each restart."""
        assert self._node is not None, "enter the BM-SC first"
        return self._node

    @property
    def counters(self) -> Counter[str]:
        """Packets of MB2-U and the radio, and Diameter traffic, by stable names."""
        radio = Counter({f"radio.{name}": number for name, number in self.radio.counters.items()})
        unsent = sum(sender.dropped for sender in self._senders.values())
        return self.node.counters + self.userplane.counters + radio + Counter({"radio.unsent": unsent})

    def end(self, key: Key, diagnostic: DiagnosticInfo = DiagnosticInfo.MBMS_GW_PERMANENT_ERROR) -> None:
        """The network loses a bearer."""
        self.engine.end(key, time.time(), diagnostic)
        self._follow()

    def user_plane_event(self, key: Key, result: UserplaneProtocolResult) -> None:
        """Header compression or error correction of a bearer changed."""
        self.engine.user_plane_event(key, result)
        self._follow()

    # --- MB2-C

    def _asked(self, gar: Gar) -> Gaa | Awaitable[Gaa]:
        reply = self.engine.handle(gar, time.time())
        self._follow()
        return self._later(reply) if reply.delay else _spoken(reply)

    async def _later(self, reply: Reply) -> Gaa:
        await asyncio.sleep(reply.delay)
        return _spoken(reply)

    def _diameter_event(self, event: effects.Event) -> None:
        if isinstance(event, effects.PeerUp):
            self.engine.server_up(event.host)
        elif isinstance(event, effects.PeerDown):
            self.engine.server_down(event.host, time.time())
        self._on_diameter(event)
        self._set_timer()

    def _follow(self) -> None:
        """Publish what happened, send what is to be notified, and set the timer."""
        for output in self.engine.outputs():
            if isinstance(output, Notify):
                task = asyncio.create_task(self._notify(output))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                self._on_event(output)
        self.userplane.forget(frozenset(bearer.key for bearer in self.engine.bearers.all))
        self._set_timer()

    async def _notify(self, notify: Notify) -> None:
        engine, node = self.engine, self.node
        gnr = Gnr(
            session_id=node.new_session_id(),
            origin_host=self.config.host,
            origin_realm=self.config.realm,
            destination_realm=notify.realm,
            destination_host=notify.host,
            tmgi_expiry=notify.expiry,
            mbms_bearer_event_notification=notify.bearers,
            restart_counter=engine.restart_counter,
        )
        try:
            gna = await node.request(gnr)
        except McsecError as error:
            engine.not_notified(notify.host, str(error), time.time())
        else:
            engine.notified(notify.host, gna, time.time())
        self._follow()

    # --- MB2-U and the air

    def _arrived(self, port: int, octets: bytes, source: Address) -> None:
        now = asyncio.get_running_loop().time()
        bearer = self.engine.bearers.at_port(port)
        broadcast = self.userplane.arrived(bearer, octets, source, now)
        if isinstance(broadcast, str):
            self._dropped(bearer, port, source, broadcast, now)
        else:
            self.radio.broadcast(broadcast, now)
            self._emit(now)
            if self.radio.next_timer() is not None:
                self._set_timer()

    def _dropped(self, bearer: Bearer | None, port: int, source: Address, reason: str, now: float) -> None:
        if self._told.get((port, reason), -_QUIET) + _QUIET <= now:
            self._told[port, reason] = now
            host = "" if bearer is None else bearer.host
            self._on_event(DatagramsDropped(time.time(), host, port, str(source), reason))

    def _emit(self, now: float) -> None:
        for emission in self.radio.due(now):
            sender = self._senders.get(emission.cell.name)
            if sender is not None:
                sender.send(emission.broadcast.address, emission.broadcast.port, emission.broadcast.payload)
            self._on_air(emission)

    # --- time

    def _set_timer(self) -> None:
        loop = asyncio.get_running_loop()
        due = [when for when in (self.radio.next_timer(),) if when is not None]
        decision = self.engine.next_timer()
        if decision is not None:
            due.append(loop.time() + max(0.0, decision - time.time()))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(min(due), self._tick) if due else None

    def _tick(self) -> None:
        self._timer = None
        self.engine.tick(time.time())
        self._emit(asyncio.get_running_loop().time())
        self._follow()


def _spoken(reply: Reply) -> Gaa:
    if reply.gaa is None:
        raise NoAnswer("a fault that is played")
    return reply.gaa


def _listener(text: str, context: ssl.SSLContext | None) -> Listener:
    address, _, port = text.rpartition(":")
    try:
        return Listener(address=str(ip_address(address.strip("[]"))), port=int(port), tls=context)
    except ValueError:
        raise ConfigError(f"{text} is no address and port") from None
