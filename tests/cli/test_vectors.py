"""``mcsec vectors check``: counts, failures with both values, exit status."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mcsec.cli.main import app
from mcsec.inspect.vector_inputs import VectorFileError

VECTORS = Path(__file__).parents[2] / "vectors"


def check(file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["vectors", "check", str(file), *options])


@pytest.fixture
def document() -> dict[str, Any]:
    return json.loads((VECTORS / "uid.json").read_text())


def written(document: object, where: Path) -> Path:
    file = where / "vectors.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


@pytest.mark.parametrize("name", ["uid", "guk_id", "mikey_derive", "srtcp"])
def test_ours_pass(name: str) -> None:
    done = check(VECTORS / f"{name}.json")
    cases = len(json.loads((VECTORS / f"{name}.json").read_text())["cases"])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == f"{cases} passed, 0 failed"


def test_a_wrong_value_is_shown_with_the_right_one(document: dict[str, Any], tmp_path: Path) -> None:
    case = document["cases"][0]
    right = case["output"]["uid"]
    wrong = case["output"]["uid"] = "00" * 32
    done = check(written(document, tmp_path))
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == f"FAILED {case['name']} (uid)"
    assert wrong in lines[1]
    assert right in lines[2]
    assert lines[-1] == f"{len(document['cases']) - 1} passed, 1 failed"


def test_what_should_be_rejected_and_is_not(document: dict[str, Any], tmp_path: Path) -> None:
    case = next(case for case in document["cases"] if case["expect"] == "accept")
    document["cases"] = [
        {key: value for key, value in case.items() if key != "output"} | {"expect": "reject"}
    ]
    done = check(written(document, tmp_path))
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "0 passed, 1 failed"


def test_no_case_is_no_success(document: dict[str, Any], tmp_path: Path) -> None:
    done = check(written(document | {"cases": []}, tmp_path))
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "0 passed, 0 failed"


def test_json(document: dict[str, Any], tmp_path: Path) -> None:
    good = check(VECTORS / "uid.json", "--json")
    broken = copy.deepcopy(document)
    broken["cases"][0]["output"]["uid"] = "00" * 32
    bad = check(written(broken, tmp_path), "--json")
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert json.loads(good.stdout)["failures"] == []
    report = json.loads(bad.stdout)
    assert (report["passed"], report["failed"]) == (len(broken["cases"]) - 1, 1)
    (failure,) = report["failures"]
    assert set(failure) == {"case", "op", "expected", "actual"}
    assert bad.stderr == ""


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no JSON",
        "[]",
        '{"format": "mcsec-vectors/2", "origin": "", "cases": []}',
        '{"format": "mcsec-vectors/1", "origin": "", "cases": {}}',
        '{"format": "mcsec-vectors/1", "origin": "", "cases": [1]}',
        '{"format": "mcsec-vectors/1", "origin": "", "cases": [{"name": "n", "op": "dance", "expect": "accept"}]}',
        "[" * 100_000,
    ],
)
def test_a_malformed_file_is_an_error_and_no_failure(content: str, tmp_path: Path) -> None:
    done = check(written(content, tmp_path))
    assert done.exit_code == 1
    assert isinstance(done.exception, VectorFileError)
    assert "passed" not in done.stdout


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert isinstance(check(tmp_path / "none.json").exception, VectorFileError)
