"""The common header and its CS ID map (RFC 3830 6.1, RFC 6043 6.1.1; TS 33.180 E.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mcsec.errors import DecodeError, InvalidValue
from mcsec.mikey.cursor import Cursor
from mcsec.mikey.numbers import DATA_TYPE_SAKKE, PRF_HMAC_SHA_256, PROTOCOL_SRTP, VERSION, MapType
from mcsec.mikey.refusals import UNSUPPORTED

_TOP_BIT = 0x80
_LOW_BITS = 0x7F


@dataclass(frozen=True, slots=True)
class GenericCs:
    """An entry of a GENERIC-ID map: a crypto session, its policies and its SPI, which is the MKI.

    ``session_data`` is the SSRC and what follows it where present; ``has_roc`` is the S bit that goes with
    it.
    """

    cs_id: int
    spi: bytes
    policies: tuple[int, ...] = (0,)
    protocol: int = PROTOCOL_SRTP
    has_roc: bool = False
    session_data: bytes = b""

    def __post_init__(self) -> None:
        if len(self.policies) > _LOW_BITS or len(self.session_data) > 0xFFFF or len(self.spi) > 0xFF:
            raise InvalidValue("a GENERIC-ID map entry is too long for its length fields")
        if not all(0 <= octet <= 0xFF for octet in (self.cs_id, self.protocol, *self.policies)):
            raise InvalidValue("a GENERIC-ID map entry is out of range")

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """One entry."""
        cs_id = cursor.uint(1, "CS ID")
        protocol = cursor.uint(1, "prot type")
        counts = cursor.uint(1, "S and #P")
        policies = tuple(cursor.take(counts & _LOW_BITS, "policies"))
        session_data = cursor.take(cursor.uint(2, "session data length"), "session data")
        spi = cursor.take(cursor.uint(1, "SPI length"), "SPI")
        return cls(cs_id, spi, policies, protocol, bool(counts & _TOP_BIT), session_data)

    def encode(self) -> bytes:
        """One entry."""
        counts = len(self.policies) | (_TOP_BIT if self.has_roc else 0)
        return b"".join(
            (
                bytes((self.cs_id, self.protocol, counts, *self.policies)),
                len(self.session_data).to_bytes(2),
                self.session_data,
                bytes((len(self.spi),)),
                self.spi,
            )
        )


@dataclass(frozen=True, slots=True)
class SrtpCs:
    """An entry of an SRTP-ID map, of old senders only: read, and not used for anything."""

    policy: int
    ssrc: int
    roc: int

    def __post_init__(self) -> None:
        if not (0 <= self.policy <= 0xFF and 0 <= self.ssrc < 1 << 32 and 0 <= self.roc < 1 << 32):
            raise InvalidValue("an SRTP-ID map entry is out of range")

    @classmethod
    def decode(cls, cursor: Cursor) -> Self:
        """One entry of nine octets."""
        return cls(cursor.uint(1, "policy"), cursor.uint(4, "SSRC"), cursor.uint(4, "ROC"))

    def encode(self) -> bytes:
        """Nine octets."""
        return self.policy.to_bytes(1) + self.ssrc.to_bytes(4) + self.roc.to_bytes(4)


@dataclass(frozen=True, slots=True)
class Header:
    """HDR. ``csb_id`` is the 32-bit key ID, four octets; ``verification`` is the V bit.

    :raises InvalidValue: a CSB ID of another size, or a map type that does not fit the sessions.
    """

    csb_id: bytes
    map_type: MapType = MapType.EMPTY
    sessions: tuple[GenericCs, ...] | tuple[SrtpCs, ...] = ()
    prf: int = PRF_HMAC_SHA_256
    verification: bool = False

    def __post_init__(self) -> None:
        if len(self.csb_id) != 4:
            raise InvalidValue("a CSB ID has 4 octets")
        if not 0 <= self.prf <= _LOW_BITS or len(self.sessions) > 0xFF:
            raise InvalidValue("a header field is out of range")
        if self.map_type is MapType.EMPTY and self.sessions:
            raise InvalidValue("an empty CS ID map has no sessions")
        if self.map_type is MapType.GENERIC_ID and not self.sessions:
            raise InvalidValue("a GENERIC-ID map has at least one session")

    @classmethod
    def decode(cls, cursor: Cursor) -> tuple[int, Self]:
        """The type of the first payload, then the header.

        :raises DecodeError: not a SAKKE I_MESSAGE of MIKEY version 1, or malformed.
        """
        cursor.scope = "HDR"
        _expect(cursor, cursor.uint(1, "version"), VERSION, "version")
        _expect(cursor, cursor.uint(1, "data type"), DATA_TYPE_SAKKE, "data type")
        next_payload = cursor.uint(1, "next payload")
        flags = cursor.uint(1, "V and PRF function")
        csb_id = cursor.take(4, "CSB ID")
        count = cursor.uint(1, "#CS")
        number = cursor.uint(1, "CS ID map type")
        sessions: tuple[GenericCs, ...] | tuple[SrtpCs, ...] = ()
        if number == MapType.GENERIC_ID:
            sessions = tuple(GenericCs.decode(cursor) for _ in range(count))
        elif number == MapType.SRTP_ID:
            sessions = tuple(SrtpCs.decode(cursor) for _ in range(count))
        elif number != MapType.EMPTY or count:
            raise cursor.fail(f"CS ID map type {number} with {count} sessions", cursor.offset - 1)
        prf, verification = flags & _LOW_BITS, bool(flags & _TOP_BIT)
        return next_payload, cls(csb_id, MapType(number), sessions, prf, verification)

    def encode(self, next_payload: int) -> bytes:
        """The header in front of a payload of type ``next_payload``."""
        flags = self.prf | (_TOP_BIT if self.verification else 0)
        return b"".join(
            (
                bytes((VERSION, DATA_TYPE_SAKKE, next_payload, flags)),
                self.csb_id,
                bytes((len(self.sessions), self.map_type)),
                *(session.encode() for session in self.sessions),
            )
        )


def _expect(cursor: Cursor, found: int, wanted: int, field: str) -> None:
    if found != wanted:
        raise DecodeError(
            f"HDR: {field} {found}, not {wanted}",
            cursor.offset - 1,
            code=UNSUPPORTED.code,
            clause=UNSUPPORTED.clause,
            hint=UNSUPPORTED.hint,
        )
