"""Memory of a process that serves: what is there when it begins stays, so it need not be looked at again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

#: New objects between two looks for garbage in cycles, and such looks between those at what outlived one. The second
#: kind takes some 50 ms, and everything waits for it.
_BETWEEN, _LOOKS = 10_000, 10
#: What may be set aside unseen, in objects, until all is looked at once: some 300 MiB, unless there was more before.
_UNSEEN = 2_000_000
#: How often it is counted: after so many times that something was set aside.
_COUNTED = 16


@contextmanager
def settled() -> Iterator[None]:
    """Around what a process does for long, when everything that lasts has been read.

    Reference counts free almost everything. The search for the rest walks through all users, keys and calls each time,
    which costs a server of a hundred thousand clients more than it ever finds, and makes one with a thousand calls wait
    for more than a second. So what outlives two looks is set aside. It is freed as ever when nobody refers to it; what
    is garbage in cycles by then is found when it has become much.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    watch = _Watch(gc.get_freeze_count())
    gc.set_threshold(_BETWEEN, _LOOKS, _LOOKS)
    gc.callbacks.append(watch.looked)
    try:
        yield
    finally:
        gc.callbacks.remove(watch.looked)
        gc.set_threshold(*before)
        gc.unfreeze()


class _Watch:
    """Sets aside what outlived two looks, and counts what that has become."""

    def __init__(self, count: int) -> None:
        """:param count: objects that are set aside now."""
        self._limit = self._after(count)
        self._times = 0
        self._all = False

    def looked(self, phase: Literal["start", "stop"], info: Mapping[str, int]) -> None:
        """Told by the collector of each look, before and after."""
        if phase != "stop" or info["generation"] == 0:
            return
        if self._all:
            # Everything is back among what is looked at. The next look at all of it is the one that was wanted.
            if info["generation"] == 2:
                gc.freeze()
                self._limit, self._all = self._after(gc.get_freeze_count()), False
            return
        gc.freeze()
        self._times += 1
        if self._times % _COUNTED == 0 and gc.get_freeze_count() > self._limit:
            gc.unfreeze()
            self._all = True

    @staticmethod
    def _after(count: int) -> int:
        return count + max(count, _UNSEEN)
