"""The command's frame: version, help, quick to start, errors in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import mcsec
from mcsec.cli.main import app
from support.demo import MCSEC

#: What takes long to import, and what only a running command needs. (Typer reads options with pydantic.)
HEAVY = (
    *(
        "aiosqlite",
        "cryptography",
        "fastapi",
        "httpx2",
        "joserfc",
        "lxml",
        "prometheus_client",
        "pydantic_settings",
    ),
    *("signxml", "sipmessage", "sqlalchemy", "starlette", "uvicorn"),
    *("mcsec._core", "mcsec.inspect", "mcsec.kms", "mcsec.lab", "mcsec.net", "mcsec.store"),
)


VECTORS = Path(__file__).parents[2] / "vectors"


def mcsec_command(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(MCSEC), *arguments], input=stdin, capture_output=True, check=False, timeout=60)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


ALL = sorted(commands(typer.main.get_command(app)))


def test_the_commands_of_this_release_are_there() -> None:
    assert {("demo",), ("explain",), ("vectors", "check"), ("bench", "crypto")} <= set(ALL)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_helps(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*path, "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.stdout
    assert "--help" in done.stdout


def test_help_in_short() -> None:
    assert CliRunner().invoke(app, ["demo", "-h"]).exit_code == 0


def test_version() -> None:
    done = mcsec_command("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mcsec {mcsec.__version__}\n".encode(), b"")


def test_no_command_shows_help() -> None:
    done = mcsec_command()
    assert b"Usage:" in done.stdout + done.stderr
    assert done.returncode == 2


def test_no_such_command() -> None:
    done = mcsec_command("dance")
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"dance" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["--version"]])
def test_help_needs_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        f"sys.argv = ['mcsec', *{arguments!r}]\n"
        "from mcsec.cli.main import run\n"
        "try:\n    run()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stderr.decode().strip() == "[]"


def test_an_error_of_ours_is_one_line_and_no_traceback() -> None:
    done = mcsec_command("vectors", "check", "/nowhere/at/all.json")
    assert done.returncode == 1
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("mcsec: vectors.malformed: /nowhere/at/all.json")


def test_a_reader_that_goes_away_is_no_error_worth_a_traceback() -> None:
    process = subprocess.Popen(
        [str(MCSEC), "vectors", "check", str(VECTORS / "uid.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert b"Traceback" not in err
