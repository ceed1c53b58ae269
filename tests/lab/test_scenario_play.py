"""A scenario is played over real protocols, and what it claims is what was heard: expectations that are wrong fail."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mcsec.cli.main import app
from mcsec.lab.claims import DemoReport
from mcsec.lab.scenario.format import parse
from mcsec.lab.scenario.play import play
from support.scenarios import REGROUPED, RELEASE_13, SMALL


@pytest.fixture
def content() -> dict[str, Any]:
    return tomllib.loads(SMALL)


async def played(content: dict[str, Any], directory: Path) -> DemoReport:
    return await play(parse(content), directory, directory / "out", lambda step: None)


def verdicts(report: DemoReport) -> dict[str, bool]:
    return {claim.name: claim.passed for claim in report.claims}


@pytest.mark.anyio
async def test_a_scenario_is_played_and_measured(content: dict[str, Any], tmp_path: Path) -> None:
    report = await played(content, tmp_path)
    assert report.passed, [claim.to_dict() for claim in report.claims if not claim.passed]
    assert verdicts(report).keys() == {
        "talk-1-bob",
        "talk-2-ann",
        "adversary-a.example",
        "own-keys-a.example",
        "media-a.example",
        "no-gmk-at-servers",
        "in-time",
    }
    measured = {what: times for what, times, _, _ in report.latencies}
    assert measured["floor request to granted"] == 2
    assert measured["floor request to Taken on the bearer"] >= 2
    assert measured["mouth to ear"] >= 3
    assert (tmp_path / "out" / "scenario.pcapng").stat().st_size > 1000


@pytest.mark.anyio
async def test_release_13_mode_depends_on_a_gms_and_a_musik_on_nobody(tmp_path: Path) -> None:
    report = await played(tomllib.loads(RELEASE_13), tmp_path)
    assert report.passed, [claim.to_dict() for claim in report.claims if not claim.passed]
    assert verdicts(report).keys() >= {"talk-3-bob", "release-13-a.example", "own-keys-a.example"}


@pytest.mark.anyio
async def test_members_of_several_groups_talk_in_a_temporary_one(tmp_path: Path) -> None:
    report = await played(tomllib.loads(REGROUPED), tmp_path)
    assert report.passed, [claim.to_dict() for claim in report.claims if not claim.passed]
    assert verdicts(report).keys() >= {"talk-1-bob", "talk-2-amy", "talk-3-bob", "own-keys-a.example"}


@pytest.mark.anyio
async def test_what_was_not_so_is_not_claimed(content: dict[str, Any], tmp_path: Path) -> None:
    first, second = content["steps"][2], content["steps"][4]
    first["on_bearer"], first["by_unicast"] = ["amy"], ["ann"]
    second["heard_by"] += ["amy"]
    del second["not_heard_by"]
    content["within"] = 0.5
    # Not a burst that nobody waits for: who left the call is told nothing of the floor.
    content["steps"] = content["steps"][:3] + content["steps"][5:]
    found = verdicts(await played(content, tmp_path))
    assert found.pop("talk-1-bob") is False
    assert found.pop("in-time") is False
    assert all(found.values())


def test_the_command_says_what_failed(content: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(SMALL.replace('by_unicast = ["bob"]', 'by_unicast = ["bob"]\naudio = "gone.wav"'))
    done = CliRunner().invoke(app, ["lab", "check", str(file), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["clients"] == 3
    done = CliRunner().invoke(app, ["lab", "run", str(file), "-o", str(tmp_path / "out")])
    assert done.exit_code != 0
    assert "steps[5] (talk)" in str(done.exception or done.output)
    assert "gone.wav" in str(done.exception or done.output)
