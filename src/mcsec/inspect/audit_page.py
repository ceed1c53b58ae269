"""An audit report as plain values, as text for people, and as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Any

from mcsec.keys.audit import CLAUSE
from mcsec.keys.chain import Head
from mcsec.keys.records import Record
from mcsec.keys.report import KeyFacts, Report

#: Holders that a line of text names; JSON and HTML name all.
_NAMED = 8


def plain(report: Report, head: Head) -> dict[str, Any]:
    """The report as plain values; times are ISO 8601, UTC. ``head`` is that of the chain which was verified."""
    statement = report.statement
    return {
        "format": "mcsec-audit-report/1",
        "domain": report.domain,
        "asked": {
            "from": _time(report.asked.since) if report.asked.since else None,
            "to": _time(report.asked.until) if report.asked.until < 4e12 else None,
            "bearer": report.asked.bearer or None,
            "group": report.asked.group or None,
            "client": report.asked.client or None,
        },
        "chain": {"records": head.length, "head": head.digest.hex(), "verified": True},
        "keys": [_key(facts) for facts in report.keys],
        "statement": {
            "clause": CLAUSE,
            "holds": statement.holds,
            "text": str(statement),
            "foreign": sorted({str(use.key_id) for use in statement.foreign}),
            "unexplained": sorted({str(use.key_id) for use in statement.unexplained}),
            "records": [_record(record) for record in report.evidence],
        },
    }


def _key(facts: KeyFacts) -> dict[str, Any]:
    return {
        "key_id": str(facts.key_id),
        "kind": facts.key_id.tag.label,
        "scope": list(facts.scope),
        "maker": {"domain": facts.maker.domain, "entity": facts.maker.entity},
        "made": _moment(facts.made),
        "protected": [
            {"traffic": traffic, "subject": subject, "since": _moment(record), "record": record.sequence}
            for (traffic, subject), record in facts.uses.items()
        ],
        "ended": _moment(facts.ended),
        "end": facts.ended.happening.value if facts.ended else None,
        "held": {name: _time(since) for name, since in sorted(facts.held.items())},
        "refused": dict(sorted(facts.refused.items())),
    }


def _record(record: Record) -> dict[str, Any]:
    return {
        "sequence": record.sequence,
        "time": _moment(record),
        "happening": record.happening.value,
        "key_id": str(record.key_id),
        "maker": str(record.maker),
        "subject": record.subject,
        "digest": record.digest.hex(),
    }


def _moment(record: Record | None) -> str | None:
    return None if record is None else _time(record.time / 1_000_000)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(facts: dict[str, Any]) -> str:
    """The report for a terminal."""
    lines = [_title(facts), _chain(facts), ""]
    for key in facts["keys"]:
        lines.append(f"{key['kind']} {key['key_id']} for {', '.join(key['scope']) or 'every group'}")
        lines.append(
            f"  made {key['made'] or 'in no record'} by {key['maker']['entity']} of {key['maker']['domain']}"
        )
        lines += [
            f"  protected {use['traffic']} of {use['subject']} from {use['since']} (record {use['record']})"
            for use in key["protected"]
        ]
        lines.append(f"  {key['end']} {key['ended']}" if key["ended"] else "  still sent under")
        lines.append(f"  held by {_some(key['held'])}")
        lines += [f"  refused by {name}: {reason}" for name, reason in key["refused"].items()]
    numbers = ", ".join(str(record["sequence"]) for record in facts["statement"]["records"])
    return "\n".join([*lines, "", facts["statement"]["text"], f"  records: {numbers or 'none'}"])


def _some(names: Iterable[str]) -> str:
    named = list(names)
    more = len(named) - _NAMED
    return (", ".join(named[:_NAMED]) or "nobody") + (f" and {more} more" if more > 0 else "")


def _title(facts: dict[str, Any]) -> str:
    asked = facts["asked"]
    about = [f"{name} {value}" for name, value in asked.items() if value]
    return f"Keys of {facts['domain']}: {', '.join(about) or 'all times'}"


def _chain(facts: dict[str, Any]) -> str:
    return f"{facts['chain']['records']} records hold; head {facts['chain']['head']}"


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1a1a1a }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { border: 1px solid #bbb; padding: .35rem .6rem; text-align: left; vertical-align: top }
th { background: #eee } code { font-size: 13px; overflow-wrap: anywhere }
.statement { white-space: pre-wrap; border-left: .4rem solid #2a7a2a; padding: .6rem 1rem; background: #f4f8f4 }
.broken { border-color: #b00020; background: #fbf1f2 }
"""


_COLUMNS = ("sequence", "time", "happening", "key_id", "maker", "subject", "digest")


def html(facts: dict[str, Any]) -> str:
    """The report as one page, without scripts, and without anything to be fetched."""
    keys = _table(
        ("Key", "For", "Made", "Protected", "Until", "Held by"),
        [
            (
                f"{key['kind']} {key['key_id']}",
                ", ".join(key["scope"]) or "every group",
                f"{key['made'] or 'in no record'} by {key['maker']['entity']} of {key['maker']['domain']}",
                "; ".join(
                    f"{use['traffic']} of {use['subject']} from {use['since']}" for use in key["protected"]
                ),
                f"{key['end']} {key['ended']}" if key["ended"] else "still sent under",
                ", ".join(key["held"]) or "nobody",
            )
            for key in facts["keys"]
        ],
    )
    records = _table(
        ("Record", "Time", "Happening", "Key", "Maker", "Subject", "Digest"),
        [
            tuple(
                str(record[name])
                for name in ("sequence", "time", "happening", "key_id", "maker", "subject", "digest")
            )
            for record in facts["statement"]["records"]
        ],
    )
    statement = facts["statement"]
    broken = "" if statement["holds"] else " broken"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(_title(facts))}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(_title(facts))}</h1><p>{escape(_chain(facts))}</p>"
        f'<h2>{escape(statement["clause"])}</h2><p class="statement{broken}">{escape(statement["text"])}</p>'
        f"<h2>Keys</h2>{keys}<h2>Records that carry the statement</h2>{records}</body></html>"
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
