"""Bearers for one call (TS 23.280 10.7.3.2): wanted when the call says that one would pay, else given up."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from mcsec.errors import InvalidValue, WrongState
from mcsec.keys.events import Event
from mcsec.server.bearers.joint import Joint, Plan
from mcsec.server.calls.events import BearerUnwanted, BearerWanted


class OnDemand:
    """The bearers that are at hand for calls: each for one call at a time, announced to the users of its group only."""

    def __init__(self, joint: Joint, plans: Iterable[Plan]) -> None:
        self._joint = joint
        self._plans = tuple(plans)
        self._taken: dict[str, str] = {}

    def happened(self, event: Event) -> None:
        """An event of a call."""
        match event:
            case BearerWanted(group=group) if group not in self._taken:
                self._take(group)
            case BearerUnwanted(group=group) if group in self._taken:
                # An operator may have dropped it meanwhile.
                with suppress(InvalidValue, WrongState):
                    self._joint.drop(self._taken.pop(group))

    def _take(self, group: str) -> None:
        for plan in self._plans:
            if plan.name not in self._joint.names and (not plan.groups or group in plan.groups):
                wish = replace(plan.wish, dynamic=True)
                self._joint.want(replace(plan, wish=wish, groups=frozenset({group})))
                self._taken[group] = plan.name
                return
