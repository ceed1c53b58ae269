"""An application: its identifier, and which requests have which answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcsec.wire.diameter.typed import schema_of


@dataclass(frozen=True)
class Application:
    """``vendor`` 0 is the IETF. ``exchanges`` pairs each request's class with its answer's."""

    name: str
    identifier: int
    vendor: int
    exchanges: tuple[tuple[type[Any], type[Any]], ...]

    def request_classes(self) -> dict[int, type[Any]]:
        """Requests by command code."""
        return {_code(request): request for request, _ in self.exchanges}

    def answer_of(self, request: type[Any]) -> type[Any]:
        """The answer's class."""
        return dict(self.exchanges)[request]


def _code(cls: type[Any]) -> int:
    row = schema_of(cls).command
    assert row is not None
    return row.code
