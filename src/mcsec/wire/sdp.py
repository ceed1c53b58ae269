"""Session descriptions (RFC 4566), as far as MCPTT needs them: lines, media, attributes, addresses.

What MCPTT writes into them is in :mod:`mcsec.wire.sdp_mcptt`. Lines that this codec gives no meaning are kept in
``others``, so that a description survives reading and writing. Numbers of m-lines count from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import pairwise

from mcsec.errors import DecodeError, InvalidValue

CONTENT_TYPE = "application/sdp"
_CLAUSE = "RFC 4566 5"
_MAX_OCTETS = 1 << 17
_MAX_MEDIA = 64
#: Places of lines before the first m-line and after each; t= and r= lines keep their order among themselves.
_SESSION_ORDER = dict(zip("vosiuepcbtrzka", (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12), strict=True))
_MEDIA_ORDER = {letter: place for place, letter in enumerate("micbka")}
_MEDIA = re.compile(r"(\S+) (\d{1,5})(?:/(\d{1,5}))? (\S+)((?: \S+)+)\Z", re.ASCII)
_CONNECTION = re.compile(r"IN IP([46]) ([0-9A-Fa-f.:]+)(?:/(\d{1,3}))?(?:/(\d{1,5}))?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Connection:
    """A ``c=`` line: where to send or listen. ``ttl`` belongs to IPv4 multicast."""

    address: IPv4Address | IPv6Address
    ttl: int | None = None

    @classmethod
    def parse(cls, text: str) -> Connection:
        """Reads the value of a ``c=`` line.

        :raises DecodeError: it is none for an IP address, or names several addresses.
        """
        found = _CONNECTION.match(text)
        try:
            address = ip_address(found[2]) if found else None
        except ValueError:
            address = None
        if found is None or address is None or address.version != int(found[1]) or found[4]:
            raise DecodeError("no connection to an IP address", code="sdp.connection", clause="RFC 4566 5.7")
        if found[3] and (address.version == 6 or not 0 <= int(found[3]) <= 255):
            raise DecodeError("a TTL that is none", code="sdp.connection", clause="RFC 4566 5.7")
        return cls(address, int(found[3]) if found[3] else None)

    def __str__(self) -> str:
        ttl = "" if self.ttl is None else f"/{self.ttl}"
        return f"IN IP{self.address.version} {self.address}{ttl}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An ``a=`` line: a name, and a value or nothing."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class Media:
    """An ``m=`` line with the lines that belong to it."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: tuple[Attribute, ...] = ()
    title: str | None = None
    connection: Connection | None = None
    others: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> Iterator[str]:
        """The values of every attribute of this name."""
        return _values(self.attributes, name)


@dataclass(frozen=True, slots=True)
class Session:
    """A whole description. ``origin`` and ``name`` are the values of ``o=`` and ``s=``."""

    origin: str
    name: str = "-"
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()
    media: tuple[Media, ...] = ()
    others: tuple[tuple[str, str], ...] = field(default=(("t", "0 0"),))

    def values(self, name: str) -> Iterator[str]:
        """The values of every attribute of this name before the first m-line."""
        return _values(self.attributes, name)

    def line(self, number: int) -> Media:
        """The m-line of this number, from 1.

        :raises DecodeError: there is no such line; numbers come from a peer too.
        """
        if not 1 <= number <= len(self.media):
            raise DecodeError(
                f"no m-line {number} among {len(self.media)}", code="sdp.m-line", clause="TS 24.380 8.4.3.3"
            )
        return self.media[number - 1]

    def where(self, media: Media) -> Connection:
        """The address of a media line, or the session's.

        :raises DecodeError: neither has one.
        """
        connection = media.connection or self.connection
        if connection is None:
            raise DecodeError("a media line without an address", code="sdp.connection", clause="RFC 4566 5.7")
        return connection


