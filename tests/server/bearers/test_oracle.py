"""The GCS AS's bearer engine against another machine that keeps its own books: the BM-SC emulator's engine.

Connections break, answers get lost, the BM-SC restarts with and without its state, the network loses bearers, in any
order. When the trouble is over, what is on the air there is what is wanted here, and nothing else.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mcsec.bmsc.config import GcsAs
from mcsec.bmsc.engine import Engine
from mcsec.bmsc.events import Notify
from mcsec.server.bearers import events
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import Ask, Output, UnknownBearer
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.server.bearers.states import BearerState
from mcsec.wire.mb2.messages import Gar, Gnr
from support.bmsc import NOW, config
from support.nodes import BMSC, GCS, MCX, OPERATOR

PORTS = tuple(range(9001, 9009))
AREAS = (1, 2)


class TwoBooks(RuleBasedStateMachine):
    """``asks`` are on their way to the BM-SC, in order, as on one connection."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.bearers = Bearers(BearerPolicy(heartbeat=None, starting=5.0))
        self.counter = 1
        self.bmsc = self.start(None)
        self.asks: list[Ask] = []
        self.sent = 0
        self.connected = False
        self.on_air: set[str] = set()

    def start(self, state: object) -> Engine:
        # Room for what nobody can know of: TMGIs whose allocation was not answered live until they expire.
        permission = GcsAs(host=GCS, realm=MCX, tmgis=1000)
        options = {"tmgis": 1000, "bearers": len(PORTS), "gcs_as": (permission,)}
        return Engine(config(**options), PORTS, self.counter, state=state)  # type: ignore[arg-type]  # as it was

    def take(self, happened: list[Output]) -> None:
        for one in happened:
            if isinstance(one, Ask):
                self.asks.append(one)
            elif isinstance(one, events.BearerActive):
                self.on_air.add(one.bearer)
            elif isinstance(one, events.ListenersToUnicast):
                self.on_air.discard(one.bearer)
                if one.then_release:
                    self.take(self.bearers.emptied(one.bearer, self.now))

    def tell(self) -> None:
        """What the BM-SC notifies, if anybody is there to hear it."""
        for output in self.bmsc.outputs():
            if isinstance(output, Notify) and self.connected:
                gnr = Gnr(
                    session_id="n",
                    origin_host=BMSC,
                    origin_realm=OPERATOR,
                    destination_realm=MCX,
                    destination_host=GCS,
                    tmgi_expiry=output.expiry,
                    mbms_bearer_event_notification=output.bearers,
                    restart_counter=self.counter,
                )
                try:
                    self.take(self.bearers.notified(gnr, self.now))
                except UnknownBearer as stranger:
                    # It speaks of what was given up meanwhile.
                    self.take(stranger.happened)

    def carry(self, ask: Ask, *, answered: bool = True) -> None:
        self.sent += 1
        gar = Gar(
            session_id=f"s{self.sent}",
            origin_host=GCS,
            origin_realm=MCX,
            destination_realm=OPERATOR,
            tmgi_allocation_request=ask.allocation,
            tmgi_deallocation_request=ask.deallocation,
            mbms_bearer_request=() if ask.bearer is None else (ask.bearer,),
            restart_counter=1,
        )
        gaa = self.bmsc.handle(gar, self.now).gaa
        assert gaa is not None
        if answered:
            self.take(self.bearers.answered(ask.number, gaa, self.now))
        else:
            self.take(self.bearers.failed(ask.number, "no answer", self.now))
        self.tell()

    @initialize()
    def begin(self) -> None:
        self.connect()
        for number in AREAS:
            self.want(number)

    @rule()
    def connect(self) -> None:
        if not self.connected:
            self.connected = True
            self.take(self.bearers.connected(self.now))

    @precondition(lambda self: self.connected)
    @rule(arrived=st.integers(0, 3))
    def cut(self, arrived: int) -> None:
        """Some of what was on its way has arrived."""
        for ask in self.asks[:arrived]:
            gar = Gar(
                session_id="cut",
                origin_host=GCS,
                origin_realm=MCX,
                destination_realm=OPERATOR,
                tmgi_deallocation_request=ask.deallocation,
                mbms_bearer_request=() if ask.bearer is None else (ask.bearer,),
                restart_counter=1,
            )
            self.bmsc.handle(gar, self.now)
        self.asks.clear()
        self.connected = False
        self.take(self.bearers.disconnected("cut", self.now))
        assert not self.on_air, "whoever listened is on unicast"

    @precondition(lambda self: self.asks)
    @rule(answered=st.booleans())
    def answer(self, answered: bool) -> None:
        self.carry(self.asks.pop(0), answered=answered)

    @rule(keep=st.booleans())
    def restart(self, keep: bool) -> None:
        if self.connected:
            self.cut(0)
        if not keep:
            self.counter += 1
        self.bmsc = self.start(self.bmsc.state if keep else None)

    @rule(number=st.sampled_from(AREAS))
    def want(self, number: int) -> None:
        if all(bearer.name != str(number) for bearer in self.bearers.bearers):
            self.take(self.bearers.want(str(number), Wish((number,)), self.now))

    @precondition(lambda self: self.bearers.bearers)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        bearer = data.draw(st.sampled_from(self.bearers.bearers))
        if bearer.state not in (BearerState.LEAVING, BearerState.DEACTIVATING):
            self.take(self.bearers.drop(bearer.name, self.now))

    @precondition(lambda self: self.bmsc.bearers.all)
    @rule(data=st.data())
    def network_ends_one(self, data: st.DataObject) -> None:
        bearer = data.draw(st.sampled_from(sorted(self.bmsc.bearers.all, key=lambda one: one.port)))
        self.bmsc.end(bearer.key, self.now)
        self.tell()

    @rule(seconds=st.sampled_from((0.5, 10.0, 3000.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.bmsc.tick(self.now)
        self.tell()
        self.take(self.bearers.poll(self.now))

    def settle(self) -> None:
        """No more trouble: everything is answered, and time passes."""
        self.connect()
        for _ in range(40):
            while self.asks:
                self.answer(True)
            self.wait(10.0)

    @rule()
    def the_books_agree_when_the_trouble_is_over(self) -> None:
        self.settle()
        ours = {(bearer.tmgi, bearer.flow) for bearer in self.bearers.bearers}
        assert all(bearer.state is BearerState.ACTIVE for bearer in self.bearers.bearers)
        assert {(bearer.tmgi, bearer.flow) for bearer in self.bmsc.bearers.all} == ours
        assert self.on_air == {bearer.name for bearer in self.bearers.bearers}


TwoBooks.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
test_two_books = TwoBooks.TestCase
