"""The transaction layer: timers to the tenth, matching, absorption, and any order of events."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mcsec.errors import WrongState
from mcsec.net.sip.compose import make_ack, make_cancel, make_request, make_response, new_branch
from mcsec.net.sip.effects import (
    AckArrived,
    ClientKey,
    Effect,
    RequestArrived,
    RequestRefused,
    ResponseArrived,
    Send,
    ServerKey,
    StrayResponse,
    TimedOut,
    TransactionEnded,
    TransportFailed,
)
from mcsec.net.sip.machines import State
from mcsec.net.sip.message import Request, Response, decode
from mcsec.net.sip.timers import Timings
from mcsec.net.sip.transactions import TransactionLayer
from support.sip_link import Link, outcome, sip_request

EXACT = Timings(spread=0.0)


def layer() -> TransactionLayer:
    return TransactionLayer(EXACT, rng=random.Random(1))


def run(machine: TransactionLayer, until: float) -> list[tuple[float, Effect]]:
    """Every effect of timers up to a time, with the time of each; effects before that are dropped."""
    machine.effects()
    found: list[tuple[float, Effect]] = []
    while (when := machine.next_timer()) is not None and when <= until:
        machine.handle_timer(when)
        found += [(when, effect) for effect in machine.effects()]
    return found


def times(found: list[tuple[float, Effect]], kind: type) -> list[float]:
    return [when for when, effect in found if isinstance(effect, kind)]


def kinds(effects: list[Effect]) -> list[type]:
    return [type(effect) for effect in effects]


def test_an_unanswered_request_is_sent_eleven_times() -> None:
    machine = layer()
    key = machine.request(sip_request(), "hop", 0.0, reliable=False)
    assert kinds(machine.effects()) == [Send]
    found = run(machine, 100.0)
    assert times(found, Send) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert times(found, TimedOut) == [32.0]
    assert found[-1] == (32.0, TransactionEnded(key))
    assert len(machine) == 0


def test_an_unanswered_invite_is_sent_seven_times() -> None:
    machine = layer()
    machine.request(sip_request("INVITE"), "hop", 0.0, reliable=False)
    found = run(machine, 100.0)
    assert times(found, Send) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert times(found, TimedOut) == [32.0]


def test_on_a_reliable_transport_nothing_is_sent_twice() -> None:
    for method in ("INVITE", "MESSAGE"):
        machine = layer()
        machine.request(sip_request(method), "hop", 0.0, reliable=True)
        machine.effects()
        found = run(machine, 100.0)
        assert [type(effect) for _, effect in found] == [TimedOut, TransactionEnded]


def test_a_provisional_answer_slows_retransmission_down() -> None:
    machine = layer()
    request = sip_request()
    machine.request(request, "hop", 0.0, reliable=False)
    machine.receive(make_response(request, 100), "hop", 0.4, reliable=False)
    found = run(machine, 100.0)
    assert times(found, Send)[:3] == [0.5, 4.5, 8.5]
    assert times(found, TimedOut) == [32.0]


def test_a_provisional_answer_stops_an_invite() -> None:
    machine = layer()
    request = sip_request("INVITE")
    key = machine.request(request, "hop", 0.0, reliable=False)
    machine.receive(make_response(request, 180), "hop", 0.4, reliable=False)
    assert run(machine, 1000.0) == []
    assert machine.state(key) is State.PROCEEDING
    machine.effects()
    machine.abandon(key)
    assert machine.effects() == [TransactionEnded(key)]
    machine.abandon(key)
    assert machine.effects() == []


def test_retransmitted_answers_are_absorbed_and_the_transaction_ends() -> None:
    machine = layer()
    request = sip_request()
    key = machine.request(request, "hop", 0.0, reliable=False)
    machine.effects()
    answer = make_response(request, 200)
    machine.receive(answer, "hop", 0.1, reliable=False)
    machine.receive(answer, "hop", 0.2, reliable=False)
    assert machine.effects() == [ResponseArrived(key, answer)]
    assert run(machine, 100.0) == [(5.1, TransactionEnded(key))]
    machine.receive(answer, "hop", 200.0, reliable=False)
    assert machine.effects() == [StrayResponse(answer, "hop")]


def test_every_refusal_of_an_invite_gets_the_same_ack() -> None:
    machine = layer()
    request = make_request(
        "INVITE",
        "sip:bob@mc.example",
        from_="sip:alice@mc.example",
        headers=[
            ("Via", "SIP/2.0/UDP h;branch=z9hG4bKx"),
            ("Route", "<sip:r1;lr>"),
            ("Route", "<sip:r2;lr>"),
        ],
    )
    key = machine.request(request, "hop", 0.0, reliable=False)
    machine.effects()
    refusal = make_response(request, 486, to_tag="b")
    for now in (0.1, 0.6):
        machine.receive(refusal, "hop", now, reliable=False)
    effects = machine.effects()
    assert kinds(effects) == [Send, ResponseArrived, Send]
    assert effects[0] == effects[2]
    assert isinstance(effects[0], Send)
    ack = decode(effects[0].octets)
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri, ack.cseq.method, ack.cseq.number) == ("ACK", request.uri, "ACK", 1)
    assert (ack.vias, ack.to.tag, ack.headers.all("Route")) == (
        request.vias,
        "b",
        ("<sip:r1;lr>", "<sip:r2;lr>"),
    )
    assert run(machine, 100.0) == [(32.1, TransactionEnded(key))]


def test_every_2xx_of_an_invite_is_delivered_for_64_t1() -> None:
    machine = layer()
    request = sip_request("INVITE")
    key = machine.request(request, "hop", 0.0, reliable=True)
    machine.effects()
    for tag in ("one", "two", "one"):
        machine.receive(make_response(request, 200, to_tag=tag), "hop", 0.1, reliable=True)
    assert kinds(machine.effects()) == [ResponseArrived] * 3
    assert run(machine, 100.0) == [(32.1, TransactionEnded(key))]


def arrive(
    machine: TransactionLayer, request: Request, *, reliable: bool = False, now: float = 0.0
) -> ServerKey:
    machine.receive(request, "peer", now, reliable=reliable)
    arrived = machine.effects()
    assert kinds(arrived) == [RequestArrived]
    assert isinstance(arrived[0], RequestArrived)
    return arrived[0].key


def test_a_server_answers_retransmissions_with_the_same_octets() -> None:
    machine = layer()
    request = sip_request()
    key = arrive(machine, request)
    machine.receive(request, "peer", 0.5, reliable=False)
    assert machine.effects() == []
    machine.respond(key, make_response(request, 200), 0.6)
    first = machine.effects()
    machine.receive(request, "peer", 1.5, reliable=False)
    assert machine.effects() == first
    with pytest.raises(WrongState):
        machine.respond(key, make_response(request, 200), 1.6)
    assert run(machine, 100.0) == [(32.6, TransactionEnded(key))]
    with pytest.raises(WrongState):
        machine.respond(key, make_response(request, 200), 100.0)


def test_on_a_reliable_transport_a_server_forgets_at_once() -> None:
    machine = layer()
    request = sip_request()
    key = arrive(machine, request, reliable=True)
    machine.respond(key, make_response(request, 200), 0.0)
    assert kinds(machine.effects()) == [Send, TransactionEnded]
    assert machine.next_timer() is None


def test_an_invite_that_rings_long_gets_100_by_itself() -> None:
    machine = layer()
    request = sip_request("INVITE")
    key = arrive(machine, request)
    found = run(machine, 10.0)
    assert times(found, Send) == [0.2]
    assert isinstance(found[0][1], Send)
    trying = decode(found[0][1].octets)
    assert isinstance(trying, Response)
    assert (trying.status, trying.to.tag) == (100, None)
    machine.receive(request, "peer", 1.0, reliable=False)
    assert machine.effects() == [found[0][1]]
    machine.respond(key, make_response(request, 180), 2.0)
    assert kinds(machine.effects()) == [Send]


def test_a_refused_invite_is_repeated_until_its_ack() -> None:
    machine = layer()
    request = sip_request("INVITE")
    key = arrive(machine, request)
    refusal = make_response(request, 486)
    machine.respond(key, refusal, 0.0)
    found = run(machine, 6.0)
    assert times(found, Send) == [0.5, 1.5, 3.5]
    machine.receive(make_ack(request, refusal), "peer", 6.0, reliable=False)
    machine.effects()
    assert machine.state(key) is State.CONFIRMED
    assert run(machine, 100.0) == [(11.0, TransactionEnded(key))]


def test_a_refused_invite_without_ack_is_reported() -> None:
    machine = layer()
    request = sip_request("INVITE")
    key = arrive(machine, request)
    machine.respond(key, make_response(request, 486), 0.0)
    found = run(machine, 100.0)
    assert times(found, Send) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert [effect for _, effect in found[-2:]] == [TimedOut(key), TransactionEnded(key)]


def test_an_accepted_invite_takes_more_2xx_and_absorbs_its_retransmissions() -> None:
    machine = layer()
    request = sip_request("INVITE")
    key = arrive(machine, request)
    machine.respond(key, make_response(request, 200), 0.0)
    machine.respond(key, make_response(request, 200), 0.5)
    assert kinds(machine.effects()) == [Send, Send]
    machine.receive(request, "peer", 0.6, reliable=False)
    assert machine.effects() == []
    with pytest.raises(WrongState):
        machine.respond(key, make_response(request, 486), 0.7)
    ack = make_ack(request, make_response(request, 200))
    machine.receive(ack, "peer", 0.8, reliable=False)
    assert kinds(machine.effects()) == [AckArrived]
    assert run(machine, 100.0) == [(32.0, TransactionEnded(key))]


def test_an_ack_of_its_own_goes_up() -> None:
    machine = layer()
    machine.receive(sip_request("ACK"), "peer", 0.0, reliable=False)
    assert kinds(machine.effects()) == [AckArrived]


def test_cancel_finds_its_invite() -> None:
    machine = layer()
    invite = sip_request("INVITE")
    key = arrive(machine, invite)
    machine.receive(make_cancel(invite), "peer", 0.1, reliable=False)
    (cancelled,) = machine.effects()
    assert isinstance(cancelled, RequestArrived)
    assert cancelled.cancels == key
    machine.receive(make_cancel(sip_request("INVITE")), "peer", 0.1, reliable=False)
    (lost,) = machine.effects()
    assert isinstance(lost, RequestArrived)
    assert lost.cancels is None


def test_requests_of_one_branch_differ_by_sender_and_method() -> None:
    machine = layer()
    request = sip_request(branch="z9hG4bKsame")
    arrive(machine, request)
    other = make_request(
        "MESSAGE",
        "sip:bob@mc.example",
        from_="sip:alice@mc.example",
        headers=[("Via", "SIP/2.0/UDP other.example;branch=z9hG4bKsame")],
    )
    arrive(machine, other)
    arrive(machine, sip_request("OPTIONS", branch="z9hG4bKsame"))
    assert len(machine) == 3


@pytest.mark.parametrize("branch", ["", "1", "z9hG4bK"])
def test_requests_without_a_branch_of_rfc_3261_are_refused(branch: str) -> None:
    machine = layer()
    machine.receive(sip_request(branch=branch or "0"), "peer", 0.0, reliable=False)
    refused, answer = machine.effects()
    assert isinstance(refused, RequestRefused)
    assert isinstance(answer, Send)
    assert decode(answer.octets).status == 400  # type: ignore[union-attr]  # a response, or the test fails
    machine.receive(sip_request("ACK", branch="1"), "peer", 0.0, reliable=False)
    assert kinds(machine.effects()) == [RequestRefused]
    assert len(machine) == 0


def test_too_many_transactions_are_refused_and_not_remembered() -> None:
    machine = TransactionLayer(EXACT, limit=2)
    for _ in range(2):
        arrive(machine, sip_request())
    machine.receive(sip_request(), "peer", 0.0, reliable=False)
    refused, answer = machine.effects()
    assert isinstance(refused, RequestRefused)
    assert isinstance(answer, Send)
    assert b"Retry-After" in answer.octets
    assert len(machine) == 2


def test_a_transport_failure_is_told_once() -> None:
    for method in ("INVITE", "MESSAGE"):
        machine = layer()
        key = machine.request(sip_request(method), "hop", 0.0, reliable=True)
        machine.effects()
        machine.transport_failed(key, "refused", 0.1)
        machine.transport_failed(key, "refused", 0.1)
        assert machine.effects() == [TransportFailed(key, "refused"), TransactionEnded(key)]
        assert machine.next_timer() is None


def test_a_server_outlives_a_transport_failure() -> None:
    machine = layer()
    request = sip_request()
    key = arrive(machine, request)
    machine.respond(key, make_response(request, 200), 0.0)
    machine.effects()
    machine.transport_failed(key, "unreachable", 0.1)
    assert machine.effects() == [TransportFailed(key, "unreachable")]
    assert machine.state(key) is State.COMPLETED


def test_what_starts_no_transaction_is_refused() -> None:
    machine = layer()
    request = sip_request()
    machine.request(request, "hop", 0.0, reliable=True)
    for wrong in (request, sip_request("ACK"), sip_request(branch="cookieless")):
        with pytest.raises(WrongState):
            machine.request(wrong, "hop", 0.0, reliable=True)


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
    sent = times(run(machine, 0.6), Send)
    assert len(set(sent)) == 50
    assert min(sent) >= 0.5
    assert max(sent) <= 0.55


class AnyOrder(RuleBasedStateMachine):
    """Requests, answers, repetitions, cancels, acks, failures and time in any order."""

    @initialize(reliable=st.booleans())
    def start(self, reliable: bool) -> None:
        self.machine, self.now, self.reliable = layer(), 0.0, reliable
        self.sent: dict[ClientKey, Request] = {}
        self.got: dict[ServerKey, Request] = {}
        self.finals: dict[ClientKey, list[str]] = {}
        self.final_sent: dict[ServerKey, bytes] = {}
        self.ended: set[object] = set()

    def take(self) -> None:
        for effect in self.machine.effects():
            if isinstance(effect, (ResponseArrived, TimedOut, TransportFailed)) and isinstance(
                effect.key, ClientKey
            ):
                assert effect.key not in self.ended, "told after the end"
                if not isinstance(effect, ResponseArrived):
                    self.finals.setdefault(effect.key, []).append("error")
                elif effect.response.final:
                    self.finals.setdefault(effect.key, []).append("2xx" if effect.response.ok else "refusal")
            elif isinstance(effect, RequestArrived):
                assert effect.key not in self.got
                self.got[effect.key] = effect.request
            elif isinstance(effect, TransactionEnded):
                assert effect.key not in self.ended
                self.ended.add(effect.key)

    @rule(invite=st.booleans())
    def send(self, invite: bool) -> None:
        request = sip_request("INVITE" if invite else "MESSAGE")
        key = self.machine.request(request, "hop", self.now, reliable=self.reliable)
        self.sent[key] = request
        self.take()

    @rule(invite=st.booleans())
    def receive(self, invite: bool) -> None:
        request = sip_request("INVITE" if invite else "MESSAGE", branch=new_branch())
        self.machine.receive(request, "peer", self.now, reliable=self.reliable)
        self.take()

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), status=st.sampled_from([100, 180, 200, 202, 302, 486, 600]))
    def answered(self, data: st.DataObject, status: int) -> None:
        request = data.draw(st.sampled_from(list(self.sent.values())))
        self.machine.receive(
            make_response(request, status, to_tag="t"), "hop", self.now, reliable=self.reliable
        )
        self.take()

    @precondition(lambda self: self.got)
    @rule(data=st.data(), status=st.sampled_from([100, 180, 200, 404]))
    def answer(self, data: st.DataObject, status: int) -> None:
        key = data.draw(st.sampled_from(list(self.got)))
        try:
            self.machine.respond(key, make_response(self.got[key], status), self.now)
        except WrongState:
            assert key in self.final_sent or key in self.ended
        else:
            if status >= 200:
                self.final_sent[key] = b"x"
        self.take()

    @precondition(lambda self: self.got)
    @rule(data=st.data(), what=st.sampled_from(["again", "ack", "cancel"]))
    def repeated(self, data: st.DataObject, what: str) -> None:
        request = data.draw(st.sampled_from(list(self.got.values())))
        key = ServerKey(request.vias[0].branch or "", request.vias[0].sent_by, request.method)
        if what == "again" and key in self.machine:
            self.machine.receive(request, "peer", self.now, reliable=self.reliable)
        elif what == "ack" and request.method == "INVITE":
            ack = make_ack(request, make_response(request, 404))
            self.machine.receive(ack, "peer", self.now, reliable=self.reliable)
        elif what == "cancel" and request.method == "INVITE":
            cancel = ServerKey(key.branch, key.sent_by, "CANCEL")
            if cancel not in self.got:
                self.machine.receive(make_cancel(request), "peer", self.now, reliable=self.reliable)
        self.take()

    @precondition(lambda self: self.sent or self.got)
    @rule(data=st.data())
    def failed(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([*self.sent, *self.got]))
        self.machine.transport_failed(key, "gone", self.now)
        self.take()

    @rule(step=st.sampled_from([0.1, 0.6, 4.0, 33.0]))
    def wait(self, step: float) -> None:
        self.now += step
        self.machine.handle_timer(self.now)
        self.take()

    @invariant()
    def each_user_hears_one_end(self) -> None:
        for key, told in getattr(self, "finals", {}).items():
            if key.method == "INVITE":
                assert set(told) <= {"2xx"} or len([word for word in told if word != "error"]) <= 1
            else:
                assert len(told) == 1

    @invariant()
    def timers_belong_to_what_lives(self) -> None:
        if hasattr(self, "machine"):
            for key, _ in self.machine.timers._live:
                assert key in self.machine

    def teardown(self) -> None:
        if hasattr(self, "machine"):
            for key, request in self.got.items():
                if key not in self.final_sent and key in self.machine:
                    self.machine.respond(key, make_response(request, 404), self.now)
            for key in self.sent:
                self.machine.abandon(key)
            self.machine.effects()
            run(self.machine, self.now + 200.0)
            assert len(self.machine) == 0
            assert len(self.machine.timers) == 0


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
