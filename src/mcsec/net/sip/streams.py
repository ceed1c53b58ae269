"""One TCP or TLS connection: cuts the stream, answers keep-alives, gathers what is written."""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol, cast

from mcsec.net.sip.errors import BadMessage, Unreachable
from mcsec.net.sip.framing import KeepAlive, StreamFramer
from mcsec.net.sip.message import Limits
from mcsec.net.sip.peer import Peer, certificate_names
from mcsec.net.vouching import Vouching

#: Octets that may wait for a peer that does not read; then the connection is cut.
MOST_WAITING = 8 << 20
# Above this much waiting, drain() blocks.
_HIGH_WATER = 256 << 10


class Owner(Protocol):
    """What a connection tells its transport."""

    def opened(self, connection: StreamConnection) -> None:
        """A connection is there."""

    def arrived(self, octets: bytes, connection: StreamConnection) -> None:
        """A whole message came."""

    def malformed(self, error: BadMessage, connection: StreamConnection) -> None:
        """The stream cannot be cut any further; the connection will be closed."""

    def closed(self, connection: StreamConnection, reason: str) -> None:
        """The connection is gone."""


class StreamConnection(asyncio.Protocol):
    """A connection of either direction.

    Writes of one turn of the loop leave in one piece. ``heard`` is the time of the last octets, ``midway`` since
    when a message is incomplete, ``pinged`` since when a ping is unanswered (``None``: is not). ``hops`` are the
    next hops that the owner uses it for. ``vouched``: whether every name of its certificate counts.
    """

    peer: Peer
    vouched = True

    def __init__(
        self, owner: Owner, name: str, flow: int, limits: Limits, vouching: Vouching, *, inbound: bool
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._name, self._flow = name, flow
        self._framer, self._vouching = StreamFramer(limits), vouching
        self._out: list[bytes] = []
        self._waiting = 0
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._transport: asyncio.Transport | None = None
        self.inbound = inbound
        self.heard = self._loop.time()
        self.midway: float | None = None
        self.pinged: float | None = None
        self.hops: set[tuple[str, str, int, str | None]] = set()

    @property
    def usable(self) -> bool:
        """Whether something can still be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        remote = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("", 0)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        claimed = certificate_names(tls.getpeercert()) if tls is not None else frozenset()
        names = claimed if tls is None else self._vouching.names(tls, claimed)
        self.vouched = names == claimed
        self.peer = Peer(self._name, remote[0], remote[1], self._flow, (local[0], local[1]), names)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self.heard = self._loop.time()
        try:
            for found in self._framer.feed(data):
                self.pinged = None
                if isinstance(found, bytes):
                    self._owner.arrived(found, self)
                elif found is KeepAlive.PING:
                    self.write(KeepAlive.PONG.value)
        except BadMessage as error:
            self._owner.malformed(error, self)
            self.close()
            return
        except Unreachable:
            # The pong found the connection closing; connection_lost() follows.
            return
        if not self._framer.midway:
            self.midway = None
        elif self.midway is None:
            self.midway = self.heard

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._can_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._can_write.set()
        self._transport = None
        self._owner.closed(self, "closed by the peer" if exc is None else str(exc) or type(exc).__name__)

    def write(self, octets: bytes) -> None:
        """Send octets in their turn.

        :raises Unreachable: the connection is gone, or the peer reads too slowly and it is cut now.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise Unreachable(f"the connection with {self.peer} is gone")
        self._waiting += len(octets)
        if self._waiting + transport.get_write_buffer_size() > MOST_WAITING:
            transport.abort()
            raise Unreachable(f"{self.peer} does not read what it is sent")
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(octets)

    @property
    def congested(self) -> bool:
        """Whether more waits to be sent than should."""
        return self._waiting > _HIGH_WATER or not self._can_write.is_set()

    async def drain(self) -> None:
        """Wait while the peer reads more slowly than we write."""
        self._flush()
        await self._can_write.wait()

    def ping(self, now: float) -> None:
        """Ask the peer whether it is there (RFC 5626 3.5.1)."""
        if self.pinged is None and self.usable:
            self.pinged = now
            self.write(KeepAlive.PING.value)

    def close(self) -> None:
        """Send what is written, then close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close without waiting for the peer."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()
        self._waiting = 0
