"""Vector files: ours all pass, tampered ones fail with both values, malformed ones say what is wrong."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from mcsec.errors import LocalError
from mcsec.inspect.vector_inputs import VectorFileError
from mcsec.inspect.vector_ops import OPS
from mcsec.inspect.vectors import FORMAT, MAX_FILE_OCTETS, check_file, check_text

FILES = sorted((Path(__file__).parents[2] / "vectors").glob("*.json"))


def document(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


CASES = [(path.stem, case) for path in FILES for case in document(path)["cases"]]
#: The first accepted and the first rejected case of each operation.
SAMPLES = {(case["op"], case["expect"]): case for _, case in reversed(CASES)}


def check(*cases: dict[str, Any], **changes: Any) -> Any:
    whole = {"format": FORMAT, "origin": "test", "cases": list(cases)} | changes
    return check_text(json.dumps(whole), "test.json")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_passes(path: Path) -> None:
    report = check_file(path)
    assert report.failures == ()
    assert report.passed
    assert report.ran == len(document(path)["cases"])
    assert report.to_text() == f"{report.ran} passed, 0 failed"


def test_every_operation_has_accepted_and_rejected_cases() -> None:
    assert set(SAMPLES) == {(op, expect) for op in OPS for expect in ("accept", "reject")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_says_where_it_comes_from(path: Path) -> None:
    assert len(document(path)["origin"]) > 20
    names = [case["name"] for case in document(path)["cases"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("op", OPS)
def test_a_rejected_case_that_is_accepted_fails(op: str) -> None:
    case = copy.deepcopy(SAMPLES[op, "accept"]) | {"expect": "reject"}
    report = check(case)
    assert not report.passed
    (failure,) = report.failures
    assert failure.expected == "reject"
    assert failure.actual.startswith("accept")


@pytest.mark.parametrize("op", OPS)
def test_an_accepted_case_that_is_rejected_fails(op: str) -> None:
    case = copy.deepcopy(SAMPLES[op, "reject"]) | {"expect": "accept"}
    report = check(case)
    (failure,) = report.failures
    assert failure.expected.startswith("accept")
    assert failure.actual.startswith("reject: ")


OUTPUTS = [(op, name) for op in OPS for name in SAMPLES[op, "accept"].get("output", {})]


@pytest.mark.parametrize(("op", "name"), OUTPUTS)
@pytest.mark.parametrize("at", [0, -1])
def test_every_output_must_match_exactly(op: str, name: str, at: int) -> None:
    case = copy.deepcopy(SAMPLES[op, "accept"])
    octets = bytearray(bytes.fromhex(case["output"][name]))
    octets[at] ^= 1
    case["output"][name] = octets.hex()
    (failure,) = check(case).failures
    assert octets.hex() in failure.expected
    assert SAMPLES[op, "accept"]["output"][name] in failure.actual
    text = check(case, SAMPLES[op, "accept"]).to_text()
    assert failure.expected in text
    assert failure.actual in text
    assert text.endswith("1 passed, 1 failed")


@pytest.mark.parametrize(("op", "name"), OUTPUTS)
def test_no_output_is_missing_or_too_much(op: str, name: str) -> None:
    missing = copy.deepcopy(SAMPLES[op, "accept"])
    del missing["output"][name]
    more = copy.deepcopy(SAMPLES[op, "accept"])
    more["output"]["more"] = "00"
    assert len(check(missing, more).failures) == 2


def test_nothing_run_is_nothing_passed() -> None:
    assert not check().passed
    assert check().to_text() == "0 passed, 0 failed"


def test_the_report_as_json() -> None:
    report = check(SAMPLES["uid", "accept"], SAMPLES["uid", "accept"] | {"expect": "reject"})
    plain = json.loads(json.dumps(report.to_dict()))
    assert (plain["passed"], plain["failed"], plain["file"]) == (1, 1, "test.json")
    assert plain["failures"][0]["op"] == "uid"


def test_binary_fields_may_be_base64() -> None:
    case = copy.deepcopy(SAMPLES["uid", "accept"])
    case["output"] = {"uid_base64": "OoH7FMOx0P5DycV3EE1VptgXiL/S8JdDxFV3RqWgNTs="}
    assert check(case).passed


UID = SAMPLES["uid", "accept"]
OPEN = SAMPLES["mikey.open", "accept"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", FORMAT),
        (json.dumps({"format": "mcsec-vectors/2", "origin": "", "cases": []}), FORMAT),
        (json.dumps({"format": FORMAT, "cases": []}), "origin"),
        (json.dumps({"format": FORMAT, "origin": "x", "cases": {}}), "cases"),
    ],
)
def test_malformed_files(text: str, says: str) -> None:
    with pytest.raises(VectorFileError, match=says):
        check_text(text, "broken.json")


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("text", "no object"),
        ({}, '"name" is missing'),
        ({"name": 1}, '"name" is not text'),
        ({"name": "a"}, '"op" is missing'),
        ({"name": "a", "op": "sakke.guess"}, "not known"),
        (UID | {"expect": "maybe"}, "maybe"),
        ({key: value for key, value in UID.items() if key != "period"}, '"period" is missing'),
        (UID | {"period": "2592000"}, '"period" is not a whole number'),
        (UID | {"period": True}, '"period" is not a whole number'),
        (UID | {"period": -1}, '"period" is not a whole number'),
        (OPEN | {"message_base64": "A"}, "is not base64"),
        (OPEN | {"kms": "kms"}, "kms: no object"),
        (OPEN | {"kms": {}}, "kms: "),
        (OPEN | {"now": "yesterday"}, '"now" is not a time'),
        (OPEN | {"now": float("nan")}, '"now" is not a time'),
        (OPEN | {"profile": "lenient"}, "no profile lenient"),
    ],
)
@pytest.mark.parametrize("expect", ["accept", "reject"])
def test_a_malformed_case_is_never_a_rejected_message(case: Any, says: str, expect: str) -> None:
    if isinstance(case, dict) and case.get("expect") == "accept":
        case = case | {"expect": expect}
    with pytest.raises(VectorFileError, match=says) as caught:
        check(SAMPLES["uid", "accept"], case)
    assert "test.json: case 2" in str(caught.value)
    assert isinstance(caught.value, LocalError)


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ({"uid": "xy"}, '"uid" is not hex'),
        ({"uid": "abc"}, '"uid" is not hex'),
        ({"uid": 1}, '"uid" is not text'),
        ({"uid_base64": "="}, '"uid_base64" is not base64'),
        ([], "output: no object"),
    ],
)
def test_malformed_outputs(output: Any, says: str) -> None:
    with pytest.raises(VectorFileError, match=says):
        check(UID | {"output": output})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe")
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_OCTETS + 1)
    for path in (tmp_path / "none.json", tmp_path, binary, large):
        with pytest.raises(VectorFileError, match=path.name):
            check_file(path)
