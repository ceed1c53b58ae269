"""The Restart-Counter of a BM-SC or GCS AS, kept over restarts: it must grow whenever state was lost (TS 23.007 29)."""

from __future__ import annotations

import json
import time
from pathlib import Path

from mcsec.errors import LocalError

_NAME = "restart_counter"
_LIMIT = 1 << 32


def next_counter(path: Path | None) -> int:
    """One more than the last time, and remembered. Without a file, the time of day: it grows as well.

    :raises LocalError: the file cannot be read or written, or holds something else.
    """
    if path is None:
        return int(time.time()) % _LIMIT
    try:
        known = json.loads(path.read_text())[_NAME] if path.exists() else 0
        counter = int(known) + 1
        if not 1 <= counter < _LIMIT:
            raise ValueError(f"{counter} is no Restart-Counter")
        written = path.with_suffix(f"{path.suffix}.new")
        written.write_text(json.dumps({_NAME: counter}))
        written.replace(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LocalError(
            f"{path}: {error}", code="restart-counter", hint="a file of this process's own"
        ) from None
    return counter
