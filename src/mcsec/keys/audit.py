"""Questions to the records of :mod:`mcsec.keys.provenance`: which keys protected what, and who made them.

The last one is the requirement that the project exists for (TR 33.880, MCSEC-1.X-1): the security of
signalling between client and server is controlled by the server, and the server needs no key from another
domain to use MBMS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Maker
from mcsec.keys.kinds import Traffic
from mcsec.keys.records import Happening, Record

__all__ = ["Statement", "Use", "history", "state_control", "uses"]

CLAUSE = "TR 33.880 MCSEC-1.X-1"
_MULTICAST = frozenset(traffic.name for traffic in Traffic if traffic.multicast)


@dataclass(frozen=True, slots=True)
class Use:
    """A key protected ``traffic`` of ``subject`` (a group, or a bearer), from ``since`` on (Unix seconds)."""

    key_id: KeyId
    maker: Maker
    traffic: str
    subject: str
    since: float

    @property
    def kind(self) -> PurposeTag:
        """What kind of key."""
        return self.key_id.tag

    def __str__(self) -> str:
        return f"{self.kind.label} {self.key_id}, made by {self.maker}, for {self.traffic} of {self.subject}"


@dataclass(frozen=True, slots=True)
class Statement:
    """What the records say about MCSEC-1.X-1.

    ``uses``: every key under which ``domain`` sent on a bearer. ``foreign``: those of them that another
    domain made. ``unexplained``: those whose making in this domain is in no record.
    """

    domain: str
    uses: tuple[Use, ...]
    foreign: tuple[Use, ...]
    unexplained: tuple[Use, ...]

    @property
    def holds(self) -> bool:
        """Whether something was protected, and everything by keys whose making here is on record."""
        return bool(self.uses) and not self.foreign and not self.unexplained

    def __str__(self) -> str:
        keys = len({use.key_id for use in self.uses})
        if not self.uses:
            return f"{CLAUSE}: nothing was sent on a bearer by {self.domain}"
        lines = [f"{CLAUSE}: {keys} key(s) protected signalling of {self.domain} on bearers"]
        lines += [f"  from another domain: {use}" for use in self.foreign]
        lines += [f"  no record of its making: {use}" for use in self.unexplained]
        if self.holds:
            lines.append(f"  all made by {self.domain} itself; none came from outside the domain")
        return "\n".join(lines)


def uses(records: Iterable[Record], subject: str | None = None) -> tuple[Use, ...]:
    """Which keys protected what, in the order of first use; of one group or bearer, or of all."""
    return tuple(
        Use(record.key_id, record.maker, record.traffic, record.subject, record.time / 1_000_000)
        for record in records
        if record.happening is Happening.FIRST_USED and subject in (None, record.subject)
    )


def history(records: Iterable[Record], key_id: KeyId) -> tuple[Record, ...]:
    """Everything that happened to one key."""
    return tuple(record for record in records if record.key_id == key_id)


def state_control(records: Iterable[Record], domain: str) -> Statement:
    """The statement for MCSEC-1.X-1. Verify the chain first: a statement is worth what its records are."""
    kept = tuple(records)
    made = {record.key_id for record in kept if record.happening is Happening.MADE}
    on_bearers = tuple(use for use in uses(kept) if use.traffic in _MULTICAST)
    foreign = tuple(use for use in on_bearers if use.maker.domain != domain)
    unexplained = tuple(use for use in on_bearers if use not in foreign and use.key_id not in made)
    return Statement(domain, on_bearers, foreign, unexplained)
