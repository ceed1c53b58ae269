"""A cursor that names what it reads.

Every decoder of this package reads through a :class:`Reader` and says, with each read, what the octets are
called. The same code that decodes can therefore explain: given a list to fill, the reader writes down one
:class:`Span` for each read, up to the octet where decoding failed. There is no second parser that could
disagree with the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn, Self

from mcsec.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Span:
    """A run of octets with its name, as the decoder met it.

    ``offset`` counts from the start of the datagram. ``value`` is what was read, or ``""`` where the octets
    speak for themselves; ``meaning`` is for people; ``clause`` may be empty.
    """

    offset: int
    length: int
    name: str
    value: int | str = ""
    meaning: str = ""
    clause: str = ""


class Reader:
    """Reads ``octets[position:end]``; past the end it raises :class:`DecodeError` with the offset.

    ``strict`` decides whether spare and padding octets that are not zero are refused. ``spans`` is filled
    when given. ``clause`` is where the octets now read are specified; decoders set it as they go.
    """

    __slots__ = ("_octets", "clause", "end", "position", "spans", "strict")

    def __init__(
        self,
        octets: bytes,
        *,
        strict: bool = True,
        spans: list[Span] | None = None,
        position: int = 0,
        end: int | None = None,
        clause: str = "",
    ) -> None:
        self._octets = octets
        self.position = position
        self.end = len(octets) if end is None else end
        self.strict = strict
        self.spans = spans
        self.clause = clause

    @property
    def remaining(self) -> int:
        """Octets not read yet."""
        return self.end - self.position

    def octets(self, size: int, name: str, *, say: Callable[[bytes], str] | None = None) -> bytes:
        """The next ``size`` octets. ``say`` turns them into a meaning for people."""
        value = self._take(size, name)
        if self.spans is not None:
            self._note(size, name, "", say(value) if say else "")
        return value

    def uint(self, size: int, name: str, *, say: Callable[[int], str] | None = None) -> int:
        """A big-endian integer of ``size`` octets."""
        value = int.from_bytes(self._take(size, name))
        if self.spans is not None:
            self._note(size, name, value, say(value) if say else "")
        return value

    def text(self, size: int, name: str) -> str:
        """UTF-8 text of ``size`` octets."""
        start = self.position
        octets = self._take(size, name)
        self._note(size, name, octets.decode(errors="backslashreplace"), "")
        try:
            return octets.decode()
        except UnicodeDecodeError as error:
            self.fail(f"{name}: no UTF-8", start + error.start, code="rtcp.text")

    def zeros(self, size: int, name: str) -> None:
        """Spare or padding: zero when strict, ignored otherwise."""
        start = self.position
        octets = self.octets(size, name)
        if self.strict and any(octets):
            wrong = next(index for index, octet in enumerate(octets) if octet)
            self.fail(
                f"{name} is not zero",
                start + wrong,
                code="rtcp.not-zero",
                hint="decode with a lenient profile to ignore it",
            )

    def part(self, size: int, name: str, clause: str) -> Self:
        """A reader of the next ``size`` octets, specified in ``clause``; this one passes over them."""
        start = self.position
        self._take(size, name)
        return type(self)(
            self._octets,
            strict=self.strict,
            spans=self.spans,
            position=start,
            end=start + size,
            clause=clause,
        )

    def amend(self, start: int, meaning: str, clause: str) -> None:
        """Say more about the span at octet ``start``, now that later octets have told what it is."""
        if self.spans is None:
            return
        for index, span in enumerate(self.spans):
            if span.offset == start:
                self.spans[index] = replace(span, meaning=meaning, clause=clause)

    def finish(self, name: str) -> None:
        """Nothing may be left. A lenient reader passes over what is."""
        if not self.remaining:
            return
        start = self.position
        self.octets(self.remaining, "surplus")
        if self.strict:
            self.fail(f"{name}: {self.end - start} octets too many", start, code="rtcp.surplus")

    def _take(self, size: int, name: str) -> bytes:
        start = self.position
        if size > self.end - start:
            self.fail(f"{name}: {size} octets wanted, {self.end - start} left", code="rtcp.truncated")
        self.position = start + size
        return self._octets[start : start + size]

    def _note(self, size: int, name: str, value: int | str, meaning: str) -> None:
        if self.spans is not None and size:
            self.spans.append(Span(self.position - size, size, name, value, meaning, self.clause))

    def fail(self, message: str, at: int | None = None, *, code: str, hint: str = "") -> NoReturn:
        """Raise :class:`DecodeError`; ``at`` is the octet that is wrong, by default the next one."""
        raise DecodeError(
            message,
            self.position if at is None else at,
            code=code,
            clause=self.clause or None,
            hint=hint or None,
        )
