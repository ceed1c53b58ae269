"""``mcsec bench crypto``: the figures that comparisons rest on, each in ms and in m."""

from __future__ import annotations

import json
import os

import pytest
from typer.testing import CliRunner

from mcsec.cli.main import app
from mcsec.lab.bench import crypto, timing

#: Names that other programs may rely on.
NAMES = {
    "sakke.encapsulate_fresh",
    "sakke.encapsulate_batch",
    "sakke.decapsulate",
    "eccsi.sign",
    "eccsi.verify",
    "kms.extract",
    "mikey.build",
    "mikey.open",
    "srtcp.pair",
}


@pytest.fixture(autouse=True)
def _keep_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "_one_core", lambda: None)


def check_shape(document: str) -> None:
    report = json.loads(document)
    assert set(report) == {"m_ns", "results"}
    assert report["m_ns"] > 0
    assert set(report["results"]) >= NAMES
    for figure in report["results"].values():
        assert set(figure) == {"ms", "m"}
        assert figure["ms"] > 0
        assert figure["m"] == pytest.approx(figure["ms"] * 1e6 / report["m_ns"], rel=0.05, abs=0.1)


def test_the_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operation runs, with rounds too short to mean anything."""
    monkeypatch.setattr(timing, "ROUND_SECONDS", 0.0)
    done = CliRunner().invoke(app, ["bench", "crypto", "--json", "--rounds", "5"])
    assert done.exit_code == 0, done.exception
    check_shape(done.stdout)


def test_fewer_than_five_rounds_are_no_median() -> None:
    assert CliRunner().invoke(app, ["bench", "crypto", "--rounds", "4"]).exit_code == 2


def test_a_figure_is_the_median_of_its_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, *(tick for took in (5.0, 1.0, 9.0) for tick in (0.0, took))])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks))
    assert timing.per_call(lambda: None, 3) == 5.0


@pytest.mark.slow
def test_a_real_run() -> None:
    done = CliRunner().invoke(app, ["bench", "crypto", "--json", "--rounds", "5"])
    assert done.exit_code == 0
    check_shape(done.stdout)
    assert os.sched_getaffinity(0)


def test_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "ROUND_SECONDS", 0.0)
    done = CliRunner().invoke(app, ["bench", "crypto", "--rounds", "5"])
    assert done.exit_code == 0
    for name in NAMES:
        assert name in done.stdout
