"""A link without sockets or clock between two SIP transaction layers: loss, delay, repetition, simulated time."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mcsec.net.sip.compose import make_request, make_response, new_branch
from mcsec.net.sip.effects import ClientKey, Effect, RequestArrived, ResponseArrived, Send, TimedOut
from mcsec.net.sip.message import Request, decode
from mcsec.net.sip.timers import Timings
from mcsec.net.sip.transactions import TransactionLayer


def sip_request(method: str = "MESSAGE", branch: str | None = None, body: bytes = b"") -> Request:
    """A request with its Via, ready for a client transaction."""
    return make_request(
        method,
        "sip:bob@mc.example",
        from_="sip:alice@mc.example",
        headers=[("Via", f"SIP/2.0/UDP a.example:5060;branch={branch or new_branch()}")],
        body=body,
        content_type="text/plain" if body else None,
    )


@dataclass
class Node:
    """One layer and what it reported."""

    layer: TransactionLayer
    seen: list[Effect] = field(default_factory=list)

    def count(self, kind: type) -> int:
        return sum(isinstance(effect, kind) for effect in self.seen)


class Link:
    """Carries what ``a`` and ``b`` send; ``answer`` decides what ``b`` does with a request."""

    def __init__(
        self,
        *,
        reliable: bool = False,
        loss: float = 0.0,
        repeat: float = 0.0,
        seed: int = 1,
        answer: Callable[[RequestArrived], int | None] = lambda arrived: 200,
        timings: Timings | None = None,
    ) -> None:
        self.rng = random.Random(seed)
        self.reliable, self.loss, self.repeat, self.answer = reliable, loss, repeat, answer
        self.now = 0.0
        self.a = Node(TransactionLayer(timings or Timings(), rng=random.Random(seed)))
        self.b = Node(TransactionLayer(timings or Timings(), rng=random.Random(seed + 1)))
        self.sent: Counter[str] = Counter()
        self._air: list[tuple[float, int, Node, bytes]] = []
        self._number = 0

    def request(self, request: Request) -> ClientKey:
        key = self.a.layer.request(request, "b", self.now, reliable=self.reliable)
        self._settle()
        return key

    def run(self, until: float) -> None:
        """Let everything happen up to a time."""
        while True:
            times = [node.layer.next_timer() for node in (self.a, self.b)]
            times += [self._air[0][0]] if self._air else []
            due = [when for when in times if when is not None]
            if not due or min(due) > until:
                self.now = until
                return
            self.now = max(self.now, min(due))
            while self._air and self._air[0][0] <= self.now:
                _, _, node, octets = heapq.heappop(self._air)
                node.layer.receive(decode(octets), "peer", self.now, reliable=self.reliable)
            for node in (self.a, self.b):
                node.layer.handle_timer(self.now)
            self._settle()

    def _settle(self) -> None:
        for node, other in ((self.a, self.b), (self.b, self.a)):
            for effect in node.layer.effects():
                if isinstance(effect, Send):
                    self._carry(effect.octets, other)
                else:
                    node.seen.append(effect)
                    if isinstance(effect, RequestArrived):
                        self._answer(node, effect)

    def _answer(self, node: Node, arrived: RequestArrived) -> None:
        status = self.answer(arrived)
        if status is not None:
            node.layer.respond(arrived.key, make_response(arrived.request, status), self.now)
            for effect in node.layer.effects():
                if isinstance(effect, Send):
                    self._carry(effect.octets, self.a)
                else:
                    node.seen.append(effect)

    def _carry(self, octets: bytes, to: Node) -> None:
        self.sent[octets[:11].decode()] += 1
        if not self.reliable and self.rng.random() < self.loss:
            return
        copies = 2 if not self.reliable and self.rng.random() < self.repeat else 1
        for _ in range(copies):
            self._number += 1
            delay = 0.01 if self.reliable else self.rng.uniform(0.005, 0.05)
            heapq.heappush(self._air, (self.now + delay, self._number, to, octets))


#: Timers to the instant: no spread.
EXACT = Timings(spread=0.0)


def exact_layer() -> TransactionLayer:
    """A layer whose timers run to the instant."""
    return TransactionLayer(EXACT, rng=random.Random(1))


def run_timers(machine: TransactionLayer, until: float) -> list[tuple[float, Effect]]:
    """Every effect of timers up to a time, with the time of each; effects before that are dropped."""
    machine.effects()
    found: list[tuple[float, Effect]] = []
    while (when := machine.next_timer()) is not None and when <= until:
        machine.handle_timer(when)
        found += [(when, effect) for effect in machine.effects()]
    return found


def times(found: list[tuple[float, Effect]], kind: type) -> list[float]:
    """When effects of a kind came about."""
    return [when for when, effect in found if isinstance(effect, kind)]


def outcome(node: Node, key: ClientKey) -> list[int | str]:
    """What the user of a client transaction was told, in order."""
    told: list[int | str] = []
    for effect in node.seen:
        if isinstance(effect, ResponseArrived) and effect.key == key:
            told.append(effect.response.status)
        elif isinstance(effect, TimedOut) and effect.key == key:
            told.append("timeout")
    return told
