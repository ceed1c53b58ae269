"""What every annotated decode is made of: octets in order, each with a name, a value, a meaning and a clause.

An explanation accounts for every octet of its message exactly once and in order. :class:`Walk` keeps that
promise by construction: it can only step forward, and what is left at the end, or after an error, is
annotated too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcsec.errors import DecodeError, InvalidValue

#: Field name of the octets that an error left without an explanation.
NOT_DECODED = "not decoded"

_OCTETS_PER_LINE = 8
_OCTETS_SHOWN = 32


@dataclass(frozen=True, slots=True)
class Annotation:
    """Some octets of a message and what they say.

    ``offset`` counts from the start of the message. ``value`` is the decoded value, or ``""`` where the
    octets speak for themselves; ``meaning`` is for people; ``clause`` names the specification and its clause.
    """

    offset: int
    octets: bytes
    field: str
    value: int | str = ""
    meaning: str = ""
    clause: str = ""

    @property
    def end(self) -> int:
        """Offset of the first octet after these."""
        return self.offset + len(self.octets)

    def to_dict(self) -> dict[str, Any]:
        """The annotation as plain JSON values; octets in lower-case hex."""
        return {
            "offset": self.offset,
            "length": len(self.octets),
            "octets": self.octets.hex(),
            "field": self.field,
            "value": self.value,
            "meaning": self.meaning,
            "clause": self.clause,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """An annotated decode.

    ``kind`` names what was decoded. ``error`` is the reason why the decode ended early; the octets that it
    left are the last annotation, whose field is :data:`NOT_DECODED`.

    :raises InvalidValue: the annotations leave a gap, overlap, or do not start at octet 0.
    """

    kind: str
    annotations: tuple[Annotation, ...]
    error: DecodeError | None = None

    def __post_init__(self) -> None:
        offset = 0
        for annotation in self.annotations:
            if annotation.offset != offset:
                raise InvalidValue(
                    f"annotation {annotation.field!r} starts at {annotation.offset}, not {offset}"
                )
            offset = annotation.end

    @property
    def octets(self) -> bytes:
        """The message, put together from the annotations."""
        return b"".join(annotation.octets for annotation in self.annotations)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain JSON values."""
        error = self.error
        return {
            "kind": self.kind,
            "length": len(self.octets),
            "annotations": [annotation.to_dict() for annotation in self.annotations],
            "error": error
            and {
                "offset": error.offset,
                "code": error.code,
                "text": str(error),
                "clause": error.clause,
                "hint": error.hint,
            },
        }

    def to_text(self) -> str:
        """The explanation as a table for a terminal, one field a line, long fields over several lines."""
        lines = [f"{self.kind}, {len(self.octets)} octets"]
        width = max((len(annotation.field) for annotation in self.annotations), default=0)
        for annotation in self.annotations:
            lines += _render(annotation, width)
        if self.error is not None:
            lines.append(f"error: {self.error.describe()}")
        return "\n".join(lines)


class Walk:
    """Makes an explanation by stepping through a message from its first octet to its last."""

    def __init__(self, kind: str, message: bytes) -> None:
        self._kind = kind
        self._message = message
        self._offset = 0
        self._annotations: list[Annotation] = []

    @property
    def offset(self) -> int:
        """Where the next step starts."""
        return self._offset

    def step(
        self, length: int, field: str, value: int | str = "", meaning: str = "", clause: str = ""
    ) -> bytes:
        """Annotate the next ``length`` octets, and return them.

        :raises DecodeError: the message ends before.
        """
        end = self._offset + length
        if length < 0 or end > len(self._message):
            raise DecodeError(f"{field}: the message ends", len(self._message))
        octets = self._message[self._offset : end]
        self._annotations.append(Annotation(self._offset, octets, field, value, meaning, clause))
        self._offset = end
        return octets

    def finish(self, error: DecodeError | None = None) -> Explanation:
        """The explanation; octets that no step took are annotated as not decoded."""
        left = len(self._message) - self._offset
        if left:
            self.step(left, NOT_DECODED, meaning=str(error) if error is not None else "octets after the end")
        return Explanation(self._kind, tuple(self._annotations), error)


def _render(annotation: Annotation, width: int) -> list[str]:
    shown = annotation.octets[:_OCTETS_SHOWN]
    rows = [shown[i : i + _OCTETS_PER_LINE].hex(" ") for i in range(0, len(shown), _OCTETS_PER_LINE)] or [""]
    if len(annotation.octets) > _OCTETS_SHOWN:
        rows.append(f"... {len(annotation.octets)} octets")
    said = [str(annotation.value)] if annotation.value != "" else []
    if annotation.meaning:
        said.append(f"({annotation.meaning})" if said else annotation.meaning)
    if annotation.clause:
        said.append(f"[{annotation.clause}]")
    hex_width = 3 * _OCTETS_PER_LINE - 1
    first = f"{annotation.offset:5}  {rows[0]:{hex_width}}  {annotation.field:{width}}  {' '.join(said)}"
    return [first.rstrip(), *(f"{'':5}  {row}" for row in rows[1:])]
