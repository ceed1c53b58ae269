"""Memcheck as a referee: private operations neither branch nor index on a secret.

The program `rust/core/examples/undefined_secrets.rs` runs them on secrets that memcheck takes for undefined memory. A
branch on the outcome of a check is allowed where the source says on the line above what is public about it.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

CORE = Path(__file__).parents[2] / "rust" / "core"
TARGET = CORE.parents[1] / "target" / "undefined-secrets"
EXCUSE = "// public:"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.peer("valgrind", "cargo")]


@dataclass(frozen=True)
class Report:
    """One report of memcheck: what it saw and the lines of the core that led there, innermost first."""

    kind: str
    lines: tuple[tuple[Path, int], ...]

    @property
    def excused(self) -> bool:
        return any(
            path.read_text().splitlines()[number - 2].strip().startswith(EXCUSE)
            for path, number in self.lines
        )


@pytest.fixture(scope="module")
def program() -> Path:
    """Built as it is shipped, with line numbers."""
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "--quiet", "--example", "undefined_secrets"],
        cwd=CORE,
        check=True,
        env=os.environ | {"CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only", "CARGO_TARGET_DIR": str(TARGET)},
    )
    return TARGET / "release" / "examples" / "undefined_secrets"


def reports(program: Path, what: str, tmp_path: Path) -> list[Report]:
    found = tmp_path / "reports.xml"
    subprocess.run(
        [
            "valgrind",
            "--error-limit=no",
            "--num-callers=30",
            "--xml=yes",
            f"--xml-file={found}",
            program,
            what,
        ],
        check=True,
        capture_output=True,
    )
    return [
        Report(
            error.findtext("kind", ""),
            tuple(
                (path, int(frame.findtext("line", "0")))
                for frame in error.iterfind("./stack/frame")
                if (path := CORE / frame.findtext("dir", "") / frame.findtext("file", "")).is_file()
            ),
        )
        for error in ET.parse(found).getroot().iterfind("error")
        if not error.findtext("kind", "").startswith("Leak_")
    ]


def test_a_branch_on_a_secret_is_seen(program: Path, tmp_path: Path) -> None:
    (report,) = reports(program, "leak", tmp_path)
    assert report.kind == "UninitCondition"
    assert not report.excused


@pytest.mark.parametrize("what", ["eccsi", "derivations"])
def test_no_other_branch_depends_on_a_secret(program: Path, what: str, tmp_path: Path) -> None:
    found = reports(program, what, tmp_path)
    assert [report for report in found if not report.excused] == []


def test_excuses_are_still_needed(program: Path, tmp_path: Path) -> None:
    """A comment that excuses nothing is a gap for the next change to hide in."""
    used = {
        (path, number - 1) for report in reports(program, "eccsi", tmp_path) for path, number in report.lines
    }
    for path in sorted((CORE / "src" / "eccsi").glob("*.rs")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip().startswith(EXCUSE):
                assert (path, number) in used, f"{path.name}:{number} excuses nothing"
