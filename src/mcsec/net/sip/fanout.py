"""Sending one request to many: the window decides how fast, memory does not grow with the recipients."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from mcsec.errors import McsecError, PeerError
from mcsec.net.sip.core import Core
from mcsec.net.sip.errors import BadMessage, NoAnswer, Unreachable
from mcsec.net.sip.gates import Gate
from mcsec.net.sip.message import Response, decode
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.template import Branches, MessageTemplate, route_lines, via_line
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.ways import Target

#: Seconds between looks at what is unanswered; retransmissions are late by at most this.
_TICK: Final = 0.05


@dataclass(frozen=True, slots=True)
class Delivery:
    """A recipient: its ``uri``, its ``body``, where it goes (``None``: the SIP core, or by its URI), your note.

    ``route`` are the values of its Route headers, as the Path of its registration gave them.
    """

    uri: str
    body: bytes
    target: Target | None = None
    note: object = None
    route: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery: the final ``status``, or the ``error`` that came instead.

    ``response`` is there for every status but 2xx: its Warning may say why.
    """

    delivery: Delivery
    status: int | None
    response: Response | None = None
    error: McsecError | None = None


class _Slot:
    """One request on the way."""

    __slots__ = ("again_at", "delivery", "done", "ends_at", "gate", "interval", "octets", "peer")

    def __init__(
        self, delivery: Delivery, peer: Peer, gate: Gate, octets: bytes, done: Callable[[Outcome], None]
    ) -> None:
        self.delivery, self.peer, self.gate, self.octets, self.done = delivery, peer, gate, octets, done
        self.again_at = self.ends_at = self.interval = 0.0


