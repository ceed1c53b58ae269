"""Captures in pcapng form (draft-ietf-opsawg-pcapng), which Wireshark and ``mcsec inspect`` open.

Packets are written as IP packets without a link layer. A UDP payload that never was on a wire of its own, or whose
headers are not at hand, gets headers made here, with correct checksums.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Self, TypeAlias

from mcsec.errors import InvalidValue
from mcsec.wire.mb2.userplane import InnerPacket

_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE_DESCRIPTION = 1
_ENHANCED_PACKET = 6
_BYTE_ORDER = 0x1A2B3C4D
#: LINKTYPE_RAW: an IPv4 or IPv6 packet, told apart by its first four bits.
_RAW_IP = 101
_MAX_PACKET = 1 << 18

# Options, numbered for the block that they stand in.
_COMMENT = 1
_APPLICATION = 4
_INTERFACE_NAME = 2

Endpoint: TypeAlias = tuple[IPv4Address | IPv6Address, int]
"""An address and a UDP port."""


class CaptureWriter:
    """Writes a capture file, replacing what was there. A context manager.

    Each packet is in the file when its call returns, so a process that dies leaves a capture that opens.

    :param name: the name of the one interface, as Wireshark shows it.
    :raises OSError: the file cannot be written.
    """

    def __init__(self, path: Path, *, name: str = "mcsec") -> None:
        self.path = path
        self.packets = 0
        self._file = path.open("wb", buffering=0)
        section = struct.pack("=IHHq", _BYTE_ORDER, 1, 0, -1)
        interface = struct.pack("=HHI", _RAW_IP, 0, _MAX_PACKET)
        self._file.write(
            _block(_SECTION_HEADER, section, ((_APPLICATION, "mcsec"),))
            + _block(_INTERFACE_DESCRIPTION, interface, ((_INTERFACE_NAME, name),))
        )

    def write_packet(self, now: float, packet: bytes, comment: str = "") -> None:
        """One IP packet as it is.

        :param now: seconds, Unix; kept to the microsecond.
        :param comment: shown with the packet; never a secret.
        :raises InvalidValue: no IP packet, or larger than 262144 octets.
        """
        if not packet or packet[0] >> 4 not in (4, 6) or len(packet) > _MAX_PACKET:
            raise InvalidValue("a capture holds IPv4 and IPv6 packets", code="net.capture")
        moment = round(now * 1_000_000)
        fixed = struct.pack(
            "=IIIII", 0, moment >> 32 & 0xFFFFFFFF, moment & 0xFFFFFFFF, len(packet), len(packet)
        )
        options = ((_COMMENT, comment),) if comment else ()
        self._file.write(_block(_ENHANCED_PACKET, fixed + _padded(packet), options))
        self.packets += 1

    def write_udp(
        self, now: float, source: Endpoint, destination: Endpoint, payload: bytes, comment: str = ""
    ) -> None:
        """One UDP payload, with IP and UDP headers made for it.

        :raises InvalidValue: the addresses are of two families, or a port or the size does not fit.
        """
        packet = InnerPacket(source[0], destination[0], source[1], destination[1], payload)
        self.write_packet(now, packet.encode(), comment)

    def close(self) -> None:
        """Ends the capture; more than once does no harm."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _block(kind: int, body: bytes, options: tuple[tuple[int, str], ...]) -> bytes:
    """A block: type, length, body, options, and the length again."""
    for code, text in options:
        value = text.encode(errors="replace")[:0xFFFF]
        body += struct.pack("=HH", code, len(value)) + _padded(value)
    if options:
        body += bytes(4)
    length = struct.pack("=I", 12 + len(body))
    return struct.pack("=I", kind) + length + body + length


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)
