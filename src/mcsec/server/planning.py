"""What a rotation will take, before it begins: messages, octets, seconds."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.ids import PurposeTag
from mcsec.keys.key import Scope
from mcsec.server.delivering import Delivering
from mcsec.server.sources import FromMemory

#: Messages that are written to see what one takes, and how much more it takes to send it, hear the answer, and note it.
_TRIED, _REST = 64, 1.25


@dataclass(frozen=True, slots=True)
class Plan:
    """A rotation of ``kind`` for ``scope`` now.

    ``messages``: one for each entitled client. ``octets``: of all of them. ``seconds``: until all of them are answered,
    by ``basis``. ``switch_by``: seconds after which listeners that have not answered are moved to unicast.
    """

    kind: PurposeTag
    scope: Scope
    messages: int
    octets: int
    seconds: float
    basis: str
    switch_by: float

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {
            "kind": self.kind.label,
            "scope": sorted(self.scope.names),
            "messages": self.messages,
            "octets": self.octets,
            "seconds": round(self.seconds, 3),
            "basis": self.basis,
            "switch_by": round(self.switch_by, 3),
        }


async def plan(
    source: FromMemory, delivering: Delivering, tag: PurposeTag, scope: Scope, switch_after: float, now: float
) -> Plan:
    """The plan of a rotation at ``now``; nothing has changed."""
    function = source.function
    users = function.users
    if tag is PurposeTag.MUSIK:
        clients = len(users.members(scope.names)) if scope.names else len(users)
    elif tag is PurposeTag.CSK:
        clients = len(scope.names)
    else:
        rotation = function.engine.keydown.msccks.get(next(iter(scope.names)))
        clients = 0 if rotation is None else len(rotation.audience.members)
    took, octets = await delivering.trial(*source.trial(_TRIED, now))
    pace, basis = function.engine.pace, "the pace of the last deliveries"
    if not pace:
        pace, basis = took * _REST, "a trial of writing"
    if delivering.rate is not None and 1 / delivering.rate > pace:
        pace, basis = 1 / delivering.rate, "the rate that is configured"
    seconds = pace * clients
    return Plan(tag, scope, clients, octets * clients, seconds, basis, max(switch_after, 2 * seconds))
