"""Floor control between two MCX servers, under the SPK that they agreed on (TS 33.180 5.5; TS 24.380 13.1).

One receive context for each partner: it knows the SPK and nothing else, so that nothing that another domain's server
sends under any other key opens.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.errors import DecodeError, InvalidValue, Refused
from mcsec.ids import PurposeTag, host_of
from mcsec.keys.key import Key
from mcsec.net.media_ports import Address, MediaPorts
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.peer import Peer as Flow
from mcsec.server.calls.numbers import Numbers
from mcsec.server.calls.outbox import Outbox
from mcsec.server.calls.uplink import floor_messages
from mcsec.server.engine import ServerEngine
from mcsec.server.signalling import ToPeer
from mcsec.wire.rtcp.floor import FloorMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """The MCX server of another MC domain.

    ``mdsi`` is its identity, ``participating`` and ``controlling`` are the public service identities of its functions,
    ``hop`` is where SIP to it goes, ``names`` are those of its certificate, of which it shows one. ``domains``: whose
    users it speaks for; its own unless given. ``spks``: what was agreed, oldest first: the last one is sent under, all
    of them are read.
    """

    domain: str
    mdsi: str
    participating: str
    controlling: str
    hop: Hop
    spks: tuple[Key, ...]
    names: frozenset[str]
    domains: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.spks:
            raise InvalidValue(f"no SPK is agreed with {self.domain}", code="call.spk")
        for spk in self.spks:
            if spk.key_id.tag is not PurposeTag.SPK or not spk.scope.covers(self.mdsi):
                raise InvalidValue(f"{spk!r} is no SPK for {self.mdsi}", code="call.spk")
        if not self.names:
            raise InvalidValue(f"{self.domain} shows no certificate", code="call.partner")

    def is_at(self, flow: Flow) -> bool:
        """Whether a connection is the partner's, as its certificate says."""
        return flow.secure and not self.names.isdisjoint(flow.names)

    def speaks_for(self, user: str) -> bool:
        """Whether a user is one of the partner's."""
        return host_of(user) in (self.domains or {self.domain.lower()})


class Link:
    """Floor control with one partner."""

    def __init__(self, partner: Partner, engine: ServerEngine, outbox: Outbox) -> None:
        self.partner = partner
        self._engine, self._outbox = engine, outbox
        self._receiver = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
        for spk in partner.spks:
            self._receiver.add_key(*spk.srtp_material())
        self._numbers = Numbers()
        self._ours: set[int] = set()

    def take(self) -> int:
        """A number for a leg."""
        return self._numbers.take("")

    def give_back(self, number: int) -> None:
        """A leg is over."""
        self._numbers.give_back("", number)

    def ssrc(self, number: int) -> int:
        """The SSRC of what we send on a leg."""
        ssrc = self._engine.peer_ssrc(self.partner.mdsi, number)
        self._ours.add(ssrc)
        return ssrc

    def check(self, ssrc: int | None) -> None:
        """Whether the partner may send from an SSRC: from none that we send from, under the same key.

        :raises Refused: it is one of ours.
        """
        if ssrc is not None and ssrc in self._ours:
            raise Refused("the partner took our SSRC for its own", code="call.sdp", clause="RFC 3711 9.1")

    def send(self, number: int, message: FloorMessage, ports: MediaPorts, to: Address) -> None:
        """A floor message on a leg."""

        def deliver(made: ToPeer) -> None:
            ports.send_floor(made.packet, to)

        name = self.partner.mdsi
        self._outbox.put(lambda now: self._engine.tell_peer(name, number, message, now), deliver)

    def open(self, octets: bytes, ssrc: int | None) -> tuple[FloorMessage, ...]:
        """The floor messages of a packet that came on a leg whose SSRC is ``ssrc``.

        :raises PeerError: it is not protected under the SPK, was changed, was seen before, is for another leg, or holds
            something else.
        """
        opened = self._receiver.unprotect(octets)
        messages = floor_messages(opened.octets)
        if any(message.ssrc != opened.ssrc for message in messages):
            raise DecodeError("an SSRC inside that is not the packet's", code="call.ssrc")
        if ssrc is not None and opened.ssrc != ssrc:
            raise DecodeError("floor control of another leg", code="call.other-leg", clause="TS 24.380 8.1.2")
        return messages
