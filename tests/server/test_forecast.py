"""What `keys plan` says of a rotation beside what then happens, in simulated time: they agree within 20 %."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import DEFAULT
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server import delivering, planning
from mcsec.server.delivering import Delivering, DeliverySettings
from mcsec.server.function import Done
from mcsec.server.judging import OnItsWay
from mcsec.server.planning import Plan
from mcsec.server.sources import FromMemory
from mcsec.store.deliveries import BULK, Claimed
from mcsec.store.group_commit import GroupCommit
from support.simulated_loop import simulated

KEY = KeyId(0x60000001)


@dataclass(frozen=True)
class Machine:
    """``writing``: seconds to write one message. ``rest``: seconds of the processor that each takes beside that.
    ``answer``: seconds until it is answered. ``others``: further servers that deliver as fast as this one.
    """

    writing: float
    rest: float
    answer: float = 0.02
    others: int = 0


@dataclass
class World:
    """A server's deliveries, and all that is around them: store, SIP core, clients."""

    machine: Machine
    delivery: DeliverySettings
    due: list[Claimed] = field(default_factory=list)
    served: int = 0
    done_at: float = 0.0

    def __post_init__(self) -> None:
        clients = range(0)
        self.function = SimpleNamespace(engine=SimpleNamespace(pace=0.0), users=clients)
        self.delivering = Delivering(
            cast("FromMemory", self),
            cast("Endpoint", self),
            cast("GroupCommit", self),
            lambda events: None,
            asyncio.get_running_loop().time,
            self.delivery,
            "sip:mcptt@a.example",
        )
        self.delivering.share(1 + self.machine.others)

    # --- as the source

    content_type = "application/mikey"

    async def claim(self, most: int, now: float, lease: float, urgency: int) -> Any:
        # Nobody came just now: whatever is due is of the rekey.
        most = most if urgency == BULK else 0
        taken, self.due = self.due[:most], self.due[most:]
        return SimpleNamespace(rows=taken, prepare=lambda now: ([self._build(taken)] if taken else [], []))

    def _build(self, rows: Sequence[Claimed]) -> Callable[[], list[Delivery]]:
        return lambda: [Delivery(row.mc_service_id, b"", None, OnItsWay(row, False)) for row in rows]

    async def until_due(self, now: float) -> float:
        return 5.0

    def may_leave(self, after: float) -> bool:
        return True

    def judge(self, answers: Sequence[Outcome], now: float, pace: float) -> Done:
        self.function.engine.pace = pace
        return Done()

    def trial(self, count: int, now: float) -> tuple[list[str], Callable[[], list[bytes]]]:
        return ["sip:u@a.example"] * count, lambda: [b"m" * 1200] * count

    # --- as the endpoint, and as the writer

    settings = EndpointSettings()

    async def fan_out(
        self, template: object, leaving: Iterable[Delivery], answered: Callable[[Outcome], None]
    ) -> None:
        loop, finished = asyncio.get_running_loop(), asyncio.Event()
        left = 0

        def answer(delivery: Delivery) -> None:
            nonlocal left
            left -= 1
            self._count(1)
            answered(Outcome(delivery, 200))
            # The others have as many answers meanwhile, and tell of them.
            theirs = min(self.machine.others, len(self.due))
            del self.due[:theirs]
            self._count(theirs)
            self.delivering.heard(theirs)
            if not left:
                finished.set()

        for delivery in leaving:
            left += 1
            loop.call_later(self.machine.answer, answer, delivery)
        await finished.wait()

    async def write(self, writes: object) -> None:
        return None

    # --- the rotation

    def _count(self, count: int) -> None:
        self.served += count
        self.done_at = asyncio.get_running_loop().time()

    async def rotate(self, clients: int) -> tuple[Plan, float]:
        """The plan, and the seconds that it took."""
        loop = asyncio.get_running_loop()
        self.function.users = range(clients)
        plan = await planning.plan(
            cast("FromMemory", self), self.delivering, PurposeTag.MUSIK, DEFAULT, 30.0, loop.time()
        )
        began, self.served = loop.time(), 0
        self.due = [Claimed(number, "sip:u@a.example", KEY, 1) for number in range(clients)]
        self.delivering.wake()
        while self.served < clients:
            await asyncio.sleep(0.01)
        await asyncio.sleep(60.0)
        return plan, self.done_at - began


def rotations(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, settings: DeliverySettings, clients: int
) -> list[tuple[Plan, float]]:
    """Two, one after the other: before the first, nothing is known of the clients."""

    async def story() -> list[tuple[Plan, float]]:
        loop = asyncio.get_running_loop()

        async def write(build: Callable[[], Sequence[Any]]) -> Sequence[Any]:
            found = build()
            # A trial is not sent.
            each = machine.writing if isinstance(found[0], bytes) else machine.writing + machine.rest
            await asyncio.sleep(len(found) * each)
            return found

        clock = SimpleNamespace(monotonic=loop.time, perf_counter=loop.time)
        monkeypatch.setattr(delivering, "time", clock)
        monkeypatch.setattr(asyncio, "to_thread", write)
        world = World(machine, settings)
        working = asyncio.create_task(world.delivering.run())
        found = [await world.rotate(clients) for _ in range(2)]
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return found

    return simulated(story())


def deviation(plan: Plan, took: float) -> float:
    return abs(plan.seconds - took) / took


CALM = Machine(0.001, 0.00025)
#: Where writing, or the rate, decides: the first plan is right.
AT_ONCE = [
    (CALM, DeliverySettings()),
    (CALM, DeliverySettings(in_flight=128, batch=32)),
    (Machine(0.004, 0.0005, 0.2), DeliverySettings()),
    (Machine(0.0003, 0.0001), DeliverySettings()),
    (CALM, DeliverySettings(rate=50.0)),
    (CALM, DeliverySettings(rate=300.0, in_flight=64)),
    (CALM, DeliverySettings(rate=5.0)),
    (CALM, DeliverySettings(rate=100_000.0)),
    (Machine(0.001, 0.00025, others=3), DeliverySettings(rate=200.0)),
]
#: Where the clients, or other servers, decide: it is measured, and the next plan is right.
MEASURED = [
    (Machine(0.0005, 0.0001, 0.5), DeliverySettings(in_flight=16, batch=16)),
    (Machine(0.0005, 0.0001, 2.0), DeliverySettings()),
    (Machine(0.0005, 0.002), DeliverySettings()),
    (Machine(0.001, 0.00025, others=1), DeliverySettings()),
]


@pytest.mark.parametrize(("machine", "settings"), [*AT_ONCE, *MEASURED])
def test_the_plan_is_what_happens(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, settings: DeliverySettings
) -> None:
    clients = 400 if settings.rate == 5.0 else 3_000
    first, second = rotations(monkeypatch, machine, settings, clients)
    for plan, took in (first, second) if (machine, settings) in AT_ONCE else (second,):
        assert plan.messages == clients
        assert deviation(plan, took) <= 0.2, (plan.seconds, plan.basis, took)
