"""Group documents: who is in a group, and what of it must be protected (TS 24.481 7.2; OMA list-service).

A document says more than is read here; its keeper stores the octets, and these values are what it decides by. What
was only remembered of the schema is listed in ``docs/readings/gms.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from mcsec.errors import DecodeError
from mcsec.wire import xml
from mcsec.wire.elements import Namespace, boolean, number, set_attribute, to_boolean, to_number, to_text
from mcsec.wire.mc_sip import ICSI

CONTENT_TYPE = "application/vnd.oma.poc.groups+xml"
LIST = Namespace("urn:oma:xml:poc:list-service", "group-document")
GI = Namespace("urn:3gpp:ns:mcpttGroupInfo:1.0", "group-document")
OXE = Namespace("urn:oma:xml:xdm:extensions", "group-document")
RL = Namespace("urn:ietf:params:xml:ns:resource-lists", "group-document")

MAX_MEMBERS = 10_000
_URI = re.compile(r"(?:sips?|tel|im|mailto|urn):[^\s<>\"\x00-\x20\x7f-\x9f]{1,500}")
_DURATION = re.compile(r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,6})?)S)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry. ``priority``: user-priority, None where none is said; ``required``: a call waits for it."""

    uri: str
    display_name: str | None = None
    priority: int | None = None
    participant_type: str | None = None
    required: bool = False
    receive_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The flags as they stand; None: absent, which means protected."""

    media: bool | None = None
    floor: bool | None = None
    multicast_floor: bool = False

    @property
    def media_protected(self) -> bool:
        """Media must be under the GMK."""
        return self.media is not False

    @property
    def floor_protected(self) -> bool:
        """Floor control must be protected."""
        return self.floor is not False


@dataclass(frozen=True, slots=True)
class Regrouped:
    """The group is part of a temporary group, which has flags of its own."""

    temporary_group_id: str
    requestor: str | None = None
    protection: Protection = Protection()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDocument:
    """A group. Times are seconds; ``constituents`` are those of a temporary group.

    ``services`` are the enablers of ``supported-services``: without MCPTT's it is no MCPTT group (7.2.8).
    """

    uri: str
    members: tuple[Member, ...] = ()
    display_name: str | None = None
    services: frozenset[str] = frozenset({ICSI})
    invite_members: bool | None = None
    max_participants: int | None = None
    disabled: bool = False
    protection: Protection = Protection()
    hang_time: float | None = None
    maximum_duration: float | None = None
    minimum_to_start: int | None = None
    priority: int | None = None
    constituents: tuple[str, ...] = ()
    regrouped: tuple[Regrouped, ...] = ()

    @property
    def is_mcptt(self) -> bool:
        """Whether it is a group of MCPTT."""
        return ICSI in self.services

    def member(self, uri: str) -> Member | None:
        """The entry of a user."""
        return next((member for member in self.members if member.uri == uri), None)


def decode(document: bytes) -> GroupDocument:
    """A group document.

    :raises DecodeError: no such document (``group-document.element``, ``.value``), or one that cannot be: a member
        that stands twice, a URI that is none (``group-document.constraint``).
    """
    return read(LIST.parse(document, "group"))


def read(root: etree._Element) -> GroupDocument:
    """The document of a root element that was parsed; raises as :func:`decode`."""
    service = LIST.need(root, "list-service")
    services = OXE.find(service, "supported-services")
    temporary = GI.find(service, "on-network-temporary")
    members = LIST.find(service, "list")
    found = GroupDocument(
        uri=_uri(LIST.attribute(service, "uri")),
        members=() if members is None else tuple(map(_member, LIST.all(members, "entry"))),
        display_name=LIST.maybe(service, "display-name", to_text),
        services=frozenset(
            ()
            if services is None
            else (OXE.attribute(one, "enabler") for one in OXE.all(services, "service"))
        ),
        invite_members=LIST.maybe(service, "invite-members", to_boolean),
        max_participants=LIST.maybe(service, "max-participant-count", to_number),
        disabled=GI.find(service, "on-network-disabled") is not None,
        protection=_protection(service),
        hang_time=GI.maybe(service, "on-network-hang-timer", to_seconds),
        maximum_duration=GI.maybe(service, "on-network-maximum-duration", to_seconds),
        minimum_to_start=GI.maybe(service, "on-network-minimum-number-to-start", to_number),
        priority=GI.maybe(service, "on-network-group-priority", to_number),
        constituents=() if temporary is None else _constituents(temporary),
        regrouped=tuple(
            Regrouped(
                _uri(GI.attribute(one, "temporary-MCPTT-group-ID")),
                one.get("temporary-MCPTT-group-requestor"),
                _protection(one),
            )
            for one in GI.all(service, "on-network-regrouped")
        ),
    )
    _check(found)
    return found


def encode(document: GroupDocument) -> bytes:
    """The document in XML.

    :raises InvalidValue: a text that XML cannot write.
    """
    root = LIST.root("group", rl=RL.uri, oxe=OXE.uri, mcpttgi=GI.uri)
    service = LIST.add(root, "list-service")
    set_attribute(service, "uri", document.uri)
    LIST.add_if(service, "display-name", document.display_name)
    members = LIST.add(service, "list")
    for member in document.members:
        _write_member(members, member)
    LIST.add_if(service, "invite-members", boolean(document.invite_members))
    LIST.add_if(service, "max-participant-count", number(document.max_participants))
    if document.services:
        services = OXE.add(service, "supported-services")
        for enabler in sorted(document.services):
            one = OXE.add(services, "service")
            set_attribute(one, "enabler", enabler)
            if enabler == ICSI:
                GI.add(OXE.add(one, "group-media"), "mcptt-speech")
    if document.disabled:
        GI.add(service, "on-network-disabled")
    _write_protection(service, document.protection)
    GI.add_if(service, "on-network-hang-timer", seconds(document.hang_time))
    GI.add_if(service, "on-network-maximum-duration", seconds(document.maximum_duration))
    GI.add_if(service, "on-network-minimum-number-to-start", number(document.minimum_to_start))
    GI.add_if(service, "on-network-group-priority", number(document.priority))
    if document.constituents:
        temporary = GI.add(GI.add(service, "on-network-temporary"), "constituent-MCPTT-group-IDs")
        for constituent in document.constituents:
            GI.add(temporary, "constituent-MCPTT-group-ID", constituent)
    for regrouped in document.regrouped:
        _write_regrouped(service, regrouped)
    return xml.serialise(root)


def with_regrouped(document: bytes, regrouped: Iterable[Regrouped]) -> bytes:
    """The same document, part of exactly these temporary groups. All else in it stays as it is.

    :raises DecodeError: it is no group document.
    """
    root = LIST.parse(document, "group")
    service = LIST.need(root, "list-service")
    for old in GI.all(service, "on-network-regrouped"):
        service.remove(old)
    for one in regrouped:
        _write_regrouped(service, one)
    return xml.serialise(root)


def to_seconds(text: str) -> float:
    """``xs:duration`` of days and less, in seconds."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def seconds(value: float | None) -> str | None:
    """``xs:duration``, written."""
    return None if value is None else f"PT{value:.6f}".rstrip("0").rstrip(".") + "S"


