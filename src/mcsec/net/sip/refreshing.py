"""When to refresh what expires, and how long to wait after a failure (TS 24.229 5.1.1.4.1, RFC 5626 4.5)."""

from __future__ import annotations

import random
from dataclasses import dataclass


def refresh_after(expires: int) -> float:
    """Seconds after which a registration or subscription of ``expires`` seconds is refreshed.

    600 seconds before the end when that leaves half the time, else at half of it (TS 24.229 5.1.1.4.1).
    """
    return float(expires - 600 if expires > 1200 else expires / 2)


@dataclass(frozen=True, slots=True)
class RetryTimes:
    """Seconds to wait: ``first`` after a failure, doubled each time up to ``most``; ``lost`` in place of ``first`` when
    the failure is a connection that was there and is gone, for a server that restarts is soon back.
    """

    first: float = 30.0
    most: float = 1800.0
    lost: float = 1.0


STANDARD_RETRY = RetryTimes()


@dataclass(slots=True)
class Backoff:
    """Waiting times between tries: doubling from ``base`` to ``most`` seconds, each spread over its upper half."""

    rng: random.Random
    base: float = STANDARD_RETRY.first
    most: float = STANDARD_RETRY.most
    failures: int = 0

    def failed(self, retry_after: float | None = None) -> float:
        """Seconds to wait after one more failure; a ``Retry-After`` of the peer is the least."""
        self.failures += 1
        longest = min(self.most, self.base * float(2 ** min(self.failures - 1, 16)))
        return max(longest * self.rng.uniform(0.5, 1.0), retry_after or 0.0)

    def restart(self, base: float) -> None:
        """Start from the beginning next time, with ``base`` seconds."""
        self.base, self.failures = base, 0


def seconds(text: str | None) -> int | None:
    """A number of seconds as Expires, Min-Expires and Retry-After have it; ``None`` for anything else.

    A comment or parameters after the number are dropped, numbers beyond 2**32 - 1 are cut (RFC 3261 20.19).
    """
    digits = (text or "").partition("(")[0].partition(";")[0].strip(" \t")
    if not (digits.isascii() and digits.isdigit()):
        return None
    return min(int(digits[:12]), 2**32 - 1)
