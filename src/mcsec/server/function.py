"""The participating function of one domain: engine, users and bearers together, and what of them must be written down.

Sans-I/O: a procedure takes what came and ``now``, and gives a :class:`Done`. Whoever carries it out writes
``Done.writes`` to the store, and answers only when they are committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from mcsec.errors import UnknownKey
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import events
from mcsec.keys.events import Event, KeyEvent
from mcsec.keys.key import Key
from mcsec.server.announcement import Bearer
from mcsec.server.engine import ServerEngine
from mcsec.server.users import Users
from mcsec.store import deliveries, server
from mcsec.store.group_commit import Write
from mcsec.store.wrapping import Wrapper
from mcsec.wire.codecs import SPOKEN, Codec
from mcsec.wire.xmlsec import XmlKeys

MayJoin = Callable[[str, str], bool]
"""Whether a user (MC service ID) may be affiliated to a group: the group document says it."""

#: After these, where a key of ours is in its life is written down anew.
_MOVES = (
    events.KeyMade,
    events.KeyOffered,
    events.KeySwitched,
    events.KeyRetired,
    events.KeyRevoked,
    events.KeyDestroyed,
)
#: Kinds that this server makes.
_OURS = (PurposeTag.MUSIK, PurposeTag.MSCCK, PurposeTag.CSK)


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """What an operator decides.

    ``psi``: public service identity of the function. ``scopes``: one of them must be in an access token.
    ``protection``: XML of clients that have a CSK must be signed and encrypted, and ours to them is.
    ``csk_required``: nobody is authorised without uploading a CSK. ``most_groups``: affiliations of one user.
    ``default_musik``: groups without a MuSiK of their own share the domain's default one.
    ``lifetime``: of a MuSiK or MSCCK in seconds, None: no end. ``csk_lifetime``: seconds after which the server
    replaces a CSK, None: never by itself. ``codecs``: of calls, as bearers are announced with.
    """

    domain: str
    psi: str
    scopes: frozenset[str] = frozenset({"3gpp:mc:ptt_service"})
    protection: bool = True
    csk_required: bool = False
    most_groups: int = 50
    default_musik: bool = True
    lifetime: float | None = 86_400.0
    csk_lifetime: float | None = None
    codecs: tuple[Codec, ...] = SPOKEN


@dataclass(slots=True)
class Done:
    """What a procedure did: events to publish, writes to commit before the answer leaves."""

    events: list[Event] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)

    def __iadd__(self, other: Done) -> Self:
        self.events += other.events
        self.writes += other.writes
        return self


class Function:
    """The state of one participating function.

    :ivar bearers: what is announced, by TMGI as text. ``barred``: users and groups of other domains, where those said
        that the user is no member any more.
    """

    def __init__(
        self, engine: ServerEngine, wrapper: Wrapper, settings: FunctionSettings, may_join: MayJoin
    ) -> None:
        self.engine = engine
        self.users = Users()
        self.bearers: dict[str, Bearer] = {}
        self.settings = settings
        self.barred: set[tuple[str, str]] = set()
        self._may_join = may_join
        self._wrapper = wrapper

    def may_join(self, user: str, group: str) -> bool:
        """Whether a user may be affiliated to a group."""
        return (user, group) not in self.barred and self._may_join(user, group)

    def lookup(self, user: str) -> CskLookup | None:
        """The XML keys of what a user may protect under; None where there is no CSK."""
        csks = self.engine.csks.readable(user)
        return CskLookup(csks, user) if csks else None

    def used(self, lookup: CskLookup, now: float) -> Done:
        """A request of a user was read with these keys: one that it was offered and used already, it holds."""
        used = lookup.used
        offered = used is not None and used in self.engine.keydown.csks
        return self.done(self.engine.csk_accepted(used, now)) if used is not None and offered else Done()

    def protecting(self, user: str) -> Key | None:
        """The CSK that protects XML to a user; None where there is none, or the operator does not want it."""
        return self.engine.csks.held.get(user) if self.settings.protection else None

    def done(self, happened: list[Event], *writes: Write) -> Done:
        """The events of the engine, with everything that has to be written because of them."""
        engine = self.engine
        written: list[Write] = list(writes)
        for event in happened:
            if isinstance(event, events.KeyHeld):
                # One of them comes for every client and key; what is written of it, whoever judged the answer knows.
                if event.key_id.tag is PurposeTag.CSK:
                    written += self._csk_in_force(event.member, event.key_id)
            elif isinstance(event, _MOVES) and event.key_id.tag in _OURS:
                written += self._key_writes(event)
        written += [server.append(record) for record in engine.records]
        engine.records.clear()
        return Done(happened, written)

    def csk_write(self, user: str, key: Key) -> Write:
        """A CSK, wrapped."""
        return server.put_csk(user, key, self._wrapper)

    def _key_writes(self, event: KeyEvent) -> Iterable[Write]:
        if isinstance(event, events.KeyDestroyed):
            return [*server.drop_key(event.key_id), *self._ended_bearers()]
        epoch = self.engine.keydown.epoch(event.key_id)
        if epoch is None:
            # Destroyed by something that follows in the same call.
            return []
        writes = [server.put_epoch(epoch, int(epoch.key.created * 1e6), self._wrapper)]
        if isinstance(event, events.KeyOffered):
            writes += self._wishes(epoch.key, event.now)
        if isinstance(event, events.KeyRevoked):
            writes.append(deliveries.wish_again(event.key_id, event.now))
        return writes

    def _csk_in_force(self, client: str, key_id: KeyId) -> list[Write]:
        """A CSK that was offered takes its place among those that are in force, in one transaction."""
        return [self.csk_write(client, self.engine.csks.held[client]), *server.drop_key(key_id)]

    def _ended_bearers(self) -> list[Write]:
        """Bearers that were withdrawn, and whose last key is gone: everybody who could be told was told."""
        msccks = self.engine.keydown.msccks
        ended = [
            tmgi
            for tmgi, bearer in self.bearers.items()
            if bearer.withdrawn and tmgi in msccks and not msccks[tmgi].epochs
        ]
        for tmgi in ended:
            del self.bearers[tmgi], msccks[tmgi]
        return [server.drop_bearer(tmgi) for tmgi in ended]

    def _wishes(self, key: Key, now: float) -> list[Write]:
        """Everybody who is entitled is to be given the key; the database knows who that is."""
        if key.key_id.tag is PurposeTag.CSK:
            (client,) = key.scope.names
            return [deliveries.wish(client, key.key_id, now, deliveries.BULK)]
        if key.key_id.tag is PurposeTag.MUSIK:
            groups = key.scope.names or None
        else:
            (tmgi,) = key.scope.names
            groups = self.bearers[tmgi].groups or None if tmgi in self.bearers else None
        return [deliveries.wish_for_many(key.key_id, groups, now)]


class CskLookup:
    """The XML keys of a user's CSKs, by key ID.

    :ivar used: the key that was asked for.
    """

    def __init__(self, csks: Sequence[Key], user: str) -> None:
        self.used: KeyId | None = None
        self._csks, self._user = csks, user

    def __call__(self, key_id: KeyId) -> XmlKeys:
        """:raises UnknownKey: it is no CSK of this user."""
        for csk in self._csks:
            if csk.key_id == key_id:
                self.used = key_id
                return XmlKeys.derive(csk.secret, csk.key_id, self._user)
        raise UnknownKey(
            f"{key_id} is not the CSK of {self._user}",
            code="server.unknown-csk",
            clause="TS 33.180 9.3",
            hint="the client uploads its CSK again",
        )
