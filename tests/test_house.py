"""The rules of the house: who may import whom, how long a file may be, what may not stand in it."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "mcsec"

#: Read from the top: a room imports only from rooms above it.
ROOMS = ("errors", "ids", "_core", "crypto", "mikey", "keys", "wire", "net", "store")
#: Functional entities speak over the wire; they never import one another.
ENTITIES = ("kms", "gms", "server", "bmsc", "client")
TOP = ("lab", "inspect", "web", "cli")
ORDER = {room: level for level, room in enumerate(ROOMS)}
ORDER |= {entity: len(ROOMS) for entity in ENTITIES}
ORDER |= {room: len(ROOMS) + 1 + level for level, room in enumerate(TOP)}

MAX_LINES = 400


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide the room"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "mcsec" else [base]
        else:
            continue
        found += [(node.lineno, name.split(".")[1]) for name in names if name.startswith("mcsec.")]
    return found


def violations(room: str, source: str) -> list[str]:
    return [
        f"line {line}: {room} imports {other}"
        for line, other in imported_rooms(ast.parse(source))
        if other != room and other not in ("__version__",) and ORDER[other] >= ORDER[room]
    ]


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_above(path: Path) -> None:
    assert room_of(path) in ORDER, "a new room belongs in the order above and in the package docstring"
    assert violations(room_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("mikey", "from mcsec.keys.policy import Policy"),
        ("server", "import mcsec.gms.engine"),
        ("client", "from mcsec.server import keydown"),
        ("server", "def late():\n    from mcsec import kms"),
        ("keys", "from mcsec import store"),
    ],
)
def test_the_rule_bites(room: str, source: str) -> None:
    assert violations(room, source) != []


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def test_files_stay_small() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py", "*.rs", "*.pyi")
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_unsafe_rust_says_why() -> None:
    for path in tracked("*.rs"):
        text = path.read_text()
        if re.search(r"allow\(unsafe_code", text):
            assert re.search(r"^//! .*[Uu]nsafe", text, re.MULTILINE), (
                f"{path}: unsafe without a written reason"
            )


def test_requirements_name_no_address() -> None:
    for path in tracked("requirements/*.txt"):
        text = path.read_text()
        assert "--hash=sha256:" in text
        assert re.search(r"https?://|--index|--extra-index|--find-links", text) is None
