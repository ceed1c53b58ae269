"""What a receiver holds: keys by MKI, and the rules by which a packet may be read (TS 24.380 13; media plane
C.4).

The ring does not touch packets. It answers :meth:`Keyring.look_up` before a packet is opened, is told by
:meth:`Keyring.used` of each packet that proved authentic, and says by :class:`AddKey` and :class:`RemoveKey`
what the SRTP and SRTCP contexts are to hold. It is bounded in every direction.

A key stays readable beside its successor, because the sender goes on using it until everyone holds the new
one. It goes when it expires, when it is revoked, a grace period after the first authentic packet under its
successor, or when the overlap has lasted too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mcsec.errors import Refused, UnknownKey
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import events
from mcsec.keys.events import Event
from mcsec.keys.key import Key, SrtpMaterial
from mcsec.keys.kinds import KeyKind, MkiForm, Service, Traffic, kinds_for

__all__ = ["AddKey", "Keyring", "KeyringPolicy", "Output", "RemoveKey"]

_CLAUSE = "TS 24.380 13"


@dataclass(frozen=True, slots=True)
class AddKey:
    """Let the receiving contexts of ``traffic`` read under ``key``.

    A GMK has one MKI and one master key for each sender; their material comes from :meth:`Keyring.material`
    when the first packet of a sender arrives.
    """

    key: Key
    traffic: tuple[Traffic, ...]


@dataclass(frozen=True, slots=True)
class RemoveKey:
    """Let no receiving context of ``traffic`` read under an MKI that begins with ``key_id`` any more."""

    key_id: KeyId
    traffic: tuple[Traffic, ...]


Output = Event | AddKey | RemoveKey

_Place = tuple[PurposeTag, str | None]
"""A kind of key, and a name of its scope (None: the default)."""


@dataclass(frozen=True, slots=True)
class KeyringPolicy:
    """Bounds, and times in seconds.

    ``grace``: how long a key stays readable after the first authentic packet under its successor.
    ``overlap``: how long it stays readable beside a successor that is not used; longer than the sender's
    deadline. ``downgrade_overlap``: how long a packet under a less preferred key is accepted after the
    association of a better one (media plane C.4 item 3; 0: not at all). ``generations``: keys of one scope
    that follow one another and are held together; of more, the oldest that proved nothing goes at once.
    """

    capacity: int = 64
    generations: int = 8
    grace: float = 60.0
    overlap: float = 3600.0
    downgrade_overlap: float = 0.0
    associations: int = 4096
    tombstones: int = 1024


STANDARD = KeyringPolicy()
"""The default bounds, for a client. A server that holds a CSK for each client needs more capacity."""


@dataclass(frozen=True, slots=True)
class _Entry:
    key: Key
    signer: str
    order: int
    until: float | None = None
    used: bool = False

    @property
    def end(self) -> float | None:
        ends = [end for end in (self.until, self.key.expiry) if end is not None]
        return min(ends, default=None)

    def over(self, now: float) -> bool:
        return self.end is not None and now >= self.end


class Keyring:
    """The keys of one receiver.

    ``name`` in the methods is what the socket at hand is for: the group whose subchannel it is, the TMGI of
    the general purpose subchannel, or the MC service ID of the user at the other end.
    """

    def __init__(self, policy: KeyringPolicy = STANDARD) -> None:
        self.policy = policy
        self._entries: dict[KeyId, _Entry] = {}
        # Keys that were destroyed, and why: to take one again would forget which packets were seen under it.
        self._gone: dict[KeyId, str] = {}
        # Which kind was ever associated with which group (None: the default), and since when. It outlives the
        # keys: a MuSiK that was revoked or expired must not open the way back to an MKFC (design 5.2).
        self._associated: dict[_Place, float] = {}
        self._places: dict[_Place, list[KeyId]] = {}
        self._installed = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._entries

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key that is held, oldest first."""
        return tuple(entry.key for entry in self._entries.values())

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        return min((entry.end for entry in self._entries.values() if entry.end is not None), default=None)

    # --- what arrives

    def install(self, key: Key, *, signer: str, now: float) -> list[Output]:
        """Take a downloaded key whose message was verified. The same key again changes nothing.

        The same key with another scope or other times replaces those (an update by its maker).

        :raises Refused: ``keys.id-reused`` other octets or RAND under an ID that is held; ``keys.revoked`` or
            ``keys.destroyed`` it was held and is gone; ``keys.expired``; ``keys.ring-full``.
        """
        self._check_installable(key, now)
        known = self._entries.get(key.key_id)
        if known is not None and known.key == key:
            return []
        self._associate(key, now)
        if known is not None:
            self._unplace(known.key)
        for place in _places_of(key):
            self._places.setdefault(place, []).append(key.key_id)
        happened = events.KeyInstalled if known is None else events.KeyUpdated
        outputs: list[Output] = [happened(now, key.key_id, str(key.scope), signer)]
        if known is not None:
            self._entries[key.key_id] = replace(known, key=key, signer=signer)
            return outputs
        self._installed += 1
        entry = _Entry(key, signer, self._installed)
        self._entries[key.key_id] = entry
        self._limit_older(entry, now + self.policy.overlap)
        return [*self._make_room(entry, now), *outputs, AddKey(key, key.kind.protects)]

    def revoke(self, key_id: KeyId, reason: str, now: float) -> list[Output]:
        """The maker revoked a key (TS 33.180 E.6: status). Its ID is refused from now on, also if it comes
        later."""
        outputs: list[Output] = [events.KeyRevoked(now, key_id, reason)]
        if key_id in self._entries:
            return outputs + self._remove(key_id, _REVOKED, now)
        self._bury(key_id, _REVOKED)
        return outputs

    def poll(self, now: float) -> list[Output]:
        """Destroy what expired and what is out of grace."""
        outputs: list[Output] = []
        for key_id, entry in list(self._entries.items()):
            if entry.over(now):
                outputs += self._remove(key_id, "expired" if entry.key.expired(now) else "superseded", now)
        return outputs

    def wipe(self, now: float) -> list[Output]:
        """Destroy everything at log-off, the memory of associations and revocations too."""
        count = len(self._entries)
        outputs = [
            output for key_id in list(self._entries) for output in self._remove(key_id, "log-off", now)
        ]
        self._gone.clear()
        self._associated.clear()
        return [*outputs, events.KeyringWiped(now, count)]

    # --- what is asked for each packet

    def look_up(self, mki: bytes, traffic: Traffic, name: str, now: float) -> Key:
        """The key that may open a packet with ``mki`` on a socket for ``traffic`` of ``name``.

        :raises Refused: ``keyring.wrong-kind`` a kind that is not legal on this socket, ``keyring.revoked``,
            ``keyring.expired``, ``keyring.not-active``, ``keyring.wrong-scope``, or ``keyring.downgrade`` a
            better key is associated with the group.
        :raises UnknownKey: no such key is held.
        """
        kind = _kind_on(mki, traffic)
        key_id = KeyId(int.from_bytes(mki[:4]))
        entry = self._entries.get(key_id)
        if entry is None:
            if (why := self._gone.get(key_id)) is not None:
                code = "revoked" if why == _REVOKED else "expired"
                raise _refused(code, f"{kind.tag.label} {key_id} is gone: {why}")
            raise UnknownKey(f"no {kind.tag.label} {key_id} is held", code="keyring.unknown", clause=_CLAUSE)
        key = entry.key
        if entry.over(now):
            raise _refused("expired", f"the time of {key!r} is over")
        if now < key.activation:
            raise _refused("not-active", f"{key!r} is not active before {key.activation:.0f}")
        if not key.scope.covers(name):
            raise _refused("wrong-scope", f"{key!r} is not for {name}")
        self._check_downgrade(key, traffic, name, now)
        return key

    def material(
        self, mki: bytes, traffic: Traffic, name: str, now: float, service: Service = Service.MCPTT
    ) -> SrtpMaterial:
        """What a context for ``mki`` is fed with; the way to a GMK sender's material. Refuses as
        :meth:`look_up`."""
        key = self.look_up(mki, traffic, name, now)
        guk_id = KeyId(int.from_bytes(mki[4:])) if key.kind.mki is MkiForm.KEY_ID_AND_USER_KEY_ID else None
        return key.srtp_material(service, guk_id=guk_id)

    def used(self, key_id: KeyId, traffic: Traffic, name: str, now: float) -> list[Output]:
        """A packet under the key was authentic: its predecessors are needed for a grace period only."""
        entry = self._entries.get(key_id)
        if entry is None or entry.used:
            return []
        self._entries[key_id] = replace(entry, used=True)
        self._limit_older(entry, now + self.policy.grace)
        return [events.KeyFirstUsed(now, key_id, traffic.name, name)]

    def current(self, traffic: Traffic, name: str, now: float) -> Key:
        """The key that belongs to ``name`` now: the preferred kind, explicit before default, the newest
        before older.

        :raises UnknownKey: none is usable. A less preferred key never stands in for one that was associated.
        """
        for rank in _ranks(traffic, name):
            held = [self._entries[key_id] for key_id in self._places.get(rank, ())]
            usable = [entry for entry in held if entry.key.activation <= now and not entry.over(now)]
            if usable:
                return max(usable, key=lambda entry: entry.order).key
            if rank in self._associated:
                break
        raise UnknownKey(f"no usable key for {traffic} of {name}", code="keyring.none", clause=_CLAUSE)

    # --- inside

    def _check_installable(self, key: Key, now: float) -> None:
        known = self._entries.get(key.key_id)
        if (why := self._gone.get(key.key_id)) is not None:
            code = "keys.revoked" if why == _REVOKED else "keys.destroyed"
            raise Refused(f"{key!r} is gone: {why}", code=code, clause="TS 33.180 E.6")
        if key.expired(now):
            raise Refused(f"{key!r} expired before it came", code="keys.expired")
        if known is not None and not known.key.same_octets(key):
            raise Refused(
                f"another key is held under {key.key_id.tag.label}-ID {key.key_id}",
                code="keys.id-reused",
                clause="TS 33.180 5.2.2",
                hint="its maker must choose a fresh key ID for each key",
            )
        if known is None and len(self._entries) >= self.policy.capacity:
            raise Refused(
                f"the keyring is full with {len(self._entries)} keys",
                code="keys.ring-full",
                hint="revoke keys that are not used, or raise the capacity",
            )

    def _associate(self, key: Key, now: float) -> None:
        if not key.kind.bound.to_groups:
            return
        fresh = [place for place in _places_of(key) if place not in self._associated]
        if len(self._associated) + len(fresh) > self.policy.associations:
            raise Refused("keys are associated with too many groups", code="keys.ring-full")
        for place in fresh:
            self._associated[place] = max(now, key.activation)

    def _check_downgrade(self, key: Key, traffic: Traffic, name: str, now: float) -> None:
        own = (key.key_id.tag, None if key.scope.is_default else name)
        for rank in _ranks(traffic, name):
            if rank == own:
                return
            since = self._associated.get(rank)
            if since is not None and now >= since + self.policy.downgrade_overlap:
                better = f"a {rank[0].label} {'by default' if rank[1] is None else 'of its own'}"
                raise _refused(
                    "downgrade", f"{name} has {better}, so {key!r} opens nothing", "TS 24.380 13.1 item 3"
                )

    def _limit_older(self, entry: _Entry, until: float) -> None:
        if not entry.key.kind.one_at_a_time:
            return
        for key_id in self._places[_places_of(entry.key)[0]]:
            other = self._entries[key_id]
            if other.key.scope == entry.key.scope and other.order < entry.order:
                ends = until if other.until is None else min(other.until, until)
                self._entries[key_id] = replace(other, until=ends)

    def _make_room(self, entry: _Entry, now: float) -> list[Output]:
        """Attempts that nobody answered leave keys behind: without a bound they would fill the keyring, and
        then no further attempt could be made. A key that proved itself in a packet goes last.
        """
        if not entry.key.kind.one_at_a_time:
            return []
        found = [self._entries[key_id] for key_id in self._places[_places_of(entry.key)[0]]]
        older = [one for one in found if one.key.scope == entry.key.scope and one.order < entry.order]
        older.sort(key=lambda one: (one.used, one.order))
        beyond = older[: max(0, len(older) + 1 - self.policy.generations)]
        return [output for one in beyond for output in self._remove(one.key.key_id, "superseded", now)]

    def _bury(self, key_id: KeyId, why: str) -> None:
        self._gone.pop(key_id, None)
        self._gone[key_id] = why
        while len(self._gone) > self.policy.tombstones:
            del self._gone[next(iter(self._gone))]

    def _unplace(self, key: Key) -> None:
        for place in _places_of(key):
            self._places[place].remove(key.key_id)
            if not self._places[place]:
                del self._places[place]

    def _remove(self, key_id: KeyId, reason: str, now: float) -> list[Output]:
        entry = self._entries.pop(key_id)
        self._unplace(entry.key)
        self._bury(key_id, reason)
        return [RemoveKey(key_id, entry.key.kind.protects), events.KeyDestroyed(now, key_id, reason)]


_REVOKED = "revoked"


def _places_of(key: Key) -> list[_Place]:
    names = sorted(key.scope.names)
    return [(key.key_id.tag, name) for name in names] or [(key.key_id.tag, None)]


def _ranks(traffic: Traffic, name: str) -> Iterator[_Place]:
    """Where the keys for ``traffic`` of ``name`` stand, the preferred place first."""
    for kind in kinds_for(traffic):
        yield kind.tag, name
        yield kind.tag, None


def _kind_on(mki: bytes, traffic: Traffic) -> KeyKind:
    """The kind that ``mki`` tells by its size and purpose tag, if it is legal for ``traffic``."""
    for kind in kinds_for(traffic):
        if kind.named_by(mki):
            return kind
    raise _refused("wrong-kind", f"an MKI of {len(mki)} octets that names no key for {traffic}")


def _refused(code: str, text: str, clause: str = _CLAUSE) -> Refused:
    return Refused(text, code=f"keyring.{code}", clause=clause)
