"""Memory of a process that serves: what is there when it begins stays, so it need not be looked at again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: New objects between two looks for garbage in cycles. A rekey makes many objects, and none in a cycle.
_BETWEEN = 50_000


@contextmanager
def settled() -> Iterator[None]:
    """Around what a process does for long, when everything that lasts has been read.

    Reference counts free almost everything. The search for the rest walks through all users and keys each time, which
    costs a server of a hundred thousand clients more than it ever finds.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_BETWEEN, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
