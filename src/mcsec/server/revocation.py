"""Users whom the domain's KMS revoked: they are given no key, and nothing is sent any more under one that they hold."""

from __future__ import annotations

from collections.abc import Collection

from mcsec.errors import Refused
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.keys.rotation import Rotation
from mcsec.server import authorisation
from mcsec.server.function import Done, Function
from mcsec.server.sources import REVOKED_USER


def expel(function: Function, now: float) -> Done:
    """Log revoked users off, and rekey at once what they held (design 5.3)."""
    users = function.users
    revoked = function.engine.keydown.revoked(users.everybody(), now)
    if not revoked:
        return Done()
    rekeyed: list[Event] = []
    for rotation in function.engine.keydown.rotations:
        members = revoked & rotation.audience.members
        if members and _wanted(function, rotation):
            rekeyed += function.engine.remove(rotation.tag, rotation.scope, members, now)
    # First they are gone, in the store too: the keys that follow go to whoever is there then.
    done = Done()
    for name in sorted(revoked):
        if (user := users.get(name)) is not None:
            done += authorisation.log_off(function, user, REVOKED_USER, now)
    done += function.done(rekeyed)
    return done


def check(function: Function, user: str, now: float) -> None:
    """Whether a user may be authorised.

    :raises Refused: its KMS revoked it.
    """
    if function.engine.keydown.revoked([user], now):
        raise Refused(
            f"{user} was revoked by its KMS",
            code="server.user-revoked",
            clause="TS 33.180 D.3.2",
            hint="reinstate it at the KMS, if that was a mistake",
        )


def _wanted(function: Function, rotation: Rotation) -> bool:
    """Whether there is a key, and another one is to follow it."""
    names: Collection[str] = rotation.scope.names
    bearers = [function.bearers.get(name) for name in names] if rotation.tag is PurposeTag.MSCCK else []
    ended = any(bearer is None or bearer.withdrawn for bearer in bearers)
    return not ended and (rotation.sending or rotation.pending) is not None
