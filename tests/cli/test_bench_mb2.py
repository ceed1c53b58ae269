"""``mcsec bench mb2``: its figures have their names, and a packet costs what it costs whoever listens."""

from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from mcsec.cli.main import app
from mcsec.errors import LocalError
from mcsec.lab.bench import mb2_peer
from mcsec.lab.bench.mb2 import Mb2Report


def test_figures_have_their_names() -> None:
    done = CliRunner().invoke(app, ["bench", "mb2", "--json", "--requests", "200", "--rounds", "1"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert set(report) == {
        *("in_flight", "requests", "asking_us", "answering_us", "peer_requests"),
        *("path_packets", "server_us", "rest_us", "cost_few", "cost_many"),
    }
    assert all(value > 0 for value in report.values()), "the yardstick is here too"
    assert report["cost_many"] < 3 * report["cost_few"], "far from growing with the listeners"


def test_whoever_lacks_the_yardstick_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diameter.node", None)
    assert not mb2_peer.installed()
    with pytest.raises(LocalError) as refused:
        mb2_peer.exchanges(1)
    assert refused.value.hint == mb2_peer.INSTALL
    report = Mb2Report(32, 1, 1, 1, None, 1, 1, 1, 1, 1)
    assert mb2_peer.INSTALL in report.to_text()
    assert report.to_dict()["peer_requests"] is None
