"""GKTP documents, each for one member: the keys of a group, encrypted to that member under its own KMS (TS 24.481 7.7).

Nobody gets what is for somebody else. What is written is fresh each time, for a message that was opened before is a
replay; the entity tag stays the same as long as the keys do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from mcsec.gms.engine import GmsEngine
from mcsec.gms.groups import Group, etag_of
from mcsec.ids import KeyId, PurposeTag
from mcsec.mikey.build import Recipient
from mcsec.store.gms import Held, KeyRow, KeyState
from mcsec.wire.gktp import Gktp, GktpDocument, GktpSet, RegroupedGktps


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one member is owed of one group, and of the temporary groups that it is part of."""

    member: str
    own: tuple[KeyRow, ...]
    regrouped: tuple[tuple[str, tuple[KeyRow, ...]], ...] = ()

    @property
    def rows(self) -> tuple[KeyRow, ...]:
        """Every key of it."""
        return (*self.own, *(row for _, rows in self.regrouped for row in rows))

    def etag(self) -> str:
        """The same for the same keys in the same states, and for this member."""
        facts = [f"{row.key.key_id} {row.state} {row.key.activation}" for row in self.rows]
        return etag_of("\n".join([self.member, *facts]).encode())

    def steps(self, state: Held) -> list[tuple[tuple[KeyId, ...], Held]]:
        """What to note once the member was told: live keys came as far as ``state``, revoked ones are ended."""
        live = tuple(row.key.key_id for row in self.rows if row.state is KeyState.LIVE)
        ended = tuple(row.key.key_id for row in self.rows if row.state is KeyState.REVOKED)
        return [(ids, held) for ids, held in ((live, state), (ended, Held.ENDED)) if ids]


def parcel(group: Group, temporary: Iterable[Group], member: str, kinds: Collection[PurposeTag]) -> Parcel:
    """What ``member`` is owed; ``temporary`` are the temporary groups that ``group`` is part of."""
    return Parcel(
        member,
        tuple(group.owed(member, kinds)),
        tuple(
            (other.group_id, tuple(other.owed(member, kinds)))
            for other in temporary
            if member in other.members and not other.document.disabled
        ),
    )


def write(owed: Parcel, recipient: Recipient, engine: GmsEngine, now: float) -> GktpDocument:
    """The document with fresh messages; what is still good stands before what is revoked."""

    def gktps(rows: Iterable[KeyRow], tag: PurposeTag) -> tuple[Gktp, ...]:
        chosen = [row for row in rows if row.key.key_id.tag is tag]
        return tuple(
            _gktp(row, recipient, engine, now)
            for row in sorted(chosen, key=lambda row: row.state is not KeyState.LIVE)
        )

    def of(tag: PurposeTag) -> GktpSet | None:
        if not any(row.key.key_id.tag is tag for row in owed.rows):
            return None
        regrouped = tuple(
            RegroupedGktps(group_id, found)
            for group_id, rows in owed.regrouped
            if (found := gktps(rows, tag))
        )
        return GktpSet(gktps(owed.own, tag), regrouped)

    return GktpDocument(of(PurposeTag.GMK), of(PurposeTag.MKFC))


def _gktp(row: KeyRow, recipient: Recipient, engine: GmsEngine, now: float) -> Gktp:
    key = row.key
    revoked = row.state is KeyState.REVOKED
    (message,) = engine.messages(key.key_id, [recipient], now, revoked=revoked)
    activation = None if key.activation <= now or revoked else datetime.fromtimestamp(key.activation, UTC)
    return Gktp(str(key.key_id), message, activation)
