"""Keys on their way: rows claimed in batches, I_MESSAGEs built together, sent, and what was answered written down.

Memory holds what is in flight, never what is queued: the queue is rows in the store. A row is claimed for a lease; when
this process is killed, the row is claimed again after it, by whoever runs then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mcsec.errors import WrongState
from mcsec.keys.events import Event
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.template import MessageTemplate
from mcsec.server.answers import STANDARD, RetryPolicy
from mcsec.server.events import UpkeepFailed
from mcsec.server.judging import OnItsWay
from mcsec.server.pacing import Pacer
from mcsec.server.reaching import PROBES, ProbePolicy, Reaching
from mcsec.server.sources import Batch, Source
from mcsec.store import deliveries
from mcsec.store.database import StoreError
from mcsec.store.deliveries import Claimed
from mcsec.store.group_commit import GroupCommit, Write
from mcsec.wire import mc_sip

#: Seconds that answers are gathered before they are written down.
_GATHER = 0.05
#: Seconds that a batch waits for its whole room.
_PATIENCE = 0.05
#: Seconds until writing messages is tried again for which there are no keys to sign with.
_NO_KEYS = 10.0


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``in_flight``: deliveries unanswered at a time. ``batch``: built together. ``lease``: seconds until a row that
    was claimed and not settled may be claimed again, above the time in which SIP gives up (32 s). ``rate``: deliveries
    of a rekey for each second at the most, None: as fast as the next hop takes them. ``probe``: when a SIP core that is
    gone is asked whether it is back.
    """

    in_flight: int = 512
    batch: int = 128
    lease: float = 90.0
    retry: RetryPolicy = STANDARD
    rate: float | None = None
    probe: ProbePolicy = PROBES

    @property
    def longest(self) -> float:
        """Seconds that a delivery waits at the longest while its client is there."""
        return max(self.lease, self.retry.most) + 1.0


