"""MB2-U: what goes on a bearer, sent to the BM-SC once, for everyone (TS 29.468 7).

Each packet is a whole IP packet inside UDP; its inner destination is the multicast address that the clients listen
to. The pair of address and port at the BM-SC selects the bearer, so each bearer has a sender of its own.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Self

from mcsec.crypto.srtp import BearerPacket, bearer_octets
from mcsec.errors import LocalError
from mcsec.wire.mb2.userplane import Encapsulation, InnerPacket

Place = tuple[IPv4Address | IPv6Address, int]
"""An address and a UDP port."""


class Mb2uSender:
    """Sends to one bearer at the BM-SC. A context manager.

    ``sent`` and ``octets`` count what the system took, ``dropped`` what it had no room for.
    """

    def __init__(
        self, bmsc: Place, *, source: Place, encapsulation: Encapsulation = Encapsulation.IP
    ) -> None:
        """:param bmsc: where the BM-SC receives the bearer. :param source: the inner source of the packets.

        :raises LocalError: there is no way to that address.
        """
        self.sent = self.octets = self.dropped = 0
        self._source = source
        self._encapsulation = encapsulation
        family = socket.AF_INET if bmsc[0].version == 4 else socket.AF_INET6
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect((str(bmsc[0]), bmsc[1]))
        except OSError as error:
            self._socket.close()
            raise LocalError(f"no way to the BM-SC: {error.strerror}", code="mb2u.unreachable") from None

    def send(self, packet: BearerPacket, destination: Place) -> None:
        """One datagram, at once. A bearer is no queue: what does not fit is lost and counted.

        :raises Forbidden: neither protected nor media that is passed on.
        """
        inner = InnerPacket(
            self._source[0], destination[0], self._source[1], destination[1], bearer_octets(packet)
        )
        octets = inner.payload if self._encapsulation is Encapsulation.BARE else inner.encode()
        try:
            self._socket.send(octets)
        except OSError:
            # A refusal may also be the echo of an earlier datagram: the bearer is lost or not, MB2-C will tell.
            self.dropped += 1
        else:
            self.sent += 1
            self.octets += len(octets)

    def close(self) -> None:
        """Gives the socket back."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
