"""No (key, SSRC, index) twice, wherever a process dies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import IndexExhausted, InvalidValue, WrongState
from mcsec.ids import KeyId
from mcsec.keys.reservation import FIRST_INDEX, LAST_INDEX, Block, IndexRange, Reserve, draw_ssrc, reserve

KEY, OTHER_KEY, SSRC = KeyId(0x6ABCDEF0), KeyId(0x6ABCDEF1), 0x1234


class Crash(Exception):
    """The process died here."""


class Store:
    """Marks that outlive a process. ``die`` counts the points at which it is asked whether the process lives
    on."""

    def __init__(self) -> None:
        self.marks: dict[tuple[KeyId, int], int] = {}
        self.die = -1

    def alive(self) -> None:
        self.die -= 1
        if self.die == 0:
            raise Crash

    def reserve(self, wish: Reserve) -> Block:
        self.alive()
        block = reserve(self.marks.get((wish.key_id, wish.ssrc), 0), wish)
        self.alive()
        self.marks[wish.key_id, wish.ssrc] = block.last
        self.alive()
        return block


def run(
    store: Store, packets: int, sent: list[tuple[KeyId, int, int]], *, above: int = 0, key: KeyId = KEY
) -> None:
    """A process: start, send ``packets``, reserving on the way; notes each index at the moment it is used."""
    indexes = IndexRange(key, SSRC, size=4, low=1, above=above)
    wish = indexes.wish()
    assert wish is not None
    store.alive()
    indexes.grant(store.reserve(wish))
    index = indexes.first
    for _ in range(packets):
        store.alive()
        assert index <= indexes.last, "a sender stops at the end of its range"
        sent.append((key, SSRC, index))
        store.alive()
        index += 1
        if (wish := indexes.wish(index)) is not None:
            indexes.grant(store.reserve(wish))


def test_without_a_crash_the_indexes_follow_one_another() -> None:
    sent: list[tuple[KeyId, int, int]] = []
    run(Store(), 10, sent)
    assert [index for _, _, index in sent] == list(range(FIRST_INDEX, FIRST_INDEX + 10))


@given(st.lists(st.integers(1, 60), max_size=12))
def test_no_index_twice_whenever_processes_die(deaths: list[int]) -> None:
    store, sent = Store(), []
    for point in deaths:
        store.die = point
        try:
            run(store, 12, sent)
        except Crash:
            continue
    assert len(set(sent)) == len(sent)
    indexes = [index for _, _, index in sent]
    assert indexes == sorted(indexes)


def test_every_single_point_of_death() -> None:
    for point in range(1, 70):
        store, sent = Store(), []
        for die in (point, -1):
            store.die = die
            try:
                run(store, 12, sent)
            except Crash:
                continue
        assert len(set(sent)) == len(sent), point
        assert len(sent) >= 12


def test_another_key_on_the_same_ssrc_counts_on() -> None:
    store, sent = Store(), []
    run(store, 10, sent)
    last = max(index for _, _, index in sent)
    run(store, 3, sent, above=last, key=OTHER_KEY)
    assert [index for key, _, index in sent if key == OTHER_KEY] == [last + 1, last + 2, last + 3]


def test_a_block_is_reserved_before_it_is_used_and_more_before_it_is_used_up() -> None:
    indexes = IndexRange(KEY, SSRC, size=100, low=10)
    assert (indexes.first, indexes.last) == (0, 0)
    wish = indexes.wish()
    assert wish == Reserve(KEY, SSRC, 100, 0)
    assert indexes.wish() is None
    indexes.grant(reserve(0, wish))
    assert (indexes.first, indexes.last) == (1, 100)
    assert indexes.wish(90) is None
    assert indexes.wish(91) == Reserve(KEY, SSRC, 100, 100)
    indexes.failed()
    assert indexes.wish(95) == Reserve(KEY, SSRC, 100, 100)


def test_the_last_index_is_the_end() -> None:
    wish = Reserve(KEY, SSRC, 100)
    assert reserve(LAST_INDEX - 10, wish) == Block(KEY, SSRC, LAST_INDEX - 9, LAST_INDEX)
    with pytest.raises(IndexExhausted):
        reserve(LAST_INDEX, wish)
    indexes = IndexRange(KEY, SSRC, size=100, low=10)
    wished = indexes.wish()
    assert wished is not None
    indexes.grant(reserve(LAST_INDEX - 10, wished))
    assert indexes.wish(LAST_INDEX) is None


def test_a_block_that_does_not_follow_shows_another_sender() -> None:
    indexes = IndexRange(KEY, SSRC, size=100, low=10)
    wish = indexes.wish()
    assert wish is not None
    indexes.grant(reserve(0, wish))
    wish = indexes.wish(100)
    assert wish is not None
    with pytest.raises(WrongState) as caught:
        indexes.grant(reserve(500, wish))
    assert caught.value.code == "keys.index-gap"
    assert indexes.last == 100


@pytest.mark.parametrize("block", [Block(OTHER_KEY, SSRC, 1, 9), Block(KEY, SSRC + 1, 1, 9)])
def test_a_block_of_another_sender_is_refused(block: Block) -> None:
    indexes = IndexRange(KEY, SSRC)
    indexes.wish()
    with pytest.raises(WrongState):
        indexes.grant(block)


def test_a_block_that_nobody_wished_for_is_refused() -> None:
    with pytest.raises(WrongState) as caught:
        IndexRange(KEY, SSRC).grant(Block(KEY, SSRC, 1, 9))
    assert caught.value.code == "keys.index-not-wished"


def test_senseless_sizes_are_refused() -> None:
    with pytest.raises(InvalidValue):
        IndexRange(KEY, SSRC, size=10, low=10)
    for mark, size in ((-1, 1), (0, 0)):
        with pytest.raises(InvalidValue):
            reserve(mark, Reserve(KEY, SSRC, size))


def test_an_ssrc_is_drawn_that_was_not_used() -> None:
    class AllButOne:
        def __init__(self) -> None:
            self.asked = 0

        def __contains__(self, ssrc: object) -> bool:
            self.asked += 1
            return self.asked < 3

    used = AllButOne()
    assert 0 <= draw_ssrc(used) < 1 << 32
    assert used.asked == 3
