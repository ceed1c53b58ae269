"""The MCX server of a domain, participating function: decisions only; no sockets, no clock, no database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import Forbidden
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys import transport
from mcsec.keys.events import Event, KeyEvent, KeyFirstUsed, KeyReceived
from mcsec.keys.key import Key, Scope
from mcsec.keys.kinds import Party, Traffic, kind_of
from mcsec.keys.policy import GivenKey, GroupRules, Question, Refuse, SenderKeys, decide
from mcsec.keys.provenance import Chain, Record
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.open import open_message
from mcsec.mikey.receiver import Receiver, Sender
from mcsec.server.csk import take_csk
from mcsec.server.keydown import Download, KeyDownload
from mcsec.server.signalling import ABSENT, OnBearer, Sent, Signalling
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorMessage


@dataclass(frozen=True, slots=True)
class Partner:
    """An entity of another MC domain: its URI, its domain, and what its KMS publishes."""

    uri: str
    domain: str
    kms: KmsPublicKeys


class ServerEngine:
    """One domain's MCX server.

    It makes MuSiKs and MSCCKs, takes CSKs, and sends floor and subchannel control under the key that policy names. It
    holds no GMK: media passes through :meth:`forward` unread.

    :ivar keydown: the keys it makes, and their way to the clients.
    :ivar listeners: MC service IDs that listen to a group's call, by group ID.
    :ivar records: the provenance of every key, chained by hashes.
    """

    def __init__(self, domain: str, initiator: Initiator, clients: Recipient, receiver: Receiver) -> None:
        """:param initiator: signs what the server sends. :param receiver: opens what clients upload.
        :param clients: the KMS of the domain's clients.
        """
        self.domain = domain
        self.keydown = KeyDownload(domain, initiator, clients)
        self.listeners: dict[str, set[str]] = {}
        self.records: list[Record] = []
        self._chain = Chain(domain)
        self._used: set[tuple[str, str, str]] = set()
        self._partners: dict[str, Partner] = {}
        self._clients_kms = clients.kms.kms_uri
        self._receiver = receiver
        self._csks: dict[str, Key] = {}
        self._mkfcs: dict[str, GivenKey] = {}
        self._release_13: set[str] = set()
        self._keys = SenderKeys(
            domain,
            musiks=self.keydown.musiks,
            msccks=self.keydown.msccks,
            csks=self._csks,
            mkfcs=self._mkfcs,
            release_13=self._release_13,
        )
        self._signalling = Signalling(self._keys)

    @property
    def kinds_held(self) -> frozenset[PurposeTag]:
        """The kinds of key that this server holds: never a GMK."""
        given = (source.sending for source in self._mkfcs.values())
        ids = [*self.keydown.live, *(key.key_id for key in self._csks.values())]
        return frozenset(key_id.tag for key_id in [*ids, *(key.key_id for key in given if key is not None)])

    # --- keys

    def csk_uploaded(self, client: str, octets: bytes, now: float) -> list[Event]:
        """A client's CSK upload.

        :raises PeerError: it does not open, or is not the client's own; nothing has changed.
        """
        key = take_csk(octets, client, self._clients_kms, self.domain, self._receiver, now)
        self._csks[client] = key
        return self._note([KeyReceived(now, key.key_id, client)])

    def make_musik(self, scope: Scope, members: Iterable[str], now: float) -> list[Event]:
        """Makes a MuSiK for ``scope`` and offers it to ``members``."""
        happened = self.keydown.make(PurposeTag.MUSIK, scope, members, now)
        rotation = self.keydown.rotation(PurposeTag.MUSIK, scope)
        # Who listened before the group had a MuSiK of its own listens still.
        for group in scope.names or self.listeners:
            for listener in self.listeners.get(group, set()) & rotation.audience.members:
                happened += rotation.listen(listener, now)
        return self._note(happened)

    def activate_bearer(self, tmgi: Tmgi, clients: Iterable[str], now: float) -> list[Event]:
        """Makes the MSCCK of a bearer that was activated, for the clients that it is announced to."""
        return self._note(self.keydown.make(PurposeTag.MSCCK, Scope.of(str(tmgi)), clients, now))

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
        self._partners[group] = gms
        known = [kms for kms in self._receiver.kms if kms.kms_uri != gms.kms.kms_uri]
        self._receiver = replace(self._receiver, kms=[*known, gms.kms])
        self._release_13.add(group)

    def mkfc_message(self, group: str, octets: bytes, now: float) -> list[Event]:
        """The I_MESSAGE by which the group's GMS gives its MKFC to this server.

        :raises Forbidden: the operator did not set Release 13 mode for the group.
        :raises PeerError: it does not open, or is not from that GMS.
        """
        if group not in self._partners:
            raise Forbidden(
                f"no MKFC is taken for {group}",
                code="server.release-13-off",
                hint="set Release 13 mode for the group",
            )
        gms = self._partners[group]
        sender = Sender(gms.uri, gms.kms.kms_uri, frozenset({PurposeTag.MKFC}))
        key = transport.read(open_message(octets, self._receiver, [sender], now), gms.domain)
        kind_of(key.key_id.tag).require_route(Party.GMS, Party.SERVER)
        self._mkfcs[group] = GivenKey(key)
        return self._note([KeyReceived(now, key.key_id, key.maker.entity)])

    # --- listeners

    def listens(self, client: str, tmgi: Tmgi, group: str, now: float) -> list[Event]:
        """A listening report: ``client`` receives the bearer and is in the call of ``group``."""
        self.listeners.setdefault(group, set()).add(client)
        source = self.keydown.musiks.get(group) or self.keydown.musiks.get(None)
        happened = self.keydown.msccks[str(tmgi)].listen(client, now)
        return self._note(happened + (source.listen(client, now) if source is not None else []))

    # --- sending

    def subchannel(self, tmgi: Tmgi, message: rtcp.Message, now: float) -> Sent:
        """Subchannel control for everyone on the bearer."""
        sent = self._signalling.subchannel(str(tmgi), message, now)
        self._note_use([sent], Traffic.SUBCHANNEL_CONTROL, tmgi, now)
        return sent

    def floor(
        self, tmgi: Tmgi, group: str, message: FloorMessage, now: float, rules: GroupRules = ABSENT
    ) -> list[Sent]:
        """Floor control of ``group`` for everyone who listens to its call."""
        listeners: Collection[str] = self.listeners.get(group, ())
        sent = self._signalling.floor(str(tmgi), group, message, listeners, now, rules)
        self._note_use(sent, Traffic.MBMS_FLOOR, tmgi, now)
        return sent

    def ssrc(self, traffic: Traffic, tmgi: Tmgi) -> int:
        """The SSRC that this server's messages on the bearer carry."""
        return self._signalling.ssrc(traffic, str(tmgi))

    def forward(self, group: str, packet: bytes, mki_octets: int, now: float) -> ForwardedMedia:
        """Media of ``group`` as it came. The server has no key for it and does not look inside.

        :param mki_octets: how long the MKI at the end is; 0 for plain RTP.
        :raises Forbidden: media without protection where the group asks for it.
        """
        question = Question(Traffic.GROUP_MEDIA, group, mki=packet[-mki_octets:] if mki_octets else None)
        decision = decide(question, self._keys, now)
        if isinstance(decision, Refuse):
            raise decision.error()
        return ForwardedMedia(packet)

    # --- provenance

    def _note(self, happened: list[Event]) -> list[Event]:
        for event in happened:
            key = self._find(event.key_id) if isinstance(event, KeyEvent) else None
            if isinstance(event, KeyEvent) and key is not None:
                own = key.maker == self.keydown.maker
                record = self._chain.note(event, key, signer=key.maker.entity if own else "")
                self.records += [record] if record is not None else []
        return happened

    def _note_use(self, sent: Sequence[Sent], traffic: Traffic, tmgi: Tmgi, now: float) -> None:
        for one in sent:
            use = (str(one.key.key_id), traffic.name, str(tmgi)) if isinstance(one, OnBearer) else None
            if isinstance(one, OnBearer) and use is not None and use not in self._used:
                self._used.add(use)
                self._note([KeyFirstUsed(now, one.key.key_id, traffic.name, str(tmgi))])

    def _find(self, key_id: KeyId) -> Key | None:
        given = (source.sending for source in self._mkfcs.values())
        held = [*self._csks.values(), *(key for key in given if key is not None)]
        return self.keydown.find(key_id) or next((key for key in held if key.key_id == key_id), None)
