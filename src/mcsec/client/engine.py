"""The MC client: decisions only; no sockets, no clock.

Key messages go in with the carrier they came by, which says who may send what (design 5.5). Packets go in with the
socket they came on, which says which keys are legal (media plane C.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from mcsec.client.contexts import Contexts
from mcsec.client.events import FloorHeard, GroupMapped, GroupUnmapped, MediaHeard, PacketDropped
from mcsec.crypto.kms_keys import IdentityKeys, KmsPublicKeys
from mcsec.errors import PeerError
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys import transport
from mcsec.keys.events import DownloadRefused, Event
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.keyring import Keyring, Output
from mcsec.keys.kinds import Traffic
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.open import KeyRevoked, open_message
from mcsec.mikey.receiver import Receiver, Sender
from mcsec.mikey.replay import ReplayCache
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorMessage
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, UnmapGroupToBearer


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody the client deals with: its URI, the URI of its KMS, and its MC domain."""

    uri: str
    kms_uri: str
    domain: str


class Carrier(Enum):
    """How a key message came, and which kinds may come so (signalling E.4)."""

    KEY_DOWNLOAD = frozenset({PurposeTag.MUSIK, PurposeTag.CSK})
    ANNOUNCEMENT = frozenset({PurposeTag.MSCCK})
    GROUP_KEYS = frozenset({PurposeTag.GMK, PurposeTag.MKFC})


class ClientEngine:
    """One user's client.

    :ivar keyring: what it holds.
    :ivar dropped: packets that changed nothing, counted by code.
    """

    def __init__(
        self,
        identities: Sequence[IdentityKeys],
        kms: Sequence[KmsPublicKeys],
        server: Party,
        gms: Sequence[Party] = (),
    ) -> None:
        """:param identities: the user's own keys, one for each key period at hand.
        :param kms: the KMSs it knows, its own among them. :param server: its own MCX server, by MDSI.
        :param gms: the GMSs of its groups.
        """
        self.uri = identities[0].uri
        self.server = server
        self.keyring = Keyring()
        self.dropped: Counter[str] = Counter()
        self._identities = identities
        self._kms = {known.kms_uri: known for known in kms}
        self._receiver = Receiver(identities, kms, ReplayCache())
        self._gms = tuple(gms)
        self._domains = {party.kms_uri: party.domain for party in (server, *gms)}
        self._contexts = Contexts(self.keyring)
        self._mapped: dict[str, MapGroupToBearer] = {}

    # --- keys

    def make_csk(self, now: float) -> tuple[Key, bytes]:
        """A fresh CSK, and the I_MESSAGE that uploads it to the server (TS 33.180 5.4)."""
        keys = self._keys_at(now)
        key = make(
            PurposeTag.CSK, scope=Scope.of(self.uri), maker=Maker(self.server.domain, self.uri), now=now
        )
        initiator = Initiator(keys, self._kms[keys.kms_uri])
        (message,) = transport.write(
            key, initiator, [Recipient(self.server.uri, self._kms[self.server.kms_uri])], now
        )
        self._contexts.follow(self.keyring.install(key, signer=self.uri, now=now))
        return key, message

    def key_message(
        self, octets: bytes, carrier: Carrier, now: float, *, bearer: Tmgi | None = None
    ) -> list[Event]:
        """An I_MESSAGE that came by ``carrier``; ``bearer`` is what an announcement announces.

        :raises PeerError: it must be answered with a refusal; nothing has changed. The event to publish is made by
            :meth:`refusal`.
        """
        senders = self._senders(carrier)
        try:
            opened = open_message(octets, self._receiver, senders, now)
        except KeyRevoked as revoked:
            return self._follow(self.keyring.revoke(revoked.opened.key_id, "by its maker", now))
        scope = Scope.of(str(bearer)) if bearer is not None else None
        if opened.kind is PurposeTag.CSK:
            scope = Scope.of(self.uri)
        key = transport.read(opened, self._domains[opened.initiator_kms], scope)
        return self._follow(self.keyring.install(key, signer=opened.initiator or "", now=now))

    def refusal(self, error: PeerError, now: float) -> DownloadRefused:
        """The event for a key message that was refused."""
        return DownloadRefused(now, self.server.uri, error.code, str(error))

    def log_off(self, now: float) -> list[Event]:
        """Wipes every key."""
        self._mapped.clear()
        return self._follow(self.keyring.wipe(now))

    # --- packets

    def control_packet(self, packet: bytes, traffic: Traffic, name: str, now: float) -> list[Event]:
        """A datagram on the socket for ``traffic`` of ``name``: a group, a bearer's TMGI, or the client itself.

        Never raises for what a peer sent: a packet that must not be obeyed is one event and one count.
        """
        try:
            opened = self._contexts.open(packet, traffic, name, now)
            messages = rtcp.decode(opened.octets)
            if traffic.multicast:
                for message in messages:
                    rtcp.check_multicast(message, received=True)
        except PeerError as error:
            return [self._drop(error, traffic, name, now)]
        key_id = KeyId.decode(opened.mki)
        happened = self._follow(self.keyring.used(key_id, traffic, name, now))
        return happened + [event for message in messages for event in self._obey(message, key_id, name, now)]

    def media_packet(self, packet: bytes, group: str, now: float) -> list[Event]:
        """A datagram on the media socket of ``group``."""
        try:
            opened = self._contexts.open(packet, Traffic.GROUP_MEDIA, group, now)
        except PeerError as error:
            return [self._drop(error, Traffic.GROUP_MEDIA, group, now)]
        key_id = KeyId.decode(opened.mki[:4])
        happened = self._follow(self.keyring.used(key_id, Traffic.GROUP_MEDIA, group, now))
        return [*happened, MediaHeard(now, group, key_id, opened.ssrc, opened.octets)]

    # --- inside

    def _obey(self, message: rtcp.Message, key_id: KeyId, name: str, now: float) -> list[Event]:
        if isinstance(message, FloorMessage):
            return [FloorHeard(now, name, key_id, message)]
        if isinstance(message, MapGroupToBearer):
            # It is repeated for late listeners; only a change is news.
            if self._mapped.get(message.group_id) == message:
                return []
            self._mapped[message.group_id] = message
            return [GroupMapped(now, message.group_id, message.tmgi, message.subchannel)]
        if isinstance(message, UnmapGroupToBearer) and message.group_id in self._mapped:
            del self._mapped[message.group_id]
            return [GroupUnmapped(now, message.group_id)]
        return []

    def _senders(self, carrier: Carrier) -> list[Sender]:
        parties = self._gms if carrier is Carrier.GROUP_KEYS else (self.server,)
        return [Sender(party.uri, party.kms_uri, carrier.value) for party in parties]

    def _keys_at(self, now: float) -> IdentityKeys:
        kms = self._kms[self._identities[0].kms_uri]
        period = kms.period_at(now)
        return next(keys for keys in self._identities if keys.period_no == period)

    def _follow(self, outputs: Sequence[Output]) -> list[Event]:
        self._contexts.follow(outputs)
        return [output for output in outputs if isinstance(output, Event)]

    def _drop(self, error: PeerError, traffic: Traffic, name: str, now: float) -> PacketDropped:
        self.dropped[error.code] += 1
        return PacketDropped(now, traffic.name, name, error.code, str(error))
