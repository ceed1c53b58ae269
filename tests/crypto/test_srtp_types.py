"""The type that a bearer takes is enforced before the program runs: mypy refuses clear octets."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]
HEAD = """
from mcsec.crypto.srtp import BearerPacket, ForwardedMedia, ProtectedPacket, SrtcpSender, SrtpSender
from mcsec.net.multicast import MulticastSender

def send(sender: MulticastSender, srtcp: SrtcpSender, srtp: SrtpSender, clear: bytes) -> None:
    sender.send(srtcp.protect(clear))
    sender.send(srtp.protect(clear))
    sender.send(ForwardedMedia(clear))
"""


@pytest.mark.slow
def test_mypy_refuses_clear_octets(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        HEAD
        + "    sender.send(clear)\n"
        + "    sender.send(srtcp.protect(clear).octets)\n"
        + "    sender.send(ProtectedPacket(clear))\n"
    )
    report, problems, status = api.run(
        [
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            str(tmp_path / "cache"),
            "--no-error-summary",
            "--hide-error-context",
            str(program),
        ]
    )
    assert problems == ""
    assert status == 1
    lines = [
        line.partition("program.py:")[2].split(":")[0] for line in report.splitlines() if "error:" in line
    ]
    assert lines == ["9", "10", "11"], report
