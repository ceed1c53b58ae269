"""Sockets for Diameter: TCP and SCTP by one path, IPv4 and IPv6, with or without TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from mcsec.errors import LocalError
from mcsec.net.diameter.config import Listener, PeerConfig, Transport

Address = IPv4Address | IPv6Address
Factory = Callable[[], asyncio.Protocol]

#: One-to-one SCTP sockets, which behave like TCP's.
_PROTOCOL = {Transport.TCP: socket.IPPROTO_TCP, Transport.SCTP: 132}
_BACKLOG = 64


class TransportUnavailable(LocalError):
    """The kernel has no such transport."""

    code = "diameter.transport"
    hint = "load the kernel's sctp module, or use TCP"


def open_socket(transport: Transport, family: int) -> socket.socket:
    """A stream socket that does not block.

    :raises TransportUnavailable: the kernel has no such protocol.
    """
    try:
        made = socket.socket(family, socket.SOCK_STREAM, _PROTOCOL[transport])
    except OSError as error:
        raise TransportUnavailable(f"no {transport.value} sockets: {error.strerror}") from None
    made.setblocking(False)
    return made


async def listen(listener: Listener, factory: Factory) -> asyncio.Server:
    """Take connections at one address; port 0 lets the kernel choose.

    :raises OSError: the address cannot be had. :raises TransportUnavailable: nor the transport.
    """
    address = ip_address(listener.address)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    made = open_socket(listener.transport, family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((listener.address, listener.port))
        loop = asyncio.get_running_loop()
        return await loop.create_server(factory, sock=made, ssl=listener.tls, backlog=_BACKLOG)
    except BaseException:
        made.close()
        raise


async def dial(peer: PeerConfig, factory: Factory) -> None:
    """Connect to the first of the peer's addresses that answers. With TLS the name checked is the peer's identity.

    :raises OSError: none did (TLS errors are among these). :raises TransportUnavailable: no such transport.
    """
    assert peer.address is not None
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(peer.address, peer.port, type=socket.SOCK_STREAM)
    problem: OSError = OSError(f"{peer.address} has no address")
    for family, *_, target in found:
        made = open_socket(peer.transport, family)
        try:
            await loop.sock_connect(made, target)
            name = peer.host if peer.tls is not None else None
            await loop.create_connection(factory, sock=made, ssl=peer.tls, server_hostname=name)
            return
        except OSError as error:
            made.close()
            problem = error
        except BaseException:
            made.close()
            raise
    raise problem


def local_address(transport: asyncio.BaseTransport) -> Address:
    """Our address of a connection."""
    return ip_address(transport.get_extra_info("sockname")[0])


def remote_address(transport: asyncio.BaseTransport) -> str:
    """The other side's address."""
    return str(transport.get_extra_info("peername")[0])


def certificate_names(transport: asyncio.BaseTransport) -> frozenset[str] | None:
    """DNS names of the other side's verified certificate: None without TLS, none without certificate."""
    secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if secured is None:
        return None
    certificate: dict[str, Any] = secured.getpeercert() or {}
    names: tuple[tuple[str, str], ...] = certificate.get("subjectAltName", ())
    return frozenset(str(name).lower() for kind, name in names if kind == "DNS")
