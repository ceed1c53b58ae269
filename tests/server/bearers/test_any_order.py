"""The GCS AS's bearer engine: what holds in any order of events."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcsec.server.bearers import events
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import Ask, Output
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.server.bearers.states import BearerState
from mcsec.wire.mb2.groups import MbmsBearerEventNotification, MbmsBearerResponse, StartStop
from mcsec.wire.mb2.masks import BearerEvent, BearerResult
from support.gcs_as import allocated, gaa, gnr, refused, started


class AnyOrder(RuleBasedStateMachine):
    """The engine against a BM-SC and an operator who do things in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.bearers = Bearers(BearerPolicy(heartbeat=None, starting=20.0))
        self.now = 0.0
        self.asks: list[Ask] = []
        self.served: set[str] = set()
        self.leaving: set[str] = set()
        self.count = 0
        self.connected = False
        self.counter = 1

    def take(self, happened: list[Output]) -> None:
        for one in happened:
            if isinstance(one, Ask):
                parts = (one.bearer, one.allocation, one.deallocation)
                assert sum(part is not None for part in parts) <= 1
                if one.bearer is not None and one.bearer.mbms_startstop_indication is StartStop.STOP:
                    bearer = self.bearers.of_tmgi(one.bearer.tmgi) if one.bearer.tmgi is not None else None
                    assert bearer is None or bearer.name not in self.served, (
                        "ended while listeners were on it"
                    )
                self.asks.append(one)
            elif isinstance(one, events.BearerActive):
                self.served.add(one.bearer)
            elif isinstance(one, events.ListenersToUnicast):
                self.served.discard(one.bearer)
                if one.then_release:
                    self.leaving.add(one.bearer)

    @rule()
    def connect(self) -> None:
        self.connected = True
        self.take(self.bearers.connected(self.now))

    @precondition(lambda self: self.connected)
    @rule()
    def disconnect(self) -> None:
        self.connected = False
        self.asks.clear()
        self.take(self.bearers.disconnected("cut", self.now))

    @rule(number=st.integers(1, 3), dynamic=st.booleans())
    def want(self, number: int, dynamic: bool) -> None:
        name = f"bearer{number}"
        if all(bearer.name != name for bearer in self.bearers.bearers):
            self.take(self.bearers.want(name, Wish((number,), dynamic=dynamic), self.now))

    @precondition(lambda self: self.bearers.bearers)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        bearer = data.draw(st.sampled_from(self.bearers.bearers))
        if bearer.state not in (BearerState.LEAVING, BearerState.DEACTIVATING):
            self.take(self.bearers.drop(bearer.name, self.now))

    @precondition(lambda self: self.leaving)
    @rule()
    def emptied(self) -> None:
        self.take(self.bearers.emptied(self.leaving.pop(), self.now))

    @precondition(lambda self: self.asks)
    @rule(good=st.booleans(), ongoing=st.booleans(), twice=st.booleans())
    def answer(self, good: bool, ongoing: bool, twice: bool) -> None:
        ask = self.asks.pop(0)
        if not good:
            bad = refused(BearerResult.RESOURCES_EXCEEDED) if ask.bearer else gaa()
            self.take(self.bearers.answered(ask.number, bad, self.now))
            return
        if ask.allocation is not None and ask.allocation.tmgi_number:
            self.count += 1
            reply = allocated(self.count)
        elif ask.allocation is not None:
            reply = allocated(ask.allocation.tmgi[0].service_id)
        elif ask.bearer is not None and ask.bearer.mbms_startstop_indication is StartStop.START:
            result = BearerResult.SUCCESS | BearerResult.ACTIVATION_ONGOING if ongoing else None
            assert ask.bearer.tmgi is not None
            reply = started(ask.bearer.tmgi.service_id, result)
        else:
            reply = gaa(mbms_bearer_response=(MbmsBearerResponse(),))
        self.take(self.bearers.answered(ask.number, reply, self.now))
        if twice:
            self.take(self.bearers.answered(ask.number, reply, self.now))

    @precondition(lambda self: self.asks)
    @rule()
    def no_answer(self) -> None:
        self.take(self.bearers.failed(self.asks.pop(0).number, "no answer", self.now))

    @precondition(lambda self: self.connected and self.bearers.bearers)
    @rule(data=st.data(), event=st.sampled_from(list(BearerEvent)))
    def notify(self, data: st.DataObject, event: BearerEvent) -> None:
        bearer = data.draw(st.sampled_from(self.bearers.bearers))
        if bearer.tmgi is None or bearer.flow is None:
            return
        notification = MbmsBearerEventNotification(
            tmgi=bearer.tmgi, mbms_flow_identifier=bearer.flow, mbms_bearer_event=event
        )
        self.take(self.bearers.notified(gnr(mbms_bearer_event_notification=(notification,)), self.now))

    @precondition(lambda self: self.connected)
    @rule()
    def restart(self) -> None:
        self.take(self.bearers.notified(gnr(restart_counter=self.counter), self.now))
        self.counter += 1
        self.asks.clear()
        self.take(self.bearers.notified(gnr(restart_counter=self.counter), self.now))
        assert not self.served

    @rule(seconds=st.sampled_from((0.5, 10.0, 3000.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.bearers.poll(self.now))

    @invariant()
    def who_is_served_is_on_the_air(self) -> None:
        on_air = {bearer.name for bearer in self.bearers.bearers if bearer.state.on_air}
        assert self.served <= on_air
        assert on_air - self.served == {
            bearer.name for bearer in self.bearers.bearers if bearer.state is BearerState.LEAVING
        }

    @invariant()
    def no_tmgi_belongs_to_two(self) -> None:
        tmgis = [bearer.tmgi for bearer in self.bearers.bearers if bearer.tmgi is not None]
        assert len(tmgis) == len(set(tmgis))

    @invariant()
    def nothing_is_on_the_air_without_a_connection(self) -> None:
        assert self.connected or not self.served


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_order = AnyOrder.TestCase
