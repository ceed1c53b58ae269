"""One key: its ID, octets, RAND, scope, maker and times.

A key never changes. What becomes of it (offered, used, retired) is told elsewhere by its ID. RAND belongs to
the key and not to the message that carries it: it is an input of the derivation, so every client must get the
same one (TS 33.180 E.1.1; RFC 3830 4.1.4).
"""

from __future__ import annotations

import secrets
from collections.abc import Container
from dataclasses import dataclass, field
from typing import NamedTuple

from mcsec.crypto.kdf import master_key, master_salt
from mcsec.crypto.secret import Secret
from mcsec.crypto.srtp import SrtpProfile
from mcsec.errors import InvalidValue, LocalError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.kinds import Bound, KeyKind, MkiForm, Service, kind_of

__all__ = ["DEFAULT", "Key", "Maker", "Scope", "SrtpMaterial", "make"]

# A domain with a million live keys of one kind meets a taken ID once in 268 draws; sixteen in a row mean a
# broken source of randomness, not bad luck.
_DRAWS = 16


@dataclass(frozen=True, slots=True)
class Scope:
    """What a key is for: group IDs, one owner, or everything that no other key is for (the default).

    ``names`` are group IDs for kinds that are bound to groups; for other kinds it is one name: the TMGI of
    the general purpose subchannel (MSCCK), the MC service ID (CSK), the call (PCK) or the peer server (SPK).
    No name at all makes the domain's default key, which only a MuSiK can be.
    """

    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *names: str) -> Scope:
        """The scope with these names; at least one."""
        if not names or not all(names):
            raise InvalidValue("an explicit scope has names, none of them empty")
        return cls(frozenset(names))

    @property
    def is_default(self) -> bool:
        """Whether this is the domain's default."""
        return not self.names

    def covers(self, name: str) -> bool:
        """Whether a key of this scope is for ``name``."""
        return self.is_default or name in self.names

    def __str__(self) -> str:
        return " ".join(sorted(self.names)) if self.names else "default"


DEFAULT = Scope()
"""The scope of a domain's default MuSiK."""


@dataclass(frozen=True, slots=True, order=True)
class Maker:
    """Who made a key: the MC domain, and the entity in it (its URI)."""

    domain: str
    entity: str

    def __str__(self) -> str:
        return f"{self.entity} of {self.domain}"


class SrtpMaterial(NamedTuple):
    """What an SRTP or SRTCP context is fed with: MKI, master key (16 octets) and master salt (12 octets with
    AEAD)."""

    mki: bytes
    master_key: Secret
    master_salt: Secret


