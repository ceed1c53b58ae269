"""RTP packets and the common header of RTCP packets (RFC 3550).

The header of a protected packet is in clear, so :meth:`RtpHeader.decode` and :func:`walk_rtcp` serve captures
too; in an SRTCP packet only the first RTCP header is readable, and the walk must stop there
(:meth:`RtcpHeader.decode`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mcsec.errors import DecodeError, InvalidValue

VERSION = 2
_FIXED = 12
_RTCP_FIXED = 4
_CLAUSE = "RFC 3550 5.1"
_RTCP_CLAUSE = "RFC 3550 6.4.1"
#: Packet types of RTCP where RTP and RTCP share a port (RFC 5761 4).
RTCP_TYPES = range(192, 224)


def is_rtcp(datagram: bytes) -> bool:
    """Whether the second octet says RTCP; protected packets keep it in clear (RFC 5761 4)."""
    return len(datagram) > 1 and datagram[1] in RTCP_TYPES


def _number(value: int, bits: int, what: str) -> None:
    if not 0 <= value < 1 << bits:
        raise InvalidValue(f"{what} has {bits} bits", code="rtp.value")


@dataclass(frozen=True, slots=True)
class RtpExtension:
    """A header extension (RFC 3550 5.3.1): 16 bits that the profile defines, then whole 32-bit words."""

    profile: int
    octets: bytes = b""

    def __post_init__(self) -> None:
        _number(self.profile, 16, "the profile of a header extension")
        if len(self.octets) % 4 or len(self.octets) >= 4 << 16:
            raise InvalidValue("a header extension is whole words, at most 65535", code="rtp.value")


@dataclass(frozen=True, slots=True)
class RtpHeader:
    """An RTP header. ``padding`` says that the payload ends with padding octets."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: RtpExtension | None = None
    padding: bool = False

    def __post_init__(self) -> None:
        _number(self.payload_type, 7, "a payload type")
        _number(self.sequence, 16, "a sequence number")
        _number(self.timestamp, 32, "a timestamp")
        _number(self.ssrc, 32, "an SSRC")
        if len(self.csrcs) > 15:
            raise InvalidValue("a packet has at most 15 CSRCs", code="rtp.value")
        for csrc in self.csrcs:
            _number(csrc, 32, "a CSRC")

    @property
    def length(self) -> int:
        """Octets of the header, which is where the payload starts."""
        extension = 0 if self.extension is None else 4 + len(self.extension.octets)
        return _FIXED + 4 * len(self.csrcs) + extension

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """The header that ``octets`` start with.

        :raises DecodeError: they are too short for it, or of another version.
        """
        _need(octets, _FIXED, "rtp.truncated", _CLAUSE)
        first, second = octets[0], octets[1]
        if first >> 6 != VERSION:
            raise DecodeError(f"RTP version {first >> 6}, not 2", 0, code="rtp.version", clause=_CLAUSE)
        end = _FIXED + 4 * (first & 0x0F)
        _need(octets, end, "rtp.truncated", _CLAUSE)
        csrcs = tuple(int.from_bytes(octets[at : at + 4]) for at in range(_FIXED, end, 4))
        extension = None
        if first & 0x10:
            _need(octets, end + 4, "rtp.truncated", "RFC 3550 5.3.1")
            size = 4 * int.from_bytes(octets[end + 2 : end + 4])
            _need(octets, end + 4 + size, "rtp.truncated", "RFC 3550 5.3.1")
            profile = int.from_bytes(octets[end : end + 2])
            extension = RtpExtension(profile, octets[end + 4 : end + 4 + size])
        return cls(
            payload_type=second & 0x7F,
            sequence=int.from_bytes(octets[2:4]),
            timestamp=int.from_bytes(octets[4:8]),
            ssrc=int.from_bytes(octets[8:12]),
            marker=bool(second & 0x80),
            csrcs=csrcs,
            extension=extension,
            padding=bool(first & 0x20),
        )

    def encode(self) -> bytes:
        """The octets of the header."""
        extended = self.extension is not None
        parts = [
            bytes(
                (
                    VERSION << 6 | self.padding << 5 | extended << 4 | len(self.csrcs),
                    self.marker << 7 | self.payload_type,
                )
            ),
            self.sequence.to_bytes(2),
            self.timestamp.to_bytes(4),
            self.ssrc.to_bytes(4),
            *(csrc.to_bytes(4) for csrc in self.csrcs),
        ]
        if self.extension is not None:
            words = len(self.extension.octets) // 4
            parts += [self.extension.profile.to_bytes(2), words.to_bytes(2), self.extension.octets]
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """An RTP packet in clear. ``padding_octets`` counts the padding with its own count octet; 0 is none."""

    header: RtpHeader
    payload: bytes
    padding_octets: int = 0

    def __post_init__(self) -> None:
        _number(self.padding_octets, 8, "the count of padding octets")
        if self.header.padding != bool(self.padding_octets):
            raise InvalidValue("the padding bit says whether there is padding", code="rtp.value")

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """A whole packet.

        :raises DecodeError: the header is none, or the padding does not fit behind it.
        """
        header = RtpHeader.decode(octets)
        padding = 0
        if header.padding:
            _need(octets, header.length + 1, "rtp.padding", _CLAUSE)
            padding = octets[-1]
            if not 0 < padding <= len(octets) - header.length:
                raise DecodeError(
                    f"{padding} octets of padding where {len(octets) - header.length} are there",
                    len(octets) - 1,
                    code="rtp.padding",
                    clause=_CLAUSE,
                )
        return cls(header, octets[header.length : len(octets) - padding], padding)

    def encode(self) -> bytes:
        """The octets of the packet."""
        padding = (
            bytes(self.padding_octets - 1) + bytes((self.padding_octets,)) if self.padding_octets else b""
        )
        return self.header.encode() + self.payload + padding


