"""Freshness of signed requests: a window around now, and a bounded memory of what was seen inside it."""

from __future__ import annotations

import math
from collections import deque

from mcsec.errors import Replayed
from mcsec.kms.refusals import KmsRefusal

_MARK_OCTETS = 16


class Freshness:
    """Refuses what is too old, from the future, or seen before.

    :param window: seconds that a client's clock may be off.
    :param capacity: how many requests are remembered; when more come inside the window, they are refused,
        for forgetting one would let it be replayed.
    :param started: when the memory began (Unix seconds). A request from before it may have been seen by the
        process that ran then.
    """

    def __init__(self, window: float, capacity: int, started: float) -> None:
        self._window = window
        self._capacity = capacity
        self._started = math.floor(started)
        self._seen: set[bytes] = set()
        self._order: deque[tuple[float, bytes]] = deque()

    def __len__(self) -> int:
        return len(self._seen)

    def check(self, mark: bytes, time: float, now: float) -> None:
        """Accept a request once.

        :param mark: what tells two requests apart: the signature's :attr:`~mcsec.wire.dsig.Verified.mark`.
        :param time: the request's own time, Unix seconds.
        :raises Replayed: outside the window, or seen before.
        :raises KmsRefusal: too many inside the window (503).
        """
        if abs(time - now) > self._window:
            raise Replayed(
                f"a request whose time is {time - now:+.0f} s off",
                code="kms.stale",
                hint="compare the clocks of client and KMS",
            )
        if time < self._started:
            raise Replayed("a request from before this process started", code="kms.stale")
        # A request is good until its own time leaves the window, at most two windows from now.
        while self._order and self._order[0][0] < now - 2 * self._window:
            self._seen.discard(self._order.popleft()[1])
        short = mark[:_MARK_OCTETS]
        if short in self._seen:
            raise Replayed("a request that was seen before", code="kms.replayed")
        if len(self._seen) >= self._capacity:
            raise KmsRefusal(503, "too many requests inside the freshness window", code="kms.replay-memory")
        self._seen.add(short)
        self._order.append((now, short))
