"""Which question an answer belongs to, and what is to follow from it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from mcsec.server.bearers.bearer import Bearer
from mcsec.server.bearers.events import Ask, Output
from mcsec.wire.mb2.groups import MbmsBearerRequest, TmgiAllocationRequest, TmgiDeallocationRequest
from mcsec.wire.mb2.messages import Gaa

Continuation = Callable[[Bearer, Gaa, float], list[Output]]

#: Priority of what listeners wait for, and of what can wait (RFC 7944: 0 is the highest).
URGENT, ROUTINE = 2, 9


def nothing_follows(_bearer: Bearer, _gaa: Gaa, _now: float) -> list[Output]:
    """What follows from an answer that only shows that the BM-SC is there."""
    return []


class Asking:
    """Questions without an answer yet."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._pending: dict[int, tuple[str, Continuation]] = {}

    def ask(
        self,
        bearer: Bearer | None,
        continuation: Continuation,
        *,
        change: MbmsBearerRequest | None = None,
        allocation: TmgiAllocationRequest | None = None,
        deallocation: TmgiDeallocationRequest | None = None,
        drmp: int | None = None,
    ) -> Ask:
        """A question about ``bearer``, to the BM-SC that it is at."""
        number = next(self._numbers)
        self._pending[number] = ("" if bearer is None else bearer.name, continuation)
        # A TMGI is bound to the BM-SC that gave it.
        destination = None if bearer is None or bearer.tmgi is None else bearer.bmsc
        return Ask(number, change, allocation, deallocation, destination, drmp)

    def take(self, number: int) -> tuple[str, Continuation] | None:
        """The bearer's name and what follows; None for an answer to nothing."""
        return self._pending.pop(number, None)

    def forget(self) -> None:
        """No answer will come any more."""
        self._pending.clear()
