"""When keys are made, followed, revoked: MuSiKs by scope, an MSCCK with each announced bearer, renewal in time."""

from __future__ import annotations

from collections.abc import Collection

from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys.events import KeyDestroyed, KeyRenewalDue
from mcsec.keys.key import Scope
from mcsec.keys.lifecycle import KeyState, Step
from mcsec.keys.rotation import Rotation
from mcsec.server import authorisation, csk_update
from mcsec.server.announcement import Bearer
from mcsec.server.events import AffiliationChanged
from mcsec.server.function import Done, Function
from mcsec.store import deliveries, server


def make_musik(function: Function, scope: Scope, now: float) -> Done:
    """A MuSiK for ``scope``, for everybody who is affiliated to one of its groups; it follows the present one.

    :raises InvalidValue: a group of it has a MuSiK of another scope.
    """
    users = function.users
    members = users.members(scope.names) if scope.names else users.everybody()
    return function.done(function.engine.make_musik(scope, members, now, function.settings.lifetime))


def announce(function: Function, bearer: Bearer, now: float) -> Done:
    """Announce a bearer with an MSCCK of its own; one that is announced already is announced again, as it is now.

    :raises InvalidValue: it has no areas; :func:`withdraw` ends a bearer.
    """
    if bearer.withdrawn:
        raise InvalidValue("a bearer is announced with its areas", code="server.bearer")
    tmgi = str(bearer.tmgi)
    function.bearers[tmgi] = bearer
    done = Done([], [server.put_bearer(tmgi, bearer.encode())])
    rotation = function.engine.keydown.msccks.get(tmgi)
    key = None if rotation is None else rotation.pending or rotation.sending
    users = function.users
    clients = users.members(bearer.groups) if bearer.groups else users.everybody()
    if rotation is None or key is None:
        lifetime = function.settings.lifetime
        done += function.done(function.engine.activate_bearer(bearer.tmgi, clients, now, lifetime))
        return done
    for client in clients:
        rotation.admit(client)
    done.writes += [
        deliveries.wish_again(key.key_id, now),
        deliveries.wish_for_many(key.key_id, bearer.groups or None, now),
    ]
    return done


def withdraw(function: Function, tmgi: Tmgi, now: float) -> Done:
    """Tell everybody that a bearer ended; its MSCCK is revoked, and destroyed after the grace period.

    :raises InvalidValue: no such bearer is announced.
    """
    bearer = function.bearers.get(str(tmgi))
    if bearer is None:
        raise InvalidValue(f"no bearer {tmgi} is announced", code="server.bearer")
    function.bearers[str(tmgi)] = bearer.end()
    done = Done([], [server.put_bearer(str(tmgi), bearer.end().encode())])
    rotation = function.engine.keydown.msccks.get(str(tmgi))
    for epoch in rotation.epochs if rotation is not None else ():
        # One that was announced, withdrawn and announced again has a key that is revoked already.
        if epoch.state is not KeyState.REVOKED:
            done += function.done(function.engine.revoke(epoch.key.key_id, "the bearer ended", now))
    return done


def revoke(function: Function, key_id: KeyId, reason: str, now: float) -> Done:
    """Stop all use of a key, and tell its holders.

    :raises InvalidValue: there is no such key.
    """
    return function.done(function.engine.revoke(key_id, reason, now))


def bar(function: Function, user: str, group: str, now: float) -> Done:
    """Take a user off a group of another domain, if it is in, and let it join no more."""
    function.barred.add((user, group))
    done = Done([], [server.bar(user, group)])
    if user in function.users.members([group]):
        done += remove(function, group, [user], now)
    return done


def unbar(function: Function, user: str, group: str) -> Done:
    """Let a user join a group again."""
    if (user, group) not in function.barred:
        return Done()
    function.barred.discard((user, group))
    return Done([], [server.bar(user, group, joins=True)])


def remove(function: Function, group: str, members: Collection[str], now: float) -> Done:
    """Take users off a group against their will: nothing is sent any more under a key that they hold (design 5.3).

    They leave every group that shares the MuSiK. A group that lives under the domain's default MuSiK gets one of its
    own, for the default one stays everybody's. One without MuSiK is in Release 13 mode, or never broadcast: what keys
    it has, its GMS replaces.

    :raises InvalidValue: one of them is not in the group; nothing has changed.
    """
    musiks = function.engine.keydown.musiks
    rotation = musiks.get(group) or musiks.get(None)
    if strangers := sorted(set(members) - function.users.members([group])):
        raise InvalidValue(f"not in the group: {', '.join(strangers)}", code="keys.not-entitled")
    gone = (rotation.scope.names if rotation is not None else None) or {group}
    # First they are out of the group, in the store too: the key that follows goes to whoever is in it then.
    done = Done()
    for name in members:
        user = function.users.get(name)
        left = gone & (user.groups if user is not None else frozenset())
        done.writes += server.affiliate(name, [], left)
        done.events.append(AffiliationChanged(now, name, (), tuple(sorted(left))))
        if user is not None:
            function.users.affiliate(name, user.groups - gone)
    if rotation is None:
        return done
    if rotation.scope.is_default:
        done += make_musik(function, Scope.of(group), now)
    else:
        done += function.done(function.engine.remove(PurposeTag.MUSIK, rotation.scope, members, now))
    return done


def poll(function: Function, now: float) -> Done:
    """What is due: keys switched, retired, destroyed, renewed, and made anew where all had expired."""
    done = function.done(function.engine.poll(now))
    keydown = function.engine.keydown
    due = [keydown.rotation_of(event.key_id) for event in done.events if isinstance(event, KeyRenewalDue)]
    if any(isinstance(event, KeyDestroyed) and event.reason == Step.EXPIRE for event in done.events):
        # Nobody was there to renew them in time: the server was away, or its clock was set forward.
        due += [rotation for rotation in keydown.rotations if not (rotation.sending or rotation.pending)]
    for rotation in due:
        if rotation is not None:
            done += follow(function, rotation, now)
    done += csk_update.replace_worn(function, done.events, now)
    return done


def follow(function: Function, rotation: Rotation, now: float) -> Done:
    """Another key for a rotation, where one is still wanted."""
    if rotation.tag is PurposeTag.MUSIK:
        return make_musik(function, rotation.scope, now)
    bearer = function.bearers.get(next(iter(rotation.scope.names)))
    if rotation.tag is not PurposeTag.MSCCK or bearer is None or bearer.withdrawn:
        return Done()
    members = rotation.audience.members
    return function.done(
        function.engine.activate_bearer(bearer.tmgi, members, now, function.settings.lifetime)
    )


def expire_users(function: Function, now: float) -> Done:
    """Log off whoever did not refresh its registration."""
    done = Done()
    for user in function.users.expired(now):
        done += authorisation.log_off(function, user, "the registration expired", now)
    return done
