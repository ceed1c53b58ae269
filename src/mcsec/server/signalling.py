"""Protecting and routing what the participating function signals: on the bearer once, or to single clients.

Which key protects what is not decided here: :func:`mcsec.keys.policy.decide` is asked, and what it answers is done.
Nothing leaves this file but protected packets.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from mcsec.crypto.srtp import ProtectedPacket
from mcsec.ids import KeyId
from mcsec.keys.events import BroadcastRefused
from mcsec.keys.key import Key
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import (
    Broadcast,
    Decision,
    GroupRules,
    Question,
    Reason,
    Refuse,
    SenderKeys,
    Unicast,
    decide,
    unreached,
)
from mcsec.keys.reservation import Block, Reserve, draw_ssrc
from mcsec.keys.rotation import STANDARD
from mcsec.server.channel import Channel
from mcsec.server.indexes import Indexes, IndexesWanted
from mcsec.wire import rtcp

ABSENT = GroupRules()
"""No group document says anything: protected."""


@dataclass(frozen=True, slots=True)
class OnBearer:
    """One packet for everyone on the bearer."""

    packet: ProtectedPacket
    key: Key
    reason: Reason


@dataclass(frozen=True, slots=True)
class ToClient:
    """One packet for one client."""

    client: str
    packet: ProtectedPacket
    key: Key
    reason: Reason


Sent = OnBearer | ToClient | BroadcastRefused


@dataclass(frozen=True, slots=True)
class ToPeer:
    """One packet for one MCX server of another domain."""

    peer: str
    packet: ProtectedPacket
    key: Key


@dataclass(frozen=True, slots=True)
class _Planned:
    """A message that policy lets go, its channel and key; ``client`` None: to the bearer."""

    channel: Channel
    message: rtcp.Message
    key: Key
    reason: Reason
    client: str | None = None


class Signalling:
    """Everything that a server sends protected: one channel for each bearer's floor control, one for each bearer's
    subchannel control, one for each client.

    :ivar worn: keys under which so many indexes are used that each should be replaced; whoever sees to it takes them.
    """

    def __init__(self, keys: SenderKeys, indexes: Indexes, renew_index: int = STANDARD.renew_index) -> None:
        self.worn: set[KeyId] = set()
        self._renew_index = renew_index
        self._keys = keys
        self._indexes = indexes
        self._channels: dict[tuple[Traffic, str], Channel] = {}
        self._by_ssrc: dict[int, Channel] = {}

    def ssrc(self, traffic: Traffic, name: str) -> int:
        """The SSRC that messages of this traffic carry."""
        return self._channel(traffic, name).ssrc

    def subchannel(self, tmgi: str, message: rtcp.Message, now: float) -> Sent:
        """Subchannel control for everyone on the bearer ``tmgi``, or why not.

        :raises IndexesWanted: nothing was sent; indexes are to be granted first. So of the other two.
        """
        question = Question(Traffic.SUBCHANNEL_CONTROL, tmgi)
        decision = decide(question, self._keys, now)
        return self._send([self._on_bearer(question, decision, tmgi, message, now)])[0]

    def floor(
        self,
        tmgi: str | None,
        group: str,
        message: rtcp.Message,
        listeners: Collection[str],
        now: float,
        rules: GroupRules = ABSENT,
        constituent: str | None = None,
        apart: Collection[str] = (),
    ) -> list[Sent]:
        """Floor control of ``group`` for its listeners: once on the bearer, and by unicast to whom that does not reach.

        The work grows with the listeners that the bearer does not reach, not with all of them.

        :param tmgi: None where there is no bearer: all are told by unicast.
        :param constituent: for a temporary group, the group in it whose listeners they are.
        :param apart: who does not hear the bearer and is told by unicast all the same.
        """
        question = Question(Traffic.MBMS_FLOOR, group, constituent=constituent, rules=rules)
        planned: list[_Planned | BroadcastRefused] = []
        alone = set(apart)
        if tmgi is None:
            alone.update(listeners)
        else:
            decision = decide(question, self._keys, now)
            planned.append(self._on_bearer(question, decision, tmgi, message, now))
            for listener in sorted(unreached(question, decision, self._keys, listeners)):
                planned.append(self._to_client(question, listener, message, now))
        for client in sorted(alone):
            planned.append(self._to_client(Question(Traffic.UNICAST_FLOOR, client), client, message, now))
        return self._send(planned)

    def to_client(self, client: str, message: rtcp.Message, now: float, leg: int = 0) -> Sent:
        """Floor control for one client, under its CSK.

        :param leg: which of its calls, so that a packet for one does not count in another: each has its SSRC.
        """
        question = Question(Traffic.UNICAST_FLOOR, client)
        return self._send([self._to_client(question, client, message, now, leg)])[0]

    def client_ssrc(self, client: str, leg: int = 0) -> int:
        """The SSRC of what :meth:`to_client` gives."""
        return self._channel(Traffic.UNICAST_FLOOR, _leg(client, leg)).ssrc

    def to_peer(self, peer: str, leg: int, message: rtcp.Message, now: float) -> ToPeer:
        """Floor control for the MCX server of another domain, under the SPK; ``leg`` as for :meth:`to_client`.

        :raises Forbidden: there is no SPK. :raises IndexesWanted: nothing was made; indexes are to be granted first.
        """
        decision = decide(Question(Traffic.SERVER_LINK, peer), self._keys, now)
        if isinstance(decision, Refuse):
            raise decision.error()
        assert isinstance(decision, Unicast), "between servers nothing is broadcast or passed on"
        channel = self._peer_channel(peer, leg)
        wish = channel.prepare(decision.key)
        if wish is not None:
            raise IndexesWanted((wish,))
        packet = channel.protect(replace(message, ssrc=channel.ssrc), decision.key)
        return ToPeer(peer, packet, decision.key)

    def peer_ssrc(self, peer: str, leg: int) -> int:
        """The SSRC of what :meth:`to_peer` gives."""
        return self._peer_channel(peer, leg).ssrc

    def grant(self, block: Block) -> None:
        """Indexes that were wished for are reserved durably."""
        if block.ssrc in self._by_ssrc:
            self._by_ssrc[block.ssrc].grant(block)

    def not_granted(self, wish: Reserve) -> None:
        """The store did not reserve; the next message wishes again."""
        if wish.ssrc in self._by_ssrc:
            self._by_ssrc[wish.ssrc].failed()

    def _send(self, planned: Sequence[_Planned | BroadcastRefused]) -> list[Sent]:
        """Protects all that is planned, or, where an index is missing, none of it."""
        wishes = [one.channel.prepare(one.key) for one in planned if isinstance(one, _Planned)]
        if missing := tuple(wish for wish in wishes if wish is not None):
            raise IndexesWanted(missing)
        sent: list[Sent] = []
        for one in planned:
            if isinstance(one, BroadcastRefused):
                sent.append(one)
                continue
            packet = one.channel.protect(one.message, one.key)
            if one.client is None:
                sent.append(OnBearer(packet, one.key, one.reason))
            else:
                sent.append(ToClient(one.client, packet, one.key, one.reason))
        return sent

    def _on_bearer(
        self, question: Question, decision: Decision, tmgi: str, message: rtcp.Message, now: float
    ) -> _Planned | BroadcastRefused:
        rtcp.check_multicast(message)
        if isinstance(decision, Refuse):
            return decision.event(question, now)
        assert isinstance(decision, Broadcast), "a question without a listener is about the bearer"
        channel = self._channel_for(question.traffic, tmgi, decision.key)
        return _Planned(channel, replace(message, ssrc=channel.ssrc), decision.key, decision.reason)

    def _to_client(
        self, question: Question, client: str, message: rtcp.Message, now: float, leg: int = 0
    ) -> _Planned | BroadcastRefused:
        question = replace(question, listener=client)
        decision = decide(question, self._keys, now)
        if isinstance(decision, Unicast):
            # The same message under another SSRC of ours: each client has a channel of its own.
            channel = self._channel_for(Traffic.UNICAST_FLOOR, _leg(client, leg), decision.key)
            return _Planned(
                channel, replace(message, ssrc=channel.ssrc), decision.key, decision.reason, client
            )
        assert isinstance(decision, Refuse), "the bearer does not reach this listener"
        return decision.event(question, now)

    def _peer_channel(self, peer: str, leg: int) -> Channel:
        """Two servers send under one SPK, and neither knows what the other drew. So that no nonce comes twice, whoever
        made the key has the lower half of the SSRCs, and the other one the upper half.
        """
        key = self._keys.spks.get(peer)
        upper = key is not None and key.maker.domain != self._keys.domain
        return self._channel(Traffic.SERVER_LINK, _leg(peer, leg), upper)

    def _channel(self, traffic: Traffic, name: str, upper: bool | None = None) -> Channel:
        place = (traffic, name)
        if place not in self._channels:
            # Two bearers may have one MuSiK, so channels must differ in their SSRC for certain.
            ssrc = draw_ssrc(self._by_ssrc)
            while upper is not None and bool(ssrc >> 31) is not upper:
                ssrc = draw_ssrc(self._by_ssrc)
            self._channels[place] = self._by_ssrc[ssrc] = Channel(ssrc, self._indexes, self._granted)
        return self._channels[place]

    def _granted(self, block: Block) -> None:
        if block.last >= self._renew_index:
            self.worn.add(block.key_id)

    def _channel_for(self, traffic: Traffic, name: str, key: Key) -> Channel:
        """The channel for a message under ``key``. Its index counts on from key to key; one that has gone far begins
        again with another SSRC, where a new key begins."""
        channel = self._channel(traffic, name)
        if channel.spent(key):
            del self._channels[traffic, name], self._by_ssrc[channel.ssrc]
            channel = self._channel(traffic, name)
        return channel


def _leg(name: str, leg: int) -> str:
    """The name of a channel: a client or peer has one for each of the calls that it is in at a time."""
    return f"{name} {leg}" if leg else name
