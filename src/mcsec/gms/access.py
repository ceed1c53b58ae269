"""Who may ask for what: members, owners, administrators, MCX servers. Said by their access tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcsec.gms.groups import Group
from mcsec.gms.refusals import GmsRefusal
from mcsec.ids import PurposeTag, host_of
from mcsec.net.tokens import Claims

#: Scopes of TS 33.180 annex B for group management by the three services (a reading).
DEFAULT_SCOPES = (
    "3gpp:mc:ptt_group_management_service",
    "3gpp:mc:video_group_management_service",
    "3gpp:mc:data_group_management_service",
)


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What the operator configured.

    ``domains``: whose groups are at home here. ``issuers``: for each token issuer the domains that it may speak for, so
    that a partner's issuer makes nobody of ours. ``servers``: identities of MCX servers by the subject of their tokens;
    nobody else is one of these. ``administrators``: MC service IDs that may make groups and change every one.
    """

    domains: tuple[str, ...]
    issuers: Mapping[str, tuple[str, ...]]
    servers: Mapping[str, str]
    administrators: frozenset[str]
    scopes: tuple[str, ...] = DEFAULT_SCOPES

    def at_home(self, uri: str) -> bool:
        """Whether an identity or a group is one of ours."""
        return within(uri, self.domains)


@dataclass(frozen=True, slots=True)
class Caller:
    """The bearer of a token: a user with its identities, or a server with its own."""

    subject: str
    token_id: str
    identities: tuple[str, ...]
    server: bool
    administrator: bool


def caller_of(claims: Claims, rules: AccessRules) -> Caller:
    """Whom a token speaks for.

    :raises GmsRefusal: for nobody who may ask here (403).
    """
    if not claims.scopes.intersection(rules.scopes):
        raise GmsRefusal(
            403,
            "the token has no scope for group management",
            code="gms.scope",
            hint=f"let the issuer grant {rules.scopes[0]}",
        )
    domains = rules.issuers.get(claims.issuer, ())
    named = rules.servers.get(claims.subject)
    if named is not None and within(named, domains):
        return Caller(claims.subject, claims.token_id, (named,), server=True, administrator=False)
    reserved = frozenset(rules.servers.values())
    own = tuple(
        dict.fromkeys(
            identity
            for identity in claims.service_ids
            if identity not in reserved and within(identity, domains)
        )
    )
    if not own:
        raise GmsRefusal(
            403,
            "a token that speaks for nobody here",
            code="gms.identity",
            hint="an issuer speaks for the users of its own domains only: see [[gms.issuers]]",
        )
    return Caller(claims.subject, claims.token_id, own, False, not rules.administrators.isdisjoint(own))


def within(uri: str, domains: tuple[str, ...]) -> bool:
    """Whether the host of ``uri`` is one of ``domains``, or below one."""
    host = host_of(uri)
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def check_read(caller: Caller, group: Group | None, rules: AccessRules) -> Group:
    """The group, for somebody who may read its document: a member, its owner, an administrator, an MCX server of ours.

    :raises GmsRefusal: 403 for everybody else, whether or not there is such a group; 404 for who may know.
    """
    known = caller.administrator or (caller.server and rules.at_home(caller.identities[0]))
    if group is not None and (known or owns(caller, group) or members_of(caller, group)):
        return group
    raise _absent() if known else not_yours()


def check_write(caller: Caller, group: Group | None) -> None:
    """Whether somebody may make, change or remove a group: its owner, or an administrator.

    :raises GmsRefusal: 403 for everybody else.
    """
    if not (caller.administrator or (group is not None and owns(caller, group))):
        raise not_yours()


def entitled(
    caller: Caller, group: Group | None, rules: AccessRules
) -> tuple[Group, str, frozenset[PurposeTag]]:
    """Who of the caller gets keys of a group, and which kinds: a member all of them, an MCX server an MKFC.

    :raises GmsRefusal: 403, as :func:`check_read`; also where the group is disabled.
    """
    if group is None:
        raise _absent() if caller.administrator else not_yours()
    if group.document.disabled:
        raise GmsRefusal(403, "the group is disabled", code="gms.disabled", clause="TS 24.481 7.2")
    if caller.server:
        # Without the operator's switch no server needs anything of this GMS, and none gets it.
        if group.row.release_13:
            return group, caller.identities[0], frozenset((PurposeTag.MKFC,))
        raise not_yours()
    members = members_of(caller, group)
    if not members:
        raise not_yours()
    return group, members[0], frozenset((PurposeTag.GMK, PurposeTag.MKFC))


def owns(caller: Caller, group: Group) -> bool:
    """Whether the caller made the group."""
    return not caller.server and group.row.owner in caller.identities


def members_of(caller: Caller, group: Group) -> tuple[str, ...]:
    """The caller's identities that are members."""
    return tuple(identity for identity in caller.identities if identity in group.members)


def not_yours() -> GmsRefusal:
    """The one answer to whoever has no business with a group, existing or not."""
    return GmsRefusal(403, "no group of the bearer's", code="gms.not-a-member", clause="TS 24.481 6.3.1")


def _absent() -> GmsRefusal:
    return GmsRefusal(404, "no such group", code="gms.no-group")