class FastSender:
    """The fan-out of one endpoint. Each request is a client transaction (RFC 3261 17.1.2) kept as a small record.

    ``most``: how many may be unanswered in all, over every next hop.
    """

    def __init__(self, core: Core, most: int = 4096) -> None:
        self._core = core
        self._branches = Branches()
        self._slots: dict[int, _Slot] = {}
        self._vias: dict[tuple[int, str], bytes] = {}
        self._most = most
        self._room = asyncio.Event()
        # As in the transaction layer: it only keeps retransmissions apart.
        self._random = random.Random()  # noqa: S311
        core.intercept = self._answered
        core.closed_hooks.append(self._flow_closed)

    def __len__(self) -> int:
        return len(self._slots)

    async def send(
        self, template: MessageTemplate, deliveries: Iterable[Delivery], done: Callable[[Outcome], None]
    ) -> None:
        """Send to every recipient and return when each has its outcome; ``done`` is called once for each.

        ``deliveries`` is read only as fast as the windows let requests out, so it may be a generator over
        millions. When the caller is cancelled, what is on the way is forgotten.
        """
        pending: set[int] = set()
        finished = asyncio.Event()
        failures: list[Exception] = []

        def settle(number: int, outcome: Outcome) -> None:
            pending.discard(number)
            if not pending:
                finished.set()
            try:
                done(outcome)
            # Raised here it would break the connection that the answer came by; the caller gets it instead.
            except Exception as error:  # noqa: BLE001
                failures.append(error)

        try:
            for delivery in deliveries:
                if failures:
                    break
                while len(self._slots) >= self._most:
                    self._room.clear()
                    await self._room.wait()
                await self._send_one(template, delivery, pending, settle)
            while pending:
                finished.clear()
                await finished.wait()
            if failures:
                raise failures[0]
        finally:
            for number in pending:
                slot = self._slots.pop(number, None)
                if slot is not None:
                    slot.gate.dropped()

    async def _send_one(
        self,
        template: MessageTemplate,
        delivery: Delivery,
        pending: set[int],
        settle: Callable[[int, Outcome], None],
    ) -> None:
        core = self._core
        number = 0
        try:
            hop = delivery.target or core.settings.outbound or Hop.of(Uri.decode(delivery.uri))
            gate = core.gates.of((hop.transport, hop.host, hop.port))
            await gate.enter()
        except McsecError as error:
            settle(number, Outcome(delivery, None, error=error))
            return
        try:
            route = route_lines(delivery.route)
            peer = await self._flow(hop, template.size(delivery.uri, delivery.body) + len(route))
            number, branch = self._branches.next()
            octets = template.render(delivery.uri, self._via(peer), branch, branch[7:], delivery.body, route)
            core.transport.send(octets, peer)
        except asyncio.CancelledError:
            gate.dropped()
            raise
        except McsecError as error:
            gate.dropped()
            settle(number, Outcome(delivery, None, error=error))
            return
        slot = _Slot(delivery, peer, gate, octets, lambda outcome: settle(number, outcome))
        timings = core.settings.timings
        now = core.clock.now()
        slot.ends_at = now + timings.lifetime
        slot.interval = timings.t1
        slot.again_at = slot.ends_at if peer.reliable else self._later(now, timings.t1)
        self._slots[number] = slot
        pending.add(number)
        core.counters.requests_sent += 1
        if "fan-out" not in core.clock.timers:
            core.clock.timers.set("fan-out", now + _TICK, self._look)
            core.clock.arm()
        if core.transport.congested(peer):
            await core.transport.drain(peer)

    async def _flow(self, hop: Target, size: int) -> Peer:
        return hop if isinstance(hop, Peer) else await self._core.ways.flow(hop, size)

    def _via(self, peer: Peer) -> bytes:
        key = (peer.flow, peer.transport)
        line = self._vias.get(key)
        if line is None:
            if len(self._vias) > 10_000:
                self._vias.clear()
            line = self._vias[key] = via_line(peer.transport, *self._core.ways.sent_by(peer))
        return line

    def _answered(self, octets: bytes) -> bool:
        """Take an answer if it is for us; late and repeated ones are taken too, and dropped."""
        found = self._branches.answered(octets)
        if found is None:
            return False
        number, status = found
        slot = self._slots.get(number)
        if slot is None:
            return True
        if status < 200:
            slot.interval = self._core.settings.timings.t2
            return True
        response = None
        if status >= 300:
            try:
                message = decode(octets, limits=self._core.settings.transport.limits)
            except BadMessage:
                return False
            response = message if isinstance(message, Response) else None
        self._finish(number, slot, Outcome(slot.delivery, status, response), answered=True)
        return True

    def _finish(self, number: int, slot: _Slot, outcome: Outcome, *, answered: bool) -> None:
        del self._slots[number]
        if answered:
            slot.gate.answered(self._core.clock.now())
        else:
            slot.gate.dropped()
            self._core.counters.deliveries_failed += 1
        self._room.set()
        slot.done(outcome)

    def _look(self, now: float) -> None:
        """Timers E and F of everything on the way: few enough to walk through."""
        timings = self._core.settings.timings
        for number, slot in list(self._slots.items()):
            if now >= slot.ends_at:
                error: PeerError = NoAnswer(f"{slot.delivery.uri}: no answer in time")
                self._finish(number, slot, Outcome(slot.delivery, None, error=error), answered=False)
            elif now >= slot.again_at:
                slot.interval = min(2 * slot.interval, timings.t2)
                slot.again_at = self._later(now, slot.interval)
                slot.gate.window.resent(now)
                self._core.counters.retransmissions_sent += 1
                try:
                    self._core.transport.send(slot.octets, slot.peer)
                except Unreachable as gone:
                    self._finish(number, slot, Outcome(slot.delivery, None, error=gone), answered=False)
        if self._slots:
            self._core.clock.timers.set("fan-out", now + _TICK, self._look)

    def _later(self, now: float, interval: float) -> float:
        return now + interval * (1 + self._core.settings.timings.spread * self._random.random())

    def _flow_closed(self, peer: Peer, reason: str) -> None:
        for number, slot in list(self._slots.items()):
            if slot.peer.flow == peer.flow:
                error = Unreachable(f"the connection with {peer}: {reason}")
                self._finish(number, slot, Outcome(slot.delivery, None, error=error), answered=False)
