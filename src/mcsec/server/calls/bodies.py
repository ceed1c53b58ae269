"""What stands in the INVITEs of group calls and in their answers (TS 24.379 6.2, 6.3, 10.1.1; TS 24.380 12, 14).

One audio line and one floor line. The server does not look at codecs: who makes a call brings an audio line, which is
offered to the others with the server's own address.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from ipaddress import ip_address

from mcsec.errors import DecodeError, Refused
from mcsec.keys.policy import GroupRules
from mcsec.net.media_ports import Address
from mcsec.server.calls.controlling import Entry
from mcsec.server.floor import Urgency
from mcsec.wire import mcptt_info, sdp
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.multipart import Part
from mcsec.wire.sdp import Attribute, Connection, Media, Session
from mcsec.wire.sdp_mcptt import FloorParameters, floor_line, floor_parameters, is_floor_line

#: Profiles whose media is protected, and those whose media is not (RFC 3551, 3711, 4585, 5124).
_PROTECTED = frozenset({"RTP/SAVP", "RTP/SAVPF"})
_CLEAR = frozenset({"RTP/AVP", "RTP/AVPF"})
#: What of an audio line says how it is coded, and is told to the others.
_CODING = frozenset({"rtpmap", "fmtp", "ptime", "maxptime"})
_CLAUSE = "TS 24.379 6.3.3.2.1"


@dataclass(frozen=True, slots=True)
class Audio:
    """How media is coded and protected: profile, formats, and the attributes that belong to them."""

    protocol: str
    formats: tuple[str, ...]
    attributes: tuple[Attribute, ...]

    def common(self, other: Audio) -> Audio:
        """What both can: the formats of ours that the other has.

        :raises Refused: none.
        """
        formats = tuple(one for one in self.formats if one in other.formats)
        if not formats or (self.protocol in _PROTECTED) != (other.protocol in _PROTECTED):
            raise Refused("no codec or profile in common", code="call.codec", clause=_CLAUSE)
        return replace(self, formats=formats)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the other side described: where it receives, its floor parameters, its media.

    ``ssrc``: of its floor messages; ``audio_ssrc``: of its media (RFC 5576), None: the same.
    """

    floor: Address
    media: Address
    audio: Audio
    parameters: FloorParameters
    audio_ssrc: int | None = None

    @property
    def ssrc(self) -> int | None:
        """The SSRC of its floor messages."""
        return self.parameters.ssrc

    @property
    def speaks_as(self) -> int | None:
        """The SSRC of its media."""
        return self.ssrc if self.audio_ssrc is None else self.audio_ssrc

    def entry(self, info: McpttInfo | None = None, *, late: bool = False) -> Entry:
        """How it comes into a call; ``late``: by an INVITE of ours, or into a call that goes on: nothing is asked."""
        return Entry(
            ssrc=self.ssrc,
            audio_ssrc=self.speaks_as,
            priority=self.parameters.priority,
            queueing=self.parameters.queueing,
            asks=self.parameters.implicit_request and not late,
            urgency=Urgency.NORMAL if info is None else urgency_of(info),
            broadcast=info is not None and info.broadcast_ind is True,
        )


def urgency_of(info: McpttInfo) -> Urgency:
    """What a call is about, as mcptt-info says it."""
    if info.emergency_ind is True:
        return Urgency.EMERGENCY
    return Urgency.IMMINENT_PERIL if info.imminentperil_ind is True else Urgency.NORMAL


def urgent(info: McpttInfo, urgency: Urgency) -> McpttInfo:
    """``info`` with what the call is about, that it is not urgent too."""
    return replace(
        info,
        emergency_ind=urgency is Urgency.EMERGENCY,
        imminentperil_ind=urgency is Urgency.IMMINENT_PERIL,
    )


def read(body: bytes, rules: GroupRules) -> Terms:
    """A description.

    :raises Refused: no audio or floor line that leads somewhere, or media in clear that the group's rules do not allow.
    :raises DecodeError: a line is broken.
    """
    session = sdp.decode(body)
    audio = next((line for line in session.media if line.kind == "audio" and line.port), None)
    floor = next((line for line in session.media if is_floor_line(line) and line.port), None)
    if audio is None or floor is None:
        raise Refused("no audio line or no floor line", code="call.sdp", clause=_CLAUSE)
    protocol = audio.protocol.upper()
    if protocol not in _PROTECTED | _CLEAR:
        raise Refused(f"media by {audio.protocol}", code="call.sdp", clause=_CLAUSE)
    if protocol in _CLEAR and rules.protect_media is not False:
        raise Refused("the media would not be protected", code="call.media-clear", clause="TS 24.380 13.1")
    kept = tuple(one for one in audio.attributes if one.name in _CODING)
    return Terms(
        _place(session, floor),
        _place(session, audio),
        Audio(protocol, audio.formats, kept),
        floor_parameters(floor),
        _audio_ssrc(audio),
    )


def write(
    floor: Address,
    media: Address,
    audio: Audio,
    parameters: FloorParameters,
    audio_ssrc: int | None = None,
    *,
    number: int = 0,
) -> bytes:
    """A description of ours.

    :param audio_ssrc: of the media of the one user whom a leg between functions is for.
    :param number: names the session in ``o=``; 0: a fresh one.
    """
    where = ip_address(media[0])
    whose = () if audio_ssrc is None else (Attribute("ssrc", f"{audio_ssrc} cname:{audio_ssrc:08x}"),)
    line = Media(
        "audio", media[1], audio.protocol, audio.formats, (*audio.attributes, *whose), title="speech"
    )
    below = floor_line(floor[1], parameters)
    if floor[0] != media[0]:
        below = replace(below, connection=Connection(ip_address(floor[0])))
    origin = f"- {number or secrets.randbits(53)} 1 IN IP{where.version} {where}"
    return sdp.encode(Session(origin, connection=Connection(where), media=(line, below)))


def answered(wanted: FloorParameters, ssrc: int, *, priority: int, queueing: bool) -> FloorParameters:
    """Our floor parameters in an answer: no more than was wanted (TS 24.380 14.3.3)."""
    least = None if wanted.priority is None else max(1, min(wanted.priority, priority))
    return FloorParameters(queueing=queueing and wanted.queueing, priority=least, ssrc=ssrc)


def parts(info: McpttInfo, description: bytes) -> tuple[Part, ...]:
    """An INVITE: who calls whom, and the description."""
    return (
        Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(info)),
        Part(sdp.CONTENT_TYPE, description),
    )


def _place(session: Session, line: Media) -> Address:
    address = session.where(line).address
    if address.is_unspecified or address.is_multicast:
        raise Refused(f"nothing is received at {address}", code="call.sdp", clause=_CLAUSE)
    return str(address), line.port


def _audio_ssrc(line: Media) -> int | None:
    for value in line.values("ssrc"):
        number = value.partition(" ")[0]
        if not (number.isascii() and number.isdigit() and int(number[:11]) < 1 << 32):
            raise DecodeError("an SSRC that is none", code="sdp.ssrc", clause="RFC 5576 4.1")
        return int(number)
    return None
