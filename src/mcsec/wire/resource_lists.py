"""``application/resource-lists+xml``: whom a call is for (RFC 4826, TS 24.379 private calls)."""

from __future__ import annotations

from collections.abc import Sequence

from mcsec.errors import InvalidValue
from mcsec.wire import xml
from mcsec.wire.elements import Namespace, set_attribute

CONTENT_TYPE = "application/resource-lists+xml"
LISTS = Namespace("urn:ietf:params:xml:ns:resource-lists", "resource-lists")
MAX_ENTRIES = 1000


def decode(document: bytes) -> tuple[str, ...]:
    """The URIs of a ``resource-lists`` document, in order, through all its lists.

    :raises DecodeError: no such document, an entry without a URI, or more than :data:`MAX_ENTRIES`.
    """
    root = LISTS.parse(document, "resource-lists")
    uris = tuple(LISTS.attribute(entry, "uri") for entry in root.iter(LISTS("entry")))
    if len(uris) > MAX_ENTRIES:
        raise LISTS.error(f"more than {MAX_ENTRIES} entries")
    return uris


def encode(uris: Sequence[str]) -> bytes:
    """A document with one list of these URIs.

    :raises InvalidValue: too many, an empty one, or one that XML cannot write.
    """
    if len(uris) > MAX_ENTRIES or not all(uris):
        raise InvalidValue("no list of URIs", code="resource-lists.value")
    root = LISTS.root("resource-lists")
    entries = LISTS.add(root, "list")
    for uri in uris:
        set_attribute(LISTS.add(entries, "entry"), "uri", uri)
    return xml.serialise(root)
