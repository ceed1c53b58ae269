"""Two transaction layers over a link that loses, repeats and reorders, in simulated time."""

from __future__ import annotations

import random

import pytest

from mcsec.net.sip.effects import (
    RequestArrived,
    Send,
)
from mcsec.net.sip.timers import Timings
from mcsec.net.sip.transactions import TransactionLayer
from support.sip_link import Link, outcome, run_timers, sip_request, times


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("loss", "repeat"), [(0.0, 0.3), (0.2, 0.1), (0.4, 0.0)])
def test_over_a_losing_link_each_request_is_answered_once(seed: int, loss: float, repeat: float) -> None:
    link = Link(loss=loss, repeat=repeat, seed=seed)
    keys = [link.request(sip_request()) for _ in range(50)]
    link.run(200.0)
    for key in keys:
        assert outcome(link.a, key) in ([200], ["timeout"])
    assert sum(outcome(link.a, key) == [200] for key in keys) >= 48
    assert link.b.count(RequestArrived) <= 50
    assert len(link.a.layer) == len(link.b.layer) == 0
    assert link.a.layer.next_timer() is link.b.layer.next_timer() is None


@pytest.mark.parametrize("status", [200, 486])
@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_over_a_losing_link_an_invite_ends_on_both_sides(status: int, loss: float) -> None:
    link = Link(loss=loss, seed=3, answer=lambda arrived: status)
    keys = [link.request(sip_request("INVITE")) for _ in range(30)]
    link.run(300.0)
    assert len(link.a.layer) == len(link.b.layer) == 0
    if status == 486:
        assert sum(outcome(link.a, key) == [486] for key in keys) >= 29
    elif not loss:
        assert all(outcome(link.a, key) == [200] for key in keys)


def test_a_reliable_link_carries_each_message_once() -> None:
    link = Link(reliable=True)
    for _ in range(20):
        link.request(sip_request())
    link.run(100.0)
    assert link.sent["MESSAGE sip"] == link.sent["SIP/2.0 200"] == 20


def test_the_spread_keeps_retransmissions_apart() -> None:
    machine = TransactionLayer(Timings(spread=0.1), rng=random.Random(5))
    for _ in range(50):
        machine.request(sip_request(), "hop", 0.0, reliable=False)
    machine.effects()
    sent = times(run_timers(machine, 0.6), Send)
    assert len(set(sent)) == 50
    assert min(sent) >= 0.5
    assert max(sent) <= 0.55
