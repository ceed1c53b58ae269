"""The MC client: decisions only; no sockets, no clock.

Key messages go in with the carrier they came by, which says who may send what (design 5.5). Packets go in with the
socket they came on, which says which keys are legal (media plane C.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from mcsec.client.contexts import Contexts
from mcsec.client.events import FloorHeard, GroupMapped, GroupUnmapped, MediaHeard, PacketDropped
from mcsec.crypto.kms_keys import IdentityKeys, KmsPublicKeys
from mcsec.errors import PeerError, Refused, WrongState
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys import transport
from mcsec.keys.events import DownloadRefused, Event
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.keyring import Keyring, Output
from mcsec.keys.kinds import Traffic
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.open import KeyRevoked, Opened, open_message
from mcsec.mikey.receiver import Receiver, Sender
from mcsec.mikey.replay import ReplayCache
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FLOOR, FloorMessage
from mcsec.wire.rtcp.subchannel import SUBCHANNEL, MapGroupToBearer, UnmapGroupToBearer
from mcsec.wire.rtcp.table import ControlProtocol, Direction


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
    :ivar groups: the GMS of each of the user's groups, as its configuration says; no other may send their keys.
    :ivar dropped: packets that changed nothing, counted by code.
    """

    def __init__(
        self,
        identities: Sequence[IdentityKeys],
        kms: Sequence[KmsPublicKeys],
        server: Party,
        groups: Mapping[str, Party] | None = None,
    ) -> None:
        """:param identities: the user's own keys, one for each key period at hand.
        :param kms: the KMSs it knows, its own among them. :param server: its own MCX server, by MDSI.
        :param groups: by group ID, the GMS of the group's home domain.
        """
        self.uri = identities[0].uri
        self.server = server
        self.keyring = Keyring()
        self.groups = dict(groups or {})
        self.dropped: Counter[str] = Counter()
        self._identities = identities
        self._kms = {known.kms_uri: known for known in kms}
        self._receiver = Receiver(identities, kms, ReplayCache())
        self._contexts = Contexts(self.keyring)
        # By the general purpose subchannel that it came by, and group.
        self._mapped: dict[tuple[str, str], MapGroupToBearer] = {}

    # --- keys

    def make_csk(self, now: float) -> tuple[Key, bytes]:
        """A fresh CSK, and the I_MESSAGE that uploads it to the server (TS 33.180 5.4).

        :raises WrongState: the user's keys of the present key period are not at hand.
        """
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
        parties = self._parties(carrier)
        senders = [Sender(party.uri, party.kms_uri, carrier.value) for party in parties]
        try:
            opened = open_message(octets, self._receiver, senders, now)
        except KeyRevoked as revoked:
            self._check_home(revoked.opened, self._sender_of(revoked.opened, parties), carrier)
            return self._follow(self.keyring.revoke(revoked.opened.key_id, "by its maker", now))
        sender = self._sender_of(opened, parties)
        self._check_home(opened, sender, carrier)
        scope = Scope.of(str(bearer)) if bearer is not None else None
        if opened.kind is PurposeTag.CSK:
            scope = Scope.of(self.uri)
        key = transport.read(opened, sender.domain, scope)
        return self._follow(self.keyring.install(key, signer=sender.uri, now=now))

    def revoke(self, tag: PurposeTag, name: str, reason: str, now: float) -> list[Event]:
        """The keys of one kind for ``name`` are not to be used any more; they are destroyed."""
        gone = [key.key_id for key in self.keyring.keys if key.key_id.tag is tag and name in key.scope.names]
        return [event for key_id in gone for event in self._follow(self.keyring.revoke(key_id, reason, now))]

    def provision(self, identities: Sequence[IdentityKeys], kms: Sequence[KmsPublicKeys]) -> None:
        """Keys of other key periods, and KMSs that are known from now on. What was received stays remembered."""
        self._identities = identities
        self._kms = {known.kms_uri: known for known in kms}
        self._receiver = Receiver(identities, kms, self._receiver.replay, self._receiver.rules)

    def refusal(self, error: PeerError, now: float) -> DownloadRefused:
        """The event for a key message that was refused."""
        return DownloadRefused(now, self.server.uri, error.code, str(error))

    def log_off(self, now: float) -> list[Event]:
        """Wipes every key."""
        self._mapped.clear()
        return self._follow(self.keyring.wipe(now))

    def forget_mapping(self, group: str, name: str | None = None) -> None:
        """The call of ``group`` is not received any more; the next Map Group To Bearer is news again.

        :param name: of the general purpose subchannel by which it was not followed; None: of all.
        """
        for place in [one for one in self._mapped if one[1] == group and name in (None, one[0])]:
            del self._mapped[place]

    # --- time

    def poll(self, now: float) -> list[Event]:
        """Destroys keys that expired and keys that are out of grace."""
        return self._follow(self.keyring.poll(now))

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do; None: not before something else happens."""
        return self.keyring.next_timer()

    # --- packets

    def control_packet(self, packet: bytes, traffic: Traffic, name: str, now: float) -> list[Event]:
        """A datagram on the socket for ``traffic`` of ``name``: a group, a bearer's TMGI, or the client itself.

        Never raises for what a peer sent: a packet that must not be obeyed is one event and one count.
        """
        try:
            opened = self._contexts.open(packet, traffic, name, now)
            messages = rtcp.decode(opened.octets)
            for message in messages:
                _check_place(message, traffic)
        except PeerError as error:
            return [self.drop(error, traffic, name, now)]
        key_id = KeyId.decode(opened.mki)
        happened = self._follow(self.keyring.used(key_id, traffic, name, now))
        return happened + [event for message in messages for event in self._obey(message, key_id, name, now)]

    def media_packet(self, packet: bytes, group: str, now: float) -> list[Event]:
        """A datagram on the media socket of ``group``."""
        try:
            opened = self._contexts.open(packet, Traffic.GROUP_MEDIA, group, now)
        except PeerError as error:
            return [self.drop(error, Traffic.GROUP_MEDIA, group, now)]
        key_id = KeyId.decode(opened.mki[:4])
        happened = self._follow(self.keyring.used(key_id, Traffic.GROUP_MEDIA, group, now))
        return [*happened, MediaHeard(now, group, key_id, opened.ssrc, opened.octets)]

    def drop(self, error: PeerError, traffic: Traffic, name: str, now: float) -> PacketDropped:
        """A packet changes nothing: counts it, and gives the event that says so."""
        self.dropped[error.code] += 1
        return PacketDropped(now, traffic.name, name, error.code, str(error))

    # --- inside

    def _obey(self, message: rtcp.Message, key_id: KeyId, name: str, now: float) -> list[Event]:
        if isinstance(message, FloorMessage):
            return [FloorHeard(now, name, key_id, message)]
        if isinstance(message, MapGroupToBearer):
            # It is repeated for late listeners; only a change is news.
            if self._mapped.get((name, message.group_id)) == message:
                return []
            self._mapped[name, message.group_id] = message
            return [GroupMapped(now, message.group_id, message.tmgi, message.subchannel)]
        if isinstance(message, UnmapGroupToBearer) and (name, message.group_id) in self._mapped:
            del self._mapped[name, message.group_id]
            return [GroupUnmapped(now, message.group_id)]
        return []

    def _parties(self, carrier: Carrier) -> list[Party]:
        """Who may send what ``carrier`` brings."""
        return list(dict.fromkeys(self.groups.values())) if carrier is Carrier.GROUP_KEYS else [self.server]

    def _sender_of(self, opened: Opened, parties: Iterable[Party]) -> Party:
        named = (opened.initiator, opened.initiator_kms)
        return next(party for party in parties if (party.uri, party.kms_uri) == named)

    def _check_home(self, opened: Opened, sender: Party, carrier: Carrier) -> None:
        """A GMS decides about the keys of the groups that are at home with it, and about no others (design 5.5)."""
        if carrier is not Carrier.GROUP_KEYS:
            return
        named = set(opened.parameters.groups if opened.parameters is not None else ())
        held = (key.scope.names for key in self.keyring.keys if key.key_id == opened.key_id)
        groups = named.union(*held)
        if not groups:
            raise Refused(
                f"nothing says whose {opened.kind.label} {opened.key_id} is",
                code="keys.no-scope",
                clause="TS 33.180 E.6.1",
            )
        for group in sorted(groups):
            if self.groups.get(group) != sender:
                raise Refused(
                    f"{sender.uri} is not the GMS of {group}",
                    code="client.not-its-group",
                    clause="TS 33.180 5.7.1",
                    hint="only the GMS of the group's home domain sends and revokes its keys",
                )

    def _keys_at(self, now: float) -> IdentityKeys:
        period = self._kms[self._identities[0].kms_uri].period_at(now)
        for keys in self._identities:
            if keys.period_no == period:
                return keys
        raise WrongState(
            f"no keys of {self.uri} for the present key period",
            code="client.key-period",
            clause="TS 33.180 F.2.1",
            hint="fetch the keys of the period from the KMS",
        )

    def _follow(self, outputs: Sequence[Output]) -> list[Event]:
        self._contexts.follow(outputs)
        return [output for output in outputs if isinstance(output, Event)]


def _told_to_clients(protocol: ControlProtocol) -> frozenset[type[rtcp.Message]]:
    return frozenset(row.message for row in protocol.rows if row.direction is not Direction.TO_SERVER)


#: What a client may be told on each control socket (TS 24.380 13.1): a key for the one says nothing about the other.
_SPOKEN = {
    Traffic.SUBCHANNEL_CONTROL: _told_to_clients(SUBCHANNEL),
    Traffic.MBMS_FLOOR: _told_to_clients(FLOOR),
    Traffic.UNICAST_FLOOR: _told_to_clients(FLOOR),
}


def _check_place(message: rtcp.Message, traffic: Traffic) -> None:
    """Whether a client may obey ``message`` when it comes on a socket for ``traffic``."""
    if type(message) not in _SPOKEN[traffic]:
        raise Refused(
            f"{rtcp.row_of(message).name} does not come to a client as {traffic}",
            code="client.wrong-socket",
            clause="TS 24.380 13.1",
        )
    if traffic.multicast:
        rtcp.check_multicast(message, received=True)
