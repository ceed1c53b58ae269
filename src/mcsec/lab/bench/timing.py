"""How a figure is taken: rounds of a steady loop, their median, beside a yardstick from the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcsec.errors import LocalError

#: The prime of SAKKE parameter set 1 (RFC 6509 appendix A): the yardstick multiplies modulo it.
_P = int(
    "997abb1f0a563fda65c61198dad0657a416c0ce19cb48261be9ae358b3e01a2e"
    "f40aab27e2fc0f1b228730d531a59cb0e791b39ff7c88a19356d27f4a666a6d0"
    "e26c6487326b4cd4512ac5cd65681ce1b6aff4a831852a82a7cf3c521c3c09aa"
    "9f94d6af56971f1ffce3e82389857db080c5df10ac7ace87666d807afea85feb",
    16,
)

#: A round repeats the operation for about this many seconds, so that the clock's grain does not count.
ROUND_SECONDS = 0.12


def per_call(operation: Callable[[], object], rounds: int) -> float:
    """Median seconds of one call, over ``rounds`` rounds, after a warm-up that also sizes the rounds."""
    started = time.perf_counter()
    operation()
    once = max(time.perf_counter() - started, 1e-8)
    repeat = max(1, int(ROUND_SECONDS / once))
    if repeat > 1:
        started = time.perf_counter()
        for _ in range(min(repeat, 100)):
            operation()
        once = (time.perf_counter() - started) / min(repeat, 100)
        repeat = max(1, int(ROUND_SECONDS / once))
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(repeat):
            operation()
        times.append((time.perf_counter() - started) / repeat)
    return statistics.median(times)


def yardstick(rounds: int) -> float:
    """Seconds of one m: ``(a*b) % p`` with 1024-bit gmpy2 integers, the loop included."""
    try:
        from gmpy2 import mpz
    except ImportError:
        raise LocalError(
            "the yardstick needs gmpy2",
            code="bench.no-yardstick",
            hint="pip install gmpy2, or use `make bench`",
        ) from None
    p = mpz(_P)
    a, b = p // 3, p // 7 * 5
    count = 20_000

    def loop() -> None:
        for _ in range(count):
            (a * b) % p

    return per_call(loop, rounds) / count


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Figures of one run, in seconds for each operation, and the yardstick of the same run."""

    m_seconds: float
    seconds: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """``{"m_ns": ..., "results": {name: {"ms": ..., "m": ...}}}``."""
        return {
            "m_ns": round(self.m_seconds * 1e9, 1),
            "results": {
                name: {"ms": round(value * 1e3, 6), "m": round(value / self.m_seconds, 1)}
                for name, value in self.seconds.items()
            },
        }

    def to_text(self) -> str:
        """A table for people."""
        width = max(map(len, self.seconds))
        lines = [f"1 m = {self.m_seconds * 1e9:.0f} ns (one 1024-bit modular multiplication by gmpy2)", ""]
        lines.append(f"{'operation':{width}}  {'ms':>10}  {'m':>8}  {'per second':>11}")
        for name, value in self.seconds.items():
            lines.append(
                f"{name:{width}}  {value * 1e3:10.4f}  {value / self.m_seconds:8.0f}  {1 / value:11,.0f}"
            )
        return "\n".join(lines)
