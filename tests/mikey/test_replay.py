"""The replay cache: bounded, and never lets a replay through."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import InvalidValue, Replayed
from mcsec.mikey.replay import ReplayCache


def test_a_message_is_admitted_once() -> None:
    cache = ReplayCache()
    cache.admit(b"a", 100.0, 0.0)
    cache.admit(b"b", 100.0, 0.0)
    with pytest.raises(Replayed) as caught:
        cache.admit(b"a", 100.0, 0.0)
    assert caught.value.code == "mikey.replayed"


def test_stale_messages_are_forgotten() -> None:
    cache = ReplayCache()
    cache.admit(b"a", 100.0, 0.0)
    cache.admit(b"b", 300.0, 200.0)
    assert len(cache) == 1


def test_a_full_memory_narrows_the_window() -> None:
    cache = ReplayCache(limit=2)
    cache.admit(b"b", 20.0, 0.0)
    cache.admit(b"a", 10.0, 0.0)
    cache.admit(b"c", 30.0, 0.0)
    assert len(cache) == 2
    assert cache.floor == 10.0
    for digest, time in ((b"a", 10.0), (b"new", 10.0), (b"old", 5.0), (b"b", 20.0)):
        with pytest.raises(Replayed):
            cache.admit(digest, time, 0.0)
    cache.admit(b"late", 11.0, 0.0)
    assert cache.floor == 11.0


def test_a_restart_starts_with_a_floor() -> None:
    cache = ReplayCache(not_before=50.0)
    with pytest.raises(Replayed):
        cache.admit(b"a", 50.0, 0.0)
    cache.admit(b"a", 51.0, 0.0)


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=60),
    st.integers(0, 4),
)
def test_no_message_is_ever_admitted_twice(limit: int, tries: list[tuple[int, int]], window: int) -> None:
    cache = ReplayCache(limit)
    admitted: set[tuple[int, int]] = set()
    latest = 0
    for name, time in tries:
        latest = max(latest, time)
        horizon = latest - window
        if time < horizon:
            continue  # refused as stale before the cache is asked
        message = (name, time)
        try:
            cache.admit(bytes(message), float(time), float(horizon))
        except Replayed:
            continue
        assert message not in admitted
        admitted.add(message)
        assert len(cache) <= limit


def test_of_many_threads_one_gets_the_message_in() -> None:
    cache = ReplayCache()

    def attempt(number: int) -> bool:
        try:
            cache.admit(number.to_bytes(2), 1.0, 0.0)
        except Replayed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, [number for number in range(200) for _ in range(8)]))
    assert sum(outcomes) == len(cache) == 200


def test_a_cache_has_room() -> None:
    with pytest.raises(InvalidValue):
        ReplayCache(0)
    assert ReplayCache().floor == -math.inf
