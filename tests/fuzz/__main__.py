"""``python -m tests.fuzz --seconds N``: every target for its share of N seconds; exit status 1 on a crash."""

from __future__ import annotations

import argparse
import sys

from .driver import fuzz
from .targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("targets", nargs="*", help="names; none means all")
    options = parser.parse_args()
    chosen = [target for target in TARGETS if not options.targets or target.name in options.targets]
    crashed = False
    for target in chosen:
        outcome = fuzz(target, options.seconds / len(chosen), options.seed)
        print(
            f"{outcome.name:32} {outcome.runs:8} runs {outcome.accepted:8} accepted {outcome.corpus:5} corpus"
        )
        for octets, error in outcome.crashes:
            crashed = True
            print(f"  CRASH {error}\n  input {octets.hex()}")
    return int(crashed)


if __name__ == "__main__":
    sys.exit(main())
