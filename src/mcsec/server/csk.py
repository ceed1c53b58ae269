"""CSKs: a client uploads the key for the traffic with its server (TS 33.180 5.4); the server replaces it (5.8).

A CSK that the server makes is *offered* until the client answers that it holds it. Until then the one of before
protects everything; after it, that one is readable for a while, for what was on its way.
"""

from __future__ import annotations

from collections.abc import Iterable

from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import transport
from mcsec.keys.events import (
    Event,
    KeyDestroyed,
    KeyHeld,
    KeyMade,
    KeyOffered,
    KeyReceived,
    KeyRetired,
    KeyRevoked,
    KeySwitched,
)
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.lifecycle import Epoch, Step
from mcsec.mikey.open import KeyRevoked as Revocation
from mcsec.mikey.open import open_message
from mcsec.mikey.receiver import Receiver, Sender

#: Seconds for which a CSK is readable after another took its place.
GRACE = 60.0


class Csks:
    """The CSKs of a server's clients.

    :ivar held: by MC service ID: what is in force; policy asks.
    :ivar since: when that came into force, as far as this process knows.
    :ivar offers: by key ID: what is on its way to a client.
    """

    def __init__(
        self, domain: str, kms_uri: str, receiver: Receiver, maker: Maker, offers: dict[KeyId, Epoch]
    ) -> None:
        """:param kms_uri: the KMS of the clients of this MC ``domain``. :param maker: the server itself."""
        self.held: dict[str, Key] = {}
        self.since: dict[str, float] = {}
        self.offers = offers
        self._offered: dict[str, KeyId] = {}
        self._before: dict[str, tuple[Key, float]] = {}
        self._maker = maker
        self._domain = domain
        self._kms_uri = kms_uri
        self._receiver = receiver

    def take(self, client: str, octets: bytes, now: float) -> list[Event]:
        """An upload, which must come from ``client`` itself; it replaces the CSK of before, or revokes it.

        :param client: the MC service ID that the signalling proved; the signer must be the same.
        :raises PeerError: the message does not open, or is not the client's own; nothing has changed.
        """
        held = self.held.get(client)
        try:
            key = self.read(client, octets, now)
        except Revocation as revocation:
            key_id = revocation.opened.key_id
            if held is None or held.key_id != key_id:
                return []
            return [KeyRevoked(now, key_id, "by its maker"), *self.drop(client, "revoked", now)]
        return self.put(client, key, now)

    def read(self, client: str, octets: bytes, now: float) -> Key:
        """The CSK in an upload, which must come from ``client`` itself; it is not taken yet.

        :raises PeerError: the message does not open, is not the client's own, or revokes a key.
        """
        senders = [Sender(client, self._kms_uri, frozenset({PurposeTag.CSK}))]
        return transport.read(
            open_message(octets, self._receiver, senders, now), self._domain, Scope.of(client)
        )

    def put(self, client: str, key: Key, now: float) -> list[Event]:
        """Takes a CSK that :meth:`read` gave; it replaces the one of before."""
        happened: list[Event] = self._withdraw(client, "the client uploaded another", now)
        happened.append(KeyReceived(now, key.key_id, client))
        held = self.held.get(client)
        self.held[client], self.since[client] = key, now
        if held is None or held.key_id == key.key_id:
            return happened
        return [*happened, KeyDestroyed(now, held.key_id, "superseded")]

    # --- what the server replaces

    def offer(self, client: str, now: float, live: Iterable[KeyId], lifetime: float | None) -> list[Event]:
        """Makes a CSK that is to replace the one of ``client``; one that is on its way already stays the only one.

        :raises InvalidValue: the client has no CSK: it has to upload one first.
        """
        if client not in self.held:
            raise InvalidValue(f"{client} has no CSK that could be replaced", code="keys.no-csk")
        if client in self._offered:
            return []
        known = {key.key_id for key in self.held.values()}.union(live)
        key = make(
            PurposeTag.CSK,
            scope=Scope.of(client),
            maker=self._maker,
            now=now,
            live=known,
            lifetime=lifetime,
        )
        self.restore_offer(Epoch(key, since=now).after(Step.OFFER, now))
        return [KeyMade(now, key.key_id), KeyOffered(now, key.key_id, now)]

    def restore_offer(self, epoch: Epoch) -> None:
        """A CSK that was on its way before a restart."""
        (client,) = epoch.key.scope.names
        self.offers[epoch.key.key_id] = epoch
        self._offered[client] = epoch.key.key_id

    def accepted(self, key_id: KeyId, now: float) -> list[Event]:
        """The client holds the CSK that was offered: it is in force from now on. Late answers change nothing."""
        epoch = self.offers.pop(key_id, None)
        if epoch is None:
            return []
        (client,) = epoch.key.scope.names
        del self._offered[client]
        before = self.held.get(client)
        self.held[client], self.since[client] = epoch.key, now
        happened: list[Event] = [KeyHeld(now, key_id, client)]
        if before is None:
            return [*happened, KeySwitched(now, key_id, None, Step.ANSWERED.value, 0)]
        self._before[client] = (before, now + GRACE)
        return [
            *happened,
            KeySwitched(now, key_id, before.key_id, Step.ANSWERED.value, 0),
            KeyRetired(now, before.key_id, now + GRACE),
        ]

    def refused(self, key_id: KeyId, now: float) -> list[Event]:
        """The client does not want the CSK that was offered; the one of before stays in force."""
        epoch = self.offers.get(key_id)
        if epoch is None:
            return []
        (client,) = epoch.key.scope.names
        return self._withdraw(client, "the client refused it", now)

    def readable(self, client: str) -> list[Key]:
        """What the client may protect under, the one in force first."""
        found = [self.held[client]] if client in self.held else []
        if client in self._offered:
            found.append(self.offers[self._offered[client]].key)
        return [*found, self._before[client][0]] if client in self._before else found

    def owner(self, key_id: KeyId) -> str | None:
        """Whose CSK that is in force has this ID."""
        return next((client for client, key in self.held.items() if key.key_id == key_id), None)

    def outdated(self, age: float, now: float) -> list[str]:
        """Whose CSK is in force for longer than ``age`` seconds, and not being replaced."""
        return [
            client
            for client, since in self.since.items()
            if now - since >= age and client not in self._offered and client in self.held
        ]

    def expire(self, now: float) -> list[Key]:
        """Forgets what is out of grace; which keys that were."""
        over = [client for client, (_, until) in self._before.items() if now >= until]
        return [self._before.pop(client)[0] for client in over]

    def renew(self, receiver: Receiver) -> None:
        """Further identities of the server, of the next key period."""
        self._receiver = receiver

    def drop(self, client: str, reason: str, now: float) -> list[Event]:
        """Forgets a client's CSKs: it logged off."""
        happened = self._withdraw(client, reason, now)
        gone = [self._before.pop(client, (None, 0.0))[0], self.held.pop(client, None)]
        self.since.pop(client, None)
        return happened + [KeyDestroyed(now, key.key_id, reason) for key in gone if key is not None]

    def _withdraw(self, client: str, reason: str, now: float) -> list[Event]:
        key_id = self._offered.pop(client, None)
        if key_id is None:
            return []
        del self.offers[key_id]
        return [KeyDestroyed(now, key_id, reason)]
