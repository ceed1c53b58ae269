"""Legs: the ways between a user's client and the floor of its call.

A participating function talks to the controlling function by a :class:`Way`. There are two. Where that is the server of
another domain, a :class:`PartnerLeg`, with ports of its own and SRTCP under the SPK. Where it is this server, one
that only calls the other half (:mod:`mcsec.server.calls.focus`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import LocalError, PeerError, Refused
from mcsec.net.sip.calls import Call
from mcsec.net.sip.message import Response
from mcsec.net.sip.reason import Reason
from mcsec.server.calls import bodies
from mcsec.server.calls.around import Around
from mcsec.server.calls.bodies import Audio, Terms
from mcsec.server.calls.groups import Group
from mcsec.server.floor import Urgency
from mcsec.wire.rtcp.floor import FloorMessage
from mcsec.wire.sdp_mcptt import FloorParameters

OnFloor = Callable[[FloorMessage], None]
OnMedia = Callable[[ForwardedMedia, int], None]


class Way(Protocol):
    """From the participating function to the controlling function, for one user in one call."""

    def floor(self, message: FloorMessage) -> None:
        """A floor message of the user.

        :raises PeerError: it changed nothing.
        """

    def media(self, packet: ForwardedMedia, ssrc: int) -> None:
        """A media packet of the user.

        :raises PeerError: it changed nothing.
        """

    def urge(self, urgency: Urgency) -> Awaitable[None] | None:
        """The user makes the call more urgent, or less; what has to be waited for, where another server decides.

        :raises PeerError: it may not.
        """

    def leave(self, reason: str) -> None:
        """The user is in the call no more."""


def media_ssrc(octets: bytes) -> int:
    """The SSRC of an RTP packet, whose shape was checked."""
    return int.from_bytes(octets[8:12])


class PartnerLeg:
    """One user's leg between the functions of two domains, at either of its ends.

    :ivar call: its dialog; None until there is one. ``heard``: when something came last.
    """

    def __init__(
        self, around: Around, group: Group, user: str, domain: str, on_floor: OnFloor, on_media: OnMedia
    ) -> None:
        """:raises Refused: the domain is no partner. :raises LocalError: no ports are left."""
        self.around, self.group, self.user, self.domain = around, group, user, domain
        self._link = around.link(domain)
        self._on_floor, self._on_media = on_floor, on_media
        self.ports = around.pool.open(self._floor_came, self._media_came)
        self._number = self._link.take()
        self.terms: Terms | None = None
        self.call: Call | None = None
        self.heard = around.clock()
        self._open = True

    @property
    def ssrc(self) -> int:
        """The SSRC of what we send here."""
        return self._link.ssrc(self._number)

    def agree(self, terms: Terms) -> None:
        """What the other side described.

        :raises Refused: it would send from an SSRC that we send from.
        """
        self._link.check(terms.ssrc)
        self.terms = terms

    def describe(self, audio: Audio, parameters: FloorParameters, audio_ssrc: int | None) -> bytes:
        """Our description of the leg."""
        return bodies.write(self.ports.floor, self.ports.media, audio, parameters, audio_ssrc)

    def floor(self, message: FloorMessage) -> None:
        """A floor message to the other side."""
        if self._open and self.terms is not None:
            self._link.send(self._number, message, self.ports, self.terms.floor)

    def media(self, packet: ForwardedMedia, ssrc: int) -> None:
        """A media packet to the other side."""
        if self._open and self.terms is not None:
            self.ports.send_media(packet, self.terms.media)

    def close(self, *, hang_up: bool = True, because: Reason | None = None) -> None:
        """The leg is over; with ``hang_up`` the other side is told, and why."""
        if not self._open:
            return
        self._open = False
        self.ports.close()
        self._link.give_back(self._number)
        if hang_up and self.call is not None and not self.call.ended.is_set():
            self.around.spawn(self.call.hang_up(because))

    def _floor_came(self, octets: bytes, source: tuple[str, int]) -> None:
        try:
            messages = self._link.open(octets, None if self.terms is None else self.terms.ssrc)
            self.heard = self.around.clock()
            for message in messages:
                self._on_floor(message)
        except (PeerError, LocalError) as error:
            self.around.packet_refused(self.group.group_id, f"{self.domain} {self.user}", "floor", error)

    def _media_came(self, octets: bytes, source: tuple[str, int]) -> None:
        try:
            if self.terms is None or source != self.terms.media:
                raise Refused("media from elsewhere", code="call.media-source", clause="TS 24.380 6.3.5")
            packet = self.around.checked_media(self.group.group_id, octets, self.group.rules)
            self.heard = self.around.clock()
            self._on_media(packet, media_ssrc(octets))
        except (PeerError, LocalError) as error:
            self.around.packet_refused(self.group.group_id, f"{self.domain} {self.user}", "media", error)


class PartnerSaysNo(PeerError):
    """A partner refused; ``status`` and ``warning`` are what it answered."""

    code = "call.partner-refused"
    clause = "TS 24.379 6.3.2.1.5"

    def __init__(self, response: Response) -> None:
        super().__init__(f"the partner answered {response.status}")
        self.status = response.status
        self.warning = response.headers.get("Warning")


class PartnerWay:
    """The way to a controlling function of another domain."""

    def __init__(self, leg: PartnerLeg, ask: Callable[[PartnerLeg, Urgency], Awaitable[None]]) -> None:
        """:param ask: tells the other side of a new urgency, by re-INVITE."""
        self.leg = leg
        self._ask = ask

    def floor(self, message: FloorMessage) -> None:
        """A floor message of the user."""
        self.leg.floor(message)

    def media(self, packet: ForwardedMedia, ssrc: int) -> None:
        """A media packet of the user."""
        self.leg.media(packet, ssrc)

    def urge(self, urgency: Urgency) -> Awaitable[None]:
        """The other side decides."""
        return self._ask(self.leg, urgency)

    def leave(self, reason: str) -> None:
        """BYE."""
        self.leg.close()