class Delivering:
    """The delivery of one process: :meth:`run` until it is cancelled; :meth:`wake` says that rows may be due."""

    def __init__(
        self,
        source: Source,
        endpoint: Endpoint,
        writer: GroupCommit,
        tell: Callable[[Iterable[Event]], None],
        clock: Callable[[], float],
        settings: DeliverySettings,
        psi: str,
    ) -> None:
        """:param psi: whom the messages come from."""
        self._source, self._endpoint, self._writer = source, endpoint, writer
        self._tell, self._clock, self._settings = tell, clock, settings
        self._pacer = Pacer(settings.rate, settings.batch)
        self._template = MessageTemplate.of(
            make_request(
                "MESSAGE",
                "sip:x",
                from_=psi,
                headers=[*mc_sip.from_server(psi), ("Content-Type", source.content_type)],
            )
        )
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._building = asyncio.Lock()
        self._flying = self._delivered = 0
        self._draining = self._claiming = self._more = False
        self._not_before = float("-inf")
        self._reaching = Reaching(endpoint, psi, settings.probe, tell, clock, self._known)
        self._answers: list[Outcome] = []
        self._lost: list[Outcome] = []
        self._settling: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def rate(self) -> float | None:
        """Deliveries of a rekey for each second at the most; None: no limit."""
        return self._pacer.rate

    @property
    def pace(self) -> float:
        """Seconds that one delivery takes where many are due; 0: not known yet."""
        return self._pacer.pace

    @property
    def in_flight(self) -> int:
        """Deliveries that were claimed and not answered."""
        return self._flying

    @property
    def delivered(self) -> int:
        """Keys that clients took."""
        return self._delivered

    def share(self, servers: int) -> None:
        """So many servers deliver at once, this one among them; the configured rate is that of all together."""
        self._pacer.servers = servers

    def heard(self, count: int) -> None:
        """Other servers were given so many answers."""
        self._pacer.answered(count, time.monotonic(), self._busy)

    def wake(self) -> None:
        """Rows may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver whatever is due, for ever."""
        try:
            while True:
                room = await self._until_room()
                if self._draining:
                    break
                self._wake.clear()
                if self._reaching.closed:
                    await self._wake.wait()
                    continue
                if (left := self._not_before - time.monotonic()) > 0:
                    await self._rest(left)
                    continue
                most = 1 if self._reaching.trying else min(room, self._settings.batch)
                allowed = self._pacer.room(most, time.monotonic())
                urgency = deliveries.BULK if allowed else deliveries.LATE_JOINER
                claimed, batch = time.monotonic(), await self._claim(allowed or most, urgency)
                self._pacer.spend(len(batch.rows))
                self._more = len(batch.rows) == (allowed or most)
                if batch.rows:
                    self._spawn(self._send(batch, claimed))
                else:
                    await self._rest(None if allowed else self._pacer.wait)
            await asyncio.Event().wait()
        finally:
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            await self._reaching.close()
            await self.settle()

    async def drain(self, seconds: float) -> None:
        """Claim nothing more, give back what has not left, and wait so long for the answers to what has.

        What is unanswered then is claimed again after the lease.
        """
        self._draining = True
        self._wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # What is being claimed at this moment is given back too.
                while self._flying or self._claiming:
                    self._room.clear()
                    await self._room.wait()
        await self.settle()

    async def settle(self) -> None:
        """Write down what was answered so far."""
        while self._settling is not None or self._answers or self._lost:
            task = self._settling or asyncio.ensure_future(self._settle())
            await task

    async def _until_room(self) -> int:
        """How many more may be claimed: enough for a batch, or what there is where answers are slow to come."""
        wanted = min(self._settings.batch, self._settings.in_flight)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self._settings.in_flight - self._flying < wanted:
                    self._room.clear()
                    await self._room.wait()
        while self._flying >= self._settings.in_flight:
            self._room.clear()
            await self._room.wait()
        return self._settings.in_flight - self._flying

    async def trial(self, users: Sequence[str], build: Callable[[], list[bytes]]) -> tuple[float, int]:
        """Writes messages that are not sent: the seconds that one takes, and its octets."""
        async with self._building:
            began = time.perf_counter()
            bodies = await asyncio.to_thread(build)
            took = time.perf_counter() - began
        sizes = [self._template.size(user, body) for user, body in zip(users, bodies, strict=True)]
        return took / len(users), sum(sizes) // len(users)

    async def _claim(self, most: int, urgency: int) -> Batch:
        now = self._clock()
        self._claiming = True
        try:
            batch = await self._source.claim(most, now, now + self._settings.lease, urgency)
            self._flying += len(batch.rows)
        finally:
            self._claiming = False
            self._room.set()
        return batch

    async def _rest(self, wait: float | None) -> None:
        """Until something may be due; ``wait``: so many seconds, for more may go only then."""
        if wait is None:
            wait = await self._source.until_due(self._clock())
        # Not wait_for: before Python 3.12 it may swallow a cancellation that comes together with what it waits for.
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._wake.wait()

    async def _send(self, batch: Batch, claimed: float) -> None:
        """Build and send one batch. While it is built on another thread, the next one is claimed."""
        left = len(batch.rows)
        try:
            async with self._building:
                if self._draining:
                    await self._return(batch.rows)
                    return
                prepared, dropped = batch.prepare(self._clock())
                try:
                    placed = [delivery for build in prepared for delivery in await asyncio.to_thread(build)]
                except WrongState as error:
                    # The key period ended and the KMS gave no keys for the next: whatever we sign now is refused.
                    self._not_before = time.monotonic() + _NO_KEYS
                    self._tell([UpkeepFailed(self._clock(), error.code, str(error), error.hint)])
                    await self._return(batch.rows)
                    return
            for together in _by_way(placed):
                left -= len(together)
                self._spawn(self._fan_out(together, claimed))
            if dropped:
                await self._writer.write(dropped)
        except StoreError:
            # The store is being closed; the rows are claimed again after the lease.
            return
        finally:
            self._landed(left)

    async def _fan_out(self, together: Sequence[Delivery], claimed: float) -> None:
        """Send what shares a way. ``claimed``: when, by the steady clock: nothing leaves when the lease is over."""
        left = len(together)
        kept: list[Delivery] = []

        def answered(outcome: Outcome) -> None:
            nonlocal left
            left -= 1
            self._answered(outcome)

        def leaving() -> Iterator[Delivery]:
            for delivery in together:
                late = self._draining or not self._source.may_leave(time.monotonic() - claimed)
                if late or not self._reaching.admits(delivery):
                    kept.append(delivery)
                else:
                    yield delivery

        try:
            await self._endpoint.fan_out(self._template, leaving(), answered)
            now = self._clock()
            await self._writer.write([self._give_back(delivery, now) for delivery in kept])
        except StoreError:
            # The store is being closed; the rows are claimed again after the lease.
            return
        finally:
            # Cancelled: their rows are claimed again after the lease.
            self._landed(left)

    @property
    def _busy(self) -> bool:
        """Whether answers are awaited, or would be if there were room: only then they say how long many take."""
        return self._flying > 0 or (self._more and not self._reaching.closed)

    async def _return(self, rows: Iterable[Claimed]) -> None:
        """Rows of which nothing left."""
        now = self._clock()
        await self._writer.write([deliveries.give_back(row, now) for row in rows])

    def _give_back(self, delivery: Delivery, now: float) -> Write:
        return deliveries.give_back(_row(delivery), now + self._reaching.wait(delivery))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _landed(self, count: int) -> None:
        self._flying -= count
        self._room.set()

    def _answered(self, outcome: Outcome) -> None:
        self._landed(1)
        self._delivered += outcome.status is not None and outcome.status < 300
        lost = self._reaching.look(outcome)
        if lost is not None:
            self._known([outcome], lost)

    def _known(self, outcomes: list[Outcome], lost: bool) -> None:
        """It is known whether deliveries were answered for, or were lost with their next hop."""
        (self._lost if lost else self._answers).extend(outcomes)
        self._wake.set()
        if outcomes and self._settling is None:
            self._settling = asyncio.ensure_future(self._settle())

    async def _settle(self) -> None:
        try:
            while self._answers or self._lost:
                # The client has its key; what is written down may wait for others, and share a transaction.
                if self._flying:
                    await asyncio.sleep(_GATHER)
                answers, self._answers = self._answers, []
                lost, self._lost = self._lost, []
                self._pacer.answered(len(answers), time.monotonic(), self._busy)
                now = self._clock()
                done = self._source.judge(answers, now, self._pacer.pace)
                # A rest looks again, for what is to be tried again may be due before it ends.
                self._wake.set()
                # The client of a delivery that was lost with the next hop was not asked: no attempt is used up.
                returned = [self._give_back(outcome.delivery, now) for outcome in lost]
                await self._writer.write(done.writes + returned)
                # Who hears that a client holds a key may rely on it, whatever becomes of this process.
                self._tell(done.events)
        except StoreError:
            # The store is being closed; the rows are claimed again after the lease.
            self._answers.clear()
            self._lost.clear()
        finally:
            self._settling = None


def _row(delivery: Delivery) -> Claimed:
    assert isinstance(delivery.note, OnItsWay), "the note of every delivery"
    return delivery.note.row


def _by_way(placed: Sequence[Delivery]) -> list[list[Delivery]]:
    """Deliveries that share a way go together. One whose connection must be made first waits for nobody else's."""
    ways: dict[object, list[Delivery]] = {}
    for delivery in placed:
        target = delivery.target
        # Datagrams and the SIP core (no target) never wait for a connection of one client.
        way: object = None if target is None or target.transport == "UDP" else target
        ways.setdefault(way, []).append(delivery)
    return list(ways.values())
