"""What MCPTT writes into session descriptions: the floor line, key messages, bearer announcements.

TS 24.380 clauses 12 and 14 for the floor line, RFC 4567 for ``a=key-mgmt``, TS 24.379 14.2.2 for announcements.
Reading is tolerant of the forms that are seen in the field; writing gives one form only.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire.multipart import unbase64
from mcsec.wire.sdp import Attribute, Connection, Media, Session

_APPLICATION = "application"
_PROTOCOL = "udp"
_FORMAT = "MCPTT"
#: Port of a line that leads nowhere yet.
DISCARD_PORT = 9
_FLOOR_CLAUSE = "TS 24.380 12.1.2.2"
_NUMBER = re.compile(r"\d{1,10}\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorParameters:
    """Parameters of the floor line. ``others`` are parameters that are not known here.

    ``priority`` is 1 to 255: the most that is wanted in an offer, that is granted in an answer.
    """

    queueing: bool = False
    priority: int | None = None
    granted: bool = False
    implicit_request: bool = False
    ssrc: int | None = None
    no_floor_control: bool = False
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The value of ``a=fmtp`` after the format.

        :raises InvalidValue: a number is out of range.
        """
        if self.priority is not None and not 1 <= self.priority <= 255:
            raise InvalidValue("a floor priority is 1 to 255", code="sdp.floor", clause=_FLOOR_CLAUSE)
        if self.ssrc is not None and not 0 <= self.ssrc < 1 << 32:
            raise InvalidValue("an SSRC has 32 bits", code="sdp.floor", clause=_FLOOR_CLAUSE)
        flags = (
            ("mc_queueing", self.queueing),
            (f"mc_priority={self.priority}", self.priority is not None),
            ("mc_granted", self.granted),
            ("mc_implicit_request", self.implicit_request),
            (f"mc_ssrc={self.ssrc}", self.ssrc is not None),
            ("mc_no_floor_ctrl", self.no_floor_control),
        )
        return ";".join([text for text, given in flags if given] + list(self.others))


def floor_line(port: int, parameters: FloorParameters, connection: Connection | None = None) -> Media:
    """``m=application <port> udp MCPTT`` with its parameters.

    :raises InvalidValue: a parameter is out of range.
    """
    written = str(parameters)
    attributes = (Attribute("fmtp", f"{_FORMAT} {written}"),) if written else ()
    return Media(_APPLICATION, port, _PROTOCOL, (_FORMAT,), attributes, connection=connection)


def is_floor_line(media: Media) -> bool:
    """Whether this is a floor line, in any form that is seen: ``udp MCPTT`` or ``UDP/MCPTT 100``."""
    tokens = [*media.protocol.upper().split("/"), *(name.upper() for name in media.formats)]
    return media.kind == _APPLICATION and _FORMAT in tokens


def floor_parameters(media: Media) -> FloorParameters:
    """Parameters of a floor line; the defaults when it has none.

    :raises DecodeError: a number that is none or out of range, or a parameter twice.
    """
    known: dict[str, str] = {}
    others: list[str] = []
    for value in media.values("fmtp"):
        name, _, parameters = value.partition(" ")
        if name.upper() != _FORMAT and name not in media.formats:
            continue
        # A known client repeats the format before the first parameter.
        parameters = re.sub(rf"\A\s*{_FORMAT}\s+", "", parameters, flags=re.IGNORECASE)
        for parameter in filter(None, (part.strip() for part in parameters.split(";"))):
            key, _, given = parameter.partition("=")
            if key.lower() not in _KNOWN:
                others.append(parameter)
            elif key.lower() in known:
                raise DecodeError("a floor parameter twice", code="sdp.floor", clause=_FLOOR_CLAUSE)
            else:
                known[key.lower()] = given.strip()
    return FloorParameters(
        queueing="mc_queueing" in known,
        priority=_priority(known["mc_priority"]) if "mc_priority" in known else None,
        granted="mc_granted" in known,
        implicit_request="mc_implicit_request" in known,
        ssrc=_number(known["mc_ssrc"], 0, 0xFFFFFFFF) if "mc_ssrc" in known else None,
        no_floor_control="mc_no_floor_ctrl" in known,
        others=tuple(others),
    )


