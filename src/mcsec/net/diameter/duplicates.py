"""Answers kept for requests that come again (RFC 6733 3, 9.4): executed once, answered as often as asked."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from mcsec.net.diameter.effects import Ticket

#: Origin-Host, end-to-end identifier, Session-Id: all three the same is the same request. Other AVPs may differ, as
#: agents on another way add their own.
Key = tuple[str, int, str]


@dataclass(slots=True)
class Known:
    """A request seen. ``awaited`` lists where it came again before there was an answer."""

    since: float
    answer: Any = None
    awaited: list[Ticket] = field(default_factory=list)


class AnswerCache:
    """At most ``limit`` answers, none older than ``lifetime`` seconds."""

    def __init__(self, limit: int, lifetime: float) -> None:
        self._limit, self._lifetime = limit, lifetime
        self._known: OrderedDict[Key, Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, key: Key, now: float) -> None:
        """A request is being executed."""
        known = self._known
        known[key] = Known(now)
        known.move_to_end(key)
        while len(known) > self._limit or next(iter(known.values())).since < now - self._lifetime:
            known.popitem(last=False)

    def finish(self, key: Key, answer: Any) -> list[Ticket]:
        """It is answered; the same request's other arrivals that wait for the answer."""
        entry = self._known.get(key)
        if entry is None:
            return []
        awaited, entry.answer, entry.awaited = entry.awaited, answer, []
        return awaited

    def find(self, key: Key, now: float) -> Known | None:
        """What is known of a request, if it is not too old."""
        entry = self._known.get(key)
        return entry if entry is not None and entry.since >= now - self._lifetime else None

    def forget(self, key: Key) -> None:
        """There will be no answer worth keeping."""
        self._known.pop(key, None)
