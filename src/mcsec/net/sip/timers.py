"""The durations of RFC 3261 17.1.1.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Timings:
    """The base durations, in seconds (RFC 3261 table 4).

    ``t1``: estimated round trip, ``t2``: longest interval between retransmissions of a request that is no
    INVITE and of responses to INVITE, ``t4``: how long the network keeps a message. ``completed``: how long
    an INVITE client transaction absorbs retransmitted refusals on an unreliable transport (timer D).
    ``trying``: after which a server sends 100 by itself. ``spread``: share by which each retransmission is
    delayed at random, so that what was lost together does not come back together.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    completed: float = 32.0
    trying: float = 0.2
    spread: float = 0.1

    @property
    def lifetime(self) -> float:
        """64 * T1: after which an unanswered transaction has failed (timers B, F, H, J, L, M)."""
        return 64 * self.t1


DEFAULT_TIMINGS: Final = Timings()
