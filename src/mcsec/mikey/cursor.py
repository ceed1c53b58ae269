"""A bounds-checked reader, the only way that this room takes octets apart.

A cursor can keep a trace of what it read: where, how much, and the field's name. That is how ``mcsec
explain`` shows a message without a second parser.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from mcsec.errors import DecodeError
from mcsec.mikey.refusals import MALFORMED


class Read(NamedTuple):
    """One field as it was read: ``scope`` names the payload, ``offset`` counts from the start of the
    message."""

    scope: str
    field: str
    offset: int
    length: int


class Cursor:
    """Reads octets forward, never past the end of its window.

    ``scope`` names the payload that is being read; it is set by the decoders and used for the trace and for
    error texts.
    """

    __slots__ = ("_end", "_octets", "_trace", "offset", "scope")

    def __init__(self, octets: bytes, trace: list[Read] | None = None) -> None:
        self._octets = octets
        self._end = len(octets)
        self._trace = trace
        self.offset = 0
        self.scope = ""

    @property
    def left(self) -> int:
        """How many octets are left in the window."""
        return self._end - self.offset

    def take(self, length: int, field: str) -> bytes:
        """The next ``length`` octets.

        :raises DecodeError: fewer are left.
        """
        start = self.offset
        end = start + length
        if end > self._end:
            raise self.fail(f"{field} needs {length} octets, {self._end - start} are left", self._end)
        self.offset = end
        if self._trace is not None:
            self._trace.append(Read(self.scope, field, start, length))
        return self._octets[start:end]

    def uint(self, length: int, field: str) -> int:
        """The next ``length`` octets as a big-endian number."""
        # A message has some fifty numbers; this short way halves the time that it takes to read one.
        start = self.offset
        end = start + length
        if end > self._end or self._trace is not None:
            return int.from_bytes(self.take(length, field))
        self.offset = end
        return self._octets[start] if length == 1 else int.from_bytes(self._octets[start:end])

    def rest(self, field: str) -> bytes:
        """All octets that are left in the window."""
        return self.take(self._end - self.offset, field)

    def window(self, length: int, field: str) -> Self:
        """A cursor over the next ``length`` octets, which this one skips. Offsets and trace stay those of
        the message.

        :raises DecodeError: fewer are left.
        """
        end = self.offset + length
        if end > self._end:
            raise self.fail(f"{field} needs {length} octets, {self.left} are left", self._end)
        inner = type(self)(self._octets, self._trace)
        inner.offset = self.offset
        inner._end = end
        inner.scope = self.scope
        self.offset = end
        return inner

    def finish(self) -> None:
        """Nothing may be left in the window.

        :raises DecodeError: octets are left.
        """
        if self.offset != self._end:
            raise self.fail(f"{self._end - self.offset} octets too many")

    def fail(self, message: str, offset: int | None = None) -> DecodeError:
        """The error to raise; at the present offset unless another is given."""
        text = f"{self.scope}: {message}" if self.scope else message
        return malformed(text, self.offset if offset is None else offset)


def malformed(message: str, offset: int) -> DecodeError:
    """The error for octets that are no I_MESSAGE."""
    return DecodeError(message, offset, code=MALFORMED.code, clause=MALFORMED.clause, hint=MALFORMED.hint)