def _member(entry: etree._Element) -> Member:
    return Member(
        uri=_uri(LIST.attribute(entry, "uri")),
        display_name=RL.maybe(entry, "display-name", to_text),
        priority=GI.maybe(entry, "user-priority", to_number),
        participant_type=GI.maybe(entry, "participant-type", to_text),
        required=GI.find(entry, "on-network-required") is not None,
        receive_only=GI.find(entry, "on-network-recvonly") is not None,
    )


def _write_member(parent: etree._Element, member: Member) -> None:
    entry = LIST.add(parent, "entry")
    set_attribute(entry, "uri", member.uri)
    RL.add_if(entry, "display-name", member.display_name)
    GI.add_if(entry, "user-priority", number(member.priority))
    GI.add_if(entry, "participant-type", member.participant_type)
    if member.required:
        GI.add(entry, "on-network-required")
    if member.receive_only:
        GI.add(entry, "on-network-recvonly")


def _protection(parent: etree._Element) -> Protection:
    return Protection(
        media=GI.maybe(parent, "protect-media", to_boolean),
        floor=GI.maybe(parent, "protect-floor-control-signalling", to_boolean),
        multicast_floor=GI.find(parent, "require-multicast-floor-control-signalling") is not None,
    )


def _write_protection(parent: etree._Element, protection: Protection) -> None:
    GI.add_if(parent, "protect-media", boolean(protection.media))
    GI.add_if(parent, "protect-floor-control-signalling", boolean(protection.floor))
    if protection.multicast_floor:
        GI.add(parent, "require-multicast-floor-control-signalling")


def _write_regrouped(service: etree._Element, regrouped: Regrouped) -> None:
    element = GI.add(service, "on-network-regrouped")
    set_attribute(element, "temporary-MCPTT-group-ID", regrouped.temporary_group_id)
    set_attribute(element, "temporary-MCPTT-group-requestor", regrouped.requestor)
    _write_protection(element, regrouped.protection)


def _constituents(temporary: etree._Element) -> tuple[str, ...]:
    holder = GI.need(temporary, "constituent-MCPTT-group-IDs")
    return tuple(_uri(GI.value(one, to_text)) for one in GI.all(holder, "constituent-MCPTT-group-ID"))


def _uri(text: str) -> str:
    if not _URI.fullmatch(text):
        raise _constraint("an identity that is no URI")
    return text


def _check(document: GroupDocument) -> None:
    if len(document.members) > MAX_MEMBERS:
        raise _constraint(f"more than {MAX_MEMBERS} members")
    if len({member.uri for member in document.members}) != len(document.members):
        raise _constraint("a member that stands twice")
    if document.uri in document.constituents or len(set(document.constituents)) != len(document.constituents):
        raise _constraint("constituents that cannot be")
    for time in (document.hang_time, document.maximum_duration):
        if time is not None and not time > 0:
            raise _constraint("a time that is none")


def _constraint(message: str) -> DecodeError:
    return DecodeError(message, code="group-document.constraint", clause="TS 24.481 7.2")
