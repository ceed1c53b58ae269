"""``application/vnd.3gpp.mcptt-mbms-usage-info+xml``: bearers announced and listened to (TS 24.379 14, F.2).

The server announces bearers; the client reports whether it listens, and whether the network suspends bearers. Parts
of the schema were not readable; ``docs/readings/signalling.md`` says what was assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from lxml import etree

from mcsec.errors import InvalidValue
from mcsec.ids import Tmgi
from mcsec.wire import xml
from mcsec.wire.elements import (
    Namespace,
    boolean,
    number,
    octets,
    to_boolean,
    to_number,
    to_octets,
    to_text,
)
from mcsec.wire.mb2.values import ServiceArea

CONTENT_TYPE = "application/vnd.3gpp.mcptt-mbms-usage-info+xml"
USAGE = Namespace("urn:3gpp:ns:mcpttMbmsUsage:1.0", "mbms-usage")
#: A client stores this many announcements of a message, no more.
MAX_ANNOUNCEMENTS = 64
MAX_ROHC_CID = 16383
_MAX_M_LINE = 15


class GpmsPlace(Enum):
    """Where the element GPMS is written. Both are read."""

    ANNOUNCEMENT = "inside the announcement"
    ROOT = "beside the announcement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One bearer. Without ``service_area`` it is cancelled.

    ``gpms`` is the number, from 1, of the m-line of the general purpose subchannel in the SDP of the same message.
    ``frequency`` stays as octets. ``rohc_max_cid`` is there when header compression is used, 1 to 16383.
    """

    tmgi: Tmgi
    qci: int | None = None
    frequency: bytes | None = None
    service_area: ServiceArea | None = None
    gpms: int | None = None
    report_suspension: bool | None = None
    alternative_tmgis: tuple[Tmgi, ...] = ()
    rohc_max_cid: int | None = None

    def __post_init__(self) -> None:
        if self.gpms is not None and not 1 <= self.gpms <= _MAX_M_LINE:
            raise InvalidValue(f"m-line {self.gpms} is not 1 to 15", code="mbms-usage.gpms")
        if self.rohc_max_cid is not None and not 1 <= self.rohc_max_cid <= MAX_ROHC_CID:
            raise InvalidValue(f"a ROHC CID of {self.rohc_max_cid}", code="mbms-usage.rohc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Whether a client receives these bearers.

    ``general_purpose`` says that the general purpose subchannel is meant; otherwise ``session_id`` names the call.
    """

    listening: bool
    tmgis: tuple[Tmgi, ...]
    session_id: str | None = None
    general_purpose: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Which bearers the network is about to suspend, as a client sees it."""

    suspended: bool
    reported_bearers: int | None = None
    suspended_tmgis: tuple[Tmgi, ...] = ()
    other_tmgis: tuple[Tmgi, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MbmsUsage:
    """The document. ``version`` is mandatory and counts nothing: senders write 1.

    ``musik_groups`` accompanies a MuSiK download: the groups the key is for, ``()`` for the default key of all
    groups that are not named, ``None`` when the document is no such thing.
    """

    announcements: tuple[Announcement, ...] = ()
    listening: Listening | None = None
    suspension: Suspension | None = None
    version: int = 1
    musik_groups: tuple[str, ...] | None = None


def decode(document: bytes) -> MbmsUsage:
    """An ``mcptt-mbms-usage-info`` document.

    :raises DecodeError: no such document, or a value that is none.
    """
    root = USAGE.parse(document, "mcptt-mbms-usage-info")
    listening, suspension = (
        USAGE.find(root, "mbms-listening-status"),
        USAGE.find(root, "mbms-suspension-status"),
    )
    announcements = USAGE.all(root, "announcement")
    if len(announcements) > MAX_ANNOUNCEMENTS:
        raise USAGE.error(f"more than {MAX_ANNOUNCEMENTS} announcements")
    beside = USAGE.maybe(root, "GPMS", _m_line)
    return MbmsUsage(
        announcements=tuple(_read_announcement(element, beside) for element in announcements),
        listening=None if listening is None else _read_listening(listening),
        suspension=None if suspension is None else _read_suspension(suspension),
        version=USAGE.value(USAGE.need(root, "version"), to_number),
        musik_groups=_read_musik_groups(root),
    )


def encode(usage: MbmsUsage, *, gpms: GpmsPlace = GpmsPlace.ANNOUNCEMENT) -> bytes:
    """The document in XML.

    :raises InvalidValue: a value that XML cannot write, or GPMS beside announcements that differ in it.
    """
    root = USAGE.root("mcptt-mbms-usage-info")
    if usage.listening is not None:
        _write_listening(root, usage.listening)
    if usage.suspension is not None:
        _write_suspension(root, usage.suspension)
    for announcement in usage.announcements:
        _write_announcement(root, announcement, inside=gpms is GpmsPlace.ANNOUNCEMENT)
    if gpms is GpmsPlace.ROOT:
        lines = {announcement.gpms for announcement in usage.announcements}
        if len(lines) > 1:
            raise InvalidValue("announcements with different GPMS", code="mbms-usage.gpms")
        USAGE.add_if(root, "GPMS", number(next(iter(lines), None)))
    USAGE.add(root, "version", str(usage.version))
    if usage.musik_groups is not None:
        name = "mbms-explicitMuSiK-download" if usage.musik_groups else "mbms-defaultMuSiK-download"
        download = USAGE.add(USAGE.add(root, "anyExt"), name)
        for group in usage.musik_groups:
            USAGE.add(download, "group", group)
    return xml.serialise(root)


def _read_announcement(element: etree._Element, beside: int | None) -> Announcement:
    inside = USAGE.maybe(element, "GPMS", _m_line)
    extension = USAGE.find(element, "anyExt")
    alternatives: tuple[Tmgi, ...] = ()
    cid = None
    if extension is not None:
        alternatives = _tmgis(extension, "alternative-TMGI")
        rohc = USAGE.find(extension, "mcptt-mbms-rohc")
        cid = None if rohc is None else USAGE.maybe(rohc, "max-cid", _rohc_cid) or 15
    return Announcement(
        tmgi=USAGE.value(USAGE.need(element, "TMGI"), _tmgi),
        qci=USAGE.maybe(element, "QCI", to_number),
        frequency=USAGE.maybe(element, "frequency", to_octets),
        service_area=USAGE.maybe(element, "mbms-service-areas", _service_area),
        gpms=beside if inside is None else inside,
        report_suspension=USAGE.maybe(element, "report-suspension", to_boolean),
        alternative_tmgis=alternatives,
        rohc_max_cid=cid,
    )


def _write_announcement(root: etree._Element, announcement: Announcement, *, inside: bool) -> None:
    element = USAGE.add(root, "announcement")
    USAGE.add(element, "TMGI", octets(announcement.tmgi.encode()))
    USAGE.add_if(element, "QCI", number(announcement.qci))
    USAGE.add_if(element, "frequency", octets(announcement.frequency))
    if announcement.service_area is not None:
        USAGE.add(element, "mbms-service-areas", octets(announcement.service_area.encode()))
    if inside:
        USAGE.add_if(element, "GPMS", number(announcement.gpms))
    USAGE.add_if(element, "report-suspension", boolean(announcement.report_suspension))
    if announcement.alternative_tmgis or announcement.rohc_max_cid is not None:
        extension = USAGE.add(element, "anyExt")
        for tmgi in announcement.alternative_tmgis:
            USAGE.add(extension, "alternative-TMGI", octets(tmgi.encode()))
        if announcement.rohc_max_cid is not None:
            USAGE.add(USAGE.add(extension, "mcptt-mbms-rohc"), "max-cid", str(announcement.rohc_max_cid))


def _read_listening(element: etree._Element) -> Listening:
    return Listening(
        listening=USAGE.value(
            USAGE.need(element, "mbms-listening-status"), _either("listening", "not-listening")
        ),
        session_id=USAGE.maybe(element, "session-id", to_text),
        general_purpose=USAGE.maybe(element, "general-purpose", to_boolean),
        tmgis=_tmgis(element, "TMGI", at_least=1),
    )


def _write_listening(root: etree._Element, listening: Listening) -> None:
    if not listening.tmgis:
        raise InvalidValue("a listening report names a bearer", code="mbms-usage.tmgi")
    element = USAGE.add(root, "mbms-listening-status")
    USAGE.add(element, "mbms-listening-status", "listening" if listening.listening else "not-listening")
    USAGE.add_if(element, "session-id", listening.session_id)
    USAGE.add_if(element, "general-purpose", boolean(listening.general_purpose))
    for tmgi in listening.tmgis:
        USAGE.add(element, "TMGI", octets(tmgi.encode()))


def _read_suspension(element: etree._Element) -> Suspension:
    status = USAGE.need(element, "mbms-suspension-status")
    return Suspension(
        suspended=USAGE.value(status, _either("suspended", "not-suspended")),
        reported_bearers=USAGE.maybe(element, "number-of-reported-bearers", to_number),
        suspended_tmgis=_tmgis(element, "suspended-TMGI"),
        other_tmgis=_tmgis(element, "other-TMGI"),
    )


def _write_suspension(root: etree._Element, suspension: Suspension) -> None:
    element = USAGE.add(root, "mbms-suspension-status")
    USAGE.add(element, "mbms-suspension-status", "suspended" if suspension.suspended else "not-suspended")
    USAGE.add_if(element, "number-of-reported-bearers", number(suspension.reported_bearers))
    for name, tmgis in (
        ("suspended-TMGI", suspension.suspended_tmgis),
        ("other-TMGI", suspension.other_tmgis),
    ):
        for tmgi in tmgis:
            USAGE.add(element, name, octets(tmgi.encode()))


def _read_musik_groups(root: etree._Element) -> tuple[str, ...] | None:
    extension = USAGE.find(root, "anyExt")
    if extension is None:
        return None
    default = USAGE.find(extension, "mbms-defaultMuSiK-download")
    explicit = USAGE.find(extension, "mbms-explicitMuSiK-download")
    if default is not None and explicit is not None:
        raise USAGE.error("a MuSiK download that is both default and explicit")
    if explicit is None:
        return None if default is None else ()
    groups = tuple(USAGE.value(group, to_text) for group in USAGE.all(explicit, "group"))
    if not groups:
        raise USAGE.error("an explicit MuSiK download without groups")
    return groups


def _tmgis(parent: etree._Element, name: str, at_least: int = 0) -> tuple[Tmgi, ...]:
    found = tuple(USAGE.value(element, _tmgi) for element in USAGE.all(parent, name))
    if len(found) < at_least:
        raise USAGE.error(f"element {name} is missing")
    return found


def _tmgi(text: str) -> Tmgi:
    return Tmgi.decode(to_octets(text))


def _service_area(text: str) -> ServiceArea:
    return ServiceArea.decode(to_octets(text))


def _m_line(text: str) -> int:
    return _between(to_number(text), 1, _MAX_M_LINE)


def _rohc_cid(text: str) -> int:
    return _between(to_number(text), 1, MAX_ROHC_CID)


def _between(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError
    return value


def _either(yes: str, no: str) -> Callable[[str], bool]:
    def convert(text: str) -> bool:
        return (yes, no).index(text) == 0

    return convert
