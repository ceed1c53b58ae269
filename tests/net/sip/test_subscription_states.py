"""The table of subscriptions, what Subscription-State and Event say, and when to refresh."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import WrongState
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.refreshing import Backoff, refresh_after, seconds
from mcsec.net.sip.subscription_states import (
    SUBSCRIPTION,
    SubscriptionInput,
    SubscriptionState,
    SubscriptionStatus,
    same_event,
    step,
)


def test_the_table_is_whole() -> None:
    reached, todo = {SubscriptionState.NOTIFY_WAIT}, [SubscriptionState.NOTIFY_WAIT]
    while todo:
        state = todo.pop()
        assert (
            state is SubscriptionState.TERMINATED
            or SubscriptionState.TERMINATED in SUBSCRIPTION[state].values()
        )
        for after in SUBSCRIPTION[state].values():
            if after not in reached:
                reached.add(after)
                todo.append(after)
    assert reached == set(SubscriptionState) == set(SUBSCRIPTION)
    assert {what for rows in SUBSCRIPTION.values() for what in rows} == set(SubscriptionInput)
    with pytest.raises(WrongState):
        step(SubscriptionState.TERMINATED, SubscriptionInput.ACTIVE)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("active;expires=600", SubscriptionStatus(SubscriptionState.ACTIVE, 600)),
        ("Pending", SubscriptionStatus(SubscriptionState.PENDING)),
        ("terminated;reason=probation;retry-after=10",
         SubscriptionStatus(SubscriptionState.TERMINATED, None, "probation", 10)),
        ("unheard-of;expires=x", SubscriptionStatus(SubscriptionState.PENDING)),
    ],
)  # fmt: skip
def test_subscription_state_headers(text: str, status: SubscriptionStatus) -> None:
    assert SubscriptionStatus.decode(text) == status
    assert SubscriptionStatus.decode(status.encode()) == status


@given(st.text(alphabet='active;=",x \t', max_size=30))
def test_arbitrary_subscription_states_raise_nothing_else(text: str) -> None:
    try:
        SubscriptionStatus.decode(text)
        same_event(text, "presence")
    except BadMessage:
        pass


def test_events_are_the_same_by_package_and_id() -> None:
    assert same_event("Presence", "presence ;x=1")
    assert same_event("presence;id=1", "presence;id=1")
    assert not same_event("presence;id=1", "presence;id=2")
    assert not same_event("presence;id=1", "presence")


def test_when_to_refresh_and_how_long_to_wait() -> None:
    assert (refresh_after(3600), refresh_after(1200), refresh_after(60)) == (3000, 600, 30)
    backoff = Backoff(random.Random(1))
    waits = [backoff.failed() for _ in range(12)]
    for number, wait in enumerate(waits):
        longest = min(1800.0, 30.0 * 2**number)
        assert longest / 2 <= wait <= longest
    assert backoff.failed(retry_after=5000) == 5000
    backoff.restart(1.0)
    assert 0.5 <= backoff.failed() <= 1
    assert 1.0 <= backoff.failed() <= 2


@pytest.mark.parametrize(
    ("text", "value"),
    [("3600", 3600), (" 0 ", 0), ("120 (overload);duration=3600", 120), ("4294967296", 4294967295),
     ("9" * 30, 4294967295), ("", None), (None, None), ("-1", None), ("x", None), ("٣", None)],
)  # fmt: skip
def test_seconds(text: str | None, value: int | None) -> None:
    assert seconds(text) == value
