"""MB2-U (TS 29.468 7): what a UDP datagram to a bearer's address and port holds.

By default that is a whole IP packet, whose destination is the multicast group and port that the clients' SDP names.
Some products may take the bare payload instead; :class:`Encapsulation` is the switch (see readings).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from mcsec.errors import DecodeError, InvalidValue

_UDP = 17
_IPV4 = struct.Struct(">BBHHHBBHII")
_IPV6 = struct.Struct(">IHBB16s16s")
_UDP_HEADER = struct.Struct(">HHHH")
_IPV4_CHECKSUM = slice(10, 12)
# The same few addresses come with every packet of a bearer.
_ipv4, _ipv6 = lru_cache(maxsize=1024)(IPv4Address), lru_cache(maxsize=1024)(IPv6Address)
_DONT_FRAGMENT = 0x4000
_FRAGMENT = 0x3FFF


class Encapsulation(Enum):
    """How payloads travel over MB2-U."""

    IP = "ip"
    BARE = "bare"


@dataclass(frozen=True, slots=True)
class InnerPacket:
    """One IP packet with one UDP datagram in it. Both addresses are of one family."""

    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    source_port: int
    destination_port: int
    payload: bytes
    hops: int = 64
    traffic_class: int = 0

    def encode(self) -> bytes:
        """The packet with its checksums, never to be fragmented.

        :raises InvalidValue: a port, size or hop limit does not fit, or the families differ.
        """
        try:
            if isinstance(self.source, IPv4Address) and isinstance(self.destination, IPv4Address):
                return self._encode_ipv4(self.source, self.destination)
            if isinstance(self.source, IPv6Address) and isinstance(self.destination, IPv6Address):
                return self._encode_ipv6(self.source, self.destination)
        except struct.error as error:
            raise InvalidValue(f"no such packet: {error}") from None
        raise InvalidValue("source and destination are of different families")

    def _encode_ipv4(self, source: IPv4Address, destination: IPv4Address) -> bytes:
        length = _IPV4.size + _UDP_HEADER.size + len(self.payload)
        fields = (0x45, self.traffic_class, length, 0, _DONT_FRAGMENT, self.hops, _UDP)
        addresses = (int(source), int(destination))
        header = _IPV4.pack(*fields, 0, *addresses)
        return _IPV4.pack(*fields, ~_sum(header) & 0xFFFF, *addresses) + self._encode_udp()

    def _encode_ipv6(self, source: IPv6Address, destination: IPv6Address) -> bytes:
        first = 6 << 28 | self.traffic_class << 20
        length = _UDP_HEADER.size + len(self.payload)
        header = _IPV6.pack(first, length, _UDP, self.hops, source.packed, destination.packed)
        return header + self._encode_udp()

    def _encode_udp(self) -> bytes:
        length = _UDP_HEADER.size + len(self.payload)
        ports = (self.source_port, self.destination_port)
        plain = _UDP_HEADER.pack(*ports, length, 0) + self.payload
        checksum = ~_sum(_pseudo_header(self.source.packed, self.destination.packed, length) + plain) & 0xFFFF
        # A checksum that comes out as zero is sent as all ones; zero would mean "none" (RFC 768).
        return _UDP_HEADER.pack(*ports, length, checksum or 0xFFFF) + self.payload


def decode_inner(octets: bytes) -> InnerPacket:
    """The IPv4 or IPv6 packet that ``octets`` are, exactly, with one whole UDP datagram.

    :raises DecodeError: it is none, is a fragment, has IPv6 extension headers, or a checksum is wrong.
    """
    version = octets[0] >> 4 if octets else 0
    if version == 4:
        return _decode_ipv4(octets)
    if version == 6:
        return _decode_ipv6(octets)
    raise DecodeError("no IP packet", code="mb2u.inner")


def _decode_ipv4(octets: bytes) -> InnerPacket:
    if len(octets) < _IPV4.size:
        raise DecodeError("an IPv4 header is cut off", len(octets), code="mb2u.inner")
    first, traffic_class, length, _, fragment, hops, protocol, _, source, destination = _IPV4.unpack_from(
        octets
    )
    size = (first & 0xF) * 4
    if not _IPV4.size <= size <= length == len(octets):
        raise DecodeError(f"IPv4 lengths {size} and {length} do not fit", 2, code="mb2u.inner")
    if _sum(octets[:size]) != 0xFFFF:
        raise DecodeError(
            "the IPv4 header checksum is wrong", _IPV4_CHECKSUM.start, code="mb2u.inner-checksum"
        )
    if fragment & _FRAGMENT:
        raise DecodeError("an IPv4 fragment", 6, code="mb2u.inner")
    return _decode_udp(octets, size, protocol, _ipv4(source), _ipv4(destination), hops, traffic_class)


def _decode_ipv6(octets: bytes) -> InnerPacket:
    if len(octets) < _IPV6.size:
        raise DecodeError("an IPv6 header is cut off", len(octets), code="mb2u.inner")
    first, length, protocol, hops, source, destination = _IPV6.unpack_from(octets)
    if length != len(octets) - _IPV6.size:
        raise DecodeError(f"the IPv6 payload length {length} does not fit", 4, code="mb2u.inner")
    traffic_class = first >> 20 & 0xFF
    addresses = _ipv6(source), _ipv6(destination)
    return _decode_udp(octets, _IPV6.size, protocol, *addresses, hops, traffic_class)


def _decode_udp(
    octets: bytes,
    offset: int,
    protocol: int,
    source: IPv4Address | IPv6Address,
    destination: IPv4Address | IPv6Address,
    hops: int,
    traffic_class: int,
) -> InnerPacket:
    if protocol != _UDP:
        raise DecodeError(f"protocol {protocol} is not UDP", offset, code="mb2u.inner")
    if len(octets) < offset + _UDP_HEADER.size:
        raise DecodeError("a UDP header is cut off", len(octets), code="mb2u.inner")
    source_port, destination_port, length, checksum = _UDP_HEADER.unpack_from(octets, offset)
    datagram = octets[offset:]
    if length != len(datagram):
        raise DecodeError(f"the UDP length {length} does not fit", offset + 4, code="mb2u.inner")
    # IPv4 allows a datagram without checksum, IPv6 does not (RFC 8200 8.1).
    if checksum or source.version == 6:
        total = _sum(_pseudo_header(source.packed, destination.packed, length) + datagram)
        if total != 0xFFFF or not checksum:
            raise DecodeError("the UDP checksum is wrong", offset + 6, code="mb2u.inner-checksum")
    return InnerPacket(
        source, destination, source_port, destination_port, datagram[_UDP_HEADER.size :], hops, traffic_class
    )


def _pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    return source + destination + struct.pack(">II", length, _UDP)


def _sum(octets: bytes) -> int:
    """The one's complement sum of 16-bit words (RFC 1071): 1 to 0xFFFF, or 0 for zero octets.

    2**16 leaves 1 modulo 0xFFFF, so the sum with its carries is the whole number's remainder; a sum of 0xFFFF shows as
    remainder 0.
    """
    number = int.from_bytes(octets + b"\0" if len(octets) & 1 else octets)
    return number and (number % 0xFFFF or 0xFFFF)
