"""``mcsec bench floor``: its figures have their names, and a floor event costs what it costs whoever listens."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from mcsec.cli.main import app
from mcsec.lab.bench import floor


def test_figures_have_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "LISTENERS", (10, 5000))
    options = ["--members", "8", "--groups", "1", "--requests", "10", "--calls", "5"]
    done = CliRunner().invoke(app, ["bench", "floor", "--json", *options])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert set(report) == {
        *("members", "groups", "requests", "granted_median", "granted_p95", "taken_median", "taken_p95"),
        *("server_ms", "burst_us", "calls", "call_members", "calls_before_mib", "calls_mib", "calls_legs"),
        *("calls_leg_ms", "calls_rate", "calls_share", "calls_median", "calls_p95"),
    }
    assert 0 < report["granted_median"] <= report["granted_p95"] < 1000
    assert 0 < report["taken_median"] <= report["taken_p95"] < 1000
    assert report["calls"] == 5
    assert 0 < report["calls_median"] <= report["calls_p95"]
    assert 0 < report["calls_before_mib"] <= report["calls_mib"]
    assert report["burst_us"]["5000"] < 3 * report["burst_us"]["10"], "far from growing with the listeners"
