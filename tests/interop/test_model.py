"""Spin finds no error in the model of make before break, and finds each one that is put in."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer("spin", "gcc")

MODEL = Path(__file__).parents[2] / "docs" / "model" / "make_before_break.pml"
FOUND = {
    "SWITCH_BLINDLY": "READABLE",
    "SEND_BEFORE_COMMIT": "READABLE",
    "NO_GRACE": "READABLE",
    "LAZY_REMOVAL": "EXCLUDED",
    "OFFER_TO_REMOVED": "EXCLUDED",
    "TRUST_OLD_ANSWERS": "READABLE",
}


def explored(directory: Path, *flags: str) -> str:
    """What the verifier of the model says."""
    subprocess.run(["spin", *flags, "-a", str(MODEL)], cwd=directory, check=True, capture_output=True)
    build = ["gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"]
    subprocess.run(build, cwd=directory, check=True, capture_output=True)
    run = subprocess.run(
        ["./pan", "-m100000"], cwd=directory, check=True, capture_output=True, text=True, timeout=120
    )
    return run.stdout


def test_make_before_break_holds_in_every_state(tmp_path: Path) -> None:
    said = explored(tmp_path)
    assert "errors: 0" in said, said
    # A search that was cut off, or a model in which nothing happens, would find no error either.
    assert "max search depth too small" not in said
    states = re.search(r"(\d+) states, stored", said)
    assert states is not None
    assert int(states[1]) > 100_000
    assert "unreached in proctype server" in said
    unreached = re.findall(r"pml:\d+, state \d+, \"(?!-end-)[^\"]*\"", said)
    assert not unreached, "steps that never happen"


@pytest.mark.parametrize(("name", "prop"), FOUND.items())
def test_each_broken_rule_is_found(tmp_path: Path, name: str, prop: str) -> None:
    assert f" {name} " in MODEL.read_text()
    said = explored(tmp_path, f"-D{name}")
    violated = re.search(r"assertion violated (.*) \(at depth", said)
    assert violated is not None, said
    assert ("counts_on_it" in violated[1]) == (prop == "READABLE")


def test_every_rule_that_can_be_broken_is_tried() -> None:
    named = set(re.findall(r"(?m)^#ifn?def (\w+)", MODEL.read_text()))
    assert named == FOUND.keys()
