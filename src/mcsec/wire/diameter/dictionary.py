"""What a row of the dictionary says, and how its list of members is read (RFC 6733 3.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from mcsec.wire.diameter.datatypes import DataType


class MBit(Enum):
    """The M bit of an AVP: how we send it, and what we refuse."""

    MUST = "set; refused when clear"
    MUST_NOT = "clear; refused when set"
    SENT = "set; either is accepted"
    CLEAR = "clear; either is accepted"

    @property
    def sent(self) -> bool:
        """Whether we set it."""
        return self in (MBit.MUST, MBit.SENT)

    @property
    def strict(self) -> bool:
        """Whether a receiver refuses the other setting."""
        return self in (MBit.MUST, MBit.MUST_NOT)


def key_of(code: int, vendor: int) -> int:
    """One number for an AVP's identity."""
    return vendor << 32 | code


@dataclass(frozen=True, slots=True)
class AvpDefinition:
    """One AVP. ``members`` is the grammar of a group, empty for anything else."""

    code: int
    vendor: int
    name: str
    datatype: DataType
    m_bit: MBit
    members: str = ""

    @property
    def key(self) -> int:
        """Code and vendor in one number."""
        return key_of(self.code, self.vendor)


@dataclass(frozen=True, slots=True)
class CommandDefinition:
    """One request or answer. ``any_avp`` accepts every AVP, also an unknown one with the M bit."""

    name: str
    code: int
    application: int
    request: bool
    proxiable: bool
    members: str
    any_avp: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A place in a grammar. ``most`` is None for any number; ``first`` demands the first place."""

    avp: AvpDefinition
    least: int
    most: int | None
    first: bool = False

    @property
    def repeats(self) -> bool:
        """Whether more than one may stand here, so that the Python value is a tuple."""
        return self.most != 1


_MEMBER = re.compile(
    r"(?:(?P<least>\d*)(?P<star>\*)(?P<most>\d*))?(?P<open>[<{\[])(?P<name>[A-Za-z0-9-]+)[>}\]]"
)


@dataclass(frozen=True)
class Dictionary:
    """The whole table, found by identity or by name. Refuses a table that contradicts itself."""

    avps: tuple[AvpDefinition, ...]
    command_rows: tuple[CommandDefinition, ...]
    by_key: Mapping[int, AvpDefinition] = field(init=False)
    by_name: Mapping[str, AvpDefinition] = field(init=False)
    commands: Mapping[str, CommandDefinition] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_key", {avp.key: avp for avp in self.avps})
        object.__setattr__(self, "by_name", {avp.name: avp for avp in self.avps})
        object.__setattr__(self, "commands", {row.name: row for row in self.command_rows})
        if not len(self.avps) == len(self.by_key) == len(self.by_name):
            raise TypeError("an AVP stands twice in the dictionary")

    def find(self, code: int, vendor: int) -> AvpDefinition | None:
        """The AVP of this code and vendor, if known."""
        return self.by_key.get(key_of(code, vendor))

    def members(self, grammar: str) -> tuple[Member, ...]:
        """The members that ``grammar`` names, in order."""
        found: list[Member] = []
        for word in grammar.split():
            match = _MEMBER.fullmatch(word)
            if match is None:
                raise TypeError(f"{word!r} is no member of a grammar")
            required = match["open"] != "["
            if match["star"]:
                least = int(match["least"] or required)
                most = int(match["most"]) if match["most"] else None
            else:
                least, most = int(required), 1
            found.append(Member(self.by_name[match["name"]], least, most, match["open"] == "<"))
        return tuple(found)
