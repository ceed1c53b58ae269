"""Groups as the GMS of the server's own domain has them: members, flags, priorities; never keys (TS 24.481 7.2).

The server reads documents with a token of its own, as any other reader does. What it read stays in force while the GMS
cannot be reached: who was a member still is one, and a group that was never read is nobody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType

from mcsec.errors import McsecError
from mcsec.keys.policy import GroupRules
from mcsec.server.calls.groups import Group, GroupMember, GroupTable
from mcsec.server.floor import STANDARD, FloorPolicy
from mcsec.server.gms_access import Connect
from mcsec.wire.groups import GroupDocument
from mcsec.wire.xcap import GROUPS

#: What a member may have of ``mc_priority`` where its document says nothing.
_PRIORITY = GroupMember(user="").priority


class HomeGroups:
    """Keeps a table of groups in step with the GMS.

    A group that the configuration names keeps what only that says (how calls are made, its MuSiK); members, flags and
    times are those of the document.

    :ivar table: the groups as calls see them.
    """

    def __init__(
        self,
        table: GroupTable,
        connect: Connect,
        identity: str,
        domain: str,
        floor: FloorPolicy = STANDARD,
    ) -> None:
        """:param identity: the server's, as its token for the GMS says.
        :param floor: of groups that the configuration does not name.
        """
        self.table = table
        self._connect, self._identity, self._domain, self._floor = connect, identity, domain, floor
        self._etags: dict[str, str] = {}

    def may_join(self, user: str, group_id: str) -> bool:
        """Whether a user may be affiliated to a group."""
        group = self.table.find(group_id)
        return group is not None and (group.everybody or user in group.members)

    async def refresh(self) -> frozenset[str]:
        """Read what changed; the IDs of groups that are new, changed or gone.

        :raises PeerError: the GMS could not be asked, or said something else; what was read before stays in force.
        """
        async with self._connect() as gms:
            listed = await gms.directory(self._identity)
            present = {one.place.name: one.etag for one in listed if one.place.auid == GROUPS}
            changed = {name for name, etag in present.items() if self._etags.get(name) != etag}
            for name in sorted(changed):
                found = await gms.group(name)
                assert found is not None, "nothing was known"
                document, self._etags[name] = found
                self.table.put(as_group(document, self._domain, self.table.find(name), self._floor))
        gone = self._etags.keys() - present.keys()
        for name in gone:
            del self._etags[name]
            self.table.drop(name)
        return frozenset(changed | gone)

    async def run(
        self,
        seconds: float,
        changed: Callable[[frozenset[str]], Awaitable[None]],
        failed: Callable[[McsecError], None],
    ) -> None:
        """Look every few seconds, for ever; ``changed`` is told which groups are new, changed or gone."""
        while True:
            try:
                if found := await self.refresh():
                    await changed(found)
            except McsecError as error:
                failed(error)
            await asyncio.sleep(seconds)


def as_group(
    document: GroupDocument, domain: str, known: Group | None = None, floor: FloorPolicy = STANDARD
) -> Group:
    """A group document as calls see it; what it leaves unsaid is as in ``known``. Absent flags mean protected.

    :param floor: of a group that is not known.
    """
    before = Group(group_id=document.uri, home=domain, floor=floor) if known is None else known
    members = {
        member.uri: replace(
            before.members.get(member.uri) or GroupMember(user=member.uri),
            priority=_PRIORITY if member.priority is None else min(member.priority, _PRIORITY),
            receive_only=member.receive_only,
        )
        for member in document.members
    }
    return replace(
        before,
        members=MappingProxyType(members),
        everybody=False,
        rules=GroupRules(document.protection.floor, document.protection.media),
        floor=replace(before.floor, temporary_group=bool(document.constituents)),
        hang_time=before.hang_time if document.hang_time is None else document.hang_time,
        maximum=before.maximum if document.maximum_duration is None else document.maximum_duration,
        minimum=before.minimum if document.minimum_to_start is None else document.minimum_to_start,
        disabled=document.disabled or not document.is_mcptt,
    )
