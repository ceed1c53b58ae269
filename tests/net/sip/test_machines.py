"""The tables of the four transaction machines hold together."""

from __future__ import annotations

import pytest

from mcsec.net.sip.machines import (
    CLIENT_INVITE,
    CLIENT_OTHER,
    SERVER_INVITE,
    SERVER_OTHER,
    Do,
    Input,
    Start,
    State,
    Stop,
    Table,
    duration,
)
from mcsec.net.sip.timers import Timings
from mcsec.net.timers import Timers

TABLES = {
    "client invite": CLIENT_INVITE,
    "client other": CLIENT_OTHER,
    "server invite": SERVER_INVITE,
    "server other": SERVER_OTHER,
}
CLIENTS = ("client invite", "client other")


def reached(table: Table) -> dict[State, set[Input]]:
    """Every state that can come about, with the timers that may run in it."""
    found: dict[State, set[Input]] = {}
    todo: list[tuple[State, frozenset[Input]]] = [(State.INITIAL, frozenset())]
    seen = set(todo)
    while todo:
        state, running = todo.pop()
        found.setdefault(state, set()).update(running)
        for kind, (after, steps) in table.get(state, {}).items():
            if kind.startswith("timer") and kind not in running:
                continue
            now = set(running) - {kind}
            for step in steps:
                if isinstance(step, Start):
                    now.add(step.timer)
                elif isinstance(step, Stop):
                    now.discard(step.timer)
            place = (after, frozenset() if after is State.TERMINATED else frozenset(now))
            if place not in seen:
                seen.add(place)
                todo.append(place)
    return found


@pytest.mark.parametrize("name", TABLES)
def test_every_state_is_reached_and_ends(name: str) -> None:
    table = TABLES[name]
    states = reached(table)
    assert set(states) == set(table) | {State.TERMINATED}
    for state in set(states) - {State.INITIAL, State.TERMINATED}:
        todo, seen = [state], {state}
        while todo:
            for after, _ in table.get(todo.pop(), {}).values():
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        assert State.TERMINATED in seen


@pytest.mark.parametrize("name", TABLES)
def test_a_timer_that_may_run_has_its_row(name: str) -> None:
    table = TABLES[name]
    for state, running in reached(table).items():
        for timer in running:
            assert timer in table[state], f"{timer} runs in {state} and nothing would happen"
    for state, rows in table.items():
        for kind in rows:
            if kind.startswith("timer"):
                assert kind in reached(table)[state], f"{kind} can never run in {state}"


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_always_ends_by_itself_or_waits_for_an_invite(name: str) -> None:
    ends = {Input.TIMER_B, Input.TIMER_D, Input.TIMER_F, Input.TIMER_K, Input.TIMER_M}
    for state, running in reached(TABLES[name]).items():
        if state not in (State.INITIAL, State.TERMINATED) and (name, state) != (
            "client invite",
            State.PROCEEDING,
        ):
            assert running & ends


@pytest.mark.parametrize("name", CLIENTS)
def test_only_a_client_sends_acks_and_only_for_refusals(name: str) -> None:
    acking = {
        (state, kind)
        for state, rows in TABLES[name].items()
        for kind, (_, steps) in rows.items()
        if Do.ACK in steps
    }
    expected = {State.CALLING, State.PROCEEDING, State.COMPLETED} if name == "client invite" else set()
    assert acking == {(state, Input.RECEIVE_REFUSAL) for state in expected}


@pytest.mark.parametrize(
    ("timer", "ran", "slow", "unreliable", "reliable"),
    [
        (Input.TIMER_A, 0, False, 0.5, None),
        (Input.TIMER_A, 5, False, 16.0, None),
        (Input.TIMER_B, 0, False, 32.0, 32.0),
        (Input.TIMER_D, 0, False, 32.0, 0.0),
        (Input.TIMER_E, 0, False, 0.5, None),
        (Input.TIMER_E, 3, False, 4.0, None),
        (Input.TIMER_E, 9, False, 4.0, None),
        (Input.TIMER_E, 0, True, 4.0, None),
        (Input.TIMER_F, 0, False, 32.0, 32.0),
        (Input.TIMER_G, 1, False, 1.0, None),
        (Input.TIMER_H, 0, False, 32.0, 32.0),
        (Input.TIMER_I, 0, False, 5.0, 0.0),
        (Input.TIMER_J, 0, False, 32.0, 0.0),
        (Input.TIMER_K, 0, False, 5.0, 0.0),
        (Input.TIMER_L, 0, False, 32.0, 32.0),
        (Input.TIMER_M, 0, False, 32.0, 32.0),
        (Input.TIMER_TRYING, 0, False, 0.2, 0.2),
    ],
)
def test_durations_are_those_of_rfc_3261_table_4(
    timer: Input, ran: int, slow: bool, unreliable: float, reliable: float | None
) -> None:
    assert duration(timer, Timings(), reliable=False, ran=ran, slow=slow) == unreliable
    assert duration(timer, Timings(), reliable=True, ran=ran, slow=slow) == reliable


def test_timers_run_in_order_and_only_once() -> None:
    timers, ran = Timers(), []
    timers.set("b", 2.0, lambda now: ran.append(("b", now)))
    timers.set(
        "a", 1.0, lambda now: (ran.append(("a", now)), timers.set("c", 0.5, lambda at: ran.append(("c", at))))
    )
    timers.set("late", 9.0, lambda now: ran.append(("late", now)))
    timers.set("b", 1.5, lambda now: ran.append(("b again", now)))
    timers.cancel("nothing")
    assert timers.next() == 1.0
    timers.run(3.0)
    assert ran == [("a", 3.0), ("c", 3.0), ("b again", 3.0)]
    assert timers.next() == 9.0
    assert "late" in timers
    timers.cancel("late")
    assert (timers.next(), len(timers)) == (None, 0)


def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    for number in range(10_000):
        timers.set(number, float(number), lambda now: None)
        if number % 100:
            timers.cancel(number)
    assert len(timers) == 100
    assert len(timers._heap) <= 2 * 100 + 65
