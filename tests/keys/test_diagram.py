"""The documentation's tables and diagrams are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.errors import InvalidValue
from mcsec.ids import PurposeTag
from mcsec.keys.diagram import BLOCKS, lifecycle, refresh
from mcsec.keys.lifecycle import TRANSITIONS

DOCS = Path(__file__).parents[2] / "docs" / "keys"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert refresh(text) == text, "run scripts/make-diagrams"


def test_every_kind_has_its_page_and_every_block_its_place() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {f"{tag.label.lower()}.md" for tag in PurposeTag} <= {page.name for page in PAGES}
    assert [name for name in BLOCKS if f"<!-- made by scripts/make-diagrams: {name} -->" not in text] == []


def test_the_diagram_has_every_transition() -> None:
    drawn = lifecycle()
    for state, steps in TRANSITIONS.items():
        for step, target in steps.items():
            line = next(line for line in drawn.splitlines() if f"{state.name} --> {target.name}:" in line)
            assert step.value in line


def test_a_stale_block_is_written_anew_and_prose_stays() -> None:
    page = "before\n<!-- made by scripts/make-diagrams: states -->\nstale\n<!-- end -->\nafter\n"
    fresh = refresh(page)
    assert "stale" not in fresh
    assert BLOCKS["states"]() in fresh
    assert (fresh.startswith("before\n"), fresh.endswith("after\n"), refresh(fresh)) == (True, True, fresh)


def test_an_unknown_block_is_named() -> None:
    with pytest.raises(InvalidValue, match="no-such"):
        refresh("<!-- made by scripts/make-diagrams: no-such -->\n<!-- end -->\n")
