"""Transactions under any order of events: each user hears one end, timers belong to what lives, nothing stays."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mcsec.errors import WrongState
from mcsec.net.sip.compose import make_ack, make_cancel, make_response, new_branch
from mcsec.net.sip.effects import (
    ClientKey,
    RequestArrived,
    ResponseArrived,
    ServerKey,
    TimedOut,
    TransactionEnded,
    TransportFailed,
)
from mcsec.net.sip.message import Request
from support.sip_link import exact_layer, run_timers, sip_request


class AnyOrder(RuleBasedStateMachine):
    """Requests, answers, repetitions, cancels, acks, failures and time in any order."""

    @initialize(reliable=st.booleans())
    def start(self, reliable: bool) -> None:
        self.machine, self.now, self.reliable = exact_layer(), 0.0, reliable
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
            run_timers(self.machine, self.now + 200.0)
            assert len(self.machine) == 0
            assert len(self.machine.timers) == 0


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


TestAnyOrder = AnyOrder.TestCase
