"""A scenario file is checked whole before anything starts, and every complaint says where."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mcsec.lab.scenario import format as scenario
from support.scenarios import REGROUPED

MAIN_JOB = Path(scenario.__file__).with_name("cross_domain.toml")


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads(MAIN_JOB.read_text()))


def complaint(content: dict[str, Any]) -> str:
    with pytest.raises(scenario.ScenarioError) as refused:
        scenario.parse(content)
    return str(refused.value)


def test_the_main_job_is_what_it_is_said_to_be() -> None:
    read = scenario.read(MAIN_JOB)
    assert (len(read.domains), len(read.clients)) == (2, 10)
    assert read.groups["rescue"].home == "b.example"
    assert read.domain_of("ann") == "a.example"
    bearer = read.domains["a.example"].bearer
    assert bearer is not None
    assert bearer.groups == ["rescue"]
    assert read.domains["b.example"].bearer is None
    kinds = [step.do for step in read.steps]
    for wanted in ("talk", "join", "remove", "restart-bmsc", "unreachable", "rotate"):
        assert wanted in kinds
    assert kinds[-1] == "adversary"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(format="mcsec-scenario/9"), "format"),
        (lambda c: c.update(colour="red"), "colour"),
        (lambda c: c["steps"][1].pop("who"), "steps[2].who"),
        (lambda c: c["steps"][1].update(wh="bob"), "steps[2].wh"),
        (lambda c: c["steps"].insert(0, {"do": "fly"}), "steps[1]"),
        (lambda c: c["steps"][1].update(who="nobody"), "steps[2].who: there is no client nobody"),
        (lambda c: c["steps"][1].update(group="lost"), "steps[2].group: there is no group lost"),
        (lambda c: c["steps"].pop(0), "has not logged on"),
        (lambda c: c["steps"][2].update(seconds=-1), "steps[3].seconds"),
        (lambda c: c["steps"][2].update(heard_by=["bea"]), "steps[3].on_bearer: ann is not in heard_by"),
        (lambda c: c["steps"][2].update(not_heard_by=["ann"]), "steps[3].not_heard_by: ann is in heard_by"),
        (lambda c: c["groups"]["rescue"].update(home="c.example"), "there is no domain c.example"),
        (lambda c: c["groups"]["rescue"]["members"].append("eve"), "there is no client eve"),
        (lambda c: c["domains"]["b.example"]["clients"].append("ann"), "ann is in two places"),
        (
            lambda c: c["domains"]["a.example"].pop("bearer"),
            "a.example has no bearer",
        ),
        (lambda c: c["domains"]["a.example"]["bearer"].update(areas=[]), "domains.a.example.bearer.areas"),
    ],
)
def test_a_mistake_is_named_where_it_is(content: dict[str, Any], change: Any, said: str) -> None:
    change(content)
    assert said in complaint(content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda g: g["joint"].update(of=["fire"]),
            "groups.joint.of: a temporary group is made of two groups",
        ),
        (lambda g: g["joint"].update(of=["fire", "sea"]), "groups.joint.of: there is no group sea"),
        (lambda g: g["joint"].update(of=["fire", "joint"]), "joint is a temporary group itself"),
        (lambda g: g["joint"].update(members=["ann", "bob"]), "has the members of its groups"),
        (lambda g: g["fire"].update(home="a.example"), "fire is at home in a.example"),
        (lambda g: g["fire"].update(members=["ann"]), "groups.fire.members: a group has two members or more"),
        (lambda g: g.update(joint=g["fire"]), "steps[2].group: joint is made of no others"),
    ],
)
def test_a_mistake_in_a_temporary_group_is_named(change: Any, said: str) -> None:
    content = tomllib.loads(REGROUPED)
    change(content["groups"])
    assert said in complaint(content)


def test_a_temporary_group_has_the_members_of_its_groups() -> None:
    assert scenario.parse(tomllib.loads(REGROUPED)).members("joint") == ("ann", "bob", "amy", "ben")


def test_every_mistake_is_named_at_once(content: dict[str, Any]) -> None:
    content["steps"][1]["who"] = "nobody"
    content["groups"]["rescue"]["home"] = "c.example"
    said = complaint(content)
    assert "nobody" in said
    assert "c.example" in said


def test_a_file_that_is_none_is_refused_with_its_name(tmp_path: Path) -> None:
    for name, octets in {"missing.toml": None, "binary.toml": b"\xff\xfe", "half.toml": b"[domains"}.items():
        path = tmp_path / name
        if octets is not None:
            path.write_bytes(octets)
        with pytest.raises(scenario.ScenarioError, match=name):
            scenario.read(path)
