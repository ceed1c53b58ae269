"""Going on where a killed server was: engine, users and bearers from what was written down."""

from __future__ import annotations

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.audience import Audience
from mcsec.keys.key import Scope
from mcsec.keys.lifecycle import Epoch
from mcsec.server.announcement import Bearer
from mcsec.server.function import Function
from mcsec.server.users import User
from mcsec.store.server_load import ServerState


def resume(function: Function, state: ServerState, now: float) -> None:
    """Put everything back. The first :func:`mcsec.server.keymaking.poll` then tells who is reached by broadcast.

    :raises DecodeError: a bearer's description is none. :raises InvalidValue: keys that cannot have been so.
    """
    engine = function.engine
    for stored in state.users:
        groups = frozenset(state.groups.get(stored.mc_service_id, ()))
        function.users.put(User(stored.mc_service_id, stored.impu, stored.client_id, stored.expires, groups))
    function.bearers.update({tmgi: Bearer.decode(description) for tmgi, description in state.bearers.items()})
    function.barred.update(state.barred)
    engine.csks.held.update(state.csks)
    # How old they were, nobody wrote down: from now on they get older.
    engine.csks.since.update(dict.fromkeys(state.csks, now))
    engine.resume(state.head, [epoch.key for epoch in state.epochs] + list(state.csks.values()))
    for user, tmgi, group in state.listeners:
        if group:
            engine.listeners.add(user, tmgi, group)
    by_rotation: dict[tuple[PurposeTag, Scope], list[Epoch]] = {}
    for epoch in state.epochs:
        if epoch.key.key_id.tag is PurposeTag.CSK:
            engine.csks.restore_offer(epoch)
            continue
        by_rotation.setdefault((epoch.key.key_id.tag, epoch.key.scope), []).append(epoch)
    for (tag, scope), epochs in by_rotation.items():
        engine.keydown.restore(tag, scope, epochs, _audience(function, state, tag, scope, epochs))


def _audience(
    function: Function, state: ServerState, tag: PurposeTag, scope: Scope, epochs: list[Epoch]
) -> Audience:
    users = function.users
    if tag is PurposeTag.MSCCK:
        (tmgi,) = scope.names
        bearer = function.bearers.get(tmgi)
        groups = bearer.groups if bearer is not None else frozenset[str]()
        listeners = {user for user, heard, group in state.listeners if heard == tmgi}
    else:
        groups = scope.names
        listeners = {user for user, _, group in state.listeners if group and scope.covers(group)}
    members = users.members(groups) if groups else users.everybody()
    holders: dict[KeyId, set[str]] = {
        epoch.key.key_id: state.holders.get(epoch.key.key_id, set()) for epoch in epochs
    }
    return Audience(members, listeners, holders)