def key_attribute(message: bytes) -> Attribute:
    """``a=key-mgmt:mikey`` with a MIKEY message."""
    return Attribute("key-mgmt", f"mikey {b64encode(message).decode()}")


def key_message(line: Session | Media) -> bytes | None:
    """The MIKEY message of a line or of the session, if there is one. Other key protocols are passed over.

    :raises DecodeError: no base64, or more than one message.
    """
    found = []
    for value in line.values("key-mgmt"):
        protocol, _, data = value.strip().partition(" ")
        if protocol.lower() == "mikey":
            found.append(unbase64(data.strip().strip('"').encode()))
    if len(found) > 1:
        raise DecodeError("several MIKEY messages in one place", code="sdp.key-mgmt", clause="RFC 4567 3.1")
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class GeneralPurpose:
    """The general purpose MBMS subchannel: where to listen, and the I_MESSAGE with its MSCCK."""

    address: IPv4Address | IPv6Address
    port: int
    key_message: bytes | None = None


@dataclass(frozen=True, slots=True)
class Announced:
    """A description that :func:`announcement` made, and the numbers of its lines, from 1.

    ``gpms`` goes into the announcement; ``audio_line`` and ``floor_line`` go into Map Group To Bearer.
    """

    session: Session
    gpms: int
    audio_line: int
    floor_line: int


def announcement(
    origin: str, subchannel: GeneralPurpose, audio: Media, *, ttl: int | None = None
) -> Announced:
    """The description of a bearer announcement: general purpose subchannel, audio, floor control.

    Audio and floor lines are placeholders: port 9 and the unspecified address. Map Group To Bearer brings the real
    ones.

    :param audio: formats and attributes of the audio line; its port and address are replaced.
    """
    general = floor_line(subchannel.port, FloorParameters(), Connection(subchannel.address, ttl))
    keys = () if subchannel.key_message is None else (key_attribute(subchannel.key_message),)
    nowhere = Connection(IPv4Address(0) if subchannel.address.version == 4 else IPv6Address(0))
    lines = (
        Media(
            general.kind, general.port, general.protocol, general.formats, keys, connection=general.connection
        ),
        Media(
            audio.kind, DISCARD_PORT, audio.protocol, audio.formats, audio.attributes, audio.title, nowhere
        ),
        floor_line(DISCARD_PORT, FloorParameters(), nowhere),
    )
    return Announced(Session(origin, media=lines), gpms=1, audio_line=2, floor_line=3)


def general_purpose(session: Session, gpms: int) -> GeneralPurpose:
    """The general purpose subchannel of an announcement's description.

    :param gpms: number of its line, from the announcement.
    :raises DecodeError: no such line, not an application line, no address or port, or a broken key message.
    """
    line = session.line(gpms)
    if line.kind != _APPLICATION:
        raise DecodeError(
            "the general purpose line is no m=application", code="sdp.gpms", clause="TS 24.379 14.2.2"
        )
    address = session.where(line).address
    if line.port in (0, DISCARD_PORT) or address.is_unspecified:
        raise DecodeError(
            "the general purpose line leads nowhere", code="sdp.gpms", clause="TS 24.379 14.2.2"
        )
    message = key_message(line)
    return GeneralPurpose(address, line.port, key_message(session) if message is None else message)


_KNOWN = frozenset(
    {"mc_queueing", "mc_priority", "mc_granted", "mc_implicit_request", "mc_ssrc", "mc_no_floor_ctrl"}
)


def _priority(text: str) -> int:
    return _number(text, 1, 255)


def _number(text: str, low: int, high: int) -> int:
    if not _NUMBER.match(text) or not low <= int(text) <= high:
        raise DecodeError("a floor parameter without a valid number", code="sdp.floor", clause=_FLOOR_CLAUSE)
    return int(text)
