"""Who may ask for what: an owner of an identity, or a server that was configured for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from mcsec.ids import host_of
from mcsec.kms.refusals import KmsRefusal
from mcsec.net.tokens import Claims

#: Scopes of TS 33.180 annex B for the use of a KMS by the three services (a reading).
DEFAULT_SCOPES = (
    "3gpp:mc:ptt_key_management_service",
    "3gpp:mc:video_key_management_service",
    "3gpp:mc:data_key_management_service",
)

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What the operator configured.

    ``domains`` are the hosts that this KMS makes keys for, their sub-domains included. ``servers`` gives the
    identities of each server, by the subject of its token; nobody else gets keys for these identities.
    """

    domains: tuple[str, ...]
    servers: Mapping[str, tuple[str, ...]]
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    reserved: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        taken = frozenset(identity for identities in self.servers.values() for identity in identities)
        object.__setattr__(self, "reserved", taken)


def identities(claims: Claims, rules: AccessRules) -> tuple[str, ...]:
    """The identities that the bearer of a token may have keys for, without repetition.

    :raises KmsRefusal: the token is not for the use of a KMS (401 or 403).
    """
    if not claims.scopes.intersection(rules.scopes):
        raise KmsRefusal(
            403,
            "the token has no scope for key management",
            code="kms.scope",
            hint=f"let the issuer grant {rules.scopes[0]}",
        )
    if claims.subject in rules.servers:
        return rules.servers[claims.subject]
    return _own(claims.service_ids, rules.reserved, rules.domains)


@lru_cache(_REMEMBERED)
def _own(identities: tuple[str, ...], reserved: frozenset[str], domains: tuple[str, ...]) -> tuple[str, ...]:
    # A client asks again and again with the claims of one token.
    own = (identity for identity in identities if identity not in reserved)
    return tuple(dict.fromkeys(identity for identity in own if _served(host_of(identity), domains)))


def _served(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def require(identity: str, allowed: tuple[str, ...]) -> None:
    """Only an identity of the token's own. Whether another one exists is not told.

    :raises KmsRefusal: another identity (403).
    """
    if identity not in allowed:
        raise KmsRefusal(
            403,
            "an identity that the token does not give",
            code="kms.identity",
            clause="TS 33.180 D.2.2",
            hint="list a server's identities under [kms.servers]; a user's come from the claims of its token",
        )
