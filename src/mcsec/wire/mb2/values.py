"""Values of MB2-C with an encoding of their own (TS 29.061 17.7 and 20.5a, TS 29.274 8.21.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mcsec.errors import DecodeError, InvalidValue
from mcsec.ids import Tmgi

_DAY = 86400
_MAX_DAYS = 18


@dataclass(frozen=True, slots=True)
class ServiceArea:
    """MBMS-Service-Area: 1 to 256 different service area identities (SAI) of 16 bits, in order."""

    codes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.codes) <= 256:
            raise InvalidValue(f"a service area has 1 to 256 codes, not {len(self.codes)}")
        if len(set(self.codes)) != len(self.codes):
            raise InvalidValue("a service area names a code twice")
        if not 0 <= min(self.codes) <= max(self.codes) <= 0xFFFF:
            raise InvalidValue("a service area code has 16 bits")

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """One octet with the number less one, then two octets for each code.

        :raises DecodeError: the number is not that of the codes, or a code comes twice.
        """
        if not octets or len(octets) != 3 + 2 * octets[0]:
            raise DecodeError(f"{len(octets)} octets are no service area")
        codes = tuple(int.from_bytes(octets[i : i + 2]) for i in range(1, len(octets), 2))
        if len(set(codes)) != len(codes):
            raise DecodeError("a service area names a code twice", 1)
        return cls(codes)

    def encode(self) -> bytes:
        """The octets that :meth:`decode` reads."""
        return bytes((len(self.codes) - 1,)) + b"".join(code.to_bytes(2) for code in self.codes)

    def overlaps(self, other: ServiceArea) -> bool:
        """Whether a code stands in both."""
        return not set(self.codes).isdisjoint(other.codes)

    def __str__(self) -> str:
        return ",".join(map(str, self.codes))


@dataclass(frozen=True, slots=True)
class SessionDuration:
    """MBMS-Session-Duration: at most 86400 seconds and at most 18 days; nothing of either means indefinite."""

    seconds: int = 0
    days: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.seconds <= _DAY and 0 <= self.days <= _MAX_DAYS):
            raise InvalidValue(f"{self.days} days and {self.seconds} s are no session duration")

    @classmethod
    def of(cls, seconds: int | None) -> Self:
        """From a number of seconds, at least 1 and at most 19 days; None is indefinite."""
        if seconds is None:
            return cls()
        if not 1 <= seconds <= (_MAX_DAYS + 1) * _DAY:
            raise InvalidValue(f"{seconds} s are no session duration")
        days = min(seconds // _DAY, _MAX_DAYS)
        return cls(seconds - days * _DAY, days)

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Three octets: 17 bits of seconds, 7 bits of days.

        :raises DecodeError: wrong size or out of range.
        """
        if len(octets) != 3:
            raise DecodeError(f"a session duration has 3 octets, not {len(octets)}")
        value = int.from_bytes(octets)
        try:
            return cls(value >> 7, value & 0x7F)
        except InvalidValue as error:
            raise DecodeError(str(error)) from None

    @property
    def total(self) -> int | None:
        """Seconds; None for indefinite."""
        return self.days * _DAY + self.seconds or None

    def encode(self) -> bytes:
        """The octets that :meth:`decode` reads."""
        return (self.seconds << 7 | self.days).to_bytes(3)


@dataclass(frozen=True, slots=True, order=True)
class FlowId:
    """MBMS-Flow-Identifier: 16 bits that tell the bearers of one TMGI apart."""

    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 0xFFFF:
            raise InvalidValue(f"{self.value} is no flow identifier")

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Two octets.

        :raises DecodeError: wrong size.
        """
        if len(octets) != 2:
            raise DecodeError(f"a flow identifier has 2 octets, not {len(octets)}")
        return cls(int.from_bytes(octets))

    def encode(self) -> bytes:
        """Two octets, big-endian."""
        return self.value.to_bytes(2)

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True, order=True)
class Ecgi:
    """E-UTRAN cell global identifier: PLMN and a cell identity of 28 bits."""

    mcc: str
    mnc: str
    cell: int

    def __post_init__(self) -> None:
        self._plmn()
        if not 0 <= self.cell < 1 << 28:
            raise InvalidValue(f"{self.cell} is no E-UTRAN cell identity")

    def _plmn(self) -> bytes:
        # A PLMN stands in an ECGI as in a TMGI, so the one place that knows the nibbles is asked.
        return Tmgi(0, self.mcc, self.mnc).encode()[3:]

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Seven octets: PLMN, 4 spare bits, cell identity.

        :raises DecodeError: wrong size or a PLMN digit that is none.
        """
        if len(octets) != 7:
            raise DecodeError(f"an ECGI has 7 octets, not {len(octets)}")
        plmn = Tmgi.decode(bytes(3) + octets[:3])
        return cls(plmn.mcc, plmn.mnc, int.from_bytes(octets[3:]) & 0xFFFFFFF)

    def encode(self) -> bytes:
        """The octets that :meth:`decode` reads, spare bits zero."""
        return self._plmn() + self.cell.to_bytes(4)


@dataclass(frozen=True, slots=True)
class CellList:
    """MBMS-Cell-List: 1 to 4096 cells, in order."""

    cells: tuple[Ecgi, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.cells) <= 4096:
            raise InvalidValue(f"a cell list has 1 to 4096 cells, not {len(self.cells)}")

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Two octets with the number less one, then seven octets for each cell.

        :raises DecodeError: the number is above 4095 or not that of the cells, or a cell is none.
        """
        number = int.from_bytes(octets[:2]) + 1
        if len(octets) != 2 + 7 * number or number > 4096:
            raise DecodeError(f"{len(octets)} octets are no cell list")
        return cls(tuple(Ecgi.decode(octets[i : i + 7]) for i in range(2, len(octets), 7)))

    def encode(self) -> bytes:
        """The octets that :meth:`decode` reads."""
        return (len(self.cells) - 1).to_bytes(2) + b"".join(cell.encode() for cell in self.cells)
