"""What a call needs to know of its group, and where that comes from (TS 24.481 7.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from mcsec.errors import InvalidValue, Refused
from mcsec.ids import host_of
from mcsec.keys.policy import GroupRules
from mcsec.server.floor import STANDARD, FloorPolicy

_PROTECTED = GroupRules()


class CallKind(StrEnum):
    """How members come into a call, as ``session-type`` says it."""

    PREARRANGED = "prearranged"
    CHAT = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """One member. ``priority``: the most of ``mc_priority`` that it is granted; ``default_priority``: what a request
    without one is worth. ``home``: the MC domain that serves it. ``urgent``: it may make emergency and imminent peril
    calls. ``may_revoke``, ``may_cancel``: as in floor control.
    """

    user: str
    priority: int = 254
    default_priority: int = 0
    receive_only: bool = False
    home: str = ""
    urgent: bool = True
    may_revoke: bool = False
    may_cancel: bool = False

    @property
    def domain(self) -> str:
        """The MC domain that serves it: as configured, or as its identity says."""
        return self.home or host_of(self.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group.

    ``home`` is the MC domain whose server controls its calls; ``members`` is all that this server knows of: everybody
    for the home, its own users elsewhere. ``everybody``: whoever may be affiliated is a member. ``hang_time``: seconds
    that a call may be idle (T4). ``maximum``: seconds that it may last, None: no end. ``minimum``: members beside the
    caller that must answer before it is set up. ``broadcast``: only who makes a call talks in it. ``floor``: all else
    about its floor.
    """

    group_id: str
    home: str
    kind: CallKind = CallKind.PREARRANGED
    members: Mapping[str, GroupMember] = field(default_factory=lambda: MappingProxyType({}))
    everybody: bool = False
    rules: GroupRules = _PROTECTED
    hang_time: float = 30.0
    maximum: float | None = None
    minimum: int = 0
    disabled: bool = False
    broadcast: bool = False
    floor: FloorPolicy = STANDARD

    def __post_init__(self) -> None:
        if not self.group_id or not self.home:
            raise InvalidValue("a group has an ID and a home domain", code="call.group")
        if not self.hang_time > 0 or (self.maximum is not None and not self.maximum > 0) or self.minimum < 0:
            raise InvalidValue(f"{self.group_id}: times are longer than 0", code="call.group")

    def member(self, user: str) -> GroupMember:
        """What is known of a member.

        :raises Refused: ``user`` is none.
        """
        found = self.members.get(user)
        if found is not None:
            return found
        if self.everybody:
            return GroupMember(user=user)
        raise Refused(
            f"{user} is no member of {self.group_id}", code="call.not-a-member", clause="TS 24.379 10.1.1.4.2"
        )

    def check_usable(self) -> None:
        """Whether calls may be made.

        :raises Refused: the group is disabled.
        """
        if self.disabled:
            raise Refused(
                f"{self.group_id} is disabled", code="call.group-disabled", clause="TS 24.379 10.1.1.4.2"
            )


class GroupDirectory(Protocol):
    """Where groups are found. It is asked at every call, so that what changes counts from the next one on."""

    def find(self, group_id: str) -> Group | None:
        """The group; None: there is none of that ID."""


class GroupTable:
    """Groups in memory."""

    def __init__(self, groups: Iterable[Group] = ()) -> None:
        self._groups = {group.group_id: group for group in groups}

    def find(self, group_id: str) -> Group | None:
        """The group; None: there is none of that ID."""
        return self._groups.get(group_id)

    def put(self, group: Group) -> None:
        """A group, new or changed."""
        self._groups[group.group_id] = group

    def drop(self, group_id: str) -> None:
        """A group is no more."""
        self._groups.pop(group_id, None)


def found(directory: GroupDirectory, group_id: str) -> Group:
    """A group that calls can be made in.

    :raises Refused: there is none, or it is disabled.
    """
    group = directory.find(group_id)
    if group is None:
        raise Refused(f"no group {group_id}", code="call.unknown-group", clause="TS 24.379 10.1.1.4.2")
    group.check_usable()
    return group
