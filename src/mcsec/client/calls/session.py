"""The description of a group call, in offer and answer (TS 24.379 6.2.1, 6.2.2; TS 24.380 12, 14).

One audio line and one floor line. Media is always SRTP under the GMK: a description that wants it in clear is refused,
whatever the group's document allows, because this client sends no media in clear.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from mcsec.errors import Refused
from mcsec.wire.codecs import SPOKEN, audio_line
from mcsec.wire.sdp import Connection, Media, Session
from mcsec.wire.sdp_mcptt import FloorParameters, floor_line, floor_parameters, is_floor_line

Address = tuple[str, int]
"""A host, as an address, and a UDP port."""

_PROTECTED = "RTP/SAVP"
_FORMATS = frozenset(codec.format for codec in SPOKEN)
_HINT = f"{', '.join(codec.name for codec in SPOKEN)} is spoken here"
_CLAUSE = "TS 24.379 6.2.1"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the other side wrote: where it receives, and its floor parameters.

    ``ssrc`` is that of its floor messages, None where it does not say.
    """

    floor: Address
    media: Address
    parameters: FloorParameters

    @property
    def ssrc(self) -> int | None:
        """The SSRC of its floor messages."""
        return self.parameters.ssrc


def describe(number: int, floor: Address, media: Address, parameters: FloorParameters) -> Session:
    """Our description.

    :param number: names the session in ``o=``, the same for the whole call.
    """
    where = ip_address(media[0])
    audio = audio_line(SPOKEN, _PROTECTED, media[1])
    return Session(
        f"- {number} 1 IN IP{where.version} {where}",
        connection=Connection(where),
        media=(audio, floor_line(floor[1], parameters)),
    )


def read(session: Session) -> Terms:
    """What the other side describes.

    :raises Refused: ``call.media-clear`` media in clear; ``call.codec`` no codec of ours; ``call.sdp`` no audio or
        floor line that leads somewhere.
    :raises DecodeError: a line is broken.
    """
    audio = [line for line in session.media if line.kind == "audio" and line.port]
    floor = [line for line in session.media if is_floor_line(line) and line.port]
    if not audio or not floor:
        raise Refused("no audio line or no floor line", code="call.sdp", clause=_CLAUSE)
    protected = [line for line in audio if line.protocol.upper() == _PROTECTED]
    if not protected:
        raise Refused(
            "the media would not be protected",
            code="call.media-clear",
            clause="TS 24.380 13.1",
            hint="this client takes part in calls under a GMK only",
        )
    spoken = [line for line in protected if not _FORMATS.isdisjoint(line.formats)]
    if not spoken:
        raise Refused("no codec in common", code="call.codec", clause=_CLAUSE, hint=_HINT)
    return Terms(_place(session, floor[0]), _place(session, spoken[0]), floor_parameters(floor[0]))


def _place(session: Session, line: Media) -> Address:
    address = session.where(line).address
    if address.is_unspecified or address.is_multicast:
        raise Refused(f"nothing is received at {address}", code="call.sdp", clause=_CLAUSE)
    return str(address), line.port
