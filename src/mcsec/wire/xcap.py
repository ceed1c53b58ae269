"""XCAP (RFC 4825): where documents are, what a refusal says, and which documents there are.

Paths are read from the octets of the request line in one strict way: a name is decoded once, and may not reach out of
its segment. Only whole documents are named; what selects a node (``~~``) is another kind of resource, and not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote_to_bytes

from lxml import etree

from mcsec.errors import DecodeError
from mcsec.wire import xml
from mcsec.wire.elements import Namespace, name_of, set_attribute

ERROR_TYPE = "application/xcap-error+xml"
DIRECTORY_TYPE = "application/vnd.oma.xcap-directory+xml"
GKTP_TYPE = "application/vnd.3gpp.mcptt-gktp+xml"
"""A reading: the registered name was not seen (``docs/readings/gms.md``)."""

GROUPS = "org.openmobilealliance.groups"
GKTPS = "org.3gpp.MCPTT-GKTP"
DIRECTORY = "org.openmobilealliance.xcap-directory"
ROOT = "/xcap-root"

_ERROR = Namespace("urn:ietf:params:xml:ns:xcap-error", "xcap-error")
_DIRECTORY = Namespace("urn:oma:xml:xdm:xcap-directory", "xcap-directory")
_MOST_OCTETS = 1024
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_BY_GROUP_ID = "byGroupID"
_DIRECTORY_NAME = "directory.xml"


@dataclass(frozen=True, slots=True)
class Place:
    """A document: the application usage, and the group or the user that it is about."""

    auid: str
    name: str

    def path(self) -> str:
        """Its path, percent-coded."""
        if self.auid == DIRECTORY:
            return f"{ROOT}/{self.auid}/users/{quote(self.name, safe='')}/{_DIRECTORY_NAME}"
        return f"{ROOT}/{self.auid}/global/{_BY_GROUP_ID}/{quote(self.name, safe='')}"


def parse(raw: bytes) -> Place:
    """A path, as it stands in the request line.

    :raises DecodeError: no such path (``xcap.path``), a node selector (``xcap.node``), or a name that is none
        (``xcap.name``).
    """
    start = f"{ROOT}/".encode()
    if not raw.startswith(start):
        raise DecodeError("no such path", code="xcap.path", clause="RFC 4825 6")
    segments = raw[len(start) :].split(b"/")
    if b"~~" in segments or b"%7E%7E" in segments or b"%7e%7e" in segments:
        raise DecodeError("a node of a document", code="xcap.node", clause="RFC 4825 6.3")
    match segments:
        case [b"org.openmobilealliance.groups", b"global", b"byGroupID", name]:
            return Place(GROUPS, _name(name))
        case [b"org.3gpp.MCPTT-GKTP", b"global", b"byGroupID", name]:
            return Place(GKTPS, _name(name))
        case [b"org.openmobilealliance.xcap-directory", b"users", name, b"directory.xml"]:
            return Place(DIRECTORY, _name(name))
        case _:
            raise DecodeError("no such path", code="xcap.path", clause="RFC 4825 6")


def _name(segment: bytes) -> str:
    if not 0 < len(segment) <= _MOST_OCTETS or _ESCAPE.search(segment):
        raise _no_name()
    try:
        name = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise _no_name() from None
    if _FORBIDDEN.search(name) or any(part in (".", "..") for part in name.split("/")):
        raise _no_name()
    return name


def _no_name() -> DecodeError:
    return DecodeError("a name in the path that is none", code="xcap.name", clause="RFC 4825 6")


class Conflict(StrEnum):
    """Why a document is not taken (RFC 4825 11.2)."""

    NOT_WELL_FORMED = "not-well-formed"
    NOT_UTF_8 = "not-utf-8"
    SCHEMA = "schema-validation-error"
    CONSTRAINT = "constraint-failure"
    UNIQUENESS = "uniqueness-failure"


_CONFLICTS = frozenset(conflict.value for conflict in Conflict)


def write_conflict(conflict: Conflict, phrase: str = "") -> bytes:
    """The document that says so (RFC 4825 11)."""
    root = _ERROR.root("xcap-error")
    element = _ERROR.add(root, conflict.value)
    if phrase:
        set_attribute(element, "phrase", phrase)
    return xml.serialise(root)


def read_conflict(document: bytes) -> Conflict:
    """What a document says.

    :raises DecodeError: it is none of these.
    """
    root = _ERROR.parse(document, "xcap-error")
    for element in _ERROR.own(root):
        name = name_of(element)
        if name in _CONFLICTS:
            return Conflict(name)
    raise _ERROR.error("no known conflict")


@dataclass(frozen=True, slots=True)
class Listed:
    """A document of a directory: whose, and its entity tag."""

    place: Place
    etag: str


def write_directory(listed: Iterable[Listed]) -> bytes:
    """A directory: the documents of each application usage (OMA XDM 2.0, xcap-directory)."""
    root = _DIRECTORY.root("xcap-directory")
    folders: dict[str, etree._Element] = {}
    for one in listed:
        folder = folders.get(one.place.auid)
        if folder is None:
            folder = folders[one.place.auid] = _DIRECTORY.add(root, "folder")
            set_attribute(folder, "auid", one.place.auid)
        entry = _DIRECTORY.add(folder, "entry")
        set_attribute(entry, "uri", one.place.path())
        set_attribute(entry, "etag", one.etag)
    return xml.serialise(root)


def read_directory(document: bytes) -> tuple[Listed, ...]:
    """The documents of a directory. Those of other application usages, and what is no path of ours, are passed over.

    :raises DecodeError: it is no directory.
    """
    found = []
    for folder in _DIRECTORY.all(_DIRECTORY.parse(document, "xcap-directory"), "folder"):
        for entry in _DIRECTORY.all(folder, "entry"):
            try:
                place = parse(_DIRECTORY.attribute(entry, "uri").encode())
            except DecodeError as error:
                if error.code.startswith("xcap-directory"):
                    raise
                continue
            found.append(Listed(place, _DIRECTORY.attribute(entry, "etag")))
    return tuple(found)
