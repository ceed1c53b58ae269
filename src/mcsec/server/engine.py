"""The MCX server of a domain, participating function: decisions only; no sockets, no clock, no database."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys.events import (
    BroadcastRefused,
    Event,
    KeyDeliveryRefused,
    KeyDestroyed,
    KeyReceived,
    KeyRenewalDue,
)
from mcsec.keys.key import Key, Scope
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import Decision, GroupRules, Question, Refuse, SenderKeys, decide
from mcsec.keys.provenance import Head, Record
from mcsec.keys.reservation import Block, Reserve
from mcsec.keys.rotation import STANDARD, RotationPolicy
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.server.csk import Csks
from mcsec.server.indexes import Indexes, MemoryIndexes
from mcsec.server.keydown import Download, KeyDownload
from mcsec.server.listeners import Listeners
from mcsec.server.membership import Membership
from mcsec.server.notebook import Notebook
from mcsec.server.release_13 import Partner, Release13
from mcsec.server.signalling import ABSENT, Sent, Signalling, ToPeer
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorMessage

__all__ = ["Partner", "ServerEngine"]


class ServerEngine:
    """One domain's MCX server.

    It makes MuSiKs and MSCCKs, takes CSKs, and sends floor and subchannel control under the key that policy names. It
    holds no GMK: media passes through :meth:`forward` unread.

    :ivar keydown: the keys it makes, and their way to the clients.
    :ivar csks: the keys that clients uploaded.
    :ivar notebook: what is written down about keys.
    :ivar pace: seconds that one delivery takes where many are due, as measured; 0: not known yet.
    """

    def __init__(
        self,
        domain: str,
        initiator: Initiator,
        clients: Recipient,
        receiver: Receiver,
        policy: RotationPolicy = STANDARD,
        indexes: Indexes | None = None,
    ) -> None:
        """:param initiator: signs what the server sends. :param receiver: opens what clients upload.
        :param clients: the KMS of the domain's clients.
        :param indexes: where SRTCP indexes are reserved; without it they are reserved in memory, which is safe only
            for keys that do not outlive the process.
        """
        self.domain = domain
        self.keydown = KeyDownload(domain, initiator, clients, policy)
        self._members = Membership(self.keydown)
        self.notebook = Notebook(domain, self.keydown)
        self.csks = Csks(domain, clients.kms.kms_uri, receiver, self.keydown.maker, self.keydown.csks)
        self._release_13 = Release13(receiver)
        self._spks: dict[str, Key] = {}
        self._keys = SenderKeys(
            domain,
            spks=self._spks,
            musiks=self.keydown.musiks,
            msccks=self.keydown.msccks,
            csks=self.csks.held,
            mkfcs=self._release_13.mkfcs,
            release_13=self._release_13.groups,
        )
        self._signalling = Signalling(self._keys, indexes or MemoryIndexes(), policy.renew_index)
        self.pace = 0.0

    @property
    def listeners(self) -> Listeners:
        """Who hears which group's call on which bearer."""
        return self._members.listeners

    @property
    def records(self) -> list[Record]:
        """The provenance of every key, chained by hashes; whoever writes it down may take it from here."""
        return self.notebook.records

    @property
    def kinds_held(self) -> frozenset[PurposeTag]:
        """The kinds of key that this server holds: never a GMK."""
        given = [*self.csks.held.values(), *self._release_13.keys, *self._spks.values()]
        others = (key.key_id for key in given)
        return frozenset(key_id.tag for key_id in [*self.keydown.live, *others])

    # --- keys

    def csk_uploaded(self, client: str, octets: bytes, now: float) -> list[Event]:
        """A client's CSK upload, or its revocation.

        :raises PeerError: it does not open, or is not the client's own; nothing has changed.
        """
        before = self.csks.held.get(client)
        happened = self.csks.take(client, octets, now)
        return self.notebook.note(happened, before, self.csks.held.get(client))

    def read_csk(self, client: str, octets: bytes, now: float) -> Key:
        """The CSK in an upload of ``client``, to be looked at before it is taken.

        :raises PeerError: it does not open, is not the client's own, or revokes a key; nothing has changed.
        """
        return self.csks.read(client, octets, now)

    def take_csk(self, client: str, key: Key, now: float) -> list[Event]:
        """Takes a CSK that :meth:`read_csk` gave."""
        before = self.csks.held.get(client)
        return self.notebook.note(self.csks.put(client, key, now), before, key)

    def drop_csk(self, client: str, reason: str, now: float) -> list[Event]:
        """Forgets the CSK of a client that logged off."""
        before = self.csks.readable(client)
        return self.notebook.note(self.csks.drop(client, reason, now), *before)

    def replace_csk(self, client: str, now: float, lifetime: float | None = None) -> list[Event]:
        """Makes a CSK for ``client`` in place of the present one, which stays in force until the client has the other.

        :raises InvalidValue: the client has no CSK.
        """
        return self.notebook.note(self.csks.offer(client, now, self.keydown.live, lifetime))

    def make_musik(
        self, scope: Scope, members: Iterable[str], now: float, lifetime: float | None = None
    ) -> list[Event]:
        """Makes a MuSiK for ``scope`` and offers it to ``members``.

        Who listens and is a member listens still. Who is no member is no longer served.
        """
        happened = self.keydown.make(PurposeTag.MUSIK, scope, members, now, lifetime, pace=self.pace)
        return self.notebook.note(happened + self._members.rekeyed(scope, now))

    def activate_bearer(
        self, tmgi: Tmgi, clients: Iterable[str], now: float, lifetime: float | None = None
    ) -> list[Event]:
        """Makes the MSCCK of a bearer that was activated, for the clients that it is announced to."""
        scope = Scope.of(str(tmgi))
        happened = self.keydown.make(PurposeTag.MSCCK, scope, clients, now, lifetime, pace=self.pace)
        return self.notebook.note(happened)

    def admit(self, client: str, groups: Iterable[str], now: float) -> list[KeyId]:
        """``client`` is entitled to the MuSiKs of ``groups`` from now on; the keys that it is to be given."""
        return self._members.admit(client, groups)

    def admit_to_bearer(self, client: str, tmgi: Tmgi) -> list[KeyId]:
        """``client`` is told of the bearer from now on; the MSCCKs that it is to be given."""
        return self._members.admit_to_bearer(client, tmgi)

    def release(self, client: str, groups: Iterable[str] | None, now: float) -> list[Event]:
        """``client`` left ``groups`` by itself (None: all of them, and every bearer). Nobody is rekeyed for that.

        It keeps what it needs for the groups that it is still in.
        """
        return self.notebook.note(self._members.release(client, groups, now))

    def remove(self, tag: PurposeTag, scope: Scope, members: Collection[str], now: float) -> list[Event]:
        """Takes ``members`` off the groups of a MuSiK or the bearer of an MSCCK, and rekeys at once.

        Removed from a group, they are no longer served with its signalling at all: by unicast neither.

        :raises InvalidValue: there is no such key, or one of them is no member; nothing has changed.
        """
        happened = self.keydown.remove(tag, scope, members, now)
        if tag is PurposeTag.MUSIK:
            self._members.removed(scope, members)
        return self.notebook.note(happened)

    def downloads(self, now: float) -> list[Download]:
        """The I_MESSAGEs that are to be sent now."""
        return self.keydown.due(now)

    def answered(self, download: Download, now: float, refusal: str | None = None) -> list[Event]:
        """The client's answer to a download: accepted, or ``refusal`` says why not."""
        if refusal is None:
            return self.notebook.note(self.keydown.answered(download.client, download.key_id, now))
        return self.notebook.note(self.keydown.refused(download.client, download.key_id, refusal, now))

    def release_13_mode(self, group: str, gms: Partner) -> None:
        """The operator allows an MKFC for ``group``, as Release 13 had it, from ``gms``; never set by itself."""
        self._release_13.allow(group, gms)

    def mkfc_message(self, group: str, octets: bytes, now: float) -> list[Event]:
        """The I_MESSAGE by which the group's GMS gives its MKFC, or revokes it; see :meth:`Release13.take`."""
        before = self._release_13.keys
        happened = self._release_13.take(group, octets, now)
        return self.notebook.note(happened, *before, *self._release_13.keys)

    def drop_mkfcs(self, group: str, reason: str, now: float) -> list[Event]:
        """The group's GMS does not give its MKFCs to this server any more."""
        before = self._release_13.keys
        return self.notebook.note(self._release_13.drop(group, reason, now), *before)

    def held(self, clients: Iterable[str], key_id: KeyId, now: float) -> list[Event]:
        """These clients answered that they accepted a key."""
        if key_id.tag is PurposeTag.CSK:
            return self.csk_accepted(key_id, now)
        rotation = self.keydown.rotation_of(key_id)
        return [] if rotation is None else self.notebook.note(rotation.held_by(clients, key_id, now))

    def csk_accepted(self, key_id: KeyId, now: float) -> list[Event]:
        """A client showed that it holds the CSK that it was offered: by its answer, or by using it."""
        epoch = self.keydown.csks.get(key_id)
        before = None if epoch is None else self.csks.held.get(next(iter(epoch.key.scope.names)))
        return self.notebook.note(self.csks.accepted(key_id, now), before)

    def refused(self, client: str, key_id: KeyId, reason: str, now: float) -> list[Event]:
        """The client answered that it does not accept a key."""
        if key_id.tag is PurposeTag.CSK:
            told: list[Event] = [KeyDeliveryRefused(now, key_id, client, reason)]
            return self.notebook.note(told + self.csks.refused(key_id, now))
        rotation = self.keydown.rotation_of(key_id)
        return [] if rotation is None else self.notebook.note(rotation.refused(client, key_id, reason, now))

    def revoke(self, key_id: KeyId, reason: str, now: float) -> list[Event]:
        """Stops all use of a MuSiK or MSCCK.

        :raises InvalidValue: there is no such key.
        """
        rotation = self.keydown.rotation_of(key_id)
        if rotation is None:
            raise InvalidValue(f"no key {key_id}", code="keys.unknown")
        return self.notebook.note(rotation.revoke(key_id, reason, now))

    def renew(self, initiator: Initiator, receiver: Receiver) -> None:
        """A key period began, or comes: what the server signs with, and what opens uploads, from now on."""
        self.keydown.renew(initiator)
        self.csks.renew(receiver)
        self._release_13.renew(receiver)

    def resume(self, head: Head | None, keys: Iterable[Key]) -> None:
        """Goes on after a restart: the end of the chain of records, and the keys that it speaks of."""
        self.notebook.resume(head, keys)

    # --- time

    def poll(self, now: float) -> list[Event]:
        """Does what is due: keys are switched, retired and destroyed."""
        gone = self.csks.expire(now)
        happened: list[Event] = [KeyDestroyed(now, key.key_id, "superseded") for key in gone]
        worn, self._signalling.worn = self._signalling.worn, set()
        wearing = [event for key_id in sorted(worn) for event in self._wear(key_id, now)]
        given = self._release_13.keys
        happened += self._release_13.poll(now)
        told = self.notebook.note(happened, *gone, *given)
        return told + self.notebook.note(self.keydown.poll(now) + wearing)

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do; None: not before something else happens."""
        timers = (self.keydown.next_timer(), self._release_13.next_timer())
        return min((timer for timer in timers if timer is not None), default=None)

    # --- listeners

    def check_listener(self, client: str, tmgi: Tmgi, group: str | None) -> None:
        """Whether ``client`` may be served on the bearer, and with the call of ``group``.

        :raises Refused: there is no such bearer, or the client is not entitled to its keys.
        """
        self._members.check_listener(client, tmgi, group)

    def listens(self, client: str, tmgi: Tmgi, group: str | None, now: float) -> list[Event]:
        """A listening report: ``client`` receives the bearer, and is in the call of ``group`` if one is named.

        :raises Refused: as :meth:`check_listener`; nothing has changed.
        """
        return self.notebook.note(self._members.listens(client, tmgi, group, now))

    def listens_no_more(self, client: str, tmgi: Tmgi, group: str | None, now: float) -> list[Event]:
        """``client`` does not hear the call of ``group`` on the bearer any more; without a group, nothing there."""
        return self.notebook.note(self._members.listens_no_more(client, tmgi, group, now))

    # --- sending

    def subchannel(self, tmgi: Tmgi, message: rtcp.Message, now: float) -> Sent:
        """Subchannel control for everyone on the bearer."""
        sent = self._signalling.subchannel(str(tmgi), message, now)
        self.notebook.note_use([sent], Traffic.SUBCHANNEL_CONTROL, tmgi, now)
        return sent

    def floor(
        self,
        tmgi: Tmgi | None,
        group: str,
        message: FloorMessage,
        now: float,
        rules: GroupRules = ABSENT,
        constituent: str | None = None,
        apart: Collection[str] = (),
        heard: Collection[str] | None = None,
    ) -> list[Sent]:
        """Floor control of ``group`` for everyone who hears its call on the bearer; without one, on any, by unicast.

        :param constituent: for a temporary group, the group in it whose listeners are meant.
        :param apart: who does not hear the bearer, and gets it by unicast.
        :param heard: who listens, where the caller knows better: those in a call who listen to this bearer.
        """
        if heard is None:
            listened = constituent or group
            heard = self.listeners.of(listened) if tmgi is None else self.listeners.on(str(tmgi), listened)
        bearer = None if tmgi is None else str(tmgi)
        sent = self._signalling.floor(bearer, group, message, heard, now, rules, constituent, apart)
        if tmgi is not None:
            self.notebook.note_use(sent, Traffic.MBMS_FLOOR, tmgi, now)
        return sent

    def refusal(self, group: str, now: float, rules: GroupRules = ABSENT) -> BroadcastRefused | None:
        """Why floor control of ``group`` cannot go on a bearer; None: there is a key for it."""
        question = Question(Traffic.MBMS_FLOOR, group, rules=rules)
        decision = self.decide(question, now)
        return decision.event(question, now) if isinstance(decision, Refuse) else None

    def decide(self, question: Question, now: float) -> Decision:
        """What would be sent, under which key, and why: what is asked before every packet."""
        return decide(question, self._keys, now)

    def tell(self, client: str, message: FloorMessage, now: float, leg: int = 0) -> Sent:
        """Floor control for one client in one of its calls, under its CSK, from the SSRC of :meth:`client_ssrc`."""
        return self._signalling.to_client(client, message, now, leg)

    def client_ssrc(self, client: str, leg: int = 0) -> int:
        """The SSRC of floor control for a client in one of its calls."""
        return self._signalling.client_ssrc(client, leg)

    # --- partners

    def take_spk(self, peer: str, key: Key, now: float) -> list[Event]:
        """The SPK that is agreed with the MCX server ``peer`` of another domain; it takes the place of any other."""
        before = self._spks.get(peer)
        self._spks[peer] = key
        happened: list[Event] = [KeyReceived(now, key.key_id, key.maker.entity)]
        if before is not None and before.key_id != key.key_id:
            happened.append(KeyDestroyed(now, before.key_id, "superseded"))
        return self.notebook.note(happened, before, key)

    def tell_peer(self, peer: str, leg: int, message: FloorMessage, now: float) -> ToPeer:
        """Floor control for the MCX server ``peer``, under the SPK, from the SSRC of :meth:`peer_ssrc`.

        :raises Forbidden: there is no SPK.
        """
        return self._signalling.to_peer(peer, leg, message, now)

    def peer_ssrc(self, peer: str, leg: int) -> int:
        """The SSRC of floor control for a peer in one of the calls with it."""
        return self._signalling.peer_ssrc(peer, leg)

    # --- indexes and media

    def grant(self, block: Block) -> None:
        """SRTCP indexes that were wished for are reserved durably."""
        self._signalling.grant(block)

    def not_granted(self, wish: Reserve) -> None:
        """The store did not reserve them; the next message wishes again."""
        self._signalling.not_granted(wish)

    def ssrc(self, traffic: Traffic, tmgi: Tmgi) -> int:
        """The SSRC that this server's messages on the bearer carry."""
        return self._signalling.ssrc(traffic, str(tmgi))

    def forward(
        self, group: str, packet: bytes, mki_octets: int, now: float, rules: GroupRules = ABSENT
    ) -> ForwardedMedia:
        """Media of ``group`` as it came. The server has no key for it and does not look inside.

        :param mki_octets: how long the MKI at the end is; 0 for plain RTP.
        :raises Forbidden: media without protection, unless the group's rules allow it.
        :raises InvalidValue: no RTP packet.
        """
        mki = packet[-mki_octets:] if mki_octets else None
        question = Question(Traffic.GROUP_MEDIA, group, mki=mki, rules=rules)
        decision = decide(question, self._keys, now)
        if isinstance(decision, Refuse):
            raise decision.error()
        return ForwardedMedia(packet)

    def _wear(self, key_id: KeyId, now: float) -> list[Event]:
        """A successor is wanted: of a key that this server makes, or of a client's CSK."""
        if key_id.tag is PurposeTag.CSK:
            return [KeyRenewalDue(now, key_id)] if self.csks.owner(key_id) is not None else []
        rotation = self.keydown.rotation_of(key_id)
        return [] if rotation is None else rotation.wear(key_id, now)
