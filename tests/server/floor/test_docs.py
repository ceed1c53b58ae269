"""The pages about floor control are those of the code's tables, and the tables are whole."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from mcsec.client.floor import states as client
from mcsec.server.floor import arbitration, participants

DOCS = Path(__file__).parents[3] / "docs" / "floor"
PAGES: dict[str, str] = runpy.run_path(str(DOCS / "make_diagrams.py"))["pages"]()

TABLES: list[tuple[Mapping[Any, Mapping[Any, Any]], Enum]] = [
    (arbitration.GENERAL, arbitration.ArbitrationState.START_STOP),
    (arbitration.DUAL, arbitration.ArbitrationState.IDLE),
    (participants.TABLE, participants.ParticipantState.START_STOP),
    (client.TABLE, client.State.START_STOP),
]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name], "run docs/floor/make_diagrams.py"


@pytest.mark.parametrize(("table", "first"), TABLES)
def test_every_state_can_be_reached_and_left(table: Mapping[Any, Mapping[Any, Any]], first: Enum) -> None:
    reached, new = set[Enum](), {first}
    while new:
        reached |= new
        new = {rule.to for state in new for rule in table[state].values()} - reached
    assert reached == set(table)
    for state, steps in table.items():
        assert {rule.to for rule in steps.values()} - {state} != set()


def test_no_step_and_no_act_is_idle_talk() -> None:
    for module, tables in (
        (arbitration, (arbitration.GENERAL, arbitration.DUAL)),
        (participants, (participants.TABLE,)),
        (client, (client.TABLE,)),
    ):
        rules = [(step, rule) for table in tables for steps in table.values() for step, rule in steps.items()]
        unused = {"DENY_UNWANTED"}  # It leads nowhere: that is what it is for.
        assert {step.name for step in module.Step} - {step.name for step, _ in rules} <= unused
        assert set(module.Act) == {act for _, rule in rules for act in rule.acts}


def test_the_states_are_those_of_the_specification() -> None:
    assert {state.value for state in client.State} == {
        "Start-stop",
        "U: has no permission",
        "U: pending Request",
        "U: has permission",
        "U: pending Release",
        "U: queued",
        "Releasing",
    }
    assert {state.value for state in arbitration.GENERAL} == {
        "Start-stop",
        "G: Floor Idle",
        "G: Floor Taken",
        "G: pending Floor Revoke",
        "G: Floor Initialising",
        "Releasing",
    }
    assert len(participants.TABLE) == 8
