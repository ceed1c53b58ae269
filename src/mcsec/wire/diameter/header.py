"""The 20 octets before the AVPs (RFC 6733 3)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.violation import Violation

VERSION = 1
REQUEST = 0x80
PROXIABLE = 0x40
ERROR = 0x20
RETRANSMITTED = 0x10
RESERVED = 0x0F

HEADER = Struct(">IIIII")
HEADER_SIZE = HEADER.size


@dataclass(frozen=True, slots=True)
class Header:
    """A Diameter header. ``flags`` combines this module's constants; ``length`` counts the header too."""

    command: int
    application: int
    flags: int
    hop_by_hop: int
    end_to_end: int
    length: int = HEADER_SIZE

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """The header of one whole message.

        :raises Violation: another version, a length that is not the message's, reserved bits (the header is
            then still readable by :meth:`peek`).
        """
        if len(octets) < HEADER_SIZE:
            raise Violation("a Diameter header has 20 octets", ResultCode.INVALID_MESSAGE_LENGTH, len(octets))
        header = cls.peek(octets)
        if octets[0] != VERSION:
            raise Violation(f"version {octets[0]} is not 1", ResultCode.UNSUPPORTED_VERSION)
        if header.length != len(octets) or header.length & 3:
            raise Violation(
                f"the message has {len(octets)} octets and says {header.length}",
                ResultCode.INVALID_MESSAGE_LENGTH,
                1,
            )
        if header.flags & RESERVED:
            raise Violation("reserved header bits are set", ResultCode.INVALID_BIT_IN_HEADER, 4)
        if header.flags & REQUEST and header.flags & ERROR:
            raise Violation("a request has the E bit", ResultCode.INVALID_HDR_BITS, 4)
        return header

    @classmethod
    def peek(cls, octets: bytes) -> Self:
        """The header's fields from at least 20 octets, whatever they say: for answering a bad request."""
        first, second, application, hop_by_hop, end_to_end = HEADER.unpack_from(octets)
        return cls(second & 0xFFFFFF, application, second >> 24, hop_by_hop, end_to_end, first & 0xFFFFFF)

    @property
    def is_request(self) -> bool:
        """The R bit."""
        return bool(self.flags & REQUEST)

    @property
    def is_error(self) -> bool:
        """The E bit: the answer follows the grammar of RFC 6733 7.2."""
        return bool(self.flags & ERROR)

    @property
    def is_retransmission(self) -> bool:
        """The T bit: this request may have been seen before."""
        return bool(self.flags & RETRANSMITTED)

    def encode(self, body: bytes) -> bytes:
        """The whole message: this header with the length of ``body``, then ``body``."""
        return (
            HEADER.pack(
                VERSION << 24 | HEADER_SIZE + len(body),
                self.flags << 24 | self.command,
                self.application,
                self.hop_by_hop,
                self.end_to_end,
            )
            + body
        )
