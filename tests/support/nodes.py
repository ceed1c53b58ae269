"""Diameter engines joined by a fake network and a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from random import Random
from typing import Any, TypeVar

from mcsec.net.diameter.config import Limits, NodeConfig, PeerConfig, Timings
from mcsec.net.diameter.effects import Answered, Close, Deliver, Dial, Failed, Ticket, Write
from mcsec.net.diameter.engine import Engine
from mcsec.wire.mb2.groups import TmgiAllocationRequest
from mcsec.wire.mb2.messages import APPLICATION, Gaa, Gar, Gna, Gnr

GCS, BMSC = "gcs.mcx.example", "bmsc.operator.example"
MCX, OPERATOR = "mcx.example", "operator.example"
LOCAL = ip_address("127.0.0.1")

#: No randomness in time-outs, so that tests can say when things happen.
EXACT = Timings(watchdog_jitter=0.0)

E = TypeVar("E")


class _NoSpread(Random):
    """Takes the upper end of every range."""

    def uniform(self, a: float, b: float) -> float:
        return b


def peer(host: str, realm: str, **options: Any) -> PeerConfig:
    """A peer entry for a network that needs no TLS."""
    return PeerConfig(host=host, realm=realm, require_tls=False, **options)


def gar(number: int = 1, **options: Any) -> Gar:
    """A request of the GCS AS."""
    fields: dict[str, Any] = {
        "session_id": f"{GCS};1;{number}",
        "origin_host": GCS,
        "origin_realm": MCX,
        "destination_realm": OPERATOR,
        "tmgi_allocation_request": TmgiAllocationRequest(tmgi_number=number),
    }
    return Gar(**(fields | options))


def gnr(**options: Any) -> Gnr:
    """A notification of the BM-SC."""
    fields: dict[str, Any] = {
        "session_id": f"{BMSC};1;1",
        "origin_host": BMSC,
        "origin_realm": OPERATOR,
        "destination_realm": MCX,
        "destination_host": GCS,
    }
    return Gnr(**(fields | options))


def answer_to(request: Gar | Gnr, host: str, realm: str, result: int = 2001) -> Gaa | Gna:
    """The plain answer."""
    cls = Gaa if isinstance(request, Gar) else Gna
    return cls(session_id=request.session_id, origin_host=host, origin_realm=realm, result_code=result)


class World:
    """Several engines. ``alive`` False makes a host neither read nor close; ``reachable`` is who can be dialled."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.engines: dict[str, Engine] = {}
        self.happened: dict[str, list[Any]] = {}
        self.handlers: dict[str, Callable[[Any], Any]] = {}
        self.held: dict[str, list[Deliver]] = {}
        self.written: list[tuple[str, bytes]] = []
        self.asleep: set[str] = set()
        self.links: dict[tuple[str, int], tuple[str, int]] = {}
        self.names: dict[str, frozenset[str] | None] = {}

    def add(
        self,
        host: str,
        realm: str,
        peers: tuple[PeerConfig, ...],
        *,
        state: int = 1,
        timings: Timings = EXACT,
        limits: Limits | None = None,
        applications: tuple[Any, ...] = (APPLICATION,),
    ) -> Engine:
        """A node; adding a host again replaces it, as after a restart."""
        config = NodeConfig(
            host=host,
            realm=realm,
            applications=applications,
            peers=peers,
            timings=timings,
            limits=limits or Limits(),
        )
        engine = self.engines[host] = Engine(config, state, _NoSpread(host))
        self.happened.setdefault(host, [])
        self.held[host] = []
        self.handlers.setdefault(host, lambda request: answer_to(request, host, realm))
        return engine

    def start(self, *hosts: str) -> None:
        """Start these nodes, or all."""
        for host in hosts or self.engines:
            self.engines[host].start(self.now)
        self.run()

    def run(self) -> None:
        """Carry effects until nothing more happens."""
        busy = True
        while busy:
            busy = False
            for host, engine in list(self.engines.items()):
                for effect in engine.effects():
                    busy = True
                    self._effect(host, effect)

    def advance(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        while True:
            timers = [
                (timer, host)
                for host, engine in self.engines.items()
                if host not in self.asleep and (timer := engine.next_timer()) is not None and timer <= end
            ]
            if not timers:
                break
            when, host = min(timers)
            self.now = max(self.now, when)
            self.engines[host].tick(self.now)
            self.run()
        self.now = end

    def of(self, host: str, kind: type[E]) -> list[E]:
        """What happened at a host, of one kind."""
        return [effect for effect in self.happened[host] if isinstance(effect, kind)]

    def answered(self, host: str) -> dict[int, Any]:
        """Answers to the host's requests."""
        return {effect.request: effect.answer for effect in self.of(host, Answered)}

    def failed(self, host: str) -> dict[int, Any]:
        """Errors of the host's requests."""
        return {effect.request: effect.error for effect in self.of(host, Failed)}

    def cut(self, host: str) -> None:
        """All connections of a host break."""
        for end in [end for end in self.links if end[0] == host]:
            other = self.links.pop(end)
            del self.links[other]
            self.engines[end[0]].closed(end[1], "reset", self.now)
            self.engines[other[0]].closed(other[1], "reset", self.now)
        self.run()

    def connect(self, host: str, remote: str = "127.0.0.1", names: frozenset[str] | None = None) -> int:
        """A bare connection to a host, spoken by the test."""
        number = self.engines[host].accepted(self.now, local=LOCAL, remote=remote, names=names)
        assert number is not None
        return number

    def send(self, host: str, number: int, octets: bytes) -> None:
        """Octets on a connection to a host."""
        self.engines[host].received(number, octets, self.now)
        self.run()

    def answer(self, host: str, ticket: Ticket, answer: Any) -> None:
        """Answer a request that a handler held back by returning None."""
        self.engines[host].answer(ticket, answer)
        self.run()

    def _effect(self, host: str, effect: Any) -> None:
        self.happened[host].append(effect)
        match effect:
            case Dial(connection, config):
                self._dial(host, connection, config)
            case Write(connection, octets):
                self.written.append((host, octets))
                other = self.links.get((host, connection))
                if other is not None and other[0] not in self.asleep:
                    self.engines[other[0]].received(other[1], octets, self.now)
            case Close(connection):
                other = self.links.pop((host, connection), None)
                if other is not None:
                    self.links.pop(other)
                    self.engines[other[0]].closed(other[1], "closed by peer", self.now)
            case Deliver(ticket, request):
                answer = self.handlers[host](request)
                if answer is None:
                    self.held[host].append(effect)
                else:
                    self.engines[host].answer(ticket, answer)

    def _dial(self, host: str, connection: int, config: PeerConfig) -> None:
        target = self.engines.get(config.host)
        number = None
        if target is not None and config.host not in self.asleep:
            number = target.accepted(self.now, local=LOCAL, remote="127.0.0.1", names=self.names.get(host))
        if number is None:
            self.engines[host].not_connected(connection, "refused", self.now)
            return
        self.links[host, connection] = (config.host, number)
        self.links[config.host, number] = (host, connection)
        self.engines[host].connected(
            connection, self.now, local=LOCAL, remote="127.0.0.1", names=self.names.get(config.host)
        )


def pair(**options: Any) -> World:
    """A GCS AS that dials a BM-SC, both started."""
    world = World()
    world.add(BMSC, OPERATOR, (peer(GCS, MCX),), **options)
    world.add(GCS, MCX, (peer(BMSC, OPERATOR, address="127.0.0.1"),), **options)
    world.start()
    return world
