"""The Diameter node without sockets and clock: octets, connections and time in, effects and the next timer out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

from mcsec.net.diameter.arrivals import Arrivals
from mcsec.net.diameter.capabilities import check_cer, refusing_cea
from mcsec.net.diameter.config import NodeConfig
from mcsec.net.diameter.effects import ConnectionRefused, Effect, Ticket
from mcsec.net.diameter.errors import CapabilitiesRefused
from mcsec.net.diameter.framing import BrokenStream
from mcsec.net.diameter.peer import Peer
from mcsec.net.diameter.requests import Requests
from mcsec.net.diameter.shared import Address, Connection, Shared
from mcsec.net.diameter.states import State
from mcsec.wire.diameter.base import Cea, Cer, Dpa, Dpr, Dwa, Dwr, ErrorAnswer, SessionRequest
from mcsec.wire.diameter.header import ERROR, Header
from mcsec.wire.diameter.message import decode, decode_body
from mcsec.wire.diameter.table import BASE, DICTIONARY
from mcsec.wire.diameter.violation import Violation

_CER, _DWR, _DPR = (DICTIONARY.commands[name].code for name in ("CER", "DWR", "DPR"))


class Engine:
    """Call what happens, then :meth:`effects`; call :meth:`tick` when :meth:`next_timer` has come.

    ``now`` is seconds of any clock that does not go back. ``origin_state_id`` grows whenever the node's state is
    lost; the time of its start in Unix seconds will do. ``random`` spreads time-outs and begins identifiers.
    """

    def __init__(self, config: NodeConfig, origin_state_id: int, random: Random) -> None:
        shared = self._shared = Shared(config, origin_state_id, random)
        peers: dict[str, Peer] = {}
        self.requests = Requests(shared, peers)
        for entry in config.peers:
            peers[entry.host.lower()] = Peer(shared, entry, self.requests)
        self.peers: Mapping[str, Peer] = peers
        self._arrivals = Arrivals(shared)

    @property
    def counters(self) -> Counter[str]:
        """How often what happened, by stable names."""
        return self._shared.counters

    @property
    def stopped(self) -> bool:
        """Whether nothing is left to close."""
        return not self._shared.connections and all(
            peer.state is State.CLOSED for peer in self.peers.values()
        )

    def effects(self) -> list[Effect]:
        """What is to be done and what happened since the last call, in order."""
        effects, self._shared.effects = self._shared.effects, []
        return effects

    def next_timer(self) -> float | None:
        """When to call :meth:`tick`."""
        return self._shared.timers.next()

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._shared.timers.run(now)

    # --- connections

    def start(self, now: float) -> None:
        """Dial the peers that have an address."""
        self._shared.stopping = False
        for peer in self.peers.values():
            peer.start(now)

    def stop(self, now: float) -> None:
        """Say good-bye to everybody; :attr:`stopped` tells when it is done."""
        self._shared.stopping = True
        for peer in self.peers.values():
            peer.stop(now)
        for connection in list(self._shared.connections.values()):
            if connection.peer is None:
                self._shared.drop(connection)

    def connected(
        self, number: int, now: float, *, local: Address, remote: str, names: frozenset[str] | None
    ) -> bool:
        """A connection of a ``Dial`` is open. ``names`` are those of the peer's certificate, None without TLS.

        Returns whether it is still wanted; if not, it is to be closed.
        """
        connection = self._shared.connections.get(number)
        if connection is None or connection.peer is None:
            return False
        connection.local, connection.remote, connection.names = local, remote, names
        connection.peer.connected(now)
        return True

    def not_connected(self, number: int, reason: str, now: float) -> None:
        """A connection of a ``Dial`` did not come about."""
        connection = self._shared.connections.get(number)
        if connection is not None and connection.peer is not None:
            connection.peer.not_connected(reason, now)

    def accepted(
        self, now: float, *, local: Address, remote: str, names: frozenset[str] | None
    ) -> int | None:
        """Somebody connected: the number of the connection, or None if it is not wanted."""
        shared = self._shared
        strangers = sum(connection.peer is None for connection in shared.connections.values())
        if shared.stopping or strangers >= shared.config.limits.strangers:
            reason = (
                "this node stops" if shared.stopping else "too many connections without capabilities exchange"
            )
            shared.tell(ConnectionRefused(remote, None, "diameter.strangers", reason))
            return None
        connection = shared.new_connection(dialled=False)
        connection.local, connection.remote, connection.names = local, remote, names
        key = ("connection", connection.number)
        shared.timers.set(key, now + shared.config.timings.capabilities, lambda _: self._silent(connection))
        return connection.number

    def closed(self, number: int, reason: str, now: float) -> None:
        """The other side or a fault closed a connection."""
        connection = self._shared.connections.get(number)
        if connection is None:
            return
        if connection.framer.midway:
            self._shared.counters["diameter.cut-off"] += 1
        if connection.peer is not None:
            connection.peer.closed(connection, reason, now)
        self._shared.drop(connection)

    def received(self, number: int, data: bytes, now: float) -> None:
        """Octets arrived."""
        connection = self._shared.connections.get(number)
        if connection is None:
            return
        messages, broken = connection.framer.feed(data)
        for octets in messages:
            if connection.number not in self._shared.connections:
                return
            self._message(connection, octets, now)
        if broken is not None and connection.number in self._shared.connections:
            self._broken(connection, broken, now)

    # --- requests and answers

    def request(self, message: SessionRequest[Any], now: float, timeout: float) -> int:
        """Send a request; see :meth:`mcsec.net.diameter.requests.Requests.send`."""
        return self.requests.send(message, now, timeout)

    def answer(self, ticket: Ticket, answer: Any) -> None:
        """Answer a delivered request.

        :raises InvalidValue: a value does not fit its AVP; the request still awaits an answer.
        """
        self._arrivals.answer(ticket, answer)

    def withdraw(self, ticket: Ticket, reason: str) -> None:
        """Answer a delivered request with UNABLE_TO_COMPLY."""
        self._arrivals.withdraw(ticket, reason)

    def leave_unanswered(self, ticket: Ticket) -> None:
        """Forget a delivered request without a word."""
        self._arrivals.leave_unanswered(ticket)

    # --- messages

    def _message(self, connection: Connection, octets: bytes, now: float) -> None:
        header = Header.peek(octets)
        try:
            Header.decode(octets)
        except Violation as violation:
            self._wrong(connection, header, octets, violation, now)
            return
        peer = connection.peer
        if peer is None:
            self._stranger(connection, header, octets, now)
        elif peer.connection is connection:
            self._shared.counters["received.request" if header.is_request else "received.answer"] += 1
            self._from_peer(peer, connection, header, octets, now)
        elif peer.state is State.CLOSING:
            if header.command == _DPR:
                self._base(peer, connection, header, octets, now)
        elif connection.dialled:
            self._first_answer(peer, header, octets, now)
        else:
            # It has sent its CER and must wait for our CEA.
            self._shared.refuse(connection, "diameter.early", f"command {header.command} before the CEA")
            self.closed(connection.number, "it spoke too early", now)

    def _from_peer(
        self, peer: Peer, connection: Connection, header: Header, octets: bytes, now: float
    ) -> None:
        if header.application == BASE:
            self._base(peer, connection, header, octets, now)
        elif header.is_request:
            peer.message(now)
            self._arrivals.arrived(peer, connection, header, octets, now)
        else:
            peer.message(now)
            self.requests.answered(peer, header, octets)

    def _base(self, peer: Peer, connection: Connection, header: Header, octets: bytes, now: float) -> None:
        """A message of the base protocol on an open connection."""
        try:
            if header.command == _DWR and not header.is_request:
                peer.dwa(decode_body(octets, Dwa), now)
                return
            peer.message(now)
            if header.command == _DWR:
                peer.dwr(connection, header, decode_body(octets, Dwr))
            elif header.command == _DPR and header.is_request:
                peer.dpr(connection, header, decode_body(octets, Dpr), now)
            elif header.command == _DPR:
                decode_body(octets, Dpa)
                peer.dpa(connection, now)
            elif header.is_request:
                self._arrivals.arrived(peer, connection, header, octets, now)
            else:
                self._shared.counters["stray.answer"] += 1
        except Violation as violation:
            self._wrong(connection, header, octets, violation, now)

    def _wrong(
        self, connection: Connection, header: Header, octets: bytes, violation: Violation, now: float
    ) -> None:
        """Answer a bad request, count a bad answer. Before capabilities are exchanged, end the connection."""
        if header.is_request:
            self._arrivals.refuse(connection, header, octets, violation)
        else:
            self._shared.refuse(connection, violation.code, str(violation))
        if connection.peer is None or connection.peer.connection is not connection:
            self.closed(connection.number, str(violation), now)

    def _broken(self, connection: Connection, broken: BrokenStream, now: float) -> None:
        """The stream cannot be read further: answer what can be answered, then end the connection."""
        header = Header.peek(broken.head)
        if header.is_request and not header.flags & ERROR:
            self._arrivals.refuse(connection, header, broken.head, broken)
        else:
            self._shared.refuse(connection, broken.code, str(broken))
        self.closed(connection.number, str(broken), now)

    # --- before capabilities are exchanged

    def _stranger(self, connection: Connection, header: Header, octets: bytes, now: float) -> None:
        """The first message on a connection that somebody opened to us: it must be a CER."""
        shared = self._shared
        if (header.application, header.command, header.is_request) != (BASE, _CER, True):
            shared.tell(
                ConnectionRefused(
                    connection.remote, None, "diameter.no-cer", f"begins with command {header.command}"
                )
            )
            shared.drop(connection)
            return
        try:
            _, cer = decode(octets, Cer)
        except Violation as violation:
            shared.tell(ConnectionRefused(connection.remote, None, violation.code, str(violation)))
            self._arrivals.refuse(connection, header, octets, violation)
            shared.drop(connection)
            return
        peer = self.peers.get(cer.origin_host.lower())
        try:
            check_cer(shared, connection, peer.config if peer else None, cer)
        except CapabilitiesRefused as refused:
            shared.tell(ConnectionRefused(connection.remote, cer.origin_host, refused.code, str(refused)))
            shared.send_answer(connection, refusing_cea(shared, connection, refused), header)
            shared.drop(connection)
            return
        assert peer is not None
        shared.timers.cancel(("connection", connection.number))
        peer.arrived(connection, header, cer, now)

    def _first_answer(self, peer: Peer, header: Header, octets: bytes, now: float) -> None:
        """The first message on a connection that we opened: it must be a CEA."""
        cea, reason = None, f"begins with command {header.command}"
        if header.command == _CER and not header.is_request:
            try:
                if header.is_error:
                    reason = f"it answers result {decode_body(octets, ErrorAnswer).result_code}"
                else:
                    cea = decode_body(octets, Cea)
            except Violation as violation:
                reason = f"its CEA: {violation}"
        peer.capabilities(cea, reason, now)

    def _silent(self, connection: Connection) -> None:
        self._shared.tell(ConnectionRefused(connection.remote, None, "diameter.silent", "sends no CER"))
        self._shared.drop(connection)
