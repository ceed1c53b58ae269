"""What may still be on the air at a BM-SC whose connection was lost.

A connection that is lost takes our bearers from us, but not from a BM-SC that kept its state: there they hold TMGIs and
capacity, and nobody sends on them. When it is back they are ended before anything new is asked for, so that a TMGI that
is given anew cannot be meant. A BM-SC that lost its state knows none of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from mcsec.server.bearers import requests
from mcsec.server.bearers.asking import ROUTINE, Asking, nothing_follows
from mcsec.server.bearers.bearer import Bearer
from mcsec.server.bearers.events import Ask


class Leftovers:
    """TMGIs and bearers of a lost connection."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._left: list[Bearer] = []
        self._numbers: set[int] = set()

    @property
    def under_way(self) -> bool:
        """Whether an answer is awaited before anything new is asked for."""
        return bool(self._numbers)

    def note(self, bearers: Iterable[Bearer]) -> None:
        """The connection is lost; these were there."""
        known = {bearer.tmgi for bearer in self._left}
        self._left += [bearer for bearer in bearers if bearer.tmgi is not None and bearer.tmgi not in known]
        self._numbers.clear()

    def forget(self) -> None:
        """The BM-SC lost its state, and with it all of them."""
        self._left.clear()
        self._numbers.clear()

    def end(self) -> list[Ask]:
        """The connection is back: stop them, one in each GAR, then give the TMGIs back."""
        if not self._left:
            return []
        asks = [
            self._asking.ask(None, nothing_follows, change=requests.stop(bearer), drmp=ROUTINE)
            for bearer in self._left
            if bearer.flow is not None
        ]
        release = requests.release(*self._left)
        asks.append(self._asking.ask(None, nothing_follows, deallocation=release, drmp=ROUTINE))
        self._numbers = {ask.number for ask in asks}
        return asks

    def answered(self, number: int) -> bool:
        """Whether ``number`` was one of ours; with the last, all are gone. A refusal means that as well."""
        if number not in self._numbers:
            return False
        self._asking.take(number)
        self._numbers.discard(number)
        if not self._numbers:
            self._left.clear()
        return True
