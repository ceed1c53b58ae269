"""Groups in memory and on disk: what is answered was written down before, together with its log records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Self, TypeVar

from sqlalchemy import Connection

from mcsec.gms.groups import Changes, Group
from mcsec.ids import KeyId
from mcsec.keys import journal
from mcsec.keys.chain import Head
from mcsec.keys.journal import JournalRecord
from mcsec.store.database import Database
from mcsec.store.gms import GmsTables, GroupRow, Held, KeyRow
from mcsec.wire import groups as documents

FORM = "mcsec-gms-log/1"
"""Enters every hash of a GMS's log."""

T = TypeVar("T")
_PAGE = 1000


class Keeper:
    """The groups of one GMS. There is one keeper on a database, in one process.

    :ivar groups: by group ID. :ivar head: of the log as it stands in the database.
    """

    def __init__(self, database: Database, domain: str, groups: Iterable[Group], head: Head) -> None:
        self._database, self._domain = database, domain
        self.groups = {group.group_id: group for group in groups}
        self.head = head
        self._turn = asyncio.Lock()
        self._homes = {row.key.key_id: group.group_id for group in self.groups.values() for row in group.keys}

    @classmethod
    async def open(cls, database: Database, domain: str) -> Self:
        """What a database holds.

        :raises StoreError, WrapError: it cannot be used. :raises ChainBroken: the end of the log was altered.
        """
        rows, keys, holders, last = await database.transact(
            lambda connection: _everything(GmsTables(connection, database.wrapper))
        )
        found = []
        for row in rows:
            own = [key for key in keys if key.group_id == row.group_id]
            held: dict[KeyId, dict[str, Held]] = {}
            for key in own:
                held[key.key.key_id] = {}
            for key_id, member, state, _ in holders:
                if key_id in held:
                    held[key_id][member] = state
            found.append(Group.of(row, documents.decode(row.document), own, held))
        return cls(database, domain, found, journal.head_after(last, domain, FORM))

    def find(self, group_id: str) -> Group | None:
        """A group; None: there is none."""
        return self.groups.get(group_id)

    def group_of(self, key_id: KeyId) -> Group | None:
        """The group of a key; None: it is destroyed."""
        return self.groups.get(self._homes.get(key_id, ""))

    async def change(self, decide: Callable[[], Changes]) -> Changes:
        """One step after the other: ``decide`` looks at the groups as they are, and what it gives is written down.

        :raises StoreError: the database refused; nothing was changed.
        """
        # A step that was begun is seen to its end, also when nobody waits for it any more.
        return await asyncio.shield(asyncio.ensure_future(self._change(decide)))

    async def _change(self, decide: Callable[[], Changes]) -> Changes:
        async with self._turn:
            changes = decide()
            if not changes.empty:
                self.head = await self._database.transact(lambda connection: self._write(connection, changes))
                self._apply(changes)
        return changes

    def _write(self, connection: Connection, changes: Changes) -> Head:
        tables = GmsTables(connection, self._database.wrapper)
        for row in changes.put:
            tables.put_group(row)
        for key in changes.made:
            tables.add_key(key)
        for key_id, state in changes.moved:
            tables.set_key_state([key_id], state, changes.now)
        for key_ids, member, held in changes.held:
            tables.set_held(key_ids, member, held, changes.now)
        tables.drop_keys(changes.destroyed)
        for group_id in changes.dropped:
            tables.drop_group(group_id)
        records, head = journal.append(self.head, self._domain, FORM, changes.entries, changes.now)
        tables.add_log((record.sequence, record.subject, journal.encode(record)) for record in records)
        return head

    def _apply(self, changes: Changes) -> None:
        moved, gone = dict(changes.moved), frozenset(changes.destroyed)
        for row in changes.put:
            before = self.groups.get(row.group_id)
            document = documents.decode(row.document)
            self.groups[row.group_id] = (
                Group.of(row, document)
                if before is None
                else Group.of(row, document, before.keys, before.holders)
            )
        for group_id in changes.dropped:
            self.groups.pop(group_id, None)
        touched = {row.group_id for row in changes.made}
        touched |= {self._homes[key_id] for key_id in (*moved, *gone) if key_id in self._homes}
        self._homes |= {row.key.key_id: row.group_id for row in changes.made}
        for key_id in gone:
            self._homes.pop(key_id, None)
        for group_id in touched & self.groups.keys():
            group = self.groups[group_id]
            keys = [
                replace(row, state=moved[row.key.key_id], changed=changes.now)
                if row.key.key_id in moved
                else row
                for row in (*group.keys, *(row for row in changes.made if row.group_id == group_id))
                if row.key.key_id not in gone
            ]
            holders = {row.key.key_id: group.holders.get(row.key.key_id, {}) for row in keys}
            self.groups[group_id] = replace(group, keys=tuple(keys), holders=holders)
        for key_ids, member, state in changes.held:
            self._hold(key_ids, member, state)

    def _hold(self, key_ids: Iterable[KeyId], member: str, state: Held) -> None:
        for key_id in key_ids:
            group = self.group_of(key_id)
            if group is not None:
                known = {**group.holders.get(key_id, {}), member: state}
                self.groups[group.group_id] = replace(group, holders={**group.holders, key_id: known})

    # --- the log

    async def log(
        self, after: int = -1, limit: int = _PAGE, subject: str | None = None
    ) -> list[JournalRecord]:
        """Records after a sequence number, about one group or about all."""
        lines = await self._database.transact(
            lambda connection: GmsTables(connection, self._database.wrapper).log(after, limit, subject)
        )
        return [journal.decode(line) for line in lines]

    async def verify_log(self) -> Head:
        """Checks the whole log, in pages; its head.

        :raises ChainBroken: with the first record where it shows.
        """
        head = journal.start(self._domain, FORM)
        while page := await self.log(head.length - 1):
            head = journal.verify(page, self._domain, FORM, since=head)
        return journal.verify([], self._domain, FORM, since=head, known=self.head)


def _everything(
    tables: GmsTables,
) -> tuple[list[GroupRow], list[KeyRow], list[tuple[KeyId, str, Held, float]], str | None]:
    return tables.groups(), tables.keys(), tables.holders(), tables.last_log_line()
