"""Affiliation: which groups a client wants to hear, in a presence document (TS 24.379 9.3.1, RFC 3863).

A client's PUBLISH names all its groups; the set replaces the one before. The server's NOTIFY adds status and expiry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from lxml import etree

from mcsec.wire import xml
from mcsec.wire.elements import Namespace, set_attribute, time, to_text, to_time

CONTENT_TYPE = "application/pidf+xml"
PIDF = Namespace("urn:ietf:params:xml:ns:pidf", "pidf")
PRESENCE = Namespace("urn:3gpp:ns:mcpttPresInfo:1.0", "pidf")
_PREFIX = "mcpttPI10"


class Status(Enum):
    """Where an affiliation stands."""

    AFFILIATING = "affiliating"
    AFFILIATED = "affiliated"
    DEAFFILIATING = "deaffiliating"


@dataclass(frozen=True, slots=True)
class Affiliation:
    """One group. Status and expiry (UTC) are the server's to say."""

    group: str
    status: Status | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClientAffiliations:
    """The groups of one of the user's clients."""

    client_id: str
    affiliations: tuple[Affiliation, ...] = ()


@dataclass(frozen=True, slots=True)
class Presence:
    """The document. ``p_id`` tells which PUBLISH a NOTIFY answers."""

    user: str
    clients: tuple[ClientAffiliations, ...] = ()
    p_id: str | None = None


def decode(document: bytes) -> Presence:
    """A ``presence`` document.

    :raises DecodeError: no such document, or a value that is none.
    """
    root = PIDF.parse(document, "presence")
    return Presence(
        PIDF.attribute(root, "entity"),
        tuple(_read_tuple(element) for element in PIDF.all(root, "tuple")),
        PRESENCE.maybe(root, "p-id", to_text),
    )


def encode(presence: Presence) -> bytes:
    """The document in XML.

    :raises InvalidValue: a value that XML cannot write.
    """
    root = PIDF.root("presence", **{_PREFIX: PRESENCE.uri})
    set_attribute(root, "entity", presence.user)
    for client in presence.clients:
        element = PIDF.add(root, "tuple")
        set_attribute(element, "id", client.client_id)
        status = PIDF.add(element, "status")
        for affiliation in client.affiliations:
            _write_affiliation(PRESENCE.add(status, "affiliation"), affiliation)
    PRESENCE.add_if(root, "p-id", presence.p_id)
    return xml.serialise(root)


def _read_tuple(element: etree._Element) -> ClientAffiliations:
    status = PIDF.need(element, "status")
    return ClientAffiliations(
        PIDF.attribute(element, "id"),
        tuple(
            Affiliation(
                PRESENCE.attribute(affiliation, "group"),
                PRESENCE.attribute_if(affiliation, "status", Status),
                PRESENCE.attribute_if(affiliation, "expires", to_time),
            )
            for affiliation in PRESENCE.all(status, "affiliation")
        ),
    )


def _write_affiliation(element: etree._Element, affiliation: Affiliation) -> None:
    set_attribute(element, "group", affiliation.group)
    set_attribute(element, "status", affiliation.status and affiliation.status.value)
    set_attribute(element, "expires", time(affiliation.expires))
