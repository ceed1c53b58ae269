#!/usr/bin/env python3
"""Writes the page of this directory that is made from the state tables of group calls. A test compares it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from mcsec.server.calls import states, subchannel_states

HERE = Path(__file__).parent
_FLOOR = runpy.run_path(str(HERE.parent / "floor" / "make_diagrams.py"))


def pages() -> dict[str, str]:
    """Every page that is made, by its file name."""
    diagram, rows = _FLOOR["diagram"], _FLOOR["rows"]
    parts = [
        "# States of a group call",
        "<!-- made by docs/calls/make_diagrams.py from the tables of the code; do not edit -->",
        "An empty next state: it stays.",
        "## The call at its controlling function",
        "TS 24.379 10.1.1.4, 10.1.2.4, 6.3.3.",
        diagram(states.TABLE, states.CallState.START_STOP),
        rows(states.TABLE),
        "## MBMS subchannel control at a participating function",
        "One machine for each call and bearer (TS 24.380 10.2). What has no row changes nothing.",
        diagram(subchannel_states.TABLE, subchannel_states.SubchannelState.NOT_ASSIGNED),
        rows(subchannel_states.TABLE),
    ]
    return {"states.md": "\n\n".join(parts) + "\n"}


def main() -> None:
    """Writes what is out of date."""
    for name, text in pages().items():
        path = HERE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{name} was out of date\n")


if __name__ == "__main__":
    main()
