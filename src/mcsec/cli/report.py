"""A demo's report as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from mcsec.lab.claims import DemoReport, table, traffic_rows

_WIDTH = 100


def demo_lines(report: DemoReport) -> Iterator[str]:
    """Evidence first, then the verdict on each claim, then the verdict on all."""
    if report.keys:
        yield ""
        yield from table(
            ("key", "made by", "of domain", "protected", "packets", "octets"),
            [
                (row.key, row.made_by, row.domain, row.protected, row.packets, row.octets)
                for row in report.keys
            ],
        )
    yield ""
    yield from table(("path", "packets", "octets"), traffic_rows(report.traffic))
    yield ""
    if report.latencies:
        yield from table(("milliseconds", "times", "median", "worst"), report.latencies)
        yield ""
    for claim in report.claims:
        yield f"{'PASS' if claim.passed else 'FAIL'}  {claim.name}: {claim.text}"
        yield from (f"      {line}" for line in wrap(claim.evidence, _WIDTH))
    yield ""
    for kind, path in report.files.items():
        yield f"{kind}: {path}"
    if report.seeded:
        yield "seeded: the keys of this run came from a seed; it is good for tests only"
    held = sum(claim.passed for claim in report.claims)
    verdict = "PASS" if report.passed else "FAIL"
    yield f"{verdict}: {held} of {len(report.claims)} claims hold, {report.seconds:.1f} s"
