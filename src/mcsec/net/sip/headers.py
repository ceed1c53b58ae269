"""The headers of a message: in order, found without regard to case, never changed in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast

from mcsec.net.sip.grammar import split

T = TypeVar("T")

#: Compact forms (RFC 3261 7.3.3 and later RFCs) and what they stand for.
COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}


class Headers:
    """Header lines as ``(name, value)``; a header that takes a list may stand on several lines.

    Equal when the lines are equal, names in any case. ``repr`` shows only names: values may hold credentials.
    """

    __slots__ = ("_items", "_memo", "_values")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = tuple(items)
        values: dict[str, list[str]] = {}
        for name, value in self._items:
            key = name.lower()
            if key in values:
                values[key].append(value)
            else:
                values[key] = [value]
        self._values = values
        self._memo: dict[str, object] = {}

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._folded() == other._folded()

    def __hash__(self) -> int:
        return hash(self._folded())

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self._items)})"

    def _folded(self) -> tuple[tuple[str, str], ...]:
        return tuple((name.lower(), value) for name, value in self._items)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of the first line with this name."""
        values = self._values.get(name.lower())
        return default if values is None else values[0]

    def all(self, name: str) -> tuple[str, ...]:
        """The values of all lines with this name, in order."""
        return tuple(self._values.get(name.lower(), ()))

    def count(self, name: str) -> int:
        """How many lines have this name."""
        return len(self._values.get(name.lower(), ()))

    def listed(self, name: str) -> list[str]:
        """The items of a comma-separated header over all its lines, without empty ones.

        :raises BadMessage: a quote or bracket is left open.
        """
        return [item for value in self.all(name) for item in split(value, ",") if item]

    def decoded(self, name: str, decode: Callable[[tuple[str, ...]], T]) -> T:
        """What ``decode`` makes of all lines with this name; remembered, so always ask with one function."""
        key = name.lower()
        try:
            return cast(T, self._memo[key])
        except KeyError:
            found = self._memo[key] = decode(self.all(key))
            return found

    def set(self, name: str, *values: str, decoded: object = None) -> Headers:
        """A copy where exactly these lines have this name; they stand where the first one stood, or last.

        ``decoded``: what :meth:`decoded` shall give for them, when that is known.
        """
        key = name.lower()
        lines = [(name, value) for value in values]
        if key not in self._values:
            return self.add(*lines)
        items: list[tuple[str, str]] = []
        for item in self._items:
            if item[0].lower() != key:
                items.append(item)
            elif lines:
                items += lines
                lines = []
        derived = self._derived(items, (key,))
        if decoded is not None:
            derived._memo[key] = decoded
        return derived

    def add(self, *lines: tuple[str, str]) -> Headers:
        """A copy with further lines at the end."""
        return self._derived((*self._items, *lines), [name.lower() for name, _ in lines])

    def first(self, name: str, value: str) -> Headers:
        """A copy with this line before all others."""
        return self._derived(((name, value), *self._items), (name.lower(),))

    def without(self, *names: str) -> Headers:
        """A copy that lacks these headers."""
        gone = {name.lower() for name in names}
        if gone.isdisjoint(self._values):
            return self
        return self._derived((item for item in self._items if item[0].lower() not in gone), gone)

    def _derived(self, items: Iterable[tuple[str, str]], changed: Iterable[str]) -> Headers:
        """A copy that still knows what was decoded of headers that did not change."""
        derived = Headers(items)
        derived._memo.update(self._memo)
        for name in changed:
            derived._memo.pop(name, None)
        return derived
