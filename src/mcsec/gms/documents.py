"""Group documents taken, changed and removed, and what follows for keys and temporary groups. Decisions only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mcsec.gms import conditions
from mcsec.gms.access import AccessRules, Caller, check_write
from mcsec.gms.groups import Changes, Group, etag_of
from mcsec.gms.planning import Planner
from mcsec.gms.refusals import GmsRefusal
from mcsec.store.gms import GroupRow
from mcsec.wire import groups as documents
from mcsec.wire.groups import GroupDocument, Member, Protection, Regrouped
from mcsec.wire.xcap import Conflict


@dataclass(frozen=True, slots=True)
class Documents:
    """Decides for one GMS, on the groups as they are."""

    groups: Mapping[str, Group]
    planner: Planner
    rules: AccessRules
    most: int

    def put(
        self, caller: Caller, group_id: str, octets: bytes, headers: Mapping[str, str], now: float
    ) -> tuple[Changes, bool]:
        """A document that somebody sends, and whether it is a new group's.

        :raises DecodeError: no group document.
        :raises GmsRefusal: it may not, a condition is not met, or the document cannot be this group's.
        """
        before = self.groups.get(group_id)
        check_write(caller, before)
        conditions.check(headers, None if before is None else before.row.etag, reading=False)
        document = documents.decode(octets)
        self._check(group_id, document, before)
        owner = caller.identities[0] if before is None else before.row.owner
        row = GroupRow(
            group_id,
            octets,
            etag_of(octets),
            owner,
            before is not None and before.row.release_13,
            None,
            now,
        )
        changes = Changes(now)
        self._change(row, document, caller.subject, changes)
        return changes, before is None

    def delete(self, caller: Caller, group_id: str, headers: Mapping[str, str], now: float) -> Changes:
        """A group that somebody removes.

        :raises GmsRefusal: it may not, there is none, a condition is not met, or the group is part of another.
        """
        before = self.groups.get(group_id)
        check_write(caller, before)
        if before is None:
            raise GmsRefusal(404, "no such group", code="gms.no-group")
        conditions.check(headers, before.row.etag, reading=False)
        changes = Changes(now)
        self.remove(before, caller.subject, "", changes)
        return changes

    def switch(self, group: Group, release_13: bool, actor: str, now: float) -> Changes:
        """The operator's switch for Release 13 mode."""
        changes = Changes(now)
        changes.note("release-13", actor, group.group_id, "on" if release_13 else "off")
        row = replace(group.row, release_13=release_13)
        changes.put.append(row)
        self.planner.follow(group, row, group.document, actor, changes)
        return changes

    def regroup(
        self,
        group_id: str,
        constituents: Iterable[str],
        requestor: str,
        until: float,
        protection: Protection,
        now: float,
    ) -> Changes:
        """A temporary group, made of others that are at home here, until a time (Unix seconds).

        :raises GmsRefusal: it cannot be made.
        """
        names = tuple(dict.fromkeys(constituents))
        found = [self.groups.get(name) for name in names]
        wrong = None
        if group_id in self.groups or not self.rules.at_home(group_id):
            wrong = "its ID is taken, or of another domain"
        elif len(names) < 2 or any(one is None or one.temporary or one.document.disabled for one in found):
            wrong = "two or more groups are needed, all at home here, in use and not temporary"
        elif not until > now:
            wrong = "its time is over"
        if wrong:
            raise GmsRefusal(
                409, f"no temporary group: {wrong}", code="gms.regroup", clause="TS 24.481 6.3.14"
            )
        changes = Changes(now)
        document = GroupDocument(
            uri=group_id,
            members=self._union(names, {}),
            protection=protection,
            constituents=names,
        )
        documents.decode(documents.encode(document))
        row = self._row(group_id, document, requestor, until, now)
        changes.put.append(row)
        changes.note("regrouped", requestor, group_id, f"until {until:.0f}: {' '.join(names)}")
        self.planner.follow(None, row, document, requestor, changes)
        self._mark(names, Regrouped(group_id, requestor, protection), group_id, changes)
        return changes

    def remove(self, group: Group, actor: str, reason: str, changes: Changes) -> None:
        """A group is no more; a temporary one leaves its constituents as they were.

        :raises GmsRefusal: it is part of a temporary group.
        """
        if any(group.group_id in other.document.constituents for other in self.groups.values()):
            raise GmsRefusal(
                409,
                "part of a temporary group",
                code="gms.regrouped",
                conflict=Conflict.CONSTRAINT,
                hint="end the temporary group first: mcsec gms end",
            )
        changes.dropped.append(group.group_id)
        changes.destroyed += [row.key.key_id for row in group.keys]
        changes.note("removed", actor, group.group_id, reason)
        self._mark(group.document.constituents, None, group.group_id, changes)

    def expired(self, now: float) -> Changes:
        """Temporary groups whose time is over are removed."""
        changes = Changes(now)
        for group in self.groups.values():
            if group.row.until is not None and now >= group.row.until:
                self.remove(group, "gms", "its time is over", changes)
        return changes

    # --- inside

    def _check(self, group_id: str, document: GroupDocument, before: Group | None) -> None:
        wrong, conflict = None, Conflict.CONSTRAINT
        present = () if before is None else before.document.regrouped
        if document.uri != group_id:
            wrong = "the document is of another group"
        elif not self.rules.at_home(group_id):
            wrong = "the group is at home elsewhere"
        elif document.constituents or (before is not None and before.temporary):
            wrong = "temporary groups are made by regrouping"
        elif set(document.regrouped) != set(present):
            wrong = "regrouping is told by the GMS alone"
        elif before is None and len(self.groups) >= self.most:
            wrong, conflict = "no more groups have room", Conflict.UNIQUENESS
        if wrong:
            raise GmsRefusal(409, wrong, code="gms.constraint", conflict=conflict, clause="TS 24.481 7.2")

    def _change(self, row: GroupRow, document: GroupDocument, actor: str, changes: Changes) -> None:
        before = self.groups.get(row.group_id)
        members = {member.uri for member in document.members}
        changes.put.append(row)
        if before is None:
            changes.note("made", actor, row.group_id, f"{len(members)} members")
        else:
            gone, come = sorted(before.members - members), sorted(members - before.members)
            told = [f"{sign}{name}" for sign, names in (("-", gone), ("+", come)) for name in names[:20]]
            changes.note("changed", actor, row.group_id, " ".join(told))
        self.planner.follow(before, row, document, actor, changes)
        for other in self.groups.values():
            if row.group_id in other.document.constituents and other.row.until is not None:
                union = replace(
                    other.document, members=self._union(other.document.constituents, {row.group_id: document})
                )
                following = self._row(
                    other.group_id, union, other.row.owner, other.row.until, changes.now, other.row.release_13
                )
                changes.put.append(following)
                self.planner.follow(other, following, union, actor, changes)

    def _union(self, names: Iterable[str], instead: Mapping[str, GroupDocument]) -> tuple[Member, ...]:
        found: dict[str, Member] = {}
        for name in names:
            for member in instead.get(name, self.groups[name].document).members:
                found.setdefault(member.uri, member)
        return tuple(found.values())

    def _mark(
        self, names: Iterable[str], regrouped: Regrouped | None, group_id: str, changes: Changes
    ) -> None:
        """Tells constituents that they are part of ``group_id``, or are not any more."""
        for name in names:
            row, document = self.groups[name].row, self.groups[name].document
            rest = [one for one in document.regrouped if one.temporary_group_id != group_id]
            octets = documents.with_regrouped(row.document, rest if regrouped is None else [*rest, regrouped])
            changes.put.append(replace(row, document=octets, etag=etag_of(octets), changed=changes.now))

    def _row(
        self,
        group_id: str,
        document: GroupDocument,
        owner: str,
        until: float,
        now: float,
        release_13: bool = False,
    ) -> GroupRow:
        octets = documents.encode(document)
        return GroupRow(group_id, octets, etag_of(octets), owner, release_13, until, now)
