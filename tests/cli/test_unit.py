"""The systemd unit that is shipped starts what there is, and is one that systemd takes."""

from __future__ import annotations

import configparser
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcsec.cli.main import app

UNIT = Path(__file__).parents[2] / "contrib" / "systemd" / "mcsec@.service"
MCSEC = Path(sys.executable).with_name("mcsec")


def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names as they are written
    unit.read(UNIT)
    return unit["Service"]


@pytest.mark.parametrize("entity", ["kms", "gms", "server", "bmsc"])
def test_it_starts_what_there_is(entity: str) -> None:
    _, *arguments = shlex.split(service()["ExecStart"].replace("%i", entity))
    assert arguments[:2] == ["run", entity]
    # The file is not there, and that is all that is wrong.
    done = CliRunner().invoke(app, arguments)
    assert "mcsec.toml" in f"{done.output} {done.exception}"
    assert "No such option" not in done.output
    assert "No such command" not in done.output


def test_who_may_not_be_on_duty_any_more_is_started_again() -> None:
    assert service()["Restart"] == "always"
    assert "\nStartLimitIntervalSec=0\n" in UNIT.read_text()


@pytest.mark.peer("systemd-analyze")
def test_systemd_takes_it(tmp_path: Path) -> None:
    unit = tmp_path / "mcsec@server.service"
    unit.write_text(UNIT.read_text().replace("/opt/mcsec/bin/mcsec", str(MCSEC)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
