"""Memory of a process that serves: nothing that lasts is walked through again, and garbage does not grow for ever."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from mcsec.server import memory


class Thing:
    """Something that the collector tracks."""

    def __init__(self) -> None:
        self.other: Thing | None = None


def pair() -> Thing:
    """Two that hold one another."""
    one, two = Thing(), Thing()
    one.other, two.other = two, one
    return one


@pytest.fixture
def looks() -> Iterator[list[tuple[int, int]]]:
    """The generation of each look, and how much was found."""
    found: list[tuple[int, int]] = []

    def heard(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            found.append((info["generation"], info["collected"]))

    gc.callbacks.append(heard)
    yield found
    gc.callbacks.remove(heard)


def grow(kept: list[Thing], looks: list[tuple[int, int]], until: int) -> None:
    """Fills ``kept`` until the collector has looked so often at what outlived a first look."""
    while sum(generation > 0 for generation, _ in looks) < until:
        kept.extend(Thing() for _ in range(1000))
        assert len(kept) < 5_000_000


def test_what_lasts_is_set_aside(looks: list[tuple[int, int]]) -> None:
    before, callbacks = gc.get_threshold(), len(gc.callbacks)
    with memory.settled():
        assert gc.get_threshold() != before
        aside = gc.get_freeze_count()
        assert aside > 10_000
        looks.clear()
        kept: list[Thing] = []
        grow(kept, looks, until=3)
        assert gc.get_freeze_count() > aside + len(kept) // 2
        # What nobody refers to is freed all the same.
        gone = ref(kept[0])
        kept.clear()
        assert gone() is None
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
    assert len(gc.callbacks) == callbacks


def test_garbage_in_cycles_is_found_when_it_is_much(
    monkeypatch: pytest.MonkeyPatch, looks: list[tuple[int, int]]
) -> None:
    for name, less in (("_BETWEEN", 1000), ("_LOOKS", 3), ("_COUNTED", 1)):
        monkeypatch.setattr(memory, name, less)
    monkeypatch.setattr(memory._Watch, "_after", staticmethod(lambda count: count + 20_000))
    with memory.settled():
        looks.clear()
        kept = [pair() for _ in range(100)]
        watched = ref(kept[0])
        others: list[Thing] = []
        grow(others, looks, until=1)
        # It is set aside; now it becomes garbage, which no young look finds.
        kept.clear()
        assert watched() is not None
        grow(others, looks, until=2)
        assert watched() is not None
        # So much more is set aside that all is looked at.
        for _ in range(100):
            if watched() is None:
                break
            grow(others, looks, until=sum(generation > 0 for generation, _ in looks) + 1)
        assert watched() is None
        assert any(generation == 2 and collected for generation, collected in looks)
