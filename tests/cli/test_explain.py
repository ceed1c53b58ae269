"""``mcsec explain``: from every source, in every form; malformed up to the broken octet; nothing readable."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mcsec.cli.main import app
from mcsec.errors import InvalidValue
from mcsec.ids import PurposeTag
from mcsec.keys.key import Maker, Scope, make
from mcsec.keys.transport import write
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorTaken
from support.demo import MCSEC
from support.domains import NOW
from support.engines import GROUP, initiator, mdsi, recipient, user


@pytest.fixture(scope="module")
def mikey() -> bytes:
    key = make(PurposeTag.MUSIK, scope=Scope.of(GROUP), maker=Maker("a.example", "mcx.a.example"), now=NOW)
    return write(key, initiator(mdsi("a.example")), [recipient(user("ann"))], NOW)[0]


TAKEN = rtcp.encode(FloorTaken(ssrc=7, permission=True, sequence_number=1, granted_party="sip:bob@b.example"))


def explain(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["explain", *arguments], input=stdin)


def octets_of(done: Result) -> bytes:
    explained = json.loads(done.stdout)
    at = 0
    for annotation in explained["annotations"]:
        assert annotation["offset"] == at
        at += annotation["length"]
    assert at == explained["length"]
    return bytes.fromhex("".join(annotation["octets"] for annotation in explained["annotations"]))


def in_lines(text: str) -> str:
    return "\n".join(text[at : at + 60] for at in range(0, len(text), 60)) + "\n"


FORMS = {
    "base64": lambda octets: b64encode(octets).decode(),
    "hex": bytes.hex,
    "HEX": lambda octets: octets.hex().upper(),
    "0x": lambda octets: f"0x{octets.hex()}",
    "spaced hex": lambda octets: octets.hex(" "),
    "base64 in lines": lambda octets: in_lines(b64encode(octets).decode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_as_argument(mikey: bytes, form: str) -> None:
    done = explain(FORMS[form](mikey), "--json")
    assert done.exit_code == 0
    assert octets_of(done) == mikey
    assert json.loads(done.stdout)["error"] is None


@pytest.mark.parametrize("form", [*FORMS, "raw"])
def test_as_file_and_as_standard_input(mikey: bytes, form: str, tmp_path: Path) -> None:
    content = mikey if form == "raw" else FORMS[form](mikey).encode()
    (tmp_path / "download.mikey").write_bytes(content)
    for done in (explain(str(tmp_path / "download.mikey"), "--json"), explain("-", "--json", stdin=content)):
        assert done.exit_code == 0
        assert octets_of(done) == mikey


def test_mikey_for_people(mikey: bytes) -> None:
    done = explain(b64encode(mikey).decode())
    assert done.exit_code == 0
    for word in ("I_MESSAGE", "CSB ID", "MuSiK", "RAND", "IDR", "SAKKE R", "SIGN r", "TS 33.180"):
        assert word in done.stdout


def test_rtcp(tmp_path: Path) -> None:
    text, as_json = explain(TAKEN.hex()), explain(TAKEN.hex(), "--json")
    assert (text.exit_code, as_json.exit_code) == (0, 0)
    assert octets_of(as_json) == TAKEN
    for word in ("Floor Taken", "MCPT", "sip:bob@b.example", "TS 24.380"):
        assert word in text.stdout


def test_json_is_one_object_and_nothing_else(mikey: bytes) -> None:
    done = explain(mikey.hex(), "--json")
    assert set(json.loads(done.stdout)) == {"kind", "length", "annotations", "error"}
    assert done.stderr == ""


@pytest.mark.parametrize("cut", [0, 1, 9, 30, 200, -130, -1])
def test_cut_off(mikey: bytes, cut: int) -> None:
    octets = mikey[:cut]
    done = explain("-", "--json", stdin=octets)
    assert done.exit_code == 1
    assert octets_of(done) == octets
    error = json.loads(done.stdout)["error"]
    assert 0 <= error["offset"] <= len(octets)
    assert error["code"].startswith("mikey.")


def test_what_came_before_the_broken_octet_is_explained(mikey: bytes) -> None:
    done = explain(mikey[:200].hex())
    assert done.exit_code == 1
    assert "RAND" in done.stdout
    assert "not decoded" in done.stdout
    assert "error: mikey.malformed" in done.stdout


def test_malformed_rtcp() -> None:
    done = explain(TAKEN[:-5].hex(), "--json")
    assert done.exit_code == 1
    assert octets_of(done) == TAKEN[:-5]
    assert json.loads(done.stdout)["error"]["code"].startswith("rtcp.")


@pytest.mark.parametrize("argument", ["no such thing", "abc", "zz", "/no/such.message", "a\0b", "x" * 5001])
def test_nothing_readable(argument: str) -> None:
    done = explain(argument)
    assert isinstance(done.exception, InvalidValue)
    assert done.exception.code == "explain.no-message"
    assert done.stdout == ""


def test_nothing_readable_is_said_in_one_line() -> None:
    done = subprocess.run(
        [str(MCSEC), "explain", "no such thing"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("mcsec: explain.no-message: neither hex nor base64")


def test_nothing_at_all_on_standard_input() -> None:
    done = explain("-")
    assert done.exit_code == 1
    assert "0 octets" in done.stdout


def test_a_directory_is_no_message(tmp_path: Path) -> None:
    done = explain(str(tmp_path))
    assert isinstance(done.exception, InvalidValue)


def test_without_an_argument() -> None:
    done = explain()
    assert done.exit_code == 2


def test_a_file_whose_name_is_base64_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").write_bytes(TAKEN)
    assert octets_of(explain("demo", "--json")) == TAKEN
