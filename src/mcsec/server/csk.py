"""CSK upload (TS 33.180 5.4): a client gives its server the key for the traffic between the two."""

from __future__ import annotations

from mcsec.ids import PurposeTag
from mcsec.keys import transport
from mcsec.keys.events import Event, KeyDestroyed, KeyReceived, KeyRevoked
from mcsec.keys.key import Key, Scope
from mcsec.mikey.open import KeyRevoked as Revocation
from mcsec.mikey.open import open_message
from mcsec.mikey.receiver import Receiver, Sender


class Csks:
    """The CSKs that clients uploaded.

    :ivar held: by MC service ID; policy asks.
    """

    def __init__(self, domain: str, kms_uri: str, receiver: Receiver) -> None:
        """:param kms_uri: the KMS of the clients of this MC ``domain``."""
        self.held: dict[str, Key] = {}
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
            del self.held[client]
            return [KeyRevoked(now, key_id, "by its maker"), KeyDestroyed(now, key_id, "revoked")]
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
        held = self.held.get(client)
        self.held[client] = key
        received = KeyReceived(now, key.key_id, client)
        if held is None or held.key_id == key.key_id:
            return [received]
        return [received, KeyDestroyed(now, held.key_id, "superseded")]

    def renew(self, receiver: Receiver) -> None:
        """Further identities of the server, of the next key period."""
        self._receiver = receiver

    def drop(self, client: str, reason: str, now: float) -> list[Event]:
        """Forgets a client's CSK: it logged off."""
        held = self.held.pop(client, None)
        return [] if held is None else [KeyDestroyed(now, held.key_id, reason)]
