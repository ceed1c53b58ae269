"""Keys on their way: rows claimed in batches, I_MESSAGEs built together, sent, and what was answered written down.

Memory holds what is in flight, never what is queued: the queue is rows in the store. A row is claimed for a lease; when
this process is killed, the row is claimed again after it, by whoever runs then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mcsec.errors import InvalidValue
from mcsec.ids import KeyId
from mcsec.keys.events import Event
from mcsec.keys.lifecycle import KeyState
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.template import MessageTemplate
from mcsec.net.sip.ways import Target
from mcsec.server.answers import STANDARD, RetryPolicy, Verdict, verdict
from mcsec.server.bodies import Bodies
from mcsec.server.events import DeliveryGivenUp, DeliveryRetried
from mcsec.server.function import Done, Function
from mcsec.store import deliveries
from mcsec.store.database import StoreError
from mcsec.store.deliveries import Claimed
from mcsec.store.group_commit import GroupCommit, Write
from mcsec.store.server_tables import DeliveryState
from mcsec.wire import mc_sip

Where = Callable[[str], "tuple[str, Target | None] | None"]
"""Request URI and target of a user's client; None: it is not registered here."""

_IDLE = 5.0
#: Seconds that answers are gathered before they are written down.
_GATHER = 0.02


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``in_flight``: deliveries unanswered at a time. ``batch``: built together. ``lease``: seconds until a row that
    was claimed and not settled may be claimed again, above the time in which SIP gives up (32 s).
    """

    in_flight: int = 512
    batch: int = 128
    lease: float = 90.0
    retry: RetryPolicy = STANDARD


class Delivering:
    """The delivery of one process: :meth:`run` until it is cancelled; :meth:`wake` says that rows may be due."""

    def __init__(
        self,
        function: Function,
        endpoint: Endpoint,
        writer: GroupCommit,
        where: Where,
        tell: Callable[[Iterable[Event]], None],
        clock: Callable[[], float],
        settings: DeliverySettings,
        origin_host: str,
    ) -> None:
        self._function, self._endpoint, self._writer = function, endpoint, writer
        self._where, self._tell, self._clock = where, tell, clock
        self._settings = settings
        self._bodies = Bodies(function, origin_host)
        self._template = MessageTemplate.of(
            make_request(
                "MESSAGE",
                "sip:x",
                from_=function.settings.psi,
                headers=[
                    *mc_sip.from_server(function.settings.psi),
                    ("Content-Type", self._bodies.content_type),
                ],
            )
        )
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._flying = 0
        self._answers: list[Outcome] = []
        self._settling: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self.delivered = 0

    @property
    def in_flight(self) -> int:
        """Deliveries that were claimed and not answered."""
        return self._flying

    def wake(self) -> None:
        """Rows may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver whatever is due, for ever."""
        try:
            while True:
                room = self._settings.in_flight - self._flying
                if room <= 0:
                    self._room.clear()
                    await self._room.wait()
                    continue
                self._wake.clear()
                rows = await self._claim(min(room, self._settings.batch))
                if rows:
                    await self._send(rows)
                else:
                    await self._rest()
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            await self.settle()

    async def settle(self) -> None:
        """Write down what was answered so far."""
        while self._settling is not None or self._answers:
            task = self._settling or asyncio.ensure_future(self._settle())
            await task

    async def _claim(self, most: int) -> Sequence[Claimed]:
        now = self._clock()
        lease = now + self._settings.lease
        found: list[Claimed] = await self._writer.run(
            lambda connection: deliveries.claim(connection, most, now, lease)
        )
        return found

    async def _rest(self) -> None:
        due = await self._writer.run(deliveries.next_due)
        wait = _IDLE if due is None else min(max(due - self._clock(), 0.01), _IDLE)
        # Not wait_for: before Python 3.12 it may swallow a cancellation that comes together with what it waits for.
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._wake.wait()

    async def _send(self, rows: Sequence[Claimed]) -> None:
        by_key: dict[KeyId, list[tuple[Claimed, str, Target | None]]] = {}
        dropped: list[Write] = []
        for row in rows:
            place = self._where(row.mc_service_id)
            if place is None:
                dropped.append(deliveries.park(row.mc_service_id))
            else:
                by_key.setdefault(row.key_id, []).append((row, *place))
        for key_id, placed in by_key.items():
            users = [row.mc_service_id for row, _, _ in placed]
            try:
                build = self._bodies.prepare(key_id, users, self._clock())
            except InvalidValue:
                # The key was destroyed after the rows were claimed.
                dropped += [deliveries.drop_row(row.row) for row, _, _ in placed]
                continue
            bodies = await asyncio.to_thread(build)
            self._flying += len(placed)
            for together in _by_way(
                [
                    Delivery(uri, body, target, row)
                    for (row, uri, target), body in zip(placed, bodies, strict=True)
                ]
            ):
                task = asyncio.ensure_future(self._fan_out(together))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
        if dropped:
            await self._writer.write(dropped)

    async def _fan_out(self, together: Sequence[Delivery]) -> None:
        left = len(together)

        def answered(outcome: Outcome) -> None:
            nonlocal left
            left -= 1
            self._answered(outcome)

        try:
            await self._endpoint.fan_out(self._template, together, answered)
        finally:
            # Cancelled: their rows are claimed again after the lease.
            self._flying -= left

    def _answered(self, outcome: Outcome) -> None:
        self._flying -= 1
        self._room.set()
        self._answers.append(outcome)
        if self._settling is None:
            self._settling = asyncio.ensure_future(self._settle())

    async def _settle(self) -> None:
        try:
            while self._answers:
                # The client has its key; what is written down may wait for others, and share a transaction.
                if self._flying:
                    await asyncio.sleep(_GATHER)
                answers, self._answers = self._answers, []
                done = self._judge(answers)
                self._tell(done.events)
                await self._writer.write(done.writes)
        except StoreError:
            # The store is being closed; the rows are claimed again after the lease.
            self._answers.clear()
        finally:
            self._settling = None

    def _judge(self, answers: Sequence[Outcome]) -> Done:
        done = Done()
        now = self._clock()
        for outcome in answers:
            row = outcome.delivery.note
            assert isinstance(row, Claimed), "the note of every delivery is its row"
            found, reason = verdict(outcome)
            if found is Verdict.HELD:
                done += self._held(row, now)
            elif found is Verdict.REFUSED:
                happened = self._function.engine.held(row.mc_service_id, row.key_id, now, reason)
                done += self._function.done(
                    happened, deliveries.settle(row.row, DeliveryState.REFUSED, reason=reason)
                )
            else:
                done += self._again(row, reason, now)
        return done

    def _held(self, row: Claimed, now: float) -> Done:
        self.delivered += 1
        engine = self._function.engine
        epoch = engine.keydown.epoch(row.key_id)
        if epoch is None:
            return Done([], [deliveries.drop_row(row.row)])
        if epoch.state is KeyState.REVOKED:
            rotation = engine.keydown.rotation_of(row.key_id)
            if rotation is not None:
                rotation.withdrawn(row.mc_service_id, row.key_id)
            return Done([], [deliveries.drop_row(row.row)])
        return self._function.done(
            engine.held(row.mc_service_id, row.key_id, now), deliveries.settle(row.row, DeliveryState.HELD)
        )

    def _again(self, row: Claimed, reason: str, now: float) -> Done:
        user, key_id, attempt = row.mc_service_id, row.key_id, row.attempt
        wait = self._settings.retry.wait(attempt)
        if wait is None:
            return Done(
                [DeliveryGivenUp(now, user, key_id, attempt, reason)],
                [deliveries.settle(row.row, DeliveryState.FAILED, reason=reason)],
            )
        due = now + wait
        # A delivery that a rest may be waiting for: the rest looks again in time.
        self._wake.set()
        return Done(
            [DeliveryRetried(now, user, key_id, attempt, reason, due)],
            [deliveries.settle(row.row, DeliveryState.WANTED, due, reason)],
        )


def _by_way(placed: Sequence[Delivery]) -> list[list[Delivery]]:
    """Deliveries that share a way go together. One whose connection must be made first waits for nobody else's."""
    ways: dict[object, list[Delivery]] = {}
    for delivery in placed:
        target = delivery.target
        # Datagrams and the SIP core (no target) never wait for a connection of one client.
        way: object = None if target is None or target.transport == "UDP" else target
        ways.setdefault(way, []).append(delivery)
    return list(ways.values())
