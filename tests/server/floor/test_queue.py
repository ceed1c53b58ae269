"""The queue: order, places, one request of each participant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcsec.server.floor.members import Rank, Urgency, Waiting
from mcsec.server.floor.queue import FloorQueue

USERS = st.sampled_from("abcdef")
REQUESTS = st.tuples(
    USERS,
    st.sampled_from(Urgency),
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from(("put", "remove", "take")),
)


def test_who_pre_empts_is_first_then_the_more_urgent_then_the_higher_then_the_earlier() -> None:
    queue = FloorQueue(10)
    for user, urgency, priority, first in (
        ("late", Urgency.NORMAL, 5, False),
        ("high", Urgency.NORMAL, 9, False),
        ("later", Urgency.NORMAL, 5, False),
        ("peril", Urgency.IMMINENT_PERIL, 0, False),
        ("emergency", Urgency.EMERGENCY, 0, False),
        ("first", Urgency.NORMAL, 0, True),
    ):
        queue.put(Waiting(user, Rank(urgency, priority), 1, first))
    assert queue.users == ("first", "emergency", "peril", "high", "late", "later")
    assert [queue.position(user) for user in queue.users] == [1, 2, 3, 4, 5, 6]
    assert queue.position("nobody") is None


def test_asking_again_keeps_the_turn_unless_the_rank_changed() -> None:
    queue = FloorQueue(10)
    for user in "abc":
        queue.put(Waiting(user, Rank(Urgency.NORMAL, 1), 1))
    queue.put(Waiting("a", Rank(Urgency.NORMAL, 1), 2))
    assert queue.users == ("a", "b", "c")
    assert queue.head == Waiting("a", Rank(Urgency.NORMAL, 1), 2)
    queue.put(Waiting("a", Rank(Urgency.NORMAL, 0), 1))
    assert queue.users == ("b", "c", "a")


def test_who_pre_empted_once_stays_first() -> None:
    queue = FloorQueue(10)
    queue.put(Waiting("a", Rank(Urgency.EMERGENCY, 1), 1, pre_emptive=True))
    queue.put(Waiting("b", Rank(Urgency.EMERGENCY, 9), 1))
    queue.put(Waiting("a", Rank(Urgency.NORMAL, 1), 1))
    assert queue.users == ("a", "b")


@given(st.lists(REQUESTS, max_size=40))
def test_it_is_a_sorted_list(steps: list[tuple[str, Urgency, int, bool, str]]) -> None:
    queue, model, turn = FloorQueue(3), dict[str, tuple[bool, int, int, int]](), 0
    for user, urgency, priority, first, what in steps:
        if what == "put":
            turn += 1
            known = model.get(user)
            rank = (not (first or (known is not None and not known[0])), -urgency, -priority)
            model[user] = known if known is not None and known[:3] == rank else (*rank, turn)
            queue.put(Waiting(user, Rank(urgency, priority), 1, first))
        elif what == "remove":
            assert queue.remove(user) is (model.pop(user, None) is not None)
        elif model:
            assert queue.take().user == min(model, key=model.__getitem__)
            del model[min(model, key=model.__getitem__)]
        expected = tuple(sorted(model, key=model.__getitem__))
        assert queue.users == expected
        assert len(queue) == len(expected)
        assert queue.full is (len(expected) >= 3)
        assert all(queue.position(user) == place for place, user in enumerate(expected, 1))
