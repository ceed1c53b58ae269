"""The MCX server of a domain, participating function: decisions only; no sockets, no clock, no database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import InvalidValue, Refused
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys.events import Event, KeyDestroyed, KeyEvent, KeyFirstUsed, KeyMade, MemberRemoved
from mcsec.keys.key import Key, Scope
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import GroupRules, Question, Refuse, SenderKeys, decide
from mcsec.keys.provenance import Chain, Head, Record
from mcsec.keys.reservation import Block, Reserve
from mcsec.keys.rotation import STANDARD, Rotation, RotationPolicy
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.server.csk import Csks
from mcsec.server.indexes import Indexes, MemoryIndexes
from mcsec.server.keydown import Download, KeyDownload
from mcsec.server.release_13 import Partner, Release13
from mcsec.server.signalling import ABSENT, OnBearer, Sent, Signalling
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorMessage

__all__ = ["Partner", "ServerEngine"]


class ServerEngine:
    """One domain's MCX server.

    It makes MuSiKs and MSCCKs, takes CSKs, and sends floor and subchannel control under the key that policy names. It
    holds no GMK: media passes through :meth:`forward` unread.

    :ivar keydown: the keys it makes, and their way to the clients.
    :ivar listeners: MC service IDs that listen to a group's call, by group ID.
    :ivar csks: the keys that clients uploaded.
    :ivar records: the provenance of every key, chained by hashes; whoever writes it down may take it from here.
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
        self.listeners: dict[str, set[str]] = {}
        self.records: list[Record] = []
        self._chain = Chain(domain)
        self._made: dict[KeyId, Key] = {}
        self._used: set[tuple[KeyId, str, str]] = set()
        self.csks = Csks(domain, clients.kms.kms_uri, receiver)
        self._release_13 = Release13(receiver)
        self._keys = SenderKeys(
            domain,
            musiks=self.keydown.musiks,
            msccks=self.keydown.msccks,
            csks=self.csks.held,
            mkfcs=self._release_13.mkfcs,
            release_13=self._release_13.groups,
        )
        self._signalling = Signalling(self._keys, indexes or MemoryIndexes())

    @property
    def kinds_held(self) -> frozenset[PurposeTag]:
        """The kinds of key that this server holds: never a GMK."""
        others = (key.key_id for key in [*self.csks.held.values(), *self._release_13.keys])
        return frozenset(key_id.tag for key_id in [*self.keydown.live, *others])

    # --- keys

    def csk_uploaded(self, client: str, octets: bytes, now: float) -> list[Event]:
        """A client's CSK upload, or its revocation.

        :raises PeerError: it does not open, or is not the client's own; nothing has changed.
        """
        before = self.csks.held.get(client)
        happened = self.csks.take(client, octets, now)
        return self._note(happened, before, self.csks.held.get(client))

    def read_csk(self, client: str, octets: bytes, now: float) -> Key:
        """The CSK in an upload of ``client``, to be looked at before it is taken.

        :raises PeerError: it does not open, is not the client's own, or revokes a key; nothing has changed.
        """
        return self.csks.read(client, octets, now)

    def take_csk(self, client: str, key: Key, now: float) -> list[Event]:
        """Takes a CSK that :meth:`read_csk` gave."""
        before = self.csks.held.get(client)
        return self._note(self.csks.put(client, key, now), before, key)

    def drop_csk(self, client: str, reason: str, now: float) -> list[Event]:
        """Forgets the CSK of a client that logged off."""
        before = self.csks.held.get(client)
        return self._note(self.csks.drop(client, reason, now), before)

    def make_musik(
        self, scope: Scope, members: Iterable[str], now: float, lifetime: float | None = None
    ) -> list[Event]:
        """Makes a MuSiK for ``scope`` and offers it to ``members``.

        Who listens and is a member listens still. Who is no member is no longer served.
        """
        happened = self.keydown.make(PurposeTag.MUSIK, scope, members, now, lifetime)
        rotation = self.keydown.rotation(PurposeTag.MUSIK, scope)
        entitled = rotation.audience.members
        for group in self._groups_of(scope):
            listeners = self.listeners.get(group, set())
            for stranger in sorted(listeners - entitled):
                listeners.discard(stranger)
                happened.append(MemberRemoved(now, stranger))
            for listener in sorted(listeners):
                happened += rotation.listen(listener, now)
        return self._note(happened)

    def activate_bearer(
        self, tmgi: Tmgi, clients: Iterable[str], now: float, lifetime: float | None = None
    ) -> list[Event]:
        """Makes the MSCCK of a bearer that was activated, for the clients that it is announced to."""
        return self._note(self.keydown.make(PurposeTag.MSCCK, Scope.of(str(tmgi)), clients, now, lifetime))

    def admit(self, client: str, groups: Iterable[str], now: float) -> list[KeyId]:
        """``client`` is entitled to the MuSiKs of ``groups`` from now on; the keys that it is to be given."""
        return self._admit(client, map(self._musik_of, groups))

    def admit_to_bearer(self, client: str, tmgi: Tmgi) -> list[KeyId]:
        """``client`` is told of the bearer from now on; the MSCCKs that it is to be given."""
        return self._admit(client, [self.keydown.msccks.get(str(tmgi))])

    def release(self, client: str, groups: Iterable[str] | None, now: float) -> list[Event]:
        """``client`` left ``groups`` by itself (None: all of them, and every bearer). Nobody is rekeyed for that.

        It keeps what it needs for the groups that it is still in.
        """
        left = list(self.listeners) if groups is None else list(groups)
        for group in left:
            self.listeners.get(group, set()).discard(client)
        rotations = self.keydown.rotations if groups is None else self._left_by(left)
        happened: list[Event] = []
        for rotation in rotations:
            if client in rotation.audience.members:
                happened += rotation.leave(client, now)
                rotation.audience.dismiss(client)
        return self._note(happened)

    def remove(self, tag: PurposeTag, scope: Scope, members: Collection[str], now: float) -> list[Event]:
        """Takes ``members`` off the groups of a MuSiK or the bearer of an MSCCK, and rekeys at once.

        Removed from a group, they are no longer served with its signalling at all: by unicast neither.

        :raises InvalidValue: there is no such key, or one of them is no member; nothing has changed.
        """
        happened = self.keydown.remove(tag, scope, members, now)
        if tag is PurposeTag.MUSIK:
            for group in self._groups_of(scope):
                self.listeners.get(group, set()).difference_update(members)
        return self._note(happened)

    def downloads(self, now: float) -> list[Download]:
        """The I_MESSAGEs that are to be sent now."""
        return self.keydown.due(now)

    def answered(self, download: Download, now: float, refusal: str | None = None) -> list[Event]:
        """The client's answer to a download: accepted, or ``refusal`` says why not."""
        if refusal is None:
            return self._note(self.keydown.answered(download.client, download.key_id, now))
        return self._note(self.keydown.refused(download.client, download.key_id, refusal, now))

    def release_13_mode(self, group: str, gms: Partner) -> None:
        """The operator allows an MKFC for ``group``, as Release 13 had it; never set by itself.

        Only this mode makes the server depend on another domain: it must know the GMS of the group and that GMS's KMS.
        """
        self._release_13.allow(group, gms)

    def mkfc_message(self, group: str, octets: bytes, now: float) -> list[Event]:
        """The I_MESSAGE by which the group's GMS gives its MKFC to this server, or revokes it.

        :raises Forbidden: the operator did not set Release 13 mode for the group.
        :raises PeerError: it does not open, is not from that GMS, or is for another group; nothing has changed.
        """
        before = self._release_13.mkfcs.get(group)
        happened = self._release_13.take(group, octets, now)
        keys = [
            source.sending for source in (before, self._release_13.mkfcs.get(group)) if source is not None
        ]
        return self._note(happened, *keys)

    def held(self, client: str, key_id: KeyId, now: float, refusal: str | None = None) -> list[Event]:
        """The client's answer about one key: accepted, or ``refusal`` says why not."""
        rotation = self.keydown.rotation_of(key_id)
        if rotation is None:
            return []
        if refusal is not None:
            return self._note(rotation.refused(client, key_id, refusal, now))
        return self._note(rotation.held(client, key_id, now))

    def revoke(self, key_id: KeyId, reason: str, now: float) -> list[Event]:
        """Stops all use of a MuSiK or MSCCK.

        :raises InvalidValue: there is no such key.
        """
        rotation = self.keydown.rotation_of(key_id)
        if rotation is None:
            raise InvalidValue(f"no key {key_id}", code="keys.unknown")
        return self._note(rotation.revoke(key_id, reason, now))

    def renew(self, initiator: Initiator, receiver: Receiver) -> None:
        """A key period began, or comes: what the server signs with, and what opens uploads, from now on."""
        self.keydown.renew(initiator)
        self.csks.renew(receiver)

    def resume(self, head: Head | None, keys: Iterable[Key]) -> None:
        """Goes on after a restart: the end of the chain of records, and the keys that it speaks of."""
        self._chain = Chain(self.domain, head)
        self._made |= {key.key_id: key for key in keys}

    # --- time

    def poll(self, now: float) -> list[Event]:
        """Does what is due: keys are switched, retired and destroyed."""
        return self._note(self.keydown.poll(now))

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do; None: not before something else happens."""
        return self.keydown.next_timer()

    # --- listeners

    def check_listener(self, client: str, tmgi: Tmgi, group: str | None) -> None:
        """Whether ``client`` may be served on the bearer, and with the call of ``group``.

        :raises Refused: there is no such bearer, or the client is not entitled to its keys.
        """
        if str(tmgi) not in self.keydown.msccks:
            raise Refused(
                f"no bearer {tmgi} is active", code="server.unknown-bearer", clause="TS 24.379 14.3.3"
            )
        if any(client not in rotation.audience.members for rotation in self._heard_in(tmgi, group)):
            raise Refused(
                f"{client} is not entitled to the keys of {tmgi} and {group or 'its subchannel'}",
                code="server.not-entitled",
                hint="announce the bearer to it, and make it a member of the group's MuSiK",
            )

    def listens(self, client: str, tmgi: Tmgi, group: str | None, now: float) -> list[Event]:
        """A listening report: ``client`` receives the bearer, and is in the call of ``group`` if one is named.

        :raises Refused: as :meth:`check_listener`; nothing has changed.
        """
        self.check_listener(client, tmgi, group)
        if group is not None:
            self.listeners.setdefault(group, set()).add(client)
        heard = self._heard_in(tmgi, group)
        return self._note([event for rotation in heard for event in rotation.listen(client, now)])

    def listens_no_more(self, client: str, tmgi: Tmgi, group: str | None, now: float) -> list[Event]:
        """``client`` does not hear the call of ``group`` on the bearer any more; without a group, nothing there."""
        groups = list(self.listeners) if group is None else [group]
        left = [] if group is not None else [self.keydown.msccks.get(str(tmgi))]
        for one in groups:
            self.listeners.get(one, set()).discard(client)
            left.append(self._musik_of(one))
        still = [self._musik_of(one) for one, who in self.listeners.items() if client in who]
        happened: list[Event] = []
        for rotation in {
            id(found): found for found in left if found is not None and found not in still
        }.values():
            happened += rotation.leave(client, now)
        return self._note(happened)

    # --- sending

    def subchannel(self, tmgi: Tmgi, message: rtcp.Message, now: float) -> Sent:
        """Subchannel control for everyone on the bearer."""
        sent = self._signalling.subchannel(str(tmgi), message, now)
        self._note_use([sent], Traffic.SUBCHANNEL_CONTROL, tmgi, now)
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
    ) -> list[Sent]:
        """Floor control of ``group`` for everyone who listens to its call; without a bearer, to each by unicast.

        :param constituent: for a temporary group, the group in it whose listeners are meant.
        :param apart: who does not hear the bearer, and gets it by unicast.
        """
        heard: Collection[str] = self.listeners.get(constituent or group, ())
        bearer = None if tmgi is None else str(tmgi)
        sent = self._signalling.floor(bearer, group, message, heard, now, rules, constituent, apart)
        if tmgi is not None:
            self._note_use(sent, Traffic.MBMS_FLOOR, tmgi, now)
        return sent

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

    # --- inside

    def _admit(self, client: str, rotations: Iterable[Rotation | None]) -> list[KeyId]:
        wanted: list[KeyId] = []
        for rotation in {id(found): found for found in rotations if found is not None}.values():
            rotation.admit(client)
            wanted += [key.key_id for key in rotation.deliverable(client)]
        return wanted

    def _left_by(self, groups: Collection[str]) -> list[Rotation]:
        """The MuSiKs of which ``client`` left every group; one for other groups too, it keeps."""
        left = set(groups)
        found = (self.keydown.musiks.get(group) for group in sorted(left))
        unique = {id(rotation): rotation for rotation in found if rotation is not None}
        return [rotation for rotation in unique.values() if rotation.scope.names <= left]

    def _musik_of(self, group: str) -> Rotation | None:
        return self.keydown.musiks.get(group) or self.keydown.musiks.get(None)

    def _heard_in(self, tmgi: Tmgi, group: str | None) -> list[Rotation]:
        """The rotations whose keys protect what is heard: of the bearer, and of the group's call on it."""
        musik = None if group is None else self._musik_of(group)
        mscck = self.keydown.msccks[str(tmgi)]
        return [mscck] if musik is None else [mscck, musik]

    def _groups_of(self, scope: Scope) -> list[str]:
        """The groups that a MuSiK of ``scope`` is for: those it names, or all that have none of their own."""
        return sorted(scope.names or self.listeners.keys() - self.keydown.musiks.keys())

    def _note(self, happened: list[Event], *about: Key | None) -> list[Event]:
        """Writes down what happened to keys; ``about`` are those of them that this server did not make."""
        others = {key.key_id: key for key in about if key is not None}
        for event in happened:
            if not isinstance(event, KeyEvent):
                continue
            if isinstance(event, KeyMade) and (made := self.keydown.find(event.key_id)) is not None:
                self._made[event.key_id] = made
            key = others.get(event.key_id) or self._made.get(event.key_id)
            if key is not None:
                own = key.maker == self.keydown.maker
                record = self._chain.note(event, key, signer=key.maker.entity if own else "")
                self.records += [record] if record is not None else []
            if isinstance(event, KeyDestroyed):
                # The last word about a key is written, and its octets go with this.
                self._made.pop(event.key_id, None)
                self._used = {use for use in self._used if use[0] != event.key_id}
        return happened

    def _note_use(self, sent: Sequence[Sent], traffic: Traffic, tmgi: Tmgi, now: float) -> None:
        for one in sent:
            if isinstance(one, OnBearer):
                use = (one.key.key_id, traffic.name, str(tmgi))
                if use not in self._used:
                    self._used.add(use)
                    self._note([KeyFirstUsed(now, *use)], one.key)
