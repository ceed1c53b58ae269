"""The send window: grows by addition, shrinks by multiplication, in proportion to the loss."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.net.sip.window import SendWindow, WindowSettings


def answer(window: SendWindow, count: int, now: float) -> None:
    for _ in range(count):
        while window.free:
            window.take()
        window.answered(now)


def test_it_starts_at_the_documented_size() -> None:
    window = SendWindow()
    taken = 0
    while window.free:
        window.take()
        taken += 1
    assert taken == window.limit == 32


def test_answers_add_about_one_per_window_and_no_more_than_the_most() -> None:
    window = SendWindow(WindowSettings(initial=10, most=12))
    answer(window, 11, 0.0)
    assert window.limit == 11
    answer(window, 500, 0.0)
    assert window.limit == 12


def test_it_does_not_grow_while_it_is_not_what_holds_us_back() -> None:
    window = SendWindow()
    for _ in range(1000):
        window.take()
        window.answered(0.0)
    assert window.limit == 32


@pytest.mark.parametrize(("lost", "of", "after"), [(1, 1, 50), (50, 100, 50), (10, 100, 90), (1, 100, 99)])
def test_loss_takes_its_share_once_per_epoch(lost: int, of: int, after: int) -> None:
    window = SendWindow(WindowSettings(initial=100, most=100))
    window.answered(0.0)
    window.take()
    for _ in range(of - lost):
        window.take()
        window.answered(0.1)
    for _ in range(lost):
        window.resent(0.2)
    assert window.limit == 100
    window.take()
    window.answered(0.5)
    assert abs(window.limit - after) <= 1


def test_it_never_closes() -> None:
    window = SendWindow(WindowSettings(least=3))
    for step in range(100):
        window.take()
        window.resent(float(step))
        window.dropped()
    assert window.limit == 3


@given(st.lists(st.sampled_from(["take", "answered", "resent", "dropped"]), max_size=200))
def test_counts_hold_in_any_order(steps: list[str]) -> None:
    window, now = SendWindow(), 0.0
    for step in steps:
        now += 0.1
        if step == "take":
            window.take()
        elif step == "resent":
            window.resent(now)
        elif window.in_flight:
            window.answered(now) if step == "answered" else window.dropped()
        assert 4 <= window.limit <= 512
        assert window.in_flight >= 0


def simulated(
    loss: float, *, buffer: int = 10_000, seed: int = 1, settings: WindowSettings | None = None
) -> tuple[float, int]:
    """Answers per second and requests sent again, over a hop 1 ms away.

    It serves 5,000 requests a second, lets ``buffer`` of them wait, and throws the rest away.
    """
    rng, window = random.Random(seed), SendWindow(settings or WindowSettings())
    events: list[tuple[float, str]] = []
    now, free_at, answered, again = 0.0, 0.0, 0, 0
    while now < 10.0:
        while window.free:
            window.take()
            heapq.heappush(events, (now, "send"))
        now, what = heapq.heappop(events)
        if what == "answer":
            window.answered(now)
            answered += 1
            continue
        if what == "again":
            window.resent(now)
            again += 1
        waiting = max(0.0, free_at - now) * 5000
        if waiting >= buffer or rng.random() < loss:
            heapq.heappush(events, (now + 0.5, "again"))
        else:
            free_at = max(free_at, now) + 1 / 5000
            heapq.heappush(events, (free_at + 0.001, "answer"))
    return answered / now, again


def test_a_hop_that_loses_one_in_twenty_still_gets_its_share() -> None:
    small = WindowSettings(initial=16, least=16, most=16)
    assert simulated(0.0)[0] > 4500
    assert simulated(0.05)[0] > 3 * simulated(0.05, settings=small)[0]


def test_a_small_buffer_is_not_overrun() -> None:
    # 100 fit into the buffer: a window of 512 that does not shrink loses on and on, ours settles near them.
    stubborn = WindowSettings(initial=512, least=512, most=512)
    rate, again = simulated(0.0, buffer=100)
    assert rate > 4500
    assert again < simulated(0.0, buffer=100, settings=stubborn)[1] / 3
