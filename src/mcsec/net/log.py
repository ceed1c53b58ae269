"""Where log lines go: standard error, and nowhere when that takes nothing."""

from __future__ import annotations

import sys
from contextlib import suppress
from io import TextIOBase
from typing import TextIO, cast


class _Log(TextIOBase):
    """Standard error, for lines that may be lost: where the disk is full, the program goes on without them."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Likewise."""
        with suppress(OSError):
            sys.stderr.flush()


LOG = cast("TextIO", _Log())
