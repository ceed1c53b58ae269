"""The watchdog's table (RFC 3539 3.4.1), row by row where a connection came back."""

from __future__ import annotations

from random import Random

import pytest

from mcsec.net.diameter.states import PEER, State
from mcsec.net.diameter.watchdog import WATCHDOG, Do, Status, Watchdog


def reopened() -> Watchdog:
    watchdog = Watchdog(30, 0, Random(1))
    watchdog.connection_up(0)
    watchdog.connection_down(1)
    assert watchdog.connection_up(2) == (Do.SEND,)
    assert watchdog.status is Status.REOPEN
    return watchdog


def test_three_answers_reopen() -> None:
    watchdog = reopened()
    assert watchdog.received(3, dwa=True) == ()
    assert watchdog.deadline == 32
    assert watchdog.received(4) == ()
    assert watchdog.expire(32) == (Do.SEND,)
    assert watchdog.received(33, dwa=True) == ()
    assert watchdog.expire(62) == (Do.SEND,)
    assert watchdog.received(63, dwa=True) == (Do.FAIL_BACK,)
    assert watchdog.status is Status.OKAY


def test_two_silences_close_a_reopened_connection() -> None:
    watchdog = reopened()
    assert watchdog.expire(32) == ()
    assert watchdog.status is Status.REOPEN
    assert watchdog.expire(62) == (Do.CLOSE,)
    assert watchdog.status is Status.DOWN


def test_a_silence_forgets_the_answers_before_it() -> None:
    watchdog = reopened()
    watchdog.received(3, dwa=True)
    watchdog.expire(32)
    watchdog.received(33, dwa=True)
    watchdog.expire(62)
    watchdog.expire(92)  # no answer to the third question
    for now in (93, 123, 153):
        assert watchdog.status is Status.REOPEN
        watchdog.received(now, dwa=True)
        watchdog.expire(now + 29)
    assert watchdog.status is Status.REOPEN


def test_messages_put_the_question_off() -> None:
    watchdog = Watchdog(30, 0, Random(1))
    watchdog.connection_up(0)
    assert watchdog.deadline == 30
    watchdog.received(20)
    assert watchdog.deadline == 50


def test_a_probe_asks_once() -> None:
    watchdog = Watchdog(30, 0, Random(1))
    assert watchdog.probe(0) == ()
    watchdog.connection_up(0)
    assert watchdog.probe(1) == (Do.SEND,)
    assert watchdog.probe(2) == ()


def test_jitter_stays_within_its_bounds() -> None:
    watchdog = Watchdog(30, 2, Random(7))
    deadlines = set()
    for _ in range(50):
        watchdog.connection_up(0)
        deadlines.add(watchdog.deadline)
        watchdog.connection_down(0)
        watchdog.reset()
    assert len(deadlines) > 40
    assert all(28 <= deadline <= 32 for deadline in deadlines)


@pytest.mark.parametrize("status", Status)
def test_every_status_is_in_the_table_and_can_be_left(status: Status) -> None:
    assert {row[0] for row in WATCHDOG[status].values()} - {status}


def test_every_state_of_a_peer_is_in_the_table_and_can_be_reached() -> None:
    assert set(PEER) == set(State)
    assert {row[0] for rows in PEER.values() for row in rows.values()} == set(State)
