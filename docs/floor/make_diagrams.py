#!/usr/bin/env python3
"""Writes the pages of this directory that are made from the state tables of floor control. A test compares them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from mcsec.client.floor import states as client
from mcsec.server.floor import arbitration, participants, requests
from mcsec.wire.rtcp.floor_values import DenyCause

HERE = Path(__file__).parent


# State, step, rule. The three machines have three types of each, with names in common.
Table = Mapping[Any, Mapping[Any, Any]]


def diagram(table: Table, first: Enum) -> str:
    """A table as a Mermaid state diagram. Steps that change no state stand in the table below it only."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first.name}"]
    lines += [f"    {state.name}: {state.value.replace(':', '#58;')}" for state in table]
    for state, steps in table.items():
        targets: dict[Enum, list[str]] = {}
        for step, rule in steps.items():
            if rule.to is not state:
                targets.setdefault(rule.to, []).append(step.value.replace(":", "#58;"))
        lines += [f"    {state.name} --> {to.name}: {' / '.join(labels)}" for to, labels in targets.items()]
    return "\n".join([*lines, "```"])


def rows(table: Table) -> str:
    """A table, one row for each step."""
    return in_columns(
        ("state", "what happens", "next state", "what is done"),
        (
            (state.value, step.value, "" if rule.to is state else rule.to.value, "; ".join(rule.acts))
            for state, steps in table.items()
            for step, rule in steps.items()
        ),
    )


def in_columns(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = tuple(header)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ("---",) * len(head), *lines))


def judged() -> str:
    """The rules for a Floor Request."""
    return in_columns(
        ("when", "then"),
        (
            (
                rule.when,
                f"Floor Deny {rule.then.value}, {rule.then.name.lower().replace('_', ' ')}"
                if isinstance(rule.then, DenyCause)
                else rule.then.value,
            )
            for rule in requests.RULES
        ),
    )


def pages() -> dict[str, str]:
    """Every page that is made, by its file name."""
    state = arbitration.ArbitrationState
    texts = {
        "arbitration.md": [
            "# General floor arbitration",
            "Who may talk, as the server decides it (TS 24.380 6.3.4). An empty next state: it stays.",
            diagram(arbitration.GENERAL, state.START_STOP),
            rows(arbitration.GENERAL),
            "## The second talker of dual floor control",
            "T11 stands for T1 and T12 for T2. Idle means that nobody overrides.",
            diagram(arbitration.DUAL, state.IDLE),
            rows(arbitration.DUAL),
            "## What becomes of a Floor Request",
            "The first line that holds counts.",
            judged(),
        ],
        "participants.md": [
            "# The server's view of each participant",
            "What one participant may do (TS 24.380 6.3.5). Messages and media without a row are discarded.",
            diagram(participants.TABLE, participants.ParticipantState.START_STOP),
            rows(participants.TABLE),
        ],
        "client.md": [
            "# The floor participant",
            "What a client does (TS 24.380 6.2.4). A step without a row changes nothing.",
            diagram(client.TABLE, client.State.START_STOP),
            rows(client.TABLE),
        ],
    }
    note = "<!-- made by docs/floor/make_diagrams.py from the tables of the code; do not edit -->"
    return {name: "\n\n".join([parts[0], note, *parts[1:]]) + "\n" for name, parts in texts.items()}


def main() -> None:
    """Writes what is out of date."""
    for name, text in pages().items():
        path = HERE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{name} was out of date\n")


if __name__ == "__main__":
    main()
