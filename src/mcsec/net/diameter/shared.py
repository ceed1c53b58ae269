"""What the parts of one engine share: settings, time-outs, effects, counters, chance. And a connection's record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import TYPE_CHECKING, Any

from mcsec.net.diameter.config import NodeConfig
from mcsec.net.diameter.effects import Close, Effect, Event, MessageRefused, Write
from mcsec.net.diameter.framing import Framer
from mcsec.net.timers import Timers
from mcsec.wire.diameter.avp import Avp
from mcsec.wire.diameter.base import Cer, ErrorAnswer, FailedAvp
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import encode_answer, encode_request
from mcsec.wire.diameter.results import ResultCode

if TYPE_CHECKING:
    from mcsec.net.diameter.peer import Peer

Address = IPv4Address | IPv6Address


@dataclass(slots=True, eq=False)
class Connection:
    """One transport connection. ``names`` are those of the peer's certificate; None without TLS."""

    number: int
    dialled: bool
    framer: Framer
    local: Address | None = None
    remote: str = ""
    names: frozenset[str] | None = None
    peer: Peer | None = None
    cer: Cer | None = None
    cer_header: Header | None = None
    handling: int = 0


@dataclass
class Shared:
    """One engine's common things."""

    config: NodeConfig
    origin_state_id: int
    random: Random
    timers: Timers = field(default_factory=Timers)
    effects: list[Effect] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    connections: dict[int, Connection] = field(default_factory=dict)
    stopping: bool = False
    _connections_made: int = 0
    _hop_by_hop: int = 0
    _end_to_end: int = 0

    def __post_init__(self) -> None:
        self._hop_by_hop = self.random.getrandbits(32)
        # The high bits are the time, so that a node that restarts does not repeat itself (RFC 6733 3).
        self._end_to_end = self.origin_state_id << 20 | self.random.getrandbits(20)

    def new_connection(self, *, dialled: bool) -> Connection:
        """A record with a fresh number."""
        self._connections_made += 1
        connection = Connection(self._connections_made, dialled, Framer(self.config.limits.message))
        self.connections[connection.number] = connection
        return connection

    def drop(self, connection: Connection) -> None:
        """Forget a connection and have it closed; nothing happens if it is forgotten already."""
        if self.connections.pop(connection.number, None) is not None:
            self.effects.append(Close(connection.number))
            self.timers.cancel(("connection", connection.number))

    def next_hop_by_hop(self) -> int:
        """A number not in use on any connection."""
        self._hop_by_hop = self._hop_by_hop + 1 & 0xFFFFFFFF
        return self._hop_by_hop

    def next_end_to_end(self) -> int:
        """A number not used by this node for minutes."""
        self._end_to_end = self._end_to_end + 1 & 0xFFFFFFFF
        return self._end_to_end

    def write(self, connection: Connection, octets: bytes) -> None:
        """Send a message."""
        self.effects.append(Write(connection.number, octets))

    def send_request(self, connection: Connection, message: Any) -> None:
        """Send a request of the base protocol, whose answer needs no looking up."""
        self.counters["sent.request"] += 1
        self.write(connection, encode_request(message, self.next_hop_by_hop(), self.next_end_to_end()))

    def send_answer(self, connection: Connection, message: Any, request: Header) -> None:
        """Send an answer."""
        self.counters["sent.answer"] += 1
        self.write(connection, encode_answer(message, request))

    def tell(self, event: Event) -> None:
        """Publish an event, and count it."""
        self.counters[f"event.{type(event).__name__}"] += 1
        self.effects.append(event)

    def refuse(self, connection: Connection, code: str, reason: str) -> None:
        """Count and publish that a peer sent what it must not."""
        self.counters[code] += 1
        host = connection.peer.config.host if connection.peer else connection.remote
        self.tell(MessageRefused(host, code, reason))

    def error_answer(
        self, session_id: str | None, result: ResultCode, text: str, failed: Avp | None
    ) -> ErrorAnswer:
        """The answer that fits every request (RFC 6733 7.2)."""
        return ErrorAnswer(
            session_id=session_id,
            origin_host=self.config.host,
            origin_realm=self.config.realm,
            result_code=result,
            error_message=text,
            failed_avp=None if failed is None else FailedAvp(other=(failed,)),
        )
