"""XML from the network, read in one place: no entities, no network, no DOCTYPE, bounded in size and depth.

Every document of every peer passes :func:`parse`; nothing else in the house calls an XML parser.
"""

from __future__ import annotations

import re
import threading
from functools import cache
from importlib import resources

from lxml import etree

from mcsec.errors import DecodeError

#: A document above this many octets is refused unread.
MAX_OCTETS = 1 << 20
#: libxml2 itself refuses deeper documents; no schema of ours comes near.
MAX_DEPTH = 64

_ELEMENT = re.compile(r"Element '(?:\{[^}]*\})?([^']*)'")


def parse(document: bytes, *, max_octets: int = MAX_OCTETS) -> etree._Element:
    """The root element of ``document``.

    :raises DecodeError: too large (``xml.too-large``), with a DOCTYPE (``xml.doctype``), too deep
        (``xml.depth``) or not well formed (``xml.malformed``).
    """
    if len(document) > max_octets:
        raise DecodeError(f"a document of {len(document)} octets", max_octets, code="xml.too-large")
    try:
        root = etree.fromstring(document, _tools.parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise DecodeError(
            f"not well-formed XML: line {line}, column {column}", code="xml.malformed"
        ) from None
    except ValueError:
        raise DecodeError("not well-formed XML: encoding", code="xml.malformed") from None
    if root is None:
        raise DecodeError("an empty document", code="xml.malformed")
    if root.getroottree().docinfo.doctype:
        raise DecodeError("a document with a DOCTYPE", code="xml.doctype")
    if _tools.too_deep(root):
        raise DecodeError(f"elements nested deeper than {MAX_DEPTH}", code="xml.depth")
    return root


class _Tools(threading.local):
    """One parser for each thread: lxml locks it while it works, and making one takes as long as a small document."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        # Whether there is an element below MAX_DEPTH others. libxml2 answers in milliseconds for a mebibyte.
        self.too_deep = etree.XPath(f"boolean({'/*' * (MAX_DEPTH + 1)})")


_tools = _Tools()


def serialise(root: etree._Element) -> bytes:
    """The document of ``root``, in UTF-8 with a declaration."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def canonical(element: etree._Element, *, inclusive: bool = False) -> bytes:
    """An element on its own, in canonical form without comments.

    Exclusive, it is the same octets wherever it stands in a document; inclusive, it has the namespaces of the
    elements around it too.

    :raises DecodeError: it has no canonical form, as with a namespace that is a relative URI (``xml.canonical``).
    """
    if inclusive:
        # Inside a document, lxml forgets an inherited default namespace two levels down and writes xmlns="" there.
        # On its own the element declares all that it inherits, and nothing is forgotten.
        element = etree.fromstring(etree.tostring(element, with_tail=False), _tools.parser)
    try:
        return etree.tostring(element, method="c14n", exclusive=not inclusive, with_comments=False)
    except etree.C14NError:
        raise DecodeError("an element without canonical form", code="xml.canonical") from None


@cache
def schema(package: str, name: str) -> etree.XMLSchema:
    """The schema in file ``name`` of ``package``, which is ours and so is trusted."""
    with resources.as_file(resources.files(package) / name) as path:
        return etree.XMLSchema(etree.parse(str(path)))


def validate(root: etree._Element, package: str, name: str) -> None:
    """Checks ``root`` against a schema of ours.

    :raises DecodeError: not valid (``xml.schema``); the text names the first element that is wrong.
    """
    checker = schema(package, name)
    if not checker.validate(root):
        # The message of libxml2 quotes values of the peer; the name of the element is enough.
        first = checker.error_log[0]
        named = _ELEMENT.match(first.message)
        where = named[1] if named else "the root"
        raise DecodeError(f"not valid by the schema: line {first.line}, {where}", code="xml.schema")
