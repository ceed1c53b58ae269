"""The transaction layer: timers to the tenth, matching, absorption, and any order of events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcsec.errors import WrongState
from mcsec.net.sip.compose import make_ack, make_cancel, make_request, make_response
from mcsec.net.sip.effects import (
    AckArrived,
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
from mcsec.net.sip.transactions import TransactionLayer
from support.sip_link import EXACT, exact_layer, run_timers, sip_request, times


def kinds(effects: list[Effect]) -> list[type]:
    return [type(effect) for effect in effects]


def test_an_unanswered_request_is_sent_eleven_times() -> None:
    machine = exact_layer()
    key = machine.request(sip_request(), "hop", 0.0, reliable=False)
    assert kinds(machine.effects()) == [Send]
    found = run_timers(machine, 100.0)
    assert times(found, Send) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert times(found, TimedOut) == [32.0]
    assert found[-1] == (32.0, TransactionEnded(key))
    assert len(machine) == 0


def test_an_unanswered_invite_is_sent_seven_times() -> None:
    machine = exact_layer()
    machine.request(sip_request("INVITE"), "hop", 0.0, reliable=False)
    found = run_timers(machine, 100.0)
    assert times(found, Send) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert times(found, TimedOut) == [32.0]


def test_on_a_reliable_transport_nothing_is_sent_twice() -> None:
    for method in ("INVITE", "MESSAGE"):
        machine = exact_layer()
        machine.request(sip_request(method), "hop", 0.0, reliable=True)
        machine.effects()
        found = run_timers(machine, 100.0)
        assert [type(effect) for _, effect in found] == [TimedOut, TransactionEnded]


def test_a_provisional_answer_slows_retransmission_down() -> None:
    machine = exact_layer()
    request = sip_request()
    machine.request(request, "hop", 0.0, reliable=False)
    machine.receive(make_response(request, 100), "hop", 0.4, reliable=False)
    found = run_timers(machine, 100.0)
    assert times(found, Send)[:3] == [0.5, 4.5, 8.5]
    assert times(found, TimedOut) == [32.0]


def test_a_provisional_answer_stops_an_invite() -> None:
    machine = exact_layer()
    request = sip_request("INVITE")
    key = machine.request(request, "hop", 0.0, reliable=False)
    machine.receive(make_response(request, 180), "hop", 0.4, reliable=False)
    assert run_timers(machine, 1000.0) == []
    assert machine.state(key) is State.PROCEEDING
    machine.effects()
    machine.abandon(key)
    assert machine.effects() == [TransactionEnded(key)]
    machine.abandon(key)
    assert machine.effects() == []


def test_retransmitted_answers_are_absorbed_and_the_transaction_ends() -> None:
    machine = exact_layer()
    request = sip_request()
    key = machine.request(request, "hop", 0.0, reliable=False)
    machine.effects()
    answer = make_response(request, 200)
    machine.receive(answer, "hop", 0.1, reliable=False)
    machine.receive(answer, "hop", 0.2, reliable=False)
    assert machine.effects() == [ResponseArrived(key, answer)]
    assert run_timers(machine, 100.0) == [(5.1, TransactionEnded(key))]
    machine.receive(answer, "hop", 200.0, reliable=False)
    assert machine.effects() == [StrayResponse(answer, "hop")]


def test_a_response_for_somebody_else_is_dropped() -> None:
    machine = exact_layer()
    request = sip_request()
    machine.request(request, "hop", 0.0, reliable=True)
    machine.effects()
    answer = make_response(request, 200)
    strayed = replace(answer, headers=answer.headers.add(("Via", "SIP/2.0/UDP other")))
    machine.receive(strayed, "hop", 0.1, reliable=True)
    assert machine.effects() == [StrayResponse(strayed, "hop")]


def test_every_refusal_of_an_invite_gets_the_same_ack() -> None:
    machine = exact_layer()
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
    assert run_timers(machine, 100.0) == [(32.1, TransactionEnded(key))]


def test_every_2xx_of_an_invite_is_delivered_for_64_t1() -> None:
    machine = exact_layer()
    request = sip_request("INVITE")
    key = machine.request(request, "hop", 0.0, reliable=True)
    machine.effects()
    for tag in ("one", "two", "one"):
        machine.receive(make_response(request, 200, to_tag=tag), "hop", 0.1, reliable=True)
    assert kinds(machine.effects()) == [ResponseArrived] * 3
    assert run_timers(machine, 100.0) == [(32.1, TransactionEnded(key))]


def arrive(
    machine: TransactionLayer, request: Request, *, reliable: bool = False, now: float = 0.0
) -> ServerKey:
    machine.receive(request, "peer", now, reliable=reliable)
    arrived = machine.effects()
    assert kinds(arrived) == [RequestArrived]
    assert isinstance(arrived[0], RequestArrived)
    return arrived[0].key


def test_a_server_answers_retransmissions_with_the_same_octets() -> None:
    machine = exact_layer()
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
    assert run_timers(machine, 100.0) == [(32.6, TransactionEnded(key))]
    with pytest.raises(WrongState):
        machine.respond(key, make_response(request, 200), 100.0)


def test_on_a_reliable_transport_a_server_forgets_at_once() -> None:
    machine = exact_layer()
    request = sip_request()
    key = arrive(machine, request, reliable=True)
    machine.respond(key, make_response(request, 200), 0.0)
    assert kinds(machine.effects()) == [Send, TransactionEnded]
    assert machine.next_timer() is None


def test_an_invite_that_rings_long_gets_100_by_itself() -> None:
    machine = exact_layer()
    request = sip_request("INVITE")
    key = arrive(machine, request)
    found = run_timers(machine, 10.0)
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
    machine = exact_layer()
    request = sip_request("INVITE")
    key = arrive(machine, request)
    refusal = make_response(request, 486)
    machine.respond(key, refusal, 0.0)
    found = run_timers(machine, 6.0)
    assert times(found, Send) == [0.5, 1.5, 3.5]
    machine.receive(make_ack(request, refusal), "peer", 6.0, reliable=False)
    machine.effects()
    assert machine.state(key) is State.CONFIRMED
    assert run_timers(machine, 100.0) == [(11.0, TransactionEnded(key))]


def test_a_refused_invite_without_ack_is_reported() -> None:
    machine = exact_layer()
    request = sip_request("INVITE")
    key = arrive(machine, request)
    machine.respond(key, make_response(request, 486), 0.0)
    found = run_timers(machine, 100.0)
    assert times(found, Send) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert [effect for _, effect in found[-2:]] == [TimedOut(key), TransactionEnded(key)]


def test_an_accepted_invite_takes_more_2xx_and_absorbs_its_retransmissions() -> None:
    machine = exact_layer()
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
    assert run_timers(machine, 100.0) == [(32.0, TransactionEnded(key))]


def test_an_ack_of_its_own_goes_up() -> None:
    machine = exact_layer()
    machine.receive(sip_request("ACK"), "peer", 0.0, reliable=False)
    assert kinds(machine.effects()) == [AckArrived]


def test_cancel_finds_its_invite() -> None:
    machine = exact_layer()
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
    machine = exact_layer()
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
    machine = exact_layer()
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
        machine = exact_layer()
        key = machine.request(sip_request(method), "hop", 0.0, reliable=True)
        machine.effects()
        machine.transport_failed(key, "refused", 0.1)
        machine.transport_failed(key, "refused", 0.1)
        assert machine.effects() == [TransportFailed(key, "refused"), TransactionEnded(key)]
        assert machine.next_timer() is None


def test_a_server_outlives_a_transport_failure() -> None:
    machine = exact_layer()
    request = sip_request()
    key = arrive(machine, request)
    machine.respond(key, make_response(request, 200), 0.0)
    machine.effects()
    machine.transport_failed(key, "unreachable", 0.1)
    assert machine.effects() == [TransportFailed(key, "unreachable")]
    assert machine.state(key) is State.COMPLETED


def test_what_starts_no_transaction_is_refused() -> None:
    machine = exact_layer()
    request = sip_request()
    machine.request(request, "hop", 0.0, reliable=True)
    for wrong in (request, sip_request("ACK"), sip_request(branch="cookieless")):
        with pytest.raises(WrongState):
            machine.request(wrong, "hop", 0.0, reliable=True)
