"""A log that takes nothing stops nobody."""

from __future__ import annotations

import io
import sys

import pytest

from mcsec.cli.output import log
from mcsec.net.log import LOG


class Full(io.StringIO):
    """Standard error into a file on a disk that is full."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)

    def flush(self) -> None:
        if self.full:
            raise OSError(28, "No space left on device")


def test_lines_are_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Full()
    monkeypatch.setattr(sys, "stderr", disk)
    log({"event": "Lost"})
    LOG.flush()
    disk.full = False
    log({"event": "Written"})
    assert disk.getvalue() == '{"event": "Written"}\n'
