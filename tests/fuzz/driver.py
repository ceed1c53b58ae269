"""A mutational fuzzer: bounded in time, seeded, keeps what reached new code.

New code is seen with ``sys.settrace`` on the package's own files, line by line, in a tenth of the runs: slow,
but enough to grow a corpus from a handful of valid messages. A run that raises anything but the typed error
is saved and reported.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from mcsec.errors import PeerError

#: Values that codecs stumble over.
INTERESTING = (0x00, 0x01, 0x04, 0x7F, 0x80, 0x81, 0xFE, 0xFF)
MAX_OCTETS = 4096


@dataclass(frozen=True)
class Target:
    """One decoder: any octets give a value or raise a :class:`PeerError`."""

    name: str
    decode: Callable[[bytes], object]
    seeds: Sequence[bytes]


@dataclass
class Outcome:
    name: str
    runs: int = 0
    accepted: int = 0
    corpus: int = 0
    crashes: list[tuple[bytes, str]] = field(default_factory=list)


def mutate(octets: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """A few random edits: flips, interesting values, cuts, copies, splices."""
    data = bytearray(octets)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        kind = rng.randrange(7)
        at = rng.randrange(len(data) + 1)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[at % len(data)] = rng.choice(INTERESTING)
        elif kind == 2:
            del data[at : at + rng.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 4 and data:
            begin = rng.randrange(len(data))
            data[at:at] = data[begin : begin + rng.randrange(1, 65)]
        elif kind == 5:
            del data[at:]
        else:
            other = rng.choice(others)
            data[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(data[:MAX_OCTETS])


def lines_reached(decode: Callable[[bytes], object], octets: bytes) -> frozenset[tuple[str, int]]:
    reached: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _arg: Any) -> Any:
        name = frame.f_code.co_filename
        if "mcsec" not in name:
            return None
        if event == "line":
            reached.add((name, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decode(octets)
    except PeerError:
        pass
    finally:
        sys.settrace(before)
    return frozenset(reached)


def fuzz(target: Target, seconds: float, seed: int) -> Outcome:
    """Runs one target; the same seed makes the same edits."""
    rng = random.Random(f"{seed}:{target.name}")
    outcome = Outcome(target.name)
    corpus = list(target.seeds)
    seen: set[tuple[str, int]] = set()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not outcome.crashes:
        octets = mutate(rng.choice(corpus), corpus, rng)
        outcome.runs += 1
        try:
            if outcome.runs % 10 == 0:
                reached = lines_reached(target.decode, octets)
                if not reached <= seen:
                    seen |= reached
                    corpus.append(octets)
                continue
            target.decode(octets)
            outcome.accepted += 1
        except PeerError:
            continue
        except Exception as error:  # noqa: BLE001 - whatever else is raised is what the fuzzer looks for
            outcome.crashes.append((octets, f"{type(error).__name__}: {error}"))
    outcome.corpus = len(corpus)
    return outcome
