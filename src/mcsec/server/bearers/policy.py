"""The times of the bearer engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BearerPolicy:
    """Times in seconds.

    ``refresh_before``: how long before its expiry a TMGI is refreshed. ``retry_first``, ``retry_most``: between
    attempts, doubling. ``starting``: how long a BM-SC may set up a bearer that it accepted. ``heartbeat``: between
    heartbeats, None for none. ``busy``: a Load-Value (RFC 8583: 65535 is idle) below which nothing new is asked for.
    """

    refresh_before: float = 300.0
    retry_first: float = 1.0
    retry_most: float = 60.0
    starting: float = 30.0
    heartbeat: float | None = 30.0
    busy: int = 3277


STANDARD = BearerPolicy()
"""The default times."""
