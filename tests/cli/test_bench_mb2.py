"""``mcsec bench mb2``: its figures have their names, and a packet costs what it costs whoever listens."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from mcsec.cli.main import app


def test_figures_have_their_names() -> None:
    done = CliRunner().invoke(app, ["bench", "mb2", "--json", "--requests", "200", "--rounds", "1"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert set(report) == {
        *("in_flight", "requests", "asking_us", "answering_us"),
        *("path_packets", "cost_few", "cost_many"),
    }
    assert all(value > 0 for value in report.values())
    assert report["cost_many"] < 3 * report["cost_few"], "far from growing with the listeners"
