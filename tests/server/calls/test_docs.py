"""The page about calls is that of the code's tables, and the tables are whole."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from mcsec.server.calls import states, subchannel_states

DOCS = Path(__file__).parents[3] / "docs" / "calls"
PAGES: dict[str, str] = runpy.run_path(str(DOCS / "make_diagrams.py"))["pages"]()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name], "run docs/calls/make_diagrams.py"


@pytest.mark.parametrize(
    ("module", "table", "first"),
    [
        (states, states.TABLE, states.CallState.START_STOP),
        (subchannel_states, subchannel_states.TABLE, subchannel_states.SubchannelState.NOT_ASSIGNED),
    ],
)
def test_every_state_is_reached_and_nothing_is_idle_talk(
    module: Any, table: Mapping[Any, Mapping[Any, Any]], first: Enum
) -> None:
    reached, new = set[Enum](), {first}
    while new:
        reached |= new
        new = {rule.to for state in new for rule in table[state].values()} - reached
    assert reached == set(table)
    rules = [(step, rule) for steps in table.values() for step, rule in steps.items()]
    assert {step for step, _ in rules} == set(module.Step)
    assert {act for _, rule in rules for act in rule.acts} == set(module.Act)
