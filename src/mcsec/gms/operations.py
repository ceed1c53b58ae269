"""What an operator does with a running GMS. Each step is one transaction with its log records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcsec.errors import LocalError
from mcsec.gms.access import Caller
from mcsec.gms.gms import Gms
from mcsec.gms.groups import OPERATOR, Changes, Group
from mcsec.gms.planning import kinds
from mcsec.keys.chain import Head
from mcsec.keys.journal import JournalRecord
from mcsec.wire.groups import Protection

_CALLER = Caller(OPERATOR, "", (OPERATOR,), server=False, administrator=True)


class OperationError(LocalError):
    """An operator asked for something that cannot be done."""

    code = "gms.operation"


@dataclass(frozen=True, slots=True)
class Operations:
    """An operator's hands on one GMS."""

    gms: Gms

    def status(self) -> dict[str, Any]:
        """Facts at a glance."""
        gms = self.gms
        groups = gms.keeper.groups.values()
        return {
            "gms_uri": gms.config.uri,
            "domain": gms.config.domain,
            "groups": len(groups),
            "temporary": sum(group.temporary for group in groups),
            "release_13": sorted(group.group_id for group in groups if group.row.release_13),
            "administrators": len(gms.rules.administrators),
            "log": {"length": gms.keeper.head.length, "digest": gms.keeper.head.digest.hex()},
        }

    def groups(self) -> list[dict[str, Any]]:
        """Every group: members, flags, keys. Times are Unix seconds."""
        return [_group(group) for _, group in sorted(self.gms.keeper.groups.items())]

    def members(self, group_id: str) -> list[dict[str, Any]]:
        """The members of a group, and how far each key came to them.

        :raises OperationError: no such group.
        """
        group = self._group(group_id)
        live = [row.key.key_id for row in group.keys]
        return [
            {
                "member": member.uri,
                "priority": member.priority,
                "receive_only": member.receive_only,
                "keys": {
                    str(key_id): group.holders[key_id][member.uri].value
                    for key_id in live
                    if member.uri in group.holders.get(key_id, {})
                },
            }
            for member in group.document.members
        ]

    async def put(self, group_id: str, document: bytes, owner: str, now: float) -> bool:
        """A group document from the operator; whether the group is new. ``owner``: who may change it from then on.

        :raises DecodeError, GmsRefusal: it is not taken.
        """
        caller = Caller(OPERATOR, "", (owner or OPERATOR,), server=False, administrator=True)
        new = False

        def decide() -> Changes:
            nonlocal new
            changes, new = self.gms.documents.put(caller, group_id, document, {}, now)
            return changes

        await self.gms.step(decide)
        return new

    async def remove(self, group_id: str, now: float) -> None:
        """A group is no more.

        :raises GmsRefusal: there is none, or it is part of a temporary group.
        """
        await self.gms.step(lambda: self.gms.documents.delete(_CALLER, group_id, {}, now))

    async def rotate(self, group_id: str, at_once: bool, reason: str, now: float) -> list[str]:
        """New keys for a group; ``at_once``: those of before are revoked. The IDs of the new ones.

        :raises OperationError: no such group, or it needs no keys.
        """
        self._group(group_id)

        def decide() -> Changes:
            changes = Changes(now)
            group = self._group(group_id)
            self.gms.planner.rotate(group, at_once, OPERATOR, reason or "rotated", changes)
            return changes

        changes = await self.gms.step(decide)
        if not changes.made:
            raise OperationError(f"{group_id} needs no keys", hint="mcsec policy lint says why")
        return [str(row.key.key_id) for row in changes.made]

    async def release_13(self, group_id: str, on: bool, now: float) -> list[str]:
        """The switch for Release 13 mode of one group; the kinds of keys that it has then.

        :raises OperationError: no such group.
        """
        self._group(group_id)
        await self.gms.step(lambda: self.gms.documents.switch(self._group(group_id), on, OPERATOR, now))
        group = self._group(group_id)
        return sorted(tag.label for tag in kinds(group.document, group.row.release_13))

    async def regroup(self, group_id: str, constituents: list[str], until: float, now: float) -> None:
        """A temporary group.

        :raises GmsRefusal: it cannot be made.
        """
        await self.gms.step(
            lambda: self.gms.documents.regroup(group_id, constituents, OPERATOR, until, Protection(), now)
        )

    async def log(self, after: int, limit: int, group: str | None) -> list[JournalRecord]:
        """Records after a sequence number, about one group or about all."""
        return await self.gms.keeper.log(after, limit, group)

    async def verify_log(self) -> Head:
        """Checks the whole log; its head.

        :raises ChainBroken: with the first record where it shows.
        """
        return await self.gms.keeper.verify_log()

    def _group(self, group_id: str) -> Group:
        group = self.gms.keeper.find(group_id)
        if group is None:
            raise OperationError(f"no group {group_id}", code="gms.no-group")
        return group


def _group(group: Group) -> dict[str, Any]:
    protection = group.document.protection
    return {
        "group": group.group_id,
        "owner": group.row.owner,
        "etag": group.row.etag,
        "members": len(group.members),
        "disabled": group.document.disabled,
        "protect_media": protection.media_protected,
        "protect_floor": protection.floor_protected,
        "multicast_floor": protection.multicast_floor,
        "release_13": group.row.release_13,
        "until": group.row.until,
        "constituents": list(group.document.constituents),
        "keys": [
            {
                "key": f"{row.key.kind.tag.label} {row.key.key_id}",
                "state": row.state.value,
                "made": row.key.created,
                "active": row.key.activation,
                "expires": row.key.expiry,
                "holders": len(group.holders.get(row.key.key_id, {})),
            }
            for row in group.keys
        ],
    }
