"""Protecting and routing what the participating function signals: on the bearer once, or to single clients.

Which key protects what is not decided here: :func:`mcsec.keys.policy.decide` is asked, and what it answers is done.
Nothing leaves this file but protected packets.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from mcsec.crypto.srtp import ProtectedPacket, SrtcpSender, SrtpProfile
from mcsec.keys.events import BroadcastRefused
from mcsec.keys.key import Key
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import (
    Broadcast,
    GroupRules,
    Question,
    Reason,
    Refuse,
    SenderKeys,
    Unicast,
    decide,
    unreached,
)
from mcsec.keys.reservation import FIRST_INDEX, LAST_INDEX, draw_ssrc
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


class Channel:
    """What one SSRC of ours sends. The index counts on when the key changes (RFC 3711 3.4).

    The SSRC is drawn anew for each channel of each process, so that no two channels share a nonce under one key.
    """

    def __init__(self) -> None:
        self.ssrc = draw_ssrc()
        self._sender: SrtcpSender | None = None
        self._key: Key | None = None

    def protect(self, message: rtcp.Message, key: Key) -> ProtectedPacket:
        """``message`` under ``key``.

        :raises IndexExhausted: no index is left; the channel is to be replaced.
        """
        if self._sender is None:
            self._sender = SrtcpSender(
                SrtpProfile.AEAD_AES_128_GCM,
                self.ssrc,
                *key.srtp_material(),
                first=FIRST_INDEX,
                last=LAST_INDEX,
            )
        elif key is not self._key:
            self._sender.install_key(*key.srtp_material())
        self._key = key
        return self._sender.protect(rtcp.encode(message))


class Signalling:
    """Everything that a server sends protected: one channel for each bearer's floor control, one for each bearer's
    subchannel control, one for each client."""

    def __init__(self, keys: SenderKeys) -> None:
        self._keys = keys
        self._channels: dict[tuple[Traffic, str], Channel] = {}

    def ssrc(self, traffic: Traffic, name: str) -> int:
        """The SSRC that messages of this traffic carry."""
        return self._channel(traffic, name).ssrc

    def subchannel(self, tmgi: str, message: rtcp.Message, now: float) -> Sent:
        """Subchannel control for everyone on the bearer ``tmgi``, or why not."""
        question = Question(Traffic.SUBCHANNEL_CONTROL, tmgi)
        return self._on_bearer(question, tmgi, message, now)

    def floor(
        self,
        tmgi: str,
        group: str,
        message: rtcp.Message,
        listeners: Collection[str],
        now: float,
        rules: GroupRules = ABSENT,
    ) -> list[Sent]:
        """Floor control of ``group`` for its listeners: once on the bearer, and by unicast to whom that does not reach.

        The work grows with the listeners that the bearer does not reach, not with all of them.
        """
        question = Question(Traffic.MBMS_FLOOR, group, rules=rules)
        on_bearer = self._on_bearer(question, tmgi, message, now)
        sent: list[Sent] = [on_bearer]
        for listener in sorted(unreached(question, self._keys, listeners, now)):
            sent.append(self._to_client(question, listener, message, now))
        return sent

    def to_client(self, client: str, message: rtcp.Message, now: float) -> Sent:
        """Floor control for one client, under its CSK."""
        return self._to_client(Question(Traffic.UNICAST_FLOOR, client), client, message, now)

    def _on_bearer(self, question: Question, tmgi: str, message: rtcp.Message, now: float) -> Sent:
        rtcp.check_multicast(message)
        decision = decide(question, self._keys, now)
        if isinstance(decision, Refuse):
            return decision.event(question, now)
        assert isinstance(decision, Broadcast), "a question without a listener is about the bearer"
        packet = self._channel(question.traffic, tmgi).protect(message, decision.key)
        return OnBearer(packet, decision.key, decision.reason)

    def _to_client(self, question: Question, client: str, message: rtcp.Message, now: float) -> Sent:
        question = replace(question, listener=client)
        decision = decide(question, self._keys, now)
        if isinstance(decision, Unicast):
            # The same message under another SSRC of ours: each client has a channel of its own.
            channel = self._channel(Traffic.UNICAST_FLOOR, client)
            packet = channel.protect(replace(message, ssrc=channel.ssrc), decision.key)
            return ToClient(client, packet, decision.key, decision.reason)
        assert isinstance(decision, Refuse), "the bearer does not reach this listener"
        return decision.event(question, now)

    def _channel(self, traffic: Traffic, name: str) -> Channel:
        return self._channels.setdefault((traffic, name), Channel())
