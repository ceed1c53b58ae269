"""The keys of a server as operators see them: listed, planned, rotated, revoked, and how far a rotation is."""

from __future__ import annotations

from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import DEFAULT, Scope
from mcsec.keys.lifecycle import Epoch
from mcsec.keys.rotation import Rotation
from mcsec.server.orders import Orders
from mcsec.server.planning import Plan
from mcsec.server.service import McServer

_STATES = ("wanted", "sent", "held", "refused", "failed")


class KeyDesk:
    """Operators' questions and orders about the keys of one server."""

    def __init__(self, server: McServer) -> None:
        self._server = server
        self._orders = Orders(server)

    async def rows(self) -> dict[str, object]:
        """Every key that is not destroyed, and who is given it; and how many clients have a CSK."""
        counts = await self._server.deliveries_by_key()
        engine = self._server.function.engine
        rows = [
            self._row(epoch, counts.get(epoch.key.key_id, {}), rotation)
            for rotation in engine.keydown.rotations
            for epoch in rotation.epochs
        ]
        offers = engine.keydown.csks
        return {
            "keys": rows,
            "csks": len(engine.csks.held),
            "csks_offered": len(offers),
            "pace": engine.pace,
        }

    async def plan(self, kind: str, names: list[str]) -> Plan:
        """What rotating would take.

        :raises InvalidValue: there is nothing of that kind.
        """
        tag, scope = self._meant(kind, names)
        return await self._server.plan(tag, scope)

    async def rotate(self, kind: str, names: list[str]) -> Plan:
        """Begin it; the plan says what it takes, and :meth:`rows` how far it is.

        :raises InvalidValue: there is nothing of that kind, or no CSK that could be replaced.
        :raises LocalError: the store takes nothing; the text says whether it was begun.
        """
        tag, scope = self._meant(kind, names)
        plan = await self._server.plan(tag, scope)

        async def begin() -> None:
            if tag is PurposeTag.MUSIK:
                await self._server.make_musik(scope)
            elif tag is PurposeTag.MSCCK:
                await self._server.rotate_mscck(next(iter(scope.names)))
            else:
                for user in sorted(scope.names):
                    await self._server.replace_csk(user)

        await self._orders.carry_out(begin)
        return plan

    async def revoke(self, key_id: str, reason: str) -> None:
        """Stop all use of a MuSiK or MSCCK at once.

        :raises InvalidValue: there is no such key.
        :raises LocalError: the store takes nothing; the text says whether it was begun.
        """
        try:
            wanted = KeyId(int(key_id, 16))
        except (ValueError, InvalidValue):
            raise InvalidValue(f"{key_id!r} is no key ID", code="keys.unknown") from None
        await self._orders.carry_out(lambda: self._server.revoke(wanted, reason))

    def _meant(self, kind: str, names: list[str]) -> tuple[PurposeTag, Scope]:
        """What a kind and names speak of."""
        engine = self._server.function.engine
        if kind == "musik":
            scope = Scope.of(*names) if names else DEFAULT
            place = next(iter(sorted(scope.names)), None)
            rotation = engine.keydown.musiks.get(place)
            if rotation is None or rotation.scope != scope:
                raise InvalidValue(f"there is no MuSiK for {scope}", code="keys.unknown")
            return PurposeTag.MUSIK, scope
        if kind == "mscck" and len(names) == 1 and names[0] in engine.keydown.msccks:
            return PurposeTag.MSCCK, Scope.of(names[0])
        if kind == "csk" and names:
            if strangers := [name for name in names if name not in engine.csks.held]:
                raise InvalidValue(f"no CSK of {', '.join(strangers)}", code="keys.no-csk")
            return PurposeTag.CSK, Scope.of(*names)
        raise InvalidValue(f"no {kind} for {' '.join(names) or 'everybody'}", code="keys.unknown")

    def _row(self, epoch: Epoch, counts: dict[str, int], rotation: Rotation) -> dict[str, object]:
        key, audience = epoch.key, rotation.audience
        left = counts.get("wanted", 0) + counts.get("sent", 0)
        return {
            "kind": key.kind.tag.label,
            "key_id": str(key.key_id),
            "scope": sorted(key.scope.names),
            "state": epoch.state.name.lower(),
            "meaning": epoch.state.value,
            "since": epoch.since,
            "until": epoch.until,
            "expiry": key.expiry,
            "members": len(audience.members),
            "listeners": {"broadcast": len(audience.broadcast), "unicast": len(audience.unicast)},
            "deliveries": {state: counts.get(state, 0) for state in _STATES},
            "seconds_left": round(left * self._server.function.engine.pace, 1),
        }
