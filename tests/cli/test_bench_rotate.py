"""``mcsec bench rotate`` measures what it says, with few clients."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from mcsec.cli.main import app


def test_a_rotation_of_few_is_measured() -> None:
    done = CliRunner().invoke(app, ["bench", "rotate", "--clients", "200", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["clients"], found["database"]) == (200, "SQLite")
    assert 0 < found["share_of_processor_time"] < 1
    assert found["took_seconds"] > 0
    assert found["planned_seconds"] > 0
    assert found["start_seconds"] > 0
    assert found["resident_mib"] > 10
