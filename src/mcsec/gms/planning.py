"""Which keys follow from what a group is: made, replaced, revoked. Decisions on values and times only.

A member who is removed is excluded at once: the keys that it holds are revoked and others made in the same step. A
planned renewal goes on with both until the new key is active everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mcsec.gms.groups import Changes, Group
from mcsec.ids import PurposeTag
from mcsec.keys.key import Key
from mcsec.store.gms import GroupRow, KeyRow, KeyState
from mcsec.wire.groups import GroupDocument

Make = Callable[[PurposeTag, str, float, float, float | None], Key]
"""Makes a key: kind, group, now, activation, and the time at which it expires (None: never)."""


@dataclass(frozen=True, slots=True)
class KeyRules:
    """Times in seconds.

    ``lifetime``: of a key; 0: for ever. ``renew_before``: a new one is made so long before that. ``overlap``: it is
    handed out so long before it is active. ``revoked_for``: so long members are told of a revoked key.
    ``on_join``: new members do not get the keys of before.
    """

    lifetime: float = 2_592_000.0
    renew_before: float = 86_400.0
    overlap: float = 300.0
    revoked_for: float = 604_800.0
    on_join: bool = False


def kinds(document: GroupDocument, release_13: bool) -> frozenset[PurposeTag]:
    """The kinds of keys that a group needs: a GMK unless its media need no protection; an MKFC where the document asks
    for it and the operator switched Release 13 mode on, and never else.
    """
    found = set()
    if document.is_mcptt and not document.disabled:
        if document.protection.media_protected:
            found.add(PurposeTag.GMK)
        if document.protection.floor_protected and document.protection.multicast_floor and release_13:
            found.add(PurposeTag.MKFC)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans for one GMS."""

    rules: KeyRules
    make: Make

    def follow(
        self, before: Group | None, row: GroupRow, document: GroupDocument, actor: str, changes: Changes
    ) -> None:
        """What the keys of a group do when its document, its members or its switch change."""
        wanted = kinds(document, row.release_13)
        members = frozenset(member.uri for member in document.members)
        removed = frozenset() if before is None else before.members - members
        joined = frozenset() if before is None else members - before.members
        for tag in (PurposeTag.GMK, PurposeTag.MKFC):
            live = [] if before is None else before.live(tag)
            if tag not in wanted:
                self._end(live, KeyState.REVOKED, row.group_id, actor, "not needed any more", changes)
            elif not live:
                self._make(tag, row, changes.now, actor, "first", changes)
            elif removed:
                self._end(live, KeyState.REVOKED, row.group_id, actor, "a member was removed", changes)
                self._make(tag, row, changes.now, actor, "a member was removed", changes)
            elif joined and self.rules.on_join:
                self._make(tag, row, changes.now + self.rules.overlap, actor, "a member joined", changes)

    def rotate(self, group: Group, at_once: bool, actor: str, reason: str, changes: Changes) -> None:
        """New keys of every kind that the group has; ``at_once``: those of before are revoked."""
        for tag in sorted(kinds(group.document, group.row.release_13)):
            if at_once:
                self._end(group.live(tag), KeyState.REVOKED, group.group_id, actor, reason, changes)
            start = changes.now + (0 if at_once or not group.live(tag) else self.rules.overlap)
            self._make(tag, group.row, start, actor, reason, changes)

    def poll(self, groups: Iterable[Group], changes: Changes) -> None:
        """What is due: keys renewed before they expire, older ones retired, ended ones destroyed."""
        now = changes.now
        for group in groups:
            for tag in kinds(group.document, group.row.release_13):
                live = group.live(tag)
                active = [row for row in live if row.key.active(now)]
                self._end(active[:-1], KeyState.RETIRED, group.group_id, "gms", "superseded", changes)
                newest = live[-1].key if live else None
                last = newest is None or (
                    newest.expiry is not None and now >= newest.expiry - self.rules.renew_before
                )
                if last and not (group.temporary and newest is not None):
                    start = now if newest is None or newest.expired(now) else now + self.rules.overlap
                    self._make(tag, group.row, start, "gms", "renewed", changes)
            for row in group.keys:
                if self._over(row, now):
                    changes.destroyed.append(row.key.key_id)
                    changes.note("key-destroyed", "gms", group.group_id, _named(row.key))

    def _over(self, row: KeyRow, now: float) -> bool:
        if row.state is KeyState.LIVE:
            return row.key.expired(now)
        return now >= row.changed + (self.rules.revoked_for if row.state is KeyState.REVOKED else 0.0)

    def _make(
        self, tag: PurposeTag, row: GroupRow, start: float, actor: str, reason: str, changes: Changes
    ) -> None:
        ends = [] if row.until is None else [row.until]
        if self.rules.lifetime:
            ends.append(start + self.rules.lifetime)
        key = self.make(tag, row.group_id, changes.now, start, min(ends, default=None))
        changes.made.append(KeyRow(key, row.group_id, KeyState.LIVE, changes.now))
        changes.note("key-made", actor, row.group_id, f"{_named(key)}: {reason}")

    def _end(
        self, rows: Iterable[KeyRow], state: KeyState, group: str, actor: str, reason: str, changes: Changes
    ) -> None:
        for row in rows:
            changes.moved.append((row.key.key_id, state))
            changes.note(f"key-{state}", actor, group, f"{_named(row.key)}: {reason}")


def _named(key: Key) -> str:
    return f"{key.kind.tag.label} {key.key_id}"
