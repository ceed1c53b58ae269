"""Reading and writing the elements of one XML namespace: a handful of steps that every document codec takes.

Errors name elements, never what a peer wrote into them. A document is parsed by :mod:`mcsec.wire.xml` first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from lxml import etree

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire import xml

T = TypeVar("T")


def name_of(element: etree._Element) -> str:
    """An element's name without its namespace."""
    return etree.QName(element).localname


class Namespace:
    """One namespace, by its URI; ``code`` starts the codes of errors, as in ``mcptt-info.element``."""

    def __init__(self, uri: str, code: str) -> None:
        self.uri = uri
        self.code = code

    def __call__(self, name: str) -> str:
        """The qualified name, as lxml writes it."""
        return f"{{{self.uri}}}{name}"

    def parse(self, document: bytes, root: str) -> etree._Element:
        """The root element of ``document``, which must be called ``root``.

        :raises DecodeError: no XML that this house reads, or another root.
        """
        element = xml.parse(document)
        if element.tag != self(root):
            raise self.error(f"element {root} expected")
        return element

    def own(self, parent: etree._Element) -> Iterator[etree._Element]:
        """The children that are in this namespace, in order."""
        for child in parent:
            if etree.QName(child).namespace == self.uri:
                yield child

    def all(self, parent: etree._Element, name: str) -> list[etree._Element]:
        """Every child of this name."""
        return list(parent.iterchildren(self(name)))

    def find(self, parent: etree._Element, name: str) -> etree._Element | None:
        """The one child of this name, if there is one.

        :raises DecodeError: there are several.
        """
        children = parent.iterchildren(f"{{{self.uri}}}{name}")
        found = next(children, None)
        if found is not None and next(children, None) is not None:
            raise self.error(f"element {name} occurs more than once")
        return found

    def need(self, parent: etree._Element, name: str) -> etree._Element:
        """The one child of this name.

        :raises DecodeError: there is none, or several.
        """
        found = self.find(parent, name)
        if found is None:
            raise self.error(f"element {name} is missing")
        return found

    def value(self, element: etree._Element, convert: Callable[[str], T]) -> T:
        """The text of an element without children, converted.

        :raises DecodeError: it has children, or ``convert`` raises ``ValueError``.
        """
        if len(element):
            raise self.error(f"element {name_of(element)} has children")
        try:
            return convert((element.text or "").strip())
        except (ValueError, DecodeError):
            raise DecodeError(f"{name_of(element)} has no valid value", code=f"{self.code}.value") from None

    def maybe(self, parent: etree._Element, name: str, convert: Callable[[str], T]) -> T | None:
        """The converted text of the one child of this name, if there is one."""
        element = self.find(parent, name)
        return None if element is None else self.value(element, convert)

    def attribute(self, element: etree._Element, name: str) -> str:
        """An attribute that must be there.

        :raises DecodeError: it is missing or empty.
        """
        value = element.get(name)
        if not value:
            raise self.error(f"attribute {name} of {name_of(element)} is missing")
        return value

    def attribute_if(self, element: etree._Element, name: str, convert: Callable[[str], T]) -> T | None:
        """A converted attribute, if it is there.

        :raises DecodeError: ``convert`` raises ``ValueError``.
        """
        written = element.get(name)
        try:
            return None if written is None else convert(written)
        except ValueError:
            raise self.error(f"attribute {name} of {name_of(element)} has no valid value") from None

    def error(self, message: str) -> DecodeError:
        """The error for a document that is well formed but not what it should be."""
        return DecodeError(message, code=f"{self.code}.element")

    def root(self, name: str, prefix: str | None = None, **more: str) -> etree._Element:
        """A new root element; ``more`` are further namespaces by prefix."""
        prefixes: dict[str | None, str] = dict(more.items())
        prefixes[prefix] = self.uri
        return etree.Element(self(name), nsmap=prefixes)

    def add(self, parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
        """A new child.

        :raises InvalidValue: ``text`` holds characters that XML has no way to write.
        """
        child = etree.SubElement(parent, self(name))
        if text is not None:
            set_text(child, text)
        return child

    def add_if(self, parent: etree._Element, name: str, text: str | None) -> None:
        """A new child, if there is something to say."""
        if text is not None:
            self.add(parent, name, text)


def set_text(element: etree._Element, text: str) -> None:
    """Sets an element's text.

    :raises InvalidValue: XML has no way to write it.
    """
    try:
        element.text = text
    except ValueError:
        raise InvalidValue(f"{name_of(element)}: no text for XML", code="xml.text") from None


def set_attribute(element: etree._Element, name: str, value: str | None) -> None:
    """Sets an attribute, if there is something to say.

    :raises InvalidValue: XML has no way to write it.
    """
    try:
        if value is not None:
            element.set(name, value)
    except ValueError:
        raise InvalidValue(f"attribute {name}: no text for XML", code="xml.text") from None


def to_text(text: str) -> str:
    """Text that is not empty."""
    if not text:
        raise ValueError
    return text


def to_boolean(text: str) -> bool:
    """``xs:boolean``."""
    if text not in ("true", "1", "false", "0"):
        raise ValueError
    return text in ("true", "1")


def to_number(text: str) -> int:
    """``xs:nonNegativeInteger``, in a bounded number of digits."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError
    return int(text)


def to_octets(text: str) -> bytes:
    """``xs:hexBinary``."""
    if not text.isascii() or any(character.isspace() for character in text):
        raise ValueError
    return bytes.fromhex(to_text(text))


def to_time(text: str) -> datetime:
    """``xs:dateTime`` as UTC. A time without zone is taken as UTC."""
    time = datetime.fromisoformat(to_text(text))
    try:
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError from None


def time(value: datetime | None) -> str | None:
    """``xs:dateTime`` in UTC, to the second, written."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def boolean(value: bool | None) -> str | None:
    """``xs:boolean``, written."""
    return None if value is None else "true" if value else "false"


def number(value: int | None) -> str | None:
    """An integer, written."""
    return None if value is None else str(value)


def octets(value: bytes | None) -> str | None:
    """``xs:hexBinary``, written."""
    return None if value is None else value.hex().upper()
