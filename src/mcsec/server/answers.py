"""What an answer to a delivery means: held, refused, or to be tried again (TS 24.379 7.2.5)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

from mcsec.net.sip.fanout import Outcome
from mcsec.wire.mc_sip import read_warning


class Verdict(Enum):
    """What follows from an answer."""

    HELD = "the client has it"
    REFUSED = "the client does not want it: another attempt would not help"
    AGAIN = "nobody answered for the client"


#: Nobody was there, or was too busy; every other refusal is the client's own.
_AGAIN = frozenset((404, 408, 410, 430, 480, 486, 487, 491, 600))


def verdict(outcome: Outcome) -> tuple[Verdict, str]:
    """What an outcome means, and the reason for people."""
    status = outcome.status
    if status is None:
        return Verdict.AGAIN, outcome.error.code if outcome.error is not None else "no answer"
    if 200 <= status < 300:
        return Verdict.HELD, ""
    response = outcome.response
    warned = read_warning(response.headers.get("Warning")) if response is not None else None
    reason = f"{status}" if warned is None else f"{status} {warned}"
    if status in _AGAIN or 500 <= status < 600:
        return Verdict.AGAIN, reason
    return Verdict.REFUSED, reason


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a delivery is tried again: ``first`` seconds, doubled each time up to ``most``; ``attempts`` in all."""

    first: float = 2.0
    most: float = 600.0
    attempts: int = 8

    def wait(self, attempt: int) -> float | None:
        """Seconds until the next attempt; None: given up. Spread, so that a cell that comes back is not swamped."""
        if attempt >= self.attempts:
            return None
        exact = min(self.first * 2.0 ** min(attempt - 1, 30), self.most)
        return exact * (1 + 0.2 * random.random())  # noqa: S311  # only spreads the load


STANDARD = RetryPolicy()
