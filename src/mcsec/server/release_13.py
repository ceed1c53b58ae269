"""Release 13 mode: multicast floor control under an MKFC, which the GMS of the group makes (TS 33.179; TS 24.380 13.1).

The operator allows it group by group, because it hands control of the server's own signalling to whoever made the key.
It is the only thing that makes a server depend on another domain, so all of that dependence is in this file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.errors import Forbidden, InvalidValue, Refused
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import transport
from mcsec.keys.events import Event, KeyDestroyed, KeyReceived, KeyRevoked
from mcsec.keys.key import Key
from mcsec.keys.policy import GivenKey
from mcsec.mikey.open import KeyRevoked as Revocation
from mcsec.mikey.open import open_message
from mcsec.mikey.receiver import Receiver, Sender


@dataclass(frozen=True, slots=True)
class Partner:
    """An entity of another MC domain: its URI, its domain, and what its KMS publishes."""

    uri: str
    domain: str
    kms: KmsPublicKeys


class Release13:
    """The groups for which Release 13 mode is set, the GMS of each, and the MKFCs that came.

    :ivar groups: what the operator allowed; policy asks.
    :ivar mkfcs: by group, what is sent under; policy asks. A key that was revoked leaves its association behind, so
        that nothing takes its place.
    """

    def __init__(self, receiver: Receiver) -> None:
        """:param receiver: the server's own identity and memory; a partner's KMS is added for its messages only."""
        self.groups: set[str] = set()
        self.mkfcs: dict[str, GivenKey] = {}
        self._receiver = receiver
        self._partners: dict[str, Partner] = {}
        # Keys that came before they are active: the one of before is sent under until then.
        self._coming: dict[str, Key] = {}

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every MKFC that is held."""
        given = (source.sending for source in self.mkfcs.values())
        return (*(key for key in given if key is not None), *self._coming.values())

    def renew(self, receiver: Receiver) -> None:
        """The server's own keys for another key period."""
        self._receiver = receiver

    def allow(self, group: str, gms: Partner) -> None:
        """The operator allows an MKFC for ``group`` from ``gms``."""
        if not group or not gms.uri:
            raise InvalidValue("Release 13 mode is for a group, with the GMS that is its home")
        self._partners[group] = gms
        self.groups.add(group)

    def take(self, group: str, octets: bytes, now: float) -> list[Event]:
        """The I_MESSAGE by which the group's GMS gives its MKFC, or revokes it.

        :raises Forbidden: ``server.release-13-off``.
        :raises PeerError: it does not open, is not from that GMS, or is for another group; nothing has changed.
        """
        if group not in self._partners:
            raise Forbidden(
                f"no MKFC is taken for {group}",
                code="server.release-13-off",
                hint="set Release 13 mode for the group",
            )
        gms = self._partners[group]
        sender = Sender(gms.uri, gms.kms.kms_uri, frozenset({PurposeTag.MKFC}))
        # Only this message is judged by the partner's KMS: what it publishes must not count for our own clients.
        others = [kms for kms in self._receiver.kms if kms.kms_uri != gms.kms.kms_uri]
        receiver = replace(self._receiver, kms=[*others, gms.kms])
        try:
            key = transport.read(open_message(octets, receiver, [sender], now), gms.domain)
        except Revocation as revocation:
            key_id = revocation.opened.key_id
            if not any(known.key_id == key_id for known in self._held(group)):
                return []
            self._forget(group, key_id)
            return [KeyRevoked(now, key_id, "by its maker"), KeyDestroyed(now, key_id, "revoked")]
        if not key.scope.covers(group):
            raise Refused(f"{key!r} is not for {group}", code="server.mkfc-scope", clause="TS 33.180 E.6.1")
        known = any(one.key_id == key.key_id for one in self._held(group))
        happened: list[Event] = [] if known else [KeyReceived(now, key.key_id, key.maker.entity)]
        sending = self._sending(group)
        if sending is not None and sending.key_id == key.key_id:
            return happened
        if sending is not None and not key.active(now):
            before = self._coming.get(group)
            self._coming[group] = key
            return happened + _superseded(before, key, now)
        return happened + self._put(group, key, now)

    def drop(self, group: str, reason: str, now: float) -> list[Event]:
        """The GMS does not say any more that this server may have the group's MKFCs: nothing is sent under them."""
        gone = self._held(group)
        for key in gone:
            self._forget(group, key.key_id)
        return [KeyDestroyed(now, key.key_id, reason) for key in gone]

    def poll(self, now: float) -> list[Event]:
        """Keys that became active are sent under."""
        due = [group for group, key in self._coming.items() if key.active(now)]
        return [event for group in due for event in self._put(group, self._coming[group], now)]

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        return min((key.activation for key in self._coming.values()), default=None)

    # --- inside

    def _sending(self, group: str) -> Key | None:
        source = self.mkfcs.get(group)
        return None if source is None else source.sending

    def _held(self, group: str) -> list[Key]:
        return [key for key in (self._sending(group), self._coming.get(group)) if key is not None]

    def _put(self, group: str, key: Key, now: float) -> list[Event]:
        before, coming = self._sending(group), self._coming.get(group)
        self.mkfcs[group] = GivenKey(key)
        if coming is not None and coming.key_id == key.key_id:
            del self._coming[group]
        return _superseded(before, key, now)

    def _forget(self, group: str, key_id: KeyId) -> None:
        coming, sending = self._coming.get(group), self._sending(group)
        if coming is not None and coming.key_id == key_id:
            del self._coming[group]
        if sending is not None and sending.key_id == key_id:
            self.mkfcs[group] = GivenKey(None)


def _superseded(before: Key | None, key: Key, now: float) -> list[Event]:
    if before is None or before.key_id == key.key_id:
        return []
    return [KeyDestroyed(now, before.key_id, "superseded")]
