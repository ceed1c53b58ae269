"""Floor control measured: how long it takes between two domains, and what it costs whoever listens, however many."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mcsec.lab.bench.floor_latency import A, B, latency
from mcsec.lab.bench.floor_load import burst, many

#: Listeners of one call on a bearer.
LISTENERS = (10, 1000, 100_000)
_BURSTS = 200


@dataclass(frozen=True, slots=True)
class FloorReport:
    """Figures of one run. Times are milliseconds, ``burst_us`` microseconds of one core.

    ``granted``, ``taken``: from a request for the floor until Floor Granted has arrived, and until a listener on the
    bearer has decoded Floor Taken; median and 95 of 100. ``burst_us``: both functions for one talk burst, by the number
    of listeners on the bearer. ``calls_mib``, ``call_burst_us``: of ``calls`` calls in one process, on unicast: what
    both functions keep and decide, keys and ports, without SIP dialogs.
    ``server_ms``: processor time for each request in the server of either domain, all its upkeep included.
    """

    members: int
    groups: int
    requests: int
    granted_median: float
    granted_p95: float
    taken_median: float
    taken_p95: float
    server_ms: dict[str, float]
    burst_us: dict[str, float]
    calls: int
    call_members: int
    calls_mib: float
    call_burst_us: float

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {name: _rounded(value) for name, value in asdict(self).items()}

    def to_text(self) -> str:
        """For people."""
        costs = ", ".join(f"{cost:.0f} us with {count}" for count, cost in self.burst_us.items())
        return "\n".join(
            (
                f"{self.members} members of two domains in {self.groups} calls, {self.requests} requests for the floor",
                f"  until Floor Granted: {self.granted_median:.1f} ms median, {self.granted_p95:.1f} ms p95",
                "  until a listener on the bearer has Floor Taken:"
                f" {self.taken_median:.1f} ms median, {self.taken_p95:.1f} ms p95",
                f"  CPU per request: {self.server_ms[A]:.1f} ms in {A}, {self.server_ms[B]:.1f} ms in {B}",
                f"a talk burst on a bearer: {costs} listeners",
                f"{self.calls} calls of {self.call_members} in one process, without SIP dialogs:"
                f" {self.calls_mib:.0f} MiB, {self.call_burst_us:.0f} us of a core for a talk burst in one of them",
            )
        )


def measure(
    members: int, groups: int, requests: int, calls: int, progress: Callable[[str], None]
) -> FloorReport:
    """All figures.

    :raises LocalError: something did not come so far.
    """
    found = asyncio.run(latency(members, groups, requests, progress))
    costs = {}
    for listeners in LISTENERS:
        progress(f"a talk burst for {listeners} listeners")
        costs[str(listeners)] = _cost(burst(listeners)) * 1e6
    progress(f"{calls} calls in one process")
    load = many(calls, 10)
    return FloorReport(
        members,
        groups,
        requests,
        statistics.median(found.granted) * 1e3,
        _p95(found.granted) * 1e3,
        statistics.median(found.taken) * 1e3,
        _p95(found.taken) * 1e3,
        {name: seconds / requests * 1e3 for name, seconds in found.cpu.items()},
        costs,
        calls,
        10,
        load.mib,
        load.burst * 1e6,
    )


def _cost(once: Callable[[], None]) -> float:
    times = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(_BURSTS):
            once()
        times.append((time.process_time() - began) / _BURSTS)
    return statistics.median(times)


def _p95(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: round(one, 2) for name, one in value.items()}
    return round(value, 2) if isinstance(value, float) else value
