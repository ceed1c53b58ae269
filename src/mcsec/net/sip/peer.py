"""Where messages go and come from, and whom to believe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final, Self

from mcsec.errors import InvalidValue
from mcsec.net.sip.grammar import Params
from mcsec.net.sip.uri import Uri

#: The transports of this room, with the port that a URI or Via without port means.
DEFAULT_PORT: Final[Mapping[str, int]] = {"UDP": 5060, "TCP": 5060, "TLS": 5061}
RELIABLE: Final = frozenset({"TCP", "TLS"})

#: Headers in which a trusted neighbour vouches for somebody (RFC 3325, RFC 6050, RFC 7315).
ASSERTIONS: Final = (
    "P-Asserted-Identity",
    "P-Asserted-Service",
    "P-Access-Network-Info",
    "P-Charging-Vector",
    "P-Visited-Network-ID",
)


def host_in_uri(host: str) -> str:
    """An address as a URI or Via writes it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def contact_uri(user: str | None, host: str, port: int, transport: str) -> Uri:
    """A URI under which a transport of ours is reached; ``host`` as a URI writes it."""
    params = Params() if transport == "UDP" else Params().with_("transport", transport.lower())
    return Uri("sip", user, host, port, params)


@dataclass(frozen=True, slots=True)
class Hop:
    """A next hop: ``transport`` is UDP, TCP or TLS; ``host`` an address (without brackets) or a name.

    ``name`` is what the certificate must show over TLS; the host unless given.
    """

    transport: str
    host: str
    port: int
    name: str | None = None

    def __post_init__(self) -> None:
        if self.transport not in DEFAULT_PORT or not 0 < self.port < 65536:
            raise InvalidValue(f"{self.transport} port {self.port} is no next hop", code="sip.hop")

    @classmethod
    def of(cls, uri: Uri) -> Self:
        """The hop that a SIP URI names by itself: ``transport`` and ``maddr`` count, DNS NAPTR and SRV do not.

        :raises InvalidValue: another scheme, or a transport that is not spoken here.
        """
        if uri.scheme not in ("sip", "sips"):
            raise InvalidValue(f"a {uri.scheme} URI names no next hop", code="sip.hop", clause="RFC 3263 4")
        transport = (uri.transport or "udp").upper()
        if uri.scheme == "sips" or transport == "TLS":
            transport = "TLS"
        port = uri.port or DEFAULT_PORT.get(transport, 0)
        host = (uri.params.get("maddr") or uri.host).strip("[]")
        return cls(transport, host, port, uri.host.strip("[]"))


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a flow, as the sockets saw it.

    ``flow`` numbers the connection (or our UDP socket) within this process; a request sent to a ``Peer`` goes
    by that same flow. ``names`` are the domains and URIs of the certificate that TLS verified, lower case; empty
    without a client certificate. ``reply_port`` differs from ``port`` when a UDP peer wants answers elsewhere.
    """

    transport: str
    host: str
    port: int
    flow: int
    local: tuple[str, int] = ("", 0)
    names: frozenset[str] = field(default_factory=frozenset)
    reply_port: int | None = None

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself."""
        return self.transport in RELIABLE

    @property
    def secure(self) -> bool:
        """Whether the flow is encrypted."""
        return self.transport == "TLS"

    def __str__(self) -> str:
        return f"{self.transport} {host_in_uri(self.host)}:{self.port}"


def certificate_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Whom a verified certificate names, in lower case (RFC 5922 7.1).

    SIP URIs and DNS names of the subject alternative name; the common name only where there is none of these.
    """
    if not certificate:
        return frozenset()
    found = {
        value.lower()
        for kind, value in certificate.get("subjectAltName", ())
        if kind in ("DNS", "URI") and isinstance(value, str)
    }
    if not found:
        found = {
            value.lower()
            for part in certificate.get("subject", ())
            for kind, value in part
            if kind == "commonName"
        }
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Trust:
    """Which peers may vouch for others (the trust domain of RFC 3325); nobody by default.

    ``names``: certificate names, lower case. ``addresses``: networks whose hosts are believed over TCP and TLS,
    where a source address cannot be forged from afar. ``datagrams``: believe these addresses over UDP too, for
    networks that drop forged sources at their border.
    """

    names: frozenset[str] = field(default_factory=frozenset)
    addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    datagrams: bool = False

    def covers(self, peer: Peer) -> bool:
        """Whether assertions of this peer count."""
        if not self.names.isdisjoint(peer.names):
            return True
        if not self.addresses or not (peer.reliable or self.datagrams):
            return False
        address = ip_address(peer.host)
        return any(address in network for network in self.addresses)
