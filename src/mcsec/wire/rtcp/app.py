"""The RTCP APP packet that carries every control message (TS 24.380 8.1.1, 8.1.2; RFC 3550 6.7).

One message is one APP packet, and several may follow one another in a datagram. It is no compound packet: no
report comes first. Protection (SRTCP) is applied around these octets by :mod:`mcsec.crypto`, not here.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.errors import InvalidValue
from mcsec.wire.rtcp.reader import Reader

VERSION = 2
PACKET_TYPE = 204
HEADER_OCTETS = 12
#: The subtype bit that asks for a Floor Ack or an Acknowledgement (TS 24.380 table 8.2.2.1-1).
ACK_BIT = 0x10
_CLAUSE = "TS 24.380 8.1.2"
_MAX_WORDS = 0xFFFF


@dataclass(frozen=True, slots=True)
class AppHeader:
    """The first twelve octets: ``subtype`` has all five bits, ``body_octets`` is what follows the name."""

    subtype: int
    ssrc: int
    name: str
    body_octets: int

    def __post_init__(self) -> None:
        if not 0 <= self.subtype < 32:
            raise InvalidValue("a subtype has 5 bits", code="rtcp.subtype")
        if not 0 <= self.ssrc < 1 << 32:
            raise InvalidValue("an SSRC has 32 bits", code="rtcp.ssrc")
        if len(self.name) != 4 or not _printable(self.name):
            raise InvalidValue("an APP name has 4 ASCII characters", code="rtcp.name")
        if self.body_octets % 4 or not 0 <= self.body_octets <= _MAX_WORDS * 4 + 4 - HEADER_OCTETS:
            raise InvalidValue("an APP body is whole 32-bit words, at most 262132 octets", code="rtcp.length")

    @property
    def message_type(self) -> int:
        """The low four bits of the subtype."""
        return self.subtype & ~ACK_BIT

    @property
    def ack_requested(self) -> bool:
        """Whether the sender wants an acknowledgement."""
        return bool(self.subtype & ACK_BIT)

    def encode(self) -> bytes:
        """Twelve octets."""
        words = (HEADER_OCTETS + self.body_octets) // 4 - 1
        return (
            bytes((VERSION << 6 | self.subtype, PACKET_TYPE))
            + words.to_bytes(2)
            + self.ssrc.to_bytes(4)
            + self.name.encode()
        )


@dataclass(frozen=True, slots=True)
class AppPacket:
    """An APP packet whose application-dependent data stays uninterpreted."""

    subtype: int
    ssrc: int
    name: str
    data: bytes

    def encode(self) -> bytes:
        """The octets of the packet.

        :raises InvalidValue: a value does not fit, or the data are not whole words.
        """
        return AppHeader(self.subtype, self.ssrc, self.name, len(self.data)).encode() + self.data


def read_header(reader: Reader) -> AppHeader:
    """The header under the cursor; what it promises must be there."""
    subtype, ssrc, size = read_clear_header(reader)
    if size < HEADER_OCTETS:
        reader.fail(f"{size} octets are no APP packet", reader.position, code="rtcp.length")
    name_at = reader.position
    name = reader.octets(4, "name", say=lambda value: repr(value)[1:]).decode("latin-1")
    if not _printable(name):
        reader.fail("the name is not ASCII", name_at, code="rtcp.name")
    return AppHeader(subtype, ssrc, name, size - HEADER_OCTETS)


def read_clear_header(reader: Reader) -> tuple[int, int, int]:
    """Subtype, SSRC and size of the packet: the eight octets that SRTCP leaves in clear (RFC 3711 3.4)."""
    reader.clause = _CLAUSE
    start = reader.position
    first = reader.uint(1, "version, padding, subtype", say=_say_first)
    if first >> 6 != VERSION:
        reader.fail(f"RTP version {first >> 6}, not 2", start, code="rtcp.version")
    if first & 0x20:
        reader.fail("the padding bit is set", start, code="rtcp.padding-bit")
    kind = reader.uint(1, "packet type", say=lambda value: "APP" if value == PACKET_TYPE else "not APP")
    if kind != PACKET_TYPE:
        reader.fail(f"packet type {kind}, not 204 (APP)", start + 1, code="rtcp.packet-type")
    words = reader.uint(2, "length", say=lambda value: f"{value} + 1 words, {value * 4 + 4} octets")
    size = words * 4 + 4
    if size > reader.end - start:
        reader.fail(
            f"length says {size} octets, {reader.end - start} are there",
            start + 2,
            code="rtcp.length",
        )
    ssrc = reader.uint(4, "SSRC of the sender", say=lambda value: f"{value:08x}")
    return first & 0x1F, ssrc, size


def decode_packets(datagram: bytes) -> tuple[AppPacket, ...]:
    """Every APP packet of a datagram, whatever its name.

    :raises DecodeError: the datagram is empty, or not made of whole APP packets.
    """
    reader = Reader(datagram)
    packets: list[AppPacket] = []
    while not packets or reader.remaining:
        header = read_header(reader)
        data = reader.octets(header.body_octets, "data")
        packets.append(AppPacket(header.subtype, header.ssrc, header.name, data))
    return tuple(packets)


def _printable(name: str) -> bool:
    return name.isascii() and name.isprintable()


def _say_first(octet: int) -> str:
    padding = "padding" if octet & 0x20 else "no padding"
    return f"version {octet >> 6}, {padding}, subtype {octet & 0x1F}"
