"""Key octets stay where they belong in the whole main job.

A scenario with all that the demo does is played, and all that it says and writes is searched.
"""

from __future__ import annotations

import json
import logging
import tomllib
from base64 import b64encode
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from mcsec.cli.report import demo_lines
from mcsec.lab import main_job
from mcsec.lab.scenario import play as playing
from mcsec.lab.scenario.format import Scenario, parse, read
from support.patient_loop import run
from support.secrets import Watch, found

SCENARIO = """
format = "mcsec-scenario/1"
title = "Everything that the main job does, with few clients"

[domains."a.example"]
clients = ["ann", "amy", "late"]
bearer = { groups = ["rescue"] }

[domains."b.example"]
clients = ["bob"]

[groups.rescue]
home = "b.example"
members = ["ann", "amy", "late", "bob"]

[[steps]]
do = "log-on"
who = ["ann", "amy", "bob"]

[[steps]]
do = "call"
who = "bob"
group = "rescue"

[[steps]]
do = "talk"
who = "bob"
group = "rescue"
seconds = 0.2
heard_by = ["ann", "amy"]

[[steps]]
do = "log-on"
who = ["late"]

[[steps]]
do = "join"
who = "late"
group = "rescue"

[[steps]]
do = "remove"
who = "amy"
group = "rescue"

[[steps]]
do = "restart-bmsc"
domain = "a.example"

[[steps]]
do = "unreachable"
domain = "b.example"

[[steps]]
do = "rotate"
domain = "a.example"
group = "rescue"

[[steps]]
do = "talk"
who = "bob"
group = "rescue"
seconds = 0.2
heard_by = ["ann", "late"]
not_heard_by = ["amy"]

[[steps]]
do = "leave"
who = "late"
group = "rescue"

[[steps]]
do = "end"
group = "rescue"

[[steps]]
do = "adversary"
domain = "b.example"
"""
FORMS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    lambda key: key.hex().encode(),
    lambda key: b64encode(b"a key: " + key),
)


def test_it_has_every_step_of_the_main_job() -> None:
    def steps(scenario: Scenario) -> set[str]:
        return {step.do for step in scenario.steps}

    assert steps(read(main_job.SCENARIO)) <= steps(parse(tomllib.loads(SCENARIO)))


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
        report = run(playing.play(parse(tomllib.loads(SCENARIO)), tmp_path, tmp_path / "out", print))
    text, err = capfd.readouterr()
    assert report.passed
    assert watch.kinds() >= {"MuSiK", "MSCCK", "CSK", "GMK", "SPK", "RSK", "SSK", "XPK", "token"}
    places = {
        **watch.said(tmp_path),
        "standard output": (text + "\n".join(demo_lines(report))).encode(),
        "standard error": err.encode(),
        "logging": caplog.text.encode(),
        "JSON": json.dumps(report.to_dict()).encode(),
    }
    # Where an operator puts a server's access token is where it is to be.
    places = {name: said for name, said in places.items() if not name.endswith(".token")}
    assert {Path(name).name for name in places} >= {
        "kms.db",
        "gms.db",
        "server.db",
        "mcsec.toml",
        "scenario.pcapng",
    }
    assert b"FloorHeard" in places["events"]
    assert found(watch.secrets, places) == []

    # The search finds what is there: a key of each kind, in each place, however it is written.
    for kind in ("MuSiK ", "MSCCK ", "CSK ", "GMK ", "SPK "):
        name, key = next((name, key) for name, key in watch.secrets.items() if name.startswith(kind))
        for place in (
            "JSON",
            "events",
            "logging",
            *(one for one in places if one.endswith((".db", ".pcapng", ".toml"))),
        ):
            said = places[place]
            for form in FORMS:
                leaking = said[: len(said) // 2] + form(key) + said[len(said) // 2 :]
                assert found({name: key}, {place: leaking}) == [f"{name} in {place}"]

    # The key log is for opening the signalling. It holds what that is keyed with, and no key that this came from.
    log = {"key log": (tmp_path / "out" / "scenario.keylog").read_bytes()}
    lying_open = {one.split()[0] for one in found(watch.secrets, log)}
    assert lying_open == {f"{kind}-{part}" for kind in ("MuSiK", "MSCCK", "CSK") for part in ("key", "salt")}
