"""UDP to and from one peer at a time: what goes to a single client. Loopback by default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from mcsec.crypto.srtp import BearerPacket, bearer_octets

Address = tuple[str, int]


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, on_packet: Callable[[bytes, Address], None]) -> None:
        self._on_packet = on_packet

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._on_packet(data, (addr[0], addr[1]))


class UnicastEndpoint:
    """A UDP socket that calls ``on_packet(octets, source)`` and sends protected packets only."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    @classmethod
    async def open(
        cls, on_packet: Callable[[bytes, Address], None], host: str = "127.0.0.1", port: int = 0
    ) -> Self:
        """Binds to ``host``; port 0 takes a free one."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Protocol(on_packet), local_addr=(host, port)
        )
        return cls(transport)

    @property
    def address(self) -> Address:
        """Where it listens."""
        name = self._transport.get_extra_info("sockname")
        return name[0], name[1]

    def send(self, packet: BearerPacket, to: Address) -> None:
        """One datagram.

        :raises Forbidden: neither protected nor media that is passed on.
        """
        self._transport.sendto(bearer_octets(packet), to)

    def close(self) -> None:
        """Gives the socket back."""
        self._transport.close()