@dataclass(frozen=True, slots=True)
class RtcpHeader:
    """The four octets that every RTCP packet starts with.

    ``count`` is the report count, source count or subtype, by packet type. ``octets`` is the size of the
    whole packet with this header.
    """

    packet_type: int
    count: int
    octets: int
    padding: bool = False

    def __post_init__(self) -> None:
        if self.packet_type not in RTCP_TYPES:
            raise InvalidValue("an RTCP packet type is in 192 to 223", code="rtp.value")
        _number(self.count, 5, "a count or subtype")
        if self.octets % 4 or not _RTCP_FIXED <= self.octets <= 4 << 16:
            raise InvalidValue("an RTCP packet is whole words, 1 to 65536", code="rtp.value")

    @classmethod
    def decode(cls, octets: bytes, offset: int = 0) -> Self:
        """The header at ``offset``. What it says of the packet's size is not compared with what follows.

        :raises DecodeError: too short, another version, or a packet type that is not RTCP's.
        """
        _need(octets, offset + _RTCP_FIXED, "rtcp.truncated", _RTCP_CLAUSE)
        first, kind = octets[offset], octets[offset + 1]
        if first >> 6 != VERSION:
            raise DecodeError(
                f"RTP version {first >> 6}, not 2", offset, code="rtcp.version", clause=_RTCP_CLAUSE
            )
        if kind not in RTCP_TYPES:
            raise DecodeError(
                f"packet type {kind} is not RTCP's", offset + 1, code="rtcp.packet-type", clause="RFC 5761 4"
            )
        size = 4 + 4 * int.from_bytes(octets[offset + 2 : offset + 4])
        return cls(kind, first & 0x1F, size, bool(first & 0x20))

    def encode(self) -> bytes:
        """Four octets."""
        first = VERSION << 6 | self.padding << 5 | self.count
        return bytes((first, self.packet_type)) + (self.octets // 4 - 1).to_bytes(2)


@dataclass(frozen=True, slots=True)
class RtcpPacket:
    """A packet of a datagram: ``body`` is what follows the four octets of the header, padding included."""

    offset: int
    header: RtcpHeader
    body: bytes

    @property
    def ssrc(self) -> int | None:
        """The first word of the body, which is the sender's SSRC; BYE without sources has none."""
        return int.from_bytes(self.body[:4]) if len(self.body) >= 4 else None


def walk_rtcp(datagram: bytes) -> tuple[RtcpPacket, ...]:
    """Every packet of a datagram in clear, in order; at least one.

    A compound packet need not start with a report: control messages of TS 24.380 stand alone.

    :raises DecodeError: the datagram is not made of whole RTCP packets, or one before the last is padded.
    """
    packets: list[RtcpPacket] = []
    at = 0
    while at < len(datagram) or not packets:
        header = RtcpHeader.decode(datagram, at)
        end = at + header.octets
        if end > len(datagram):
            raise DecodeError(
                f"the length says {header.octets} octets, {len(datagram) - at} are there",
                at + 2,
                code="rtcp.length",
                clause=_RTCP_CLAUSE,
            )
        if header.padding and end < len(datagram):
            raise DecodeError(
                "padding before the last packet", at, code="rtcp.padding-bit", clause=_RTCP_CLAUSE
            )
        packets.append(RtcpPacket(at, header, datagram[at + _RTCP_FIXED : end]))
        at = end
    return tuple(packets)


def _need(octets: bytes, size: int, code: str, clause: str) -> None:
    if len(octets) < size:
        raise DecodeError(f"{size} octets wanted, {len(octets)} there", len(octets), code=code, clause=clause)