def decode(body: bytes) -> Session:
    """Reads a description. Line ends may be CRLF or LF.

    :raises DecodeError: too large, no UTF-8, or no description.
    """
    if len(body) > _MAX_OCTETS:
        raise DecodeError("a description that long is none", _MAX_OCTETS, code="sdp.too-large")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("no UTF-8", error.start, code="sdp.malformed", clause=_CLAUSE) from None
    lines = [_line(line) for line in text.replace("\r\n", "\n").removesuffix("\n").split("\n")]
    if lines[0] != ("v", "0"):
        raise DecodeError("no description of version 0", code="sdp.version", clause="RFC 4566 5.1")
    bounds = [*(index for index, (letter, _) in enumerate(lines) if letter == "m"), len(lines)]
    if len(bounds) > _MAX_MEDIA + 1:
        raise DecodeError(f"more than {_MAX_MEDIA} m-lines", code="sdp.too-large")
    session = lines[1 : bounds[0]]
    return Session(
        _one(session, "o"),
        _one(session, "s"),
        _connection(session),
        _attributes(session),
        tuple(_media(lines[start:end]) for start, end in pairwise(bounds)),
        tuple(_sorted(_SESSION_ORDER, (line for line in session if line[0] not in "osca"))),
    )


def encode(session: Session) -> bytes:
    """Writes a description, its lines in the order of RFC 4566.

    :raises InvalidValue: it would not read back as it is: a line end, an empty value, no formats, an odd port.
    """
    lines = [("v", "0"), ("o", session.origin), ("s", session.name), *session.others]
    written = _sorted(_SESSION_ORDER, lines + _lines(session.connection, session.attributes))
    for media in session.media:
        line = f"{media.kind} {media.port} {media.protocol} {' '.join(media.formats)}"
        more = [*media.others, *_lines(media.connection, media.attributes)]
        if media.title is not None:
            more.append(("i", media.title))
        written += _sorted(_MEDIA_ORDER, [("m", line), *more])
    try:
        body = "".join(f"{letter}={value}\r\n" for letter, value in written).encode()
        same = decode(body) == session
    except (UnicodeEncodeError, DecodeError) as error:
        raise InvalidValue(f"a description that cannot be written: {error}", code="sdp.value") from None
    if not same:
        raise InvalidValue("a description that would not read back as it is", code="sdp.value")
    return body


def _line(line: str) -> tuple[str, str]:
    letter, equals, value = line.partition("=")
    if (
        len(letter) != 1
        or not letter.isascii()
        or not letter.islower()
        or not equals
        or not value
        or "\r" in value
    ):
        raise DecodeError("a line that is not letter=value", code="sdp.malformed", clause=_CLAUSE)
    return letter, value


def _one(lines: Iterable[tuple[str, str]], letter: str) -> str:
    found = [value for name, value in lines if name == letter]
    if len(found) != 1:
        raise DecodeError(f"{len(found)} lines {letter}=, not one", code="sdp.malformed", clause=_CLAUSE)
    return found[0]


def _at_most_one(lines: Sequence[tuple[str, str]], letter: str) -> str | None:
    return _one(lines, letter) if any(name == letter for name, _ in lines) else None


def _connection(lines: Sequence[tuple[str, str]]) -> Connection | None:
    value = _at_most_one(lines, "c")
    return None if value is None else Connection.parse(value)


def _attributes(lines: Iterable[tuple[str, str]]) -> tuple[Attribute, ...]:
    parted = (value.partition(":") for letter, value in lines if letter == "a")
    return tuple(Attribute(name, value if colon else None) for name, colon, value in parted)


def _media(lines: list[tuple[str, str]]) -> Media:
    found = _MEDIA.match(lines[0][1])
    if found is None or int(found[2]) > 0xFFFF:
        raise DecodeError("no m-line", code="sdp.media", clause="RFC 4566 5.14")
    if found[3]:
        raise DecodeError("an m-line with several ports", code="sdp.media", clause="RFC 4566 5.14")
    return Media(
        found[1],
        int(found[2]),
        found[4],
        tuple(found[5].split()),
        _attributes(lines),
        _at_most_one(lines, "i"),
        _connection(lines),
        tuple(_sorted(_MEDIA_ORDER, (line for line in lines if line[0] not in "mica"))),
    )


def _values(attributes: Iterable[Attribute], name: str) -> Iterator[str]:
    for attribute in attributes:
        if attribute.name == name:
            yield attribute.value or ""


def _lines(connection: Connection | None, attributes: Iterable[Attribute]) -> list[tuple[str, str]]:
    lines = [("a", str(attribute)) for attribute in attributes]
    if connection is not None:
        lines.append(("c", str(connection)))
    return lines


def _sorted(order: dict[str, int], lines: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(lines, key=lambda line: order.get(line[0], len(order)))
