"""Key octets stay where they belong in group calls too: a scenario is played, all it says and writes is searched."""

from __future__ import annotations

import asyncio
import json
import logging
import tomllib
from contextlib import nullcontext
from pathlib import Path

import pytest

from mcsec.cli.report import demo_lines
from mcsec.lab.scenario import play as playing
from mcsec.lab.scenario.format import parse
from support.scenarios import SMALL
from support.secrets import Watch, found


def test_nothing_of_a_key_gets_out_of_a_call(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(playing, "TemporaryDirectory", lambda **_: nullcontext(str(home)))
    watch = Watch(monkeypatch)
    with caplog.at_level(logging.DEBUG):
        report = asyncio.run(playing.play(parse(tomllib.loads(SMALL)), tmp_path, tmp_path / "out", print))
    text, err = capfd.readouterr()
    assert report.passed
    assert watch.kinds() >= {"MuSiK", "MSCCK", "CSK", "GMK", "RSK", "SSK", "token"}
    places = {
        **watch.said(tmp_path),
        "standard output": (text + "\n".join(demo_lines(report))).encode(),
        "standard error": err.encode(),
        "logging": caplog.text.encode(),
        "JSON": json.dumps(report.to_dict()).encode(),
    }
    # Where an operator puts a server's access token is where it is to be.
    places = {name: said for name, said in places.items() if not name.endswith(".token")}
    assert {Path(name).name for name in places} >= {"kms.db", "gms.db", "server.db", "scenario.pcapng"}
    assert b"FloorHeard" in places["events"]
    assert found(watch.secrets, places) == []
    # The search finds what is there: a key in a place where one must not be.
    key = next(octets for name, octets in watch.secrets.items() if name.startswith("MuSiK"))
    assert found(watch.secrets, {"a leak": b"..." + key + b"..."})
