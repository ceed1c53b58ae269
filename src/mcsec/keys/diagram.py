"""Tables and diagrams for the documentation, made from the tables of the code.

A page of ``docs/keys`` has marked blocks; :func:`refresh` writes them anew. ``scripts/make-diagrams`` does so for every
page, and a test fails when a page is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from mcsec.errors import InvalidValue
from mcsec.keys.decisions import Reason
from mcsec.keys.kinds import KINDS, KeyKind, Service
from mcsec.keys.lifecycle import TRANSITIONS, KeyState

__all__ = ["BLOCKS", "lifecycle", "refresh"]

_BLOCK = re.compile(
    r"(<!-- made by scripts/make-diagrams: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL
)


def lifecycle() -> str:
    """The life of a key as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {KeyState.MADE.name}"]
    for state, steps in TRANSITIONS.items():
        targets: dict[KeyState, list[str]] = {}
        for step, target in steps.items():
            targets.setdefault(target, []).append(step.value)
        lines += [
            f"    {state.name} --> {target.name}: {' / '.join(labels)}" for target, labels in targets.items()
        ]
        if not steps:
            lines.append(f"    {state.name} --> [*]")
    return "\n".join([*lines, "```"])


def states() -> str:
    """What each state means."""
    return _table(("state", "meaning"), ((state.name, state.value) for state in KeyState))


def kinds() -> str:
    """All kinds, one row each."""
    return _table(
        ("key", "tag", "made by", "protects"),
        (
            (
                f"[{kind.tag.label}]({kind.tag.label.lower()}.md)",
                str(kind.tag.value),
                _makers(kind),
                "; ".join(kind.protects),
            )
            for kind in sorted(KINDS.values(), key=lambda kind: kind.tag)
        ),
    )


def reasons() -> str:
    """Every reason that policy gives."""
    rows = ((f"`{reason.code}`", reason.sentence, reason.clause or "this project") for reason in Reason)
    return _table(("code", "meaning", "clause"), rows)


def facts(kind: KeyKind) -> str:
    """One kind, one row for each thing to know."""
    numbers = (f"{service.value} {' / '.join(map(str, kind.cs_ids[service]))}" for service in Service)
    routes = sorted(f"{sender.value} to {receiver.value}" for sender, receiver in kind.routes)
    rows = [
        ("purpose tag", str(kind.tag.value)),
        ("size", f"{kind.octets} octets, with a RAND of {kind.rand_octets}"),
        ("made by", _makers(kind)),
        ("sent from", "; ".join(routes)),
        ("travels in", kind.travels),
        ("bound to", kind.bound.value),
        ("protects", "; ".join(kind.protects)),
        ("MKI", kind.mki.value),
        ("CS-ID", ", ".join(numbers)),
        (
            "a new one takes the place of the old",
            "yes" if kind.one_at_a_time else "no, several live side by side",
        ),
        ("clauses", kind.clause),
    ]
    if kind.open_point:
        rows.append(("open", kind.open_point + " See [readings](../readings/keys.md)."))
    return _table(("", ""), rows)


BLOCKS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "lifecycle": lifecycle,
        "states": states,
        "kinds": kinds,
        "reasons": reasons,
    }
    | {kind.tag.label.lower(): lambda kind=kind: facts(kind) for kind in KINDS.values()}
)
"""What a page may ask for, by the name in the marker."""


def refresh(page: str) -> str:
    """A page with its marked blocks made anew.

    :raises InvalidValue: a marker names no block.
    """

    def made(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in BLOCKS:
            raise InvalidValue(f"no block is called {name}; there are {', '.join(BLOCKS)}")
        return f"{match[1]}{BLOCKS[name]()}\n{match[3]}"

    return _BLOCK.sub(made, page)


def _makers(kind: KeyKind) -> str:
    return " or ".join(sorted(party.value for party in kind.makers))


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(header)
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
