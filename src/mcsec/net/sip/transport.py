"""All sockets of one endpoint: UDP, TCP and TLS, IPv4 and IPv6 (RFC 3261 18, RFC 5626 3.5, RFC 5923).

A request goes by a flow: our UDP socket towards an address, or a connection. A connection is opened once for a
next hop and used for every request to it; one that a peer opened is used towards the address it came from, and,
when TLS verified the peer and its Via says ``alias``, towards the port that its Via names.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from mcsec.errors import InvalidValue
from mcsec.net.sip.clock import Clock
from mcsec.net.sip.errors import BadMessage, Unreachable
from mcsec.net.sip.message import DEFAULT_LIMITS, Limits
from mcsec.net.sip.peer import RELIABLE, Hop, Peer
from mcsec.net.sip.streams import StreamConnection
from mcsec.net.sip.udp import UdpSocket
from mcsec.net.vouching import Vouching

HopKey = tuple[str, str, int, str | None]

_KEEP_ALIVE: Final = (b"\r\n\r\n", b"\r\n", b"")
# Addresses of UDP peers are remembered as objects; beyond this many the memory is cleared.
_REMEMBERED: Final = 16_384
# Ports that are tried where UDP and TCP are to share one.
_ATTEMPTS: Final = 16


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Limits and times of the sockets, in seconds where not said otherwise.

    ``connect``: for opening a connection, TLS included. ``stalled``: how long one message may take to arrive.
    ``idle``: after which an unused connection is closed. ``ping``: between pings on connections that we opened
    (0: none), ``pong``: how long the answer may take. ``connections``: how many others may hold open with us.
    ``names``: how long the addresses of a host name are remembered. ``vouching``: which authorities are believed for
    which names.
    """

    limits: Limits = field(default_factory=lambda: DEFAULT_LIMITS)
    connect: float = 5.0
    stalled: float = 30.0
    idle: float = 3600.0
    ping: float = 90.0
    pong: float = 10.0
    connections: int = 20_000
    names: float = 30.0
    vouching: Vouching = field(default_factory=Vouching)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the transport tells: whole messages, streams and datagrams that are none, connections come and gone."""

    received: Callable[[bytes, Peer], None]
    malformed: Callable[[BadMessage, Peer], None]
    opened: Callable[[Peer], None]
    closed: Callable[[Peer, str], None]


def _key(transport: str, host: str, port: int, name: str | None) -> HopKey:
    """How a connection is found again; over TLS only for the name that its certificate was checked for."""
    return transport, host, port, name.lower() if transport == "TLS" and name is not None else None


class Transport:
    """The sockets. Nothing here knows what a transaction is."""

    def __init__(self, clock: Clock, callbacks: Callbacks, settings: TransportSettings) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock, self._callbacks, self._settings = clock, callbacks, settings
        self._flows = itertools.count(1)
        self._udp: dict[int, UdpSocket] = {}
        self._servers: list[asyncio.Server] = []
        self._listening: dict[str, tuple[str, int]] = {}
        self._connections: dict[int, StreamConnection] = {}
        self._by_hop: dict[HopKey, StreamConnection] = {}
        self._none_left = asyncio.Event()
        self._connecting: dict[Hop, asyncio.Task[StreamConnection]] = {}
        self._client_tls: ssl.SSLContext | None = None
        self._names: dict[tuple[str, int], tuple[float, list[tuple[int, str]]]] = {}
        self._known: dict[tuple[int, str, int], Peer] = {}
        self._inbound = 0

    def use_client_tls(self, context: ssl.SSLContext) -> None:
        """The context for connections that we open: trust anchors, and our certificate if servers want one."""
        self._client_tls = context

    async def listen(
        self, transport: str, host: str, port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> tuple[str, int]:
        """Listen, and give the address bound to. The first listener of a transport names us in Via and Contact.

        :raises InvalidValue: TLS without a context, or a context for something else.
        :raises OSError: the address is taken or not ours.
        """
        if (transport == "TLS") != (tls is not None) or transport not in ("UDP", "TCP", "TLS"):
            raise InvalidValue("TLS needs a context and nothing else does", code="sip.listen")
        if transport == "UDP":
            bound = self._listen_udp(host, port)[1]
        else:
            server = await self._loop.create_server(
                lambda: StreamConnection(
                    self,
                    transport,
                    next(self._flows),
                    self._settings.limits,
                    self._settings.vouching,
                    inbound=True,
                ),
                host,
                port,
                ssl=tls,
                backlog=1024,
                ssl_handshake_timeout=None if tls is None else self._settings.connect,
            )
            self._servers.append(server)
            bound = server.sockets[0].getsockname()[:2]
        self._listening.setdefault(transport, bound)
        return bound

    async def listen_both(self, host: str, port: int = 0) -> tuple[str, int]:
        """Listen by UDP, and by TCP on the same port for what is too large for a datagram (RFC 3261 18.1.1).

        :raises OSError: the address is taken or not ours.
        """
        for left in reversed(range(_ATTEMPTS)):
            flow, bound = self._listen_udp(host, port)
            try:
                await self.listen("TCP", *bound)
            except OSError:
                self._udp.pop(flow).close()
                # A port that the system chose may be somebody else's by TCP; it chooses another one.
                if port or not left:
                    raise
            else:
                self._listening.setdefault("UDP", bound)
                return bound
        raise AssertionError("the last attempt raises")

    def _listen_udp(self, host: str, port: int) -> tuple[int, tuple[str, int]]:
        flow = next(self._flows)
        udp = self._udp[flow] = UdpSocket.bind(host, port, lambda *got: self._datagram(flow, *got))
        return flow, udp.address

    def address(self, transport: str) -> tuple[str, int] | None:
        """Where we listen with this transport."""
        return self._listening.get(transport)

    async def reach(self, hop: Hop) -> Peer:
        """A flow to a next hop: the one that is there, or a new one.

        :raises Unreachable: the name means nothing, nobody listens, TLS refuses, or it takes too long.
        """
        if hop.transport == "UDP":
            return await self._reach_udp(hop)
        connection = self._by_hop.get(_key(hop.transport, hop.host, hop.port, hop.name or hop.host))
        if connection is not None and connection.usable:
            return connection.peer
        task = self._connecting.get(hop)
        if task is None:
            task = self._loop.create_task(self._connect(hop))
            self._connecting[hop] = task
            task.add_done_callback(lambda done: self._connected(hop, done))
        try:
            # Others may wait for the same connection: one who gives up does not take it from them.
            return (await asyncio.shield(task)).peer
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise Unreachable("the endpoint is closing") from None

    def usable(self, peer: Peer) -> bool:
        """Whether the flow of a peer is still there."""
        connection = self._connections.get(peer.flow)
        return peer.flow in self._udp if connection is None else connection.usable

    def send(self, octets: bytes, peer: Peer) -> None:
        """Send by the flow of ``peer``.

        :raises Unreachable: the flow is gone.
        """
        if peer.transport == "UDP":
            udp = self._udp.get(peer.flow)
            if udp is None:
                raise Unreachable(f"the socket towards {peer} is closed")
            udp.send(octets, peer.host, peer.reply_port or peer.port)
            return
        connection = self._connections.get(peer.flow)
        if connection is None:
            raise Unreachable(f"the connection with {peer} is gone")
        connection.write(octets)

    def congested(self, peer: Peer) -> bool:
        """Whether the peer reads more slowly than we write."""
        connection = self._connections.get(peer.flow)
        return connection is not None and connection.congested

    async def drain(self, peer: Peer) -> None:
        """Wait while the peer's connection takes nothing more."""
        connection = self._connections.get(peer.flow)
        if connection is not None:
            await connection.drain()

    def alias(self, peer: Peer, port: int) -> None:
        """Use this connection for requests to ``port`` of the peer too (RFC 5923); only with a verified peer."""
        connection = self._connections.get(peer.flow)
        if connection is not None:
            for name in peer.names:
                self._name(connection, _key(peer.transport, peer.host, port, name))

    def cut(self, peer: Peer) -> None:
        """Close a connection at once; nothing for UDP."""
        connection = self._connections.get(peer.flow)
        if connection is not None:
            connection.abort()

    async def close(self) -> None:
        """Close every socket: connections after what is written, within a second."""
        for server in self._servers:
            server.close()
        for task in list(self._connecting.values()):
            task.cancel()
        for connection in list(self._connections.values()):
            connection.close()
        for udp in self._udp.values():
            udp.close()
        self._udp.clear()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._none_left.wait()
        for connection in list(self._connections.values()):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        await asyncio.sleep(0)

    # What connections tell (streams.Owner).

    def opened(self, connection: StreamConnection) -> None:
        """A connection is there."""
        if connection.inbound and self._inbound >= self._settings.connections:
            connection.abort()
            return
        self._inbound += connection.inbound
        peer = connection.peer
        self._connections[peer.flow] = connection
        self._none_left.clear()
        if connection.inbound and peer.transport == "TCP":
            self._name(connection, _key("TCP", peer.host, peer.port, None))
        elif connection.inbound:
            # Without a verified certificate a host could step in for the server that belongs on its port.
            self.alias(peer, peer.port)
        self._watch(connection)
        self._clock.arm()
        self._callbacks.opened(peer)

    def arrived(self, octets: bytes, connection: StreamConnection) -> None:
        """A whole message came by a connection."""
        self._callbacks.received(octets, connection.peer)

    def malformed(self, error: BadMessage, connection: StreamConnection) -> None:
        """A stream cannot be cut any further."""
        self._callbacks.malformed(error, connection.peer)

    def closed(self, connection: StreamConnection, reason: str) -> None:
        """A connection is gone."""
        peer = connection.peer
        if self._connections.pop(peer.flow, None) is None:
            return
        self._inbound -= connection.inbound
        for key in connection.hops:
            if self._by_hop.get(key) is connection:
                del self._by_hop[key]
        if not self._connections:
            self._none_left.set()
        self._clock.timers.cancel(("flow", peer.flow))
        self._callbacks.closed(peer, reason)

    def _name(self, connection: StreamConnection, key: HopKey) -> None:
        held = self._by_hop.get(key)
        if held is None or not held.usable:
            connection.hops.add(key)
            self._by_hop[key] = connection

    def _datagram(self, flow: int, octets: bytes, host: str, port: int) -> None:
        if octets in _KEEP_ALIVE:
            return
        key = (flow, host, port)
        peer = self._known.get(key)
        if peer is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            peer = self._known[key] = Peer("UDP", host, port, flow, self._udp[flow].address)
        self._callbacks.received(octets, peer)

    async def _reach_udp(self, hop: Hop) -> Peer:
        for family, host in await self._resolve(hop):
            for flow, udp in self._udp.items():
                if udp.family == family:
                    return Peer("UDP", host, hop.port, flow, udp.address)
        raise Unreachable(f"no UDP socket of ours reaches {hop.host}", code="sip.no-socket")

    async def _resolve(self, hop: Hop) -> list[tuple[int, str]]:
        try:
            address = ip_address(hop.host)
        except ValueError:
            pass
        else:
            return [(socket.AF_INET6 if address.version == 6 else socket.AF_INET, hop.host)]
        kind = socket.SOCK_STREAM if hop.transport in RELIABLE else socket.SOCK_DGRAM
        until, known = self._names.get((hop.host, kind), (0.0, []))
        if self._clock.now() < until:
            return known
        try:
            found = await self._loop.getaddrinfo(hop.host, hop.port, type=kind)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"{hop.host} has no address: {error}", code="sip.no-address") from None
        known = [(family, str(place[0])) for family, _, _, _, place in found]
        if len(self._names) >= _REMEMBERED:
            self._names.clear()
        self._names[(hop.host, kind)] = (self._clock.now() + self._settings.names, known)
        return known

    async def _connect(self, hop: Hop) -> StreamConnection:
        context = None
        if hop.transport == "TLS":
            context = self._client_tls
            if context is None:
                raise InvalidValue("there is no TLS context for connections that we open", code="sip.tls")
        reason = "no address"
        for _, host in await self._resolve(hop):
            try:
                async with asyncio.timeout(self._settings.connect):
                    _, connection = await self._loop.create_connection(
                        lambda: StreamConnection(
                            self,
                            hop.transport,
                            next(self._flows),
                            self._settings.limits,
                            self._settings.vouching,
                            inbound=False,
                        ),
                        host,
                        hop.port,
                        ssl=context,
                        server_hostname=(hop.name or hop.host) if context is not None else None,
                    )
            except (OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                continue
            if not connection.vouched and (hop.name or hop.host).lower() not in connection.peer.names:
                reason = "its certificate is of an authority that is not believed for this name"
                connection.close()
                continue
            self._name(connection, _key(hop.transport, hop.host, hop.port, hop.name or hop.host))
            return connection
        raise Unreachable(f"{hop.transport} {hop.host}:{hop.port}: {reason}")

    def _connected(self, hop: Hop, task: asyncio.Task[StreamConnection]) -> None:
        del self._connecting[hop]
        if not task.cancelled():
            # Looked at here too, for the case that everyone who waited has gone.
            task.exception()

    def _watch(self, connection: StreamConnection) -> None:
        """Look after a connection now and then; one timer each, set once per interval and not per message."""
        settings = self._settings
        interval = min(settings.stalled, settings.idle, settings.ping or settings.idle, settings.pong) / 2

        def look(now: float) -> None:
            stalled = connection.midway is not None and now - connection.midway > settings.stalled
            silent = connection.pinged is not None and now - connection.pinged > settings.pong
            if stalled or silent:
                connection.abort()
            elif now - connection.heard > settings.idle:
                connection.close()
            else:
                if not connection.inbound and settings.ping and now - connection.heard >= settings.ping:
                    connection.ping(now)
                self._clock.timers.set(("flow", connection.peer.flow), now + interval, look)

        self._clock.timers.set(("flow", connection.peer.flow), self._clock.now() + interval, look)
