"""The BM-SC cannot see a key: nothing that it loads knows of keys, and nothing else may send unprotected."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import mcsec

PACKAGE = Path(mcsec.__file__).parent


def test_no_key_is_within_reach() -> None:
    """Also what is imported by what it imports."""
    program = (
        "import pkgutil, sys, mcsec.bmsc\n"
        "for found in pkgutil.iter_modules(mcsec.bmsc.__path__, 'mcsec.bmsc.'): __import__(found.name)\n"
        "print(*sorted(name for name in sys.modules if name.startswith('mcsec.')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.split()
    assert "mcsec.bmsc.service" in loaded
    forbidden = re.compile(r"mcsec\.(_core|crypto|mikey|keys|store|kms|gms|server|client)(\.|$)")
    assert [name for name in loaded if forbidden.match(name)] == []


def test_only_the_bmsc_sends_octets_as_they_are() -> None:
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if "mcsec.net.radio" in path.read_text() and path.name != "radio.py"
    }
    assert users == {"bmsc"}
