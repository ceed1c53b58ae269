"""MBMS subchannel control, name ``MCMC``: which bearer carries which group's call (TS 24.380 8.4).

Sent on the general purpose MBMS subchannel, to every listener at once, under MSCCK. There is no
acknowledgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from mcsec.errors import DecodeError, InvalidValue
from mcsec.ids import Tmgi
from mcsec.wire.rtcp.fields import Field
from mcsec.wire.rtcp.layouts import Switch, Uri, unsigned
from mcsec.wire.rtcp.profile import Profile
from mcsec.wire.rtcp.reader import Reader
from mcsec.wire.rtcp.table import ControlProtocol, Direction, Message, Row

#: What 13.2.0 and before called this protocol.
LEGACY_NAME = "MCCP"
_MAX_PORT = 0xFFFF


@dataclass(frozen=True, slots=True)
class MbmsSubchannel:
    """Where floor control and media of a group go (8.4.3.3).

    The m-line numbers count the media lines, from 1, of the SDP that announced the general purpose subchannel
    on which the Map arrives; at most 15. ``floor_line`` 0 means no floor port: floor control shares the media
    port.
    """

    audio_line: int
    floor_line: int
    address: IPv4Address | IPv6Address
    media_port: int
    floor_port: int | None = None


@dataclass(frozen=True, slots=True)
class SubchannelLayout:
    """Two nibbles of m-lines, IP version, 32-bit ports (that of floor only with its m-line), address."""

    def read(self, reader: Reader, profile: Profile) -> MbmsSubchannel:
        """See :class:`Layout`."""
        lines = reader.uint(
            1, "m-lines", say=lambda value: f"audio m-line {value >> 4}, floor m-line {value & 15}"
        )
        start = reader.position
        version = reader.uint(
            1, "IP version", say=lambda value: {0: "IPv4", 1: "IPv6"}.get(value >> 4, "not defined")
        )
        if version >> 4 > 1:
            reader.fail(
                f"IP version code {version >> 4} is not defined", start, code="rtcp.subchannel.ip-version"
            )
        if version & 15 and reader.strict:
            reader.fail("spare bits are not zero", start, code="rtcp.not-zero")
        floor_port = _read_port(reader, "floor control port") if lines & 15 else None
        media_port = _read_port(reader, "media port")
        address: IPv4Address | IPv6Address
        if version >> 4:
            address = IPv6Address(reader.octets(16, "IP address", say=lambda value: str(IPv6Address(value))))
        else:
            address = IPv4Address(reader.octets(4, "IP address", say=lambda value: str(IPv4Address(value))))
        return MbmsSubchannel(lines >> 4, lines & 15, address, media_port, floor_port)

    def write(self, value: MbmsSubchannel, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        if not (0 <= value.audio_line < 16 and 0 <= value.floor_line < 16):
            raise InvalidValue("an m-line number has 4 bits", code="rtcp.subchannel.m-line")
        if bool(value.floor_line) != (value.floor_port is not None):
            raise InvalidValue(
                "a floor port goes with a floor m-line number, and no port with number 0",
                code="rtcp.subchannel.floor-port",
            )
        ports = [port for port in (value.floor_port, value.media_port) if port is not None]
        if any(not 0 < port <= _MAX_PORT for port in ports):
            raise InvalidValue("a UDP port is 1 to 65535", code="rtcp.subchannel.port")
        return (
            bytes((value.audio_line << 4 | value.floor_line, (value.address.version == 6) << 4))
            + b"".join(unsigned(port, 4, "a port") for port in ports)
            + value.address.packed
        )


@dataclass(frozen=True, slots=True)
class TmgiLayout:
    """Six octets of TS 24.008 10.5.6.13, without its element ID and length."""

    def read(self, reader: Reader, profile: Profile) -> Tmgi:
        """See :class:`Layout`."""
        start = reader.position
        octets = reader.octets(6, "TMGI", say=_say_tmgi)
        try:
            return Tmgi.decode(octets)
        except DecodeError as error:
            reader.fail("the TMGI has a PLMN digit above 9", start + error.offset, code="rtcp.tmgi")

    def write(self, value: Tmgi, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return value.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapGroupToBearer(Message):
    """The group's call is on this bearer from now on. Repeated, so that late listeners catch up."""

    group_id: str
    tmgi: Tmgi
    subchannel: MbmsSubchannel


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmapGroupToBearer(Message):
    """The group's call left the bearer."""

    group_id: str
    subchannel: MbmsSubchannel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationPaging(Message):
    """The group's members shall come back on unicast."""

    group_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerAnnouncement(Message):
    """A bearer is announced over another bearer. ``tmgis``: the bearer, then alternatives for it."""

    tmgis: tuple[Tmgi, ...]
    monitoring: bool | None = None


SUBCHANNEL_FIELD = Field(0, "subchannel", "MBMS Subchannel", "8.4.3.3", SubchannelLayout())
TMGI = Field(1, "tmgi", "TMGI", "8.4.3.4", TmgiLayout())
TMGIS = Field(1, "tmgis", "TMGI", "8.4.3.4", TmgiLayout(), many=True)
GROUP_ID = Field(2, "group_id", "MCPTT Group ID", "8.4.3.5", Uri("MCPTT group ID"))
MONITORING = Field(
    3,
    "monitoring",
    "Monitoring State",
    "8.4.3.6",
    Switch(
        "monitoring state",
        "clients need not monitor the bearer",
        "clients monitor the bearer",
        size=1,
        spare=1,
    ),
)


def _read_port(reader: Reader, name: str) -> int:
    start = reader.position
    port = reader.uint(4, name)
    if not 0 < port <= _MAX_PORT:
        reader.fail(f"{name} {port} is no UDP port", start, code="rtcp.subchannel.port")
    return port


def _say_tmgi(octets: bytes) -> str:
    try:
        return str(Tmgi.decode(octets))
    except DecodeError:
        return octets.hex()


class _SubchannelProtocol(ControlProtocol):
    def canonical_id(self, field_id: int, length: int, profile: Profile) -> int:
        # 13.2.0 had the group ID under 3. A Monitoring State is never longer than 2 octets, a group ID always
        # is.
        return 2 if profile.legacy_group_id and field_id == 3 and length > 2 else field_id


_DOWN = Direction.TO_PARTICIPANT

SUBCHANNEL = _SubchannelProtocol(
    "MCMC",
    "MBMS subchannel control",
    "TS 24.380 8.4",
    (
        Row(
            0, MapGroupToBearer, "Map Group To Bearer", "8.4.4", _DOWN,
            (GROUP_ID, TMGI, SUBCHANNEL_FIELD), required=(GROUP_ID, TMGI, SUBCHANNEL_FIELD), multicast=True,
        ),
        Row(
            1, UnmapGroupToBearer, "Unmap Group To Bearer", "8.4.5", _DOWN,
            (GROUP_ID, SUBCHANNEL_FIELD), required=(GROUP_ID,), multicast=True,
        ),
        Row(
            2, ApplicationPaging, "Application Paging", "8.4.2", _DOWN,
            (GROUP_ID,), required=(GROUP_ID,), multicast=True,
        ),
        Row(
            3, BearerAnnouncement, "Bearer Announcement", "8.4.2", _DOWN,
            (TMGIS, MONITORING), required=(TMGIS,), multicast=True,
        ),
    ),
)  # fmt: skip
