"""Groups as a GMS holds them, and what changes about them in one step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.journal import Entry
from mcsec.store.gms import GroupRow, Held, KeyRow, KeyState
from mcsec.wire.groups import GroupDocument

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Group:
    """A group: its row, what its document says, and its keys in order of making.

    ``holders``: by key, how far it came to each member.
    """

    row: GroupRow
    document: GroupDocument
    members: frozenset[str]
    keys: tuple[KeyRow, ...] = ()
    holders: Mapping[KeyId, Mapping[str, Held]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        row: GroupRow,
        document: GroupDocument,
        keys: Iterable[KeyRow] = (),
        holders: Mapping[KeyId, Mapping[str, Held]] | None = None,
    ) -> Group:
        """From what is stored."""
        members = frozenset(member.uri for member in document.members)
        return cls(row, document, members, tuple(keys), holders or {})

    @property
    def group_id(self) -> str:
        """Its ID."""
        return self.row.group_id

    @property
    def temporary(self) -> bool:
        """Whether it was made from other groups, for a time."""
        return self.row.until is not None

    def live(self, tag: PurposeTag) -> list[KeyRow]:
        """Keys of one kind that are handed out, oldest first."""
        return [row for row in self.keys if row.key.key_id.tag is tag and row.state is KeyState.LIVE]

    def owed(self, member: str, kinds: Iterable[PurposeTag]) -> list[KeyRow]:
        """What a member is to be told: every live key, and that a key which it was given is revoked."""
        wanted = frozenset(kinds)
        return [
            row
            for row in self.keys
            if row.key.key_id.tag in wanted
            and (
                row.state is KeyState.LIVE
                or (row.state is KeyState.REVOKED and member in self.holders.get(row.key.key_id, {}))
            )
        ]


@dataclass(slots=True)
class Changes:
    """One step: written down in one transaction, then true.

    ``made``: keys with their groups; ``moved``: to other states; ``held``: who was given which.
    """

    now: float
    put: list[GroupRow] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    made: list[KeyRow] = field(default_factory=list)
    moved: list[tuple[KeyId, KeyState]] = field(default_factory=list)
    destroyed: list[KeyId] = field(default_factory=list)
    held: list[tuple[tuple[KeyId, ...], str, Held]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def note(self, act: str, actor: str, group: str, detail: str = "") -> None:
        """Say it in the log."""
        self.entries.append(Entry(act, actor, group, detail))

    @property
    def empty(self) -> bool:
        """Nothing changes."""
        return not (
            self.put or self.dropped or self.made or self.moved or self.destroyed or self.held or self.entries
        )


def etag_of(document: bytes) -> str:
    """The entity tag of a document (RFC 4825 7.11): strong, and another one for other octets."""
    return f'"{hashlib.sha256(document).hexdigest()[:32]}"'
