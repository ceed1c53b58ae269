"""Group keys on their way: GKTPs, the MIKEY messages that bring GMK and MKFC (TS 24.481 7.7).

Each GKTP is one whole I_MESSAGE for one user, in ``xs:hexBinary``. They stand in a document of the GMS and, for MKFC,
in ``mcptt-info`` too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from mcsec.errors import InvalidValue
from mcsec.wire import xml
from mcsec.wire.elements import Namespace, octets, set_attribute, time, to_octets, to_time

GKTP = Namespace("urn:3gpp:ns:mcpttGKTP:1.0", "gktp")


@dataclass(frozen=True, slots=True)
class Gktp:
    """One message. ``id`` is the sender's name for it; ``activation`` is UTC, to the second."""

    id: str
    message: bytes
    activation: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegroupedGktps:
    """The messages for a temporary group that regroups this one."""

    temporary_group_id: str
    gktps: tuple[Gktp, ...] = ()


@dataclass(frozen=True, slots=True)
class GktpSet:
    """All messages for one kind of key."""

    gktps: tuple[Gktp, ...] = ()
    regrouped: tuple[RegroupedGktps, ...] = ()


@dataclass(frozen=True, slots=True)
class GktpDocument:
    """The GKTP document of a group."""

    gmk: GktpSet | None = None
    mkfc: GktpSet | None = None


def decode(document: bytes) -> GktpDocument:
    """A ``GKTPs`` document.

    :raises DecodeError: no such document, or a message that is not hexadecimal.
    """
    root = GKTP.parse(document, "GKTPs")
    gmk, mkfc = GKTP.find(root, "GMK-GKTPs"), GKTP.find(root, "MKFC-GKTPs")
    return GktpDocument(
        None if gmk is None else read_set(gmk),
        None if mkfc is None else read_set(mkfc),
    )


def encode(document: GktpDocument) -> bytes:
    """The document in XML.

    :raises InvalidValue: a value that XML cannot write.
    """
    root = GKTP.root("GKTPs")
    for name, messages in (("GMK-GKTPs", document.gmk), ("MKFC-GKTPs", document.mkfc)):
        if messages is not None:
            write_set(GKTP.add(root, name), messages)
    return xml.serialise(root)


def read_set(element: etree._Element) -> GktpSet:
    """The content of an element of type ``singleTypeGKTPsType``."""
    return GktpSet(
        _read(element),
        tuple(
            RegroupedGktps(GKTP.attribute(regrouped, "temporary-MCPTT-group-ID"), _read(regrouped))
            for regrouped in GKTP.all(element, "on-network-regrouped-GKTPs")
        ),
    )


def write_set(element: etree._Element, messages: GktpSet) -> None:
    """Fills an element of type ``singleTypeGKTPsType``."""
    _write(element, messages.gktps)
    for regrouped in messages.regrouped:
        child = GKTP.add(element, "on-network-regrouped-GKTPs")
        set_attribute(child, "temporary-MCPTT-group-ID", regrouped.temporary_group_id)
        _write(child, regrouped.gktps)


def _read(element: etree._Element) -> tuple[Gktp, ...]:
    return tuple(
        Gktp(
            GKTP.attribute(child, "id"),
            GKTP.value(child, to_octets),
            GKTP.attribute_if(child, "activationtime", to_time),
        )
        for child in GKTP.all(element, "GKTP")
    )


def _write(element: etree._Element, gktps: Iterable[Gktp]) -> None:
    for gktp in gktps:
        if not gktp.id or not gktp.message:
            raise InvalidValue("a GKTP has an id and a message", code="gktp.value", clause="TS 24.481 7.7")
        child = GKTP.add(element, "GKTP", octets(gktp.message))
        set_attribute(child, "id", gktp.id)
        set_attribute(child, "activationtime", time(gktp.activation))
