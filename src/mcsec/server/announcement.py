"""Announcing bearers (TS 24.379 14.2): what a client must know to hear one, with the MSCCK in its SDP."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

from mcsec.errors import DecodeError
from mcsec.ids import Tmgi
from mcsec.server.templates import MESSAGE, USER, BodyTemplate
from mcsec.wire import mc_bodies, sdp_mcptt
from mcsec.wire.codecs import SPOKEN, Codec, audio_line
from mcsec.wire.mb2.values import ServiceArea
from mcsec.wire.mbms_usage import Announcement, MbmsUsage

#: The profile of a placeholder: protection is not agreed on here, but says the group's document.
_PROFILE = "RTP/AVP"


@dataclass(frozen=True, slots=True)
class Bearer:
    """One announced bearer that carries a general purpose subchannel at ``address`` and ``port``.

    ``areas`` are service area identities; none: the bearer is withdrawn. ``groups``: whom it is announced to, by
    affiliation; none: everybody.
    """

    tmgi: Tmgi
    areas: tuple[int, ...]
    address: IPv4Address | IPv6Address
    port: int
    qci: int | None = None
    groups: frozenset[str] = frozenset()
    report_suspension: bool | None = None

    def encode(self) -> str:
        """JSON, for the store."""
        return json.dumps(
            {
                "tmgi": self.tmgi.encode().hex(),
                "areas": self.areas,
                "address": str(self.address),
                "port": self.port,
                "qci": self.qci,
                "groups": sorted(self.groups),
                "report_suspension": self.report_suspension,
            }
        )

    @classmethod
    def decode(cls, text: str) -> Self:
        """From what :meth:`encode` gave.

        :raises DecodeError: it is none.
        """
        try:
            plain = json.loads(text)
            return cls(
                Tmgi.decode(bytes.fromhex(plain["tmgi"])),
                tuple(plain["areas"]),
                ip_address(plain["address"]),
                plain["port"],
                plain["qci"],
                frozenset(plain["groups"]),
                plain["report_suspension"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DecodeError(f"no description of a bearer: {error}", code="server.bearer") from None

    @property
    def withdrawn(self) -> bool:
        """Whether clients are told that it ended."""
        return not self.areas

    def end(self) -> Bearer:
        """The same bearer, withdrawn."""
        return replace(self, areas=())

    def serves(self, groups: frozenset[str]) -> bool:
        """Whether it is announced to a user with these affiliations."""
        return not self.groups or not self.groups.isdisjoint(groups)


def template(
    bearer: Bearer, domain: str, origin_host: str, boundary: str, codecs: tuple[Codec, ...] = SPOKEN
) -> BodyTemplate:
    """The announcement of a bearer, or of its end, but for user and MSCCK; ``codecs`` are those of calls on it."""
    if bearer.withdrawn:
        usage = MbmsUsage(announcements=(Announcement(tmgi=bearer.tmgi),))
        return BodyTemplate(mc_bodies.announcement(USER, None, usage), domain, boundary)
    subchannel = sdp_mcptt.GeneralPurpose(bearer.address, bearer.port, MESSAGE)
    audio = audio_line(codecs, _PROFILE, sdp_mcptt.DISCARD_PORT)
    described = sdp_mcptt.announcement(f"- 0 0 IN IP4 {origin_host}", subchannel, audio)
    usage = MbmsUsage(
        announcements=(
            Announcement(
                tmgi=bearer.tmgi,
                qci=bearer.qci,
                service_area=ServiceArea(bearer.areas),
                gpms=described.gpms,
                report_suspension=bearer.report_suspension,
            ),
        )
    )
    return BodyTemplate(mc_bodies.announcement(USER, described.session, usage), domain, boundary, b64encode)