@dataclass(frozen=True, slots=True)
class Key:
    """A key as its maker and its receivers hold it. Times are Unix seconds; ``expiry`` None: never.

    Two keys are equal when ID, octets (compared in constant time), RAND, scope, maker and times are.

    :raises InvalidValue: wrong size, a scope that the kind does not have, or times out of order.
    """

    key_id: KeyId
    secret: Secret
    rand: bytes
    scope: Scope
    maker: Maker
    created: float
    activation: float
    expiry: float | None = None
    _derived: dict[tuple[int, int], SrtpMaterial] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        kind = self.kind
        if len(self.secret) != kind.octets:
            raise InvalidValue(f"a {kind.tag.label} has {kind.octets} octets, not {len(self.secret)}")
        if len(self.rand) != kind.rand_octets:
            raise InvalidValue(f"the RAND of a {kind.tag.label} has {kind.rand_octets} octets")
        names = len(self.scope.names)
        if names == 0 and kind.bound is not Bound.GROUPS_OR_DEFAULT:
            raise InvalidValue(f"a {kind.tag.label} is bound to {kind.bound.value}")
        if names > 1 and not kind.bound.to_groups:
            raise InvalidValue(f"a {kind.tag.label} is bound to {kind.bound.value}, not to {names} names")
        if self.expiry is not None and self.expiry <= self.activation:
            raise InvalidValue("a key expires after its activation")

    @property
    def kind(self) -> KeyKind:
        """The row of the table of kinds."""
        return kind_of(self.key_id.tag)

    @property
    def groups(self) -> tuple[str, ...]:
        """The group IDs for the key parameters of a download, sorted; empty for a default key and for other
        kinds."""
        return tuple(sorted(self.scope.names)) if self.kind.bound.to_groups else ()

    def active(self, now: float) -> bool:
        """Whether ``now`` lies between activation and expiry."""
        return self.activation <= now and not self.expired(now)

    def expired(self, now: float) -> bool:
        """Whether the key's time is over."""
        return self.expiry is not None and now >= self.expiry

    def same_octets(self, other: Key) -> bool:
        """Whether both derive the same: octets (in constant time) and RAND."""
        return self.secret == other.secret and self.rand == other.rand

    def srtp_material(
        self,
        service: Service = Service.MCPTT,
        *,
        profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM,
        cs_id: int | None = None,
        guk_id: KeyId | None = None,
    ) -> SrtpMaterial:
        """MKI, master key and master salt for SRTP and SRTCP (TS 33.180 7.4, 9.4; RFC 3830 4.1.3).

        Derived once for each CS-ID and size of the salt, and kept. ``cs_id`` overrides the default of kind
        and service. A GMK needs the sender's own GUK-ID, which takes the place of the key ID in the
        derivation (TS 33.180 7.4.2).

        :raises InvalidValue: a GMK without a GUK-ID, or another kind with one.
        """
        if (self.kind.mki is MkiForm.KEY_ID_AND_USER_KEY_ID) != (guk_id is not None):
            raise InvalidValue(
                "a GUK-ID goes with a GMK, and only with a GMK", clause="TS 33.180 5.2.3, 7.4.2"
            )
        number = self.kind.cs_id(service) if cs_id is None else cs_id
        if guk_id is not None:
            # A group has as many GUK-IDs as senders, and the SRTP contexts keep what they need of them.
            return self._derive(number, guk_id.encode(), self.key_id.encode() + guk_id.encode(), profile)
        place = (number, profile.salt_length)
        if place not in self._derived:
            self._derived[place] = self._derive(number, self.key_id.encode(), self.key_id.encode(), profile)
        return self._derived[place]

    def _derive(self, cs_id: int, csb_id: bytes, mki: bytes, profile: SrtpProfile) -> SrtpMaterial:
        key = master_key(self.secret, cs_id, csb_id, self.rand, profile.key_length)
        return SrtpMaterial(mki, key, master_salt(self.secret, cs_id, csb_id, self.rand, profile.salt_length))

    def __repr__(self) -> str:
        return f"<{self.kind.tag.label} {self.key_id} for {self.scope}, made by {self.maker}>"

    def __hash__(self) -> int:
        return hash(self.key_id)


def make(
    tag: PurposeTag,
    *,
    scope: Scope = DEFAULT,
    maker: Maker,
    now: float,
    live: Container[KeyId] = (),
    activation: float | None = None,
    lifetime: float | None = None,
) -> Key:
    """A fresh key whose ID is not among the ``live`` ones of the domain (TS 33.180 5.2.2).

    ``activation`` defaults to ``now``; ``lifetime`` is seconds from activation to expiry (None: no expiry).

    :raises LocalError: no free ID was drawn (code ``keys.id-live``).
    """
    kind = kind_of(tag)
    start = now if activation is None else activation
    return Key(
        key_id=_free_id(tag, live),
        secret=Secret.random(kind.octets),
        rand=secrets.token_bytes(kind.rand_octets),
        scope=scope,
        maker=maker,
        created=now,
        activation=start,
        expiry=None if lifetime is None else start + lifetime,
    )


def _free_id(tag: PurposeTag, live: Container[KeyId]) -> KeyId:
    for _ in range(_DRAWS):
        if (drawn := KeyId.random(tag)) not in live:
            return drawn
    raise LocalError(
        f"{_DRAWS} random {tag.label}-IDs in a row are live already",
        code="keys.id-live",
        clause="TS 33.180 5.2.2",
        hint="check the randomness of this machine, and destroy keys that are no longer used",
    )
