"""What the operators' pages show as configuration is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mcsec.bmsc.config import load
from mcsec.server.config import Configuration

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, *, all_settings: bool) -> list[str]:
    """The TOML blocks of a page; ``all_settings``: with those that stand there as comments."""
    found = re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    if all_settings:
        # A default that is explained in words, or several names, is no setting.
        found = [re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE) for text in found]
    return found


@pytest.mark.parametrize("all_settings", [False, True])
def test_the_bmsc(tmp_path: Path, all_settings: bool) -> None:
    first, radio = blocks("bmsc.md", all_settings=all_settings)
    file = tmp_path / "mcsec.toml"
    file.write_text(first)
    config = load(file)
    assert [cell.name for cell in config.cells] == ["lab"]
    assert config.diameter.plain is all_settings
    file.write_text(first.partition("[[bmsc.cells]]")[0] + radio)
    assert [cell.loss for cell in load(file).cells] == [0.1]


@pytest.mark.parametrize("all_settings", [False, True])
def test_the_servers_bearers(tmp_path: Path, all_settings: bool) -> None:
    (text,) = blocks("mb2.md", all_settings=all_settings)
    file = tmp_path / "mcsec.toml"
    file.write_text(f'[domain]\nname = "a.example"\n\n{text}')
    config = Configuration.load(file)
    assert config.server.mb2 is not None
    assert config.server.mb2.policy.refresh_before == 300
    (bearer,) = config.server.bearers
    assert bearer.plan.wish.areas == (1, 2)
    assert bearer.plan.groups == (frozenset({"sip:rescue@a.example"}) if all_settings else frozenset())
