"""What a demo claims, whether it holds, and the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim. ``name`` is stable between releases; ``evidence`` is what was seen, never key octets."""

    name: str
    text: str
    passed: bool
    evidence: str

    def to_dict(self) -> dict[str, str]:
        """The claim for ``--json``."""
        return {
            "name": self.name,
            "claim": self.text,
            "result": "pass" if self.passed else "fail",
            "evidence": self.evidence,
        }


@dataclass(frozen=True, slots=True)
class KeyEvidence:
    """A row of the table of evidence: a key, who made it, and what it protected."""

    key: str
    made_by: str
    domain: str
    protected: str
    packets: int
    octets: int


@dataclass(slots=True)
class DemoReport:
    """Everything a demo has to say. ``seeded``: its keys came from a seed, so that it proves nothing to strangers."""

    claims: list[Claim] = field(default_factory=list)
    keys: list[KeyEvidence] = field(default_factory=list)
    traffic: dict[str, dict[str, int]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    latencies: list[tuple[str, int, str, str]] = field(default_factory=list)
    seconds: float = 0.0
    seeded: bool = False

    @property
    def passed(self) -> bool:
        """Whether claims were made and none failed."""
        return bool(self.claims) and all(claim.passed for claim in self.claims)

    def claim(self, name: str, text: str, passed: bool, evidence: str) -> Claim:
        """Adds a claim with its outcome."""
        made = Claim(name, text, passed, evidence)
        self.claims.append(made)
        return made

    def to_dict(self) -> dict[str, Any]:
        """The one object of ``--json``."""
        return {
            "claims": [claim.to_dict() for claim in self.claims],
            "result": "pass" if self.passed else "fail",
            "keys": [
                {
                    "key": row.key,
                    "made_by": row.made_by,
                    "domain": row.domain,
                    "protected": row.protected,
                    "packets": row.packets,
                    "octets": row.octets,
                }
                for row in self.keys
            ],
            "traffic": self.traffic,
            "files": self.files,
            "latencies": [
                {"what": what, "times": times, "median_ms": float(middle), "worst_ms": float(worst)}
                for what, times, middle, worst in self.latencies
            ],
            "seconds": round(self.seconds, 3),
            "seeded": self.seeded,
        }


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a plain table; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    numeric = [all(isinstance(row[at], int) for row in rows) for at in range(len(headings))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()

    return [line(headings), line(["-" * width for width in widths]), *map(line, cells)]


def traffic_rows(traffic: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int, int]]:
    """``(path, packets, octets)`` for each path."""
    return [(path, counts["packets"], counts["octets"]) for path, counts in traffic.items()]
