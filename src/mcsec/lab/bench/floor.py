"""Floor control measured: how long it takes between two domains, and what it costs whoever listens, however many."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mcsec.lab.bench.floor_calls import standing
from mcsec.lab.bench.floor_latency import A, B, latency
from mcsec.lab.bench.floor_load import burst

#: Listeners of one call on a bearer.
LISTENERS = (10, 1000, 100_000)
_BURSTS = 200
#: Members of each of many calls.
_CALL = 10


@dataclass(frozen=True, slots=True)
class FloorReport:
    """Figures of one run. Times are milliseconds, ``burst_us`` microseconds of one core.

    ``granted``, ``taken``: from a request for the floor until Floor Granted has arrived, and until a listener on the
    bearer has decoded Floor Taken; median and 95 of 100. ``burst_us``: both functions for one talk burst, by the number
    of listeners on the bearer.
    ``server_ms``: processor time for each request in the server of either domain, all its upkeep included.

    Of ``calls`` calls with ``call_members`` members each in one server process on one core, set up by INVITE and on
    unicast: ``calls_mib``, its memory at most; ``calls_before_mib``, the same before the first call, with everybody
    affiliated. ``calls_legs``: legs set up for each second, ``calls_leg_ms``: processor time for one.
    ``calls_share``: of the core, while there are ``calls_rate`` talk bursts a second; ``calls_median``, ``calls_p95``:
    until Floor Granted.
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
    calls_before_mib: float
    calls_mib: float
    calls_legs: float
    calls_leg_ms: float
    calls_rate: float
    calls_share: float
    calls_median: float
    calls_p95: float

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
                f"{self.calls} calls of {self.call_members} in one process on one core, set up by INVITE:"
                f" {self.calls_mib:.0f} MiB ({self.calls_before_mib:.0f} before)",
                f"  {self.calls_legs:.0f} legs set up a second, {self.calls_leg_ms:.2f} ms of CPU each",
                f"  {self.calls_rate:.0f} talk bursts a second in them: {self.calls_share:.0%} of the core,"
                f" Floor Granted after {self.calls_median:.1f} ms median, {self.calls_p95:.1f} ms p95",
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
    progress(f"{calls} calls in one process are set up")
    load = asyncio.run(standing(calls, _CALL, calls, progress))
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
        _CALL,
        load.before_mib,
        load.mib,
        load.setup,
        load.setup_cpu * 1e3,
        load.rate,
        load.share,
        statistics.median(load.granted) * 1e3,
        _p95(load.granted) * 1e3,
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
