"""The lexical level of SIP header values: tokens, quoted strings, lists and parameters (RFC 3261 25.1).

Every function here takes time linear in its input: whoever can reach a socket can choose the input. No
regular expression in this room has two ways to read the same characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from mcsec.errors import InvalidValue
from mcsec.net.sip.errors import BadMessage

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
# What a parameter may hold without quotes: a token or a host, thus also the brackets and colons of IPv6.
_BARE = re.compile(r"[A-Za-z0-9\-.!%*_+`'~:\[\]]+")
# One piece of a value, for splitting: a quoted string, something in angle brackets, or a run of the rest.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|[^"<,;]+|[,;]', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'(["\\])')
_BLANKS = " \t"
_NOT_IN_NAME = frozenset(' \t"<>')


def is_token(text: str) -> bool:
    """Whether ``text`` is a ``token``."""
    return _TOKEN.fullmatch(text) is not None


def quote(text: str) -> str:
    """``text`` as a quoted string."""
    return '"' + _TO_ESCAPE.sub(r"\\\1", text) + '"'


def unquote(text: str) -> str:
    """What a quoted string says; anything else comes back as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    return _ESCAPED.sub(r"\1", text[1:-1]) if "\\" in text else text[1:-1]


def split(text: str, separator: str) -> list[str]:
    """Split at ``,`` or ``;`` outside quoted strings and angle brackets; the items come without outer blanks.

    :raises BadMessage: a quote or bracket is left open.
    """
    if '"' not in text and "<" not in text:
        return [item.strip(_BLANKS) for item in text.split(separator)]
    items: list[str] = []
    start = at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise BadMessage("a quote or an angle bracket is left open", at, clause="RFC 3261 25.1")
        if piece[0] == separator:
            items.append(text[start:at].strip(_BLANKS))
            start = piece.end()
        at = piece.end()
    items.append(text[start:].strip(_BLANKS))
    return items


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters in order, each ``(name, value)``; the value as written, quotes included, or ``None``."""

    items: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read ``;name=value;flag``. Blanks around ``;`` and ``=`` and empty parameters do no harm.

        :raises BadMessage: text before the first ``;``, a name that is no token, or an open quote.
        """
        if not text:
            return cls()
        head, *rest = split(text, ";")
        if head:
            raise BadMessage("parameters start with a semicolon")
        items: list[tuple[str, str | None]] = []
        for part in rest:
            if not part:
                continue
            name, equals, value = part.partition("=")
            name = name.rstrip(_BLANKS)
            if not name or not _NOT_IN_NAME.isdisjoint(name):
                raise BadMessage("a parameter has no proper name")
            items.append((name, value.lstrip(_BLANKS) if equals else None))
        return cls(tuple(items))

    def encode(self) -> str:
        """``;name=value;flag``, as read or built."""
        return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in self.items)

    def has(self, name: str) -> bool:
        """Whether the parameter is there, with a value or without."""
        name = name.lower()
        return any(key.lower() == name for key, _ in self.items)

    def get(self, name: str) -> str | None:
        """The value without its quotes; ``None`` when the parameter is absent or has no value."""
        name = name.lower()
        for key, value in self.items:
            if key.lower() == name:
                return None if value is None else unquote(value)
        return None

    def with_(self, name: str, value: str | int | None = None, *, quoted: bool = False) -> Self:
        """A copy where ``name`` has this value; it keeps its place, or comes last.

        ``quoted`` forces quotes, which feature tags need (RFC 3840 9); other values get them where they must.

        :raises InvalidValue: the name is no token, or the value has a line end.
        """
        if not is_token(name):
            raise InvalidValue(f"a parameter name is a token, not {name!r}")
        written = None
        if value is not None:
            written = str(value)
            if "\r" in written or "\n" in written:
                raise InvalidValue("a parameter has no line end")
            if quoted or _BARE.fullmatch(written) is None:
                written = quote(written)
        lower = name.lower()
        if not self.has(name):
            return type(self)((*self.items, (name, written)))
        return type(self)(tuple((k, written) if k.lower() == lower else (k, v) for k, v in self.items))

    def without(self, name: str) -> Self:
        """A copy that lacks ``name``."""
        name = name.lower()
        return type(self)(tuple(item for item in self.items if item[0].lower() != name))
