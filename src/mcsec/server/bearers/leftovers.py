"""What may be at the BM-SC and is not wanted: ended there, and remembered until the BM-SC answered.

A connection that is lost takes our bearers from us, but not from a BM-SC that kept its state: there they hold TMGIs and
capacity, and nobody sends on them. When it is back they are ended before anything new is asked for, so that a TMGI that
is given anew cannot be meant. A BM-SC that lost its state knows none of them, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from mcsec.ids import Tmgi
from mcsec.server.bearers import requests
from mcsec.server.bearers.asking import ROUTINE, Asking, nothing_follows
from mcsec.server.bearers.bearer import Bearer, Wish
from mcsec.server.bearers.events import Ask
from mcsec.wire.mb2.messages import Gaa


class Leftovers:
    """TMGIs and bearers that are to be ended, in any connection."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._left: dict[Tmgi, Bearer] = {}
        # The questions that end them, and the first of a connection, which all else waits for.
        self._releases: dict[int, tuple[Tmgi, ...]] = {}
        self._first: set[int] = set()

    @property
    def under_way(self) -> bool:
        """Whether an answer is awaited before anything new is asked for."""
        return bool(self._first)

    def lost(self, bearers: Iterable[Bearer]) -> None:
        """The connection is lost; these were there."""
        self._left |= {bearer.tmgi: bearer for bearer in bearers if bearer.tmgi is not None}
        self._releases.clear()
        self._first.clear()

    def forget(self) -> None:
        """The BM-SC lost its state, and with it all of them."""
        self._left.clear()
        self._releases.clear()
        self._first.clear()

    def again(self) -> list[Ask]:
        """The connection is back: stop them all, and give their TMGIs back."""
        asks = self.end(*self._left.values()) if self._left else []
        self._first = {ask.number for ask in asks}
        return asks

    def end(self, *bearers: Bearer) -> list[Ask]:
        """Stop bearers, one in each GAR, and give their TMGIs back; they may be there or not."""
        self._left |= {bearer.tmgi: bearer for bearer in bearers if bearer.tmgi is not None}
        asks = [
            self._asking.ask(None, nothing_follows, change=requests.stop(bearer), drmp=ROUTINE)
            for bearer in bearers
            if bearer.flow is not None
        ]
        release = requests.release(*bearers)
        asks.append(self._asking.ask(None, nothing_follows, deallocation=release, drmp=ROUTINE))
        self._releases[asks[-1].number] = release.tmgi
        return asks

    def unneeded(self, gaa: Gaa) -> list[Ask]:
        """Give back the TMGIs that an answer brings when the bearer was given up meanwhile."""
        tmgis = () if gaa.tmgi_allocation_response is None else gaa.tmgi_allocation_response.tmgi
        return self.end(*(Bearer("", Wish(()), tmgi=tmgi) for tmgi in tmgis)) if tmgis else []

    def answered(self, number: int) -> None:
        """An answer to anything. Whatever it says of a TMGI that was given back, it is not ours any more."""
        self._first.discard(number)
        for tmgi in self._releases.pop(number, ()):
            self._left.pop(tmgi, None)

    def failed(self, number: int) -> None:
        """No answer came. What was to be ended is ended in the next connection; nothing waits for it in this."""
        self._first.discard(number)
        self._releases.pop(number, None)
