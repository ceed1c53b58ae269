"""Key download (TS 33.180 5.8) and the MSCCK of an announcement (TS 33.179 7.7): keys from server to clients.

One :class:`~mcsec.keys.rotation.Rotation` for each kind and scope says who is to hold which key and when it is sent
under. This file makes the keys, writes one I_MESSAGE for each client, and takes in the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import transport
from mcsec.keys.audience import Audience
from mcsec.keys.events import Event, KeyMade
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.lifecycle import Epoch, KeyState
from mcsec.keys.rotation import STANDARD, Rotation, RotationPolicy
from mcsec.mikey.build import Initiator, Recipient

#: What a server makes for its clients.
KINDS = frozenset((PurposeTag.MUSIK, PurposeTag.MSCCK))
#: How many times longer than it should take a distribution may take before those who wait are moved to unicast.
_MARGIN = 2.0


@dataclass(frozen=True, slots=True)
class Download:
    """An I_MESSAGE on its way to one client, which answers for ``key_id``."""

    client: str
    key_id: KeyId
    message: bytes


class KeyDownload:
    """The keys of one domain's server and their way to its clients.

    :ivar musiks: by group ID, and under None the default; what policy asks.
    :ivar msccks: by TMGI.
    :ivar csks: by key ID, those on their way to the client whose CSK they replace.
    """

    def __init__(
        self, domain: str, initiator: Initiator, clients: Recipient, policy: RotationPolicy = STANDARD
    ) -> None:
        """:param clients: the KMS of the domain's clients, as a recipient whose URI is filled in for each."""
        self.maker = Maker(domain, initiator.keys.uri)
        self._initiator = initiator
        self._kms = clients.kms
        self._policy = policy
        self.musiks: dict[str | None, Rotation] = {}
        self.msccks: dict[str, Rotation] = {}
        self.csks: dict[KeyId, Epoch] = {}
        self._asked: set[tuple[str, KeyId]] = set()
        self._by_key: dict[KeyId, Rotation] = {}

    @property
    def live(self) -> frozenset[KeyId]:
        """Every key ID in use."""
        made = (epoch.key.key_id for rotation in self._rotations() for epoch in rotation.epochs)
        return frozenset(self.csks).union(made)

    def renew(self, initiator: Initiator) -> None:
        """The server's keys of the present key period, and whom the KMS revoked."""
        self._initiator = initiator
        if initiator.kms.kms_uri == self._kms.kms_uri:
            self._kms = initiator.kms

    @property
    def revoked_users(self) -> frozenset[bytes]:
        """Whom the KMS revoked, by UID."""
        return self._kms.revoked_users

    def revoked(self, clients: Iterable[str], now: float) -> set[str]:
        """Whom of them their KMS revoked (TS 33.180 D.3.2)."""
        return revoked(self._kms, clients, now)

    @property
    def rotations(self) -> tuple[Rotation, ...]:
        """Every rotation, once."""
        return tuple(self._rotations())

    def rotation_of(self, key_id: KeyId) -> Rotation | None:
        """The rotation that a key belongs to."""
        known = self._by_key.get(key_id)
        if known is None:
            self._by_key = {
                epoch.key.key_id: rotation for rotation in self._rotations() for epoch in rotation.epochs
            }
            known = self._by_key.get(key_id)
        return known

    def epoch(self, key_id: KeyId) -> Epoch | None:
        """Where a key is in its life; None when it is destroyed or unknown, or no business of this file any more."""
        if key_id in self.csks:
            return self.csks[key_id]
        rotation = self.rotation_of(key_id)
        epochs = () if rotation is None else rotation.epochs
        return next((epoch for epoch in epochs if epoch.key.key_id == key_id), None)

    def restore(self, tag: PurposeTag, scope: Scope, epochs: Iterable[Epoch], audience: Audience) -> Rotation:
        """A rotation as it was written down before a restart.

        :raises InvalidValue: it cannot have been so.
        """
        rotation = Rotation(tag, scope, self._policy, epochs=epochs, audience=audience)
        if tag is PurposeTag.MSCCK:
            self.msccks.update(dict.fromkeys(scope.names, rotation))
        else:
            self.musiks.update(dict.fromkeys(_places(scope), rotation))
        return rotation

    def writer(self, key_id: KeyId, clients: Sequence[str], now: float) -> Callable[[], list[bytes]]:
        """What writes the I_MESSAGE of a key for each of ``clients``, in order; of a revoked key, that it is revoked.

        It looks at no state, and may run on another thread.

        :raises InvalidValue: there is no such key.
        """
        epoch = self.epoch(key_id)
        if epoch is None:
            raise InvalidValue(f"no key {key_id}", code="keys.unknown")
        recipients = [Recipient(client, self._kms) for client in clients]
        return partial(
            transport.write,
            epoch.key,
            self._initiator,
            recipients,
            now,
            revoked=epoch.state is KeyState.REVOKED,
        )

    def trial(self, clients: Sequence[str], now: float) -> Callable[[], list[bytes]]:
        """As :meth:`writer`, of a key that is for nobody."""
        key = make(PurposeTag.MUSIK, scope=Scope(), maker=self.maker, now=now, live=self.live)
        recipients = [Recipient(client, self._kms) for client in clients]
        return partial(transport.write, key, self._initiator, recipients, now)

    def make(
        self,
        tag: PurposeTag,
        scope: Scope,
        members: Iterable[str],
        now: float,
        lifetime: float | None = None,
        *,
        pace: float = 0.0,
    ) -> list[Event]:
        """Makes a key for ``scope`` and offers it to ``members``; a key that is there already is followed.

        :param pace: seconds that one delivery takes where there are many. Nobody is moved to unicast for the sole
            reason that its turn has not come.
        """
        rotation = self.rotation(tag, scope)
        for member in members:
            rotation.admit(member)
        key = make(tag, scope=scope, maker=self.maker, now=now, live=self.live, lifetime=lifetime)
        takes = _MARGIN * pace * len(rotation.audience.members)
        return [KeyMade(now, key.key_id), *rotation.offer(key, now, at_least=takes)]

    def remove(self, tag: PurposeTag, scope: Scope, members: Collection[str], now: float) -> list[Event]:
        """Takes ``members`` off and rekeys at once; nothing is sent any more under a key that they hold.

        :raises InvalidValue: there is no such key, or one of them is no member; nothing has changed.
        """
        rotation = self._present(tag, scope)
        if rotation is None:
            raise InvalidValue(f"no {tag.label} was made for {scope}", code="keys.unknown")
        key = make(tag, scope=scope, maker=self.maker, now=now, live=self.live)
        return [KeyMade(now, key.key_id), *rotation.remove(members, key, now)]

    def rotation(self, tag: PurposeTag, scope: Scope) -> Rotation:
        """The rotation of one kind and scope; begins one where there is none.

        :raises InvalidValue: a kind that a server does not make, a scope that the kind does not have, or groups that
            have another key already.
        """
        rotation = self._present(tag, scope)
        if rotation is None:
            rotation = Rotation(tag, scope, self._policy)
            if tag is PurposeTag.MSCCK:
                self.msccks.update(dict.fromkeys(scope.names, rotation))
            else:
                self.musiks.update(dict.fromkeys(_places(scope), rotation))
        return rotation

    def find(self, key_id: KeyId) -> Key | None:
        """A key that is not destroyed."""
        epoch = self.epoch(key_id)
        return None if epoch is None else epoch.key

    def due(self, now: float) -> list[Download]:
        """What is to be sent: every key that a client is to hold and was not given yet.

        All clients of one key are served by one batch, which shares the work of the encapsulations.
        """
        live = self.live
        self._asked = {(client, key_id) for client, key_id in self._asked if key_id in live}
        wanted: dict[KeyId, tuple[Key, list[str]]] = {}
        for rotation in self._rotations():
            for client in sorted(rotation.audience.members):
                for key in rotation.deliverable(client):
                    if (client, key.key_id) not in self._asked:
                        wanted.setdefault(key.key_id, (key, []))[1].append(client)
        downloads = []
        for key, clients in wanted.values():
            recipients = [Recipient(client, self._kms) for client in clients]
            messages = transport.write(key, self._initiator, recipients, now)
            self._asked.update((client, key.key_id) for client in clients)
            downloads += [
                Download(client, key.key_id, message)
                for client, message in zip(clients, messages, strict=True)
            ]
        return downloads

    def answered(self, client: str, key_id: KeyId, now: float) -> list[Event]:
        """``client`` accepted the key."""
        self._asked.discard((client, key_id))
        return [event for rotation in self._rotations() for event in rotation.held(client, key_id, now)]

    def refused(self, client: str, key_id: KeyId, reason: str, now: float) -> list[Event]:
        """``client`` refused the key; it is served by unicast."""
        return [
            event for rotation in self._rotations() for event in rotation.refused(client, key_id, reason, now)
        ]

    def lost(self, client: str, key_id: KeyId) -> None:
        """No answer came: the key is to be sent again."""
        self._asked.discard((client, key_id))

    def poll(self, now: float) -> list[Event]:
        """Does what is due in every rotation: switch, retire, destroy."""
        return [event for rotation in self._rotations() for event in rotation.poll(now)]

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        timers = (rotation.next_timer() for rotation in self._rotations())
        return min((timer for timer in timers if timer is not None), default=None)

    def _present(self, tag: PurposeTag, scope: Scope) -> Rotation | None:
        if tag not in KINDS:
            raise InvalidValue(f"a server makes no {tag.label}")
        if tag is PurposeTag.MSCCK:
            if len(scope.names) != 1:
                raise InvalidValue(f"an MSCCK is for one bearer, not for {scope}", code="keys.scope")
            return self.msccks.get(next(iter(scope.names)))
        present = {
            id(found): found for name in _places(scope) if (found := self.musiks.get(name)) is not None
        }
        if not present:
            return None
        (rotation, *others) = present.values()
        if others or rotation.scope != scope:
            raise InvalidValue(f"a group of {scope} has a MuSiK of another scope", code="keys.scope-overlap")
        return rotation

    def _rotations(self) -> Iterable[Rotation]:
        # A MuSiK for several groups stands under each of them.
        unique = {id(rotation): rotation for rotation in self.musiks.values()}
        return [*unique.values(), *self.msccks.values()]


def revoked(kms: KmsPublicKeys, clients: Iterable[str], now: float) -> set[str]:
    """Whom of its users a KMS revoked."""
    known = kms.revoked_users
    return {client for client in clients if kms.uid_of(client, now) in known} if known else set()


def _places(scope: Scope) -> list[str | None]:
    """Where a MuSiK stands: under each of its groups, or under None as the default."""
    return [*sorted(scope.names)] or [None]
