"""A Restart-Counter grows with each start, and nothing else can stand in its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.errors import LocalError
from mcsec.net.diameter.restart_counter import next_counter


def test_the_counter_grows_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "bmsc.json"
    assert [next_counter(path) for _ in range(3)] == [1, 2, 3]
    assert [entry.name for entry in tmp_path.iterdir()] == ["bmsc.json"]
    for content in (
        "",
        "[]",
        '{"restart_counter": "x"}',
        '{"restart_counter": 4294967295}',
        '{"restart_counter": -5}',
    ):
        path.write_text(content)
        with pytest.raises(LocalError):
            next_counter(path)
    with pytest.raises(LocalError):
        next_counter(tmp_path / "missing" / "bmsc.json")
    assert next_counter(None) > 1_600_000_000
