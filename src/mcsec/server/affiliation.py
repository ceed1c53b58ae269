"""Affiliation by PUBLISH (TS 24.379 9.2.2): the groups that a client wants to hear; each set replaces the last."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.errors import DecodeError, Refused
from mcsec.server.events import AffiliationChanged
from mcsec.server.function import Done, Function
from mcsec.server.users import User
from mcsec.store import deliveries, server
from mcsec.wire import affiliation
from mcsec.wire.affiliation import Affiliation, ClientAffiliations, Presence, Status
from mcsec.wire.mc_bodies import Body

_LONGEST_ID = 128


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a PUBLISH asks for: all the groups from now on. ``p_id`` is its name in the NOTIFY that follows."""

    groups: frozenset[str] = frozenset()
    p_id: str = ""


def read(function: Function, body: Body, user: User) -> Wanted:
    """The groups that a PUBLISH asks for; nothing has changed yet.

    :raises DecodeError: no presence document. :raises Refused: another user's or client's, too many groups, or one that
        the user may not join.
    """
    presence = affiliation.decode(body.needed(affiliation.CONTENT_TYPE).content)
    if presence.user != user.mc_service_id:
        raise Refused("the affiliations of another user", code="server.sender", clause="TS 24.379 9.2.2.2.3")
    if len(presence.clients) != 1 or presence.clients[0].client_id != user.client_id:
        raise Refused(
            "the affiliations of another client", code="server.sender", clause="TS 24.379 9.2.2.2.3"
        )
    groups = frozenset(wanted.group for wanted in presence.clients[0].affiliations)
    if len(groups) > function.settings.most_groups:
        raise Refused(
            f"{len(groups)} groups, where {function.settings.most_groups} are allowed",
            code="server.too-many-affiliations",
            clause="TS 24.379 9.2.2.2.3",
        )
    if not all(0 < len(group) <= 512 for group in groups):
        raise DecodeError("a group without a name", code="server.group")
    for group in sorted(groups - user.groups):
        if not function.may_join(user.mc_service_id, group):
            raise Refused(
                f"{user.mc_service_id} is no member of {group}",
                code="server.not-in-group",
                clause="TS 24.379 9.2.2.2.3",
            )
    return Wanted(groups, (presence.p_id or "")[:_LONGEST_ID])


def affiliate(function: Function, user: User, groups: frozenset[str], now: float, p_id: str = "") -> Done:
    """The user's groups from now on. Who joined gets the keys at once; who left is owed nothing any more."""
    joined, left = groups - user.groups, user.groups - groups
    name = user.mc_service_id
    function.users.affiliate(name, groups)
    done = function.done(
        function.engine.release(name, left, now) if left else [], *server.affiliate(name, joined, left)
    )
    wanted = function.engine.admit(name, sorted(joined), now)
    for bearer in function.bearers.values():
        if not bearer.withdrawn and bearer.serves(groups) and not bearer.serves(user.groups):
            wanted += function.engine.admit_to_bearer(name, bearer.tmgi)
    done.writes += [deliveries.wish(name, key_id, now) for key_id in wanted]
    if joined or left:
        done.events.append(AffiliationChanged(now, name, tuple(sorted(joined)), tuple(sorted(left)), p_id))
    return done


def document(user: User, p_id: str | None = None) -> Presence:
    """What a NOTIFY tells of a user's affiliations (9.2.2.2.4)."""
    affiliations = tuple(Affiliation(group, Status.AFFILIATED) for group in sorted(user.groups))
    return Presence(user.mc_service_id, (ClientAffiliations(user.client_id, affiliations),), p_id)
