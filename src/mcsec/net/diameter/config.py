"""What a node is told: itself, its peers, times and limits."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from mcsec.errors import InvalidValue
from mcsec.wire.diameter.application import Application

PORT = 3868
TLS_PORT = 5658


class Transport(Enum):
    """What carries the connection. With TLS the context is part of the peer's or listener's settings."""

    TCP = "tcp"
    SCTP = "sctp"


@dataclass(frozen=True, kw_only=True)
class PeerConfig:
    """One neighbour. Who is not listed is not spoken to."""

    host: str
    """Its DiameterIdentity. With TLS its certificate must carry this name."""
    realm: str
    address: str | None = None
    """Where to dial it: a host name, IPv4 or IPv6 address. None: it dials us."""
    port: int = PORT
    transport: Transport = Transport.TCP
    tls: ssl.SSLContext | None = None
    """TLS for dialling it. A peer that dials us meets the listener's context."""
    require_tls: bool = True
    """Refuse its connections without TLS. Switch off only where something else protects the path."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where it may come from; empty for anywhere."""
    realms: frozenset[str] = frozenset()
    """Further realms behind it, if it is an agent: served by it, and spoken for by it."""

    def __post_init__(self) -> None:
        if self.address is not None and self.require_tls and self.tls is None:
            raise InvalidValue(
                f"peer {self.host} is to be dialled without TLS",
                hint="give it a TLS context, or say require_tls=False where IPsec or a private link protects the path",
            )


@dataclass(frozen=True, kw_only=True)
class Listener:
    """An address to listen at."""

    address: str
    port: int = PORT
    transport: Transport = Transport.TCP
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Durations in seconds."""

    connect: float = 10.0
    capabilities: float = 10.0
    """From an open connection to the end of the capabilities exchange."""
    disconnect: float = 5.0
    """From DPR or DPA to the end of the connection."""
    watchdog: float = 30.0
    """Tw of RFC 3539 3.4.1, which asks for 6 or more."""
    watchdog_jitter: float = 2.0
    redial: float = 1.0
    """Before the first attempt to dial again; doubles with each failure, and is shortened at random by up to half."""
    redial_most: float = 30.0
    stable: float = 10.0
    """A connection that lasted this long counts as a success."""
    request: float = 10.0
    duplicates: float = 240.0
    """How long answers are kept for requests that come again (RFC 6733 3)."""

    def __post_init__(self) -> None:
        if not 0 <= self.watchdog_jitter < self.watchdog:
            raise InvalidValue("the watchdog's jitter is not below its interval")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what peers can make this node hold."""

    message: int = 1 << 16
    """Octets of one message."""
    in_flight: int = 64
    """Requests of ours without answer, over all peers."""
    handling: int = 256
    """Requests of one connection that await our answer; more are answered TOO_BUSY."""
    strangers: int = 16
    """Connections that have not yet said who they are."""
    answers: int = 4096
    """Answers kept for requests that come again."""
    unsent: int = 1 << 20
    """Octets that a slow peer may leave in our buffer before its connection is closed."""


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """This node."""

    host: str
    realm: str
    applications: tuple[Application, ...]
    peers: tuple[PeerConfig, ...] = ()
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    """Host-IP-Address; empty for the local address of each connection."""
    product_name: str = "mcsec"
    vendor_id: int = 0
    """The vendor of this software; 0 is allowed (RFC 6733 5.3.3)."""
    timings: Timings = field(default_factory=Timings)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        names = [peer.host.lower() for peer in self.peers]
        if len(set(names)) != len(names) or self.host.lower() in names:
            raise InvalidValue("a Diameter identity is configured twice")
