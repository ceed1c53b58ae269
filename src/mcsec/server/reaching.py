"""Whether the next hop that many clients share is there: the SIP core, or the proxy that Path gave (RFC 3327).

A hop that is gone says nothing about clients. While it is gone nothing is sent to it but one probe at a time, an
OPTIONS (RFC 3261 11), each later than the one before; any SIP answer says that it is back. A hop that is silent to
OPTIONS may be one that does not answer them, so after such a probe one delivery goes too.

A delivery that nobody answers in time says nothing yet: some proxies tell nothing of a client that is silent
(RFC 4320 4). Where nothing else was heard of the hop meanwhile, it is asked, and the delivery waits for what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from mcsec.errors import McsecError
from mcsec.keys.events import Event
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import NoAnswer, Unreachable
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.peer import Hop, host_in_uri
from mcsec.net.sip.uri import Uri
from mcsec.server.events import NextHopBack, NextHopGone

#: Next hops of which is remembered when they were heard.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class ProbePolicy:
    """When a hop that is gone is asked again: after ``first`` seconds, doubled each time up to ``most``."""

    first: float = 1.0
    most: float = 30.0


PROBES = ProbePolicy()


class _Said(Enum):
    """What came of a probe."""

    ANSWER = "it is there"
    SILENCE = "it took the probe, or nobody knows"
    REFUSAL = "it is not there"


@dataclass(slots=True)
class _Watch:
    """A hop that is asked until it answers.

    ``gone_at``: since when it is known to be gone; None: in doubt. ``trial``: one delivery may go. ``doubtful``: what
    was not answered in time, until it is known whose fault that is.
    """

    gone_at: float | None = None
    trial: bool = False
    doubtful: list[Outcome] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Reaching:
    """What one process knows of its next hops; it asks for itself. :meth:`close` ends that.

    :ivar core: the SIP core; None: there is none, clients are reached by what they registered.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        psi: str,
        policy: ProbePolicy,
        tell: Callable[[Iterable[Event]], None],
        clock: Callable[[], float],
        known: Callable[[list[Outcome], bool], None],
    ) -> None:
        """:param psi: whom the probes come from.
        :param known: told of deliveries that :meth:`look` kept, and whether they were lost with their hop; called
            with none when a hop is back, or may be tried.
        """
        self.core = endpoint.settings.outbound
        self._endpoint, self._psi, self._policy = endpoint, psi, policy
        self._tell, self._clock, self._known = tell, clock, known
        self._watches: dict[Hop, _Watch] = {}
        self._heard: dict[Hop, float] = {}
        self._waits: dict[Hop, float] = {}

    @property
    def closed(self) -> bool:
        """Whether nothing can be delivered at all, for the SIP core is gone."""
        return self.core is not None and not self._open(self.core)

    @property
    def trying(self) -> bool:
        """Whether one delivery, and no more, may go to the SIP core."""
        return self.core in self._watches and not self.closed

    def admits(self, delivery: Delivery) -> bool:
        """Whether a delivery may leave now. One that may is expected to."""
        hop = self._hop(delivery)
        if hop is None:
            return True
        if not self._open(hop):
            return False
        if (watch := self._watches.get(hop)) is not None:
            watch.trial = False
        return True

    def wait(self, delivery: Delivery) -> float:
        """Seconds after which it is worth it to claim a delivery again that may not leave."""
        hop = self._hop(delivery)
        # Of what waits for the SIP core nothing is claimed, so it may be due at once.
        return 0.0 if hop is None or hop == self.core else self._waits.get(hop, self._policy.first)

    def look(self, outcome: Outcome) -> bool | None:
        """Whether a delivery was lost because its hop is gone. None: it is kept until that is known."""
        hop = self._hop(outcome.delivery)
        if hop is None:
            return False
        if outcome.status is not None:
            self._waits.pop(hop, None)
            self._note(hop)
            self._back(hop)
            return False
        watch = self._watches.get(hop)
        if isinstance(outcome.error, Unreachable):
            self._gone(hop, watch or self._watch(hop), outcome.error.code)
            return True
        if not isinstance(outcome.error, NoAnswer):
            return False
        if watch is None:
            if self._heard_lately(hop):
                return False
            watch = self._watch(hop)
        if watch.gone_at is not None:
            return True
        watch.doubtful.append(outcome)
        return None

    async def close(self) -> None:
        """Ask no more; what was kept is lost with its hop."""
        tasks = [watch.task for watch in self._watches.values() if watch.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for watch in self._watches.values():
            self._release(watch, lost=True)

    # --- inside

    def _hop(self, delivery: Delivery) -> Hop | None:
        """The next hop of a delivery, if it is not the client itself."""
        target = delivery.target or self.core
        if isinstance(target, Hop) and (target == self.core or delivery.route):
            return target
        return None

    def _open(self, hop: Hop) -> bool:
        watch = self._watches.get(hop)
        return watch is None or watch.trial

    def _note(self, hop: Hop) -> None:
        if len(self._heard) >= _REMEMBERED and hop not in self._heard:
            self._heard.clear()
        self._heard[hop] = asyncio.get_running_loop().time()

    def _heard_lately(self, hop: Hop) -> bool:
        """Whether anything came since what is not answered in time was sent."""
        since = asyncio.get_running_loop().time() - self._endpoint.settings.timings.lifetime
        return self._heard.get(hop, float("-inf")) >= since

    def _watch(self, hop: Hop) -> _Watch:
        """Begin to ask a hop."""
        watch = self._watches[hop] = _Watch()
        watch.task = asyncio.ensure_future(self._ask_on(hop, watch))
        return watch

    def _gone(self, hop: Hop, watch: _Watch, reason: str) -> None:
        if watch.gone_at is None:
            watch.gone_at = self._clock()
            self._tell([NextHopGone(watch.gone_at, _name(hop), reason)])
        self._release(watch, lost=True)

    def _back(self, hop: Hop) -> None:
        """A hop answered: everything goes on."""
        watch = self._watches.pop(hop, None)
        if watch is None:
            return
        if watch.task is not None and watch.task is not asyncio.current_task():
            watch.task.cancel()
        if watch.gone_at is not None:
            now = self._clock()
            self._tell([NextHopBack(now, _name(hop), now - watch.gone_at)])
        self._release(watch, lost=False)

    def _release(self, watch: _Watch, *, lost: bool) -> None:
        doubtful, watch.doubtful = watch.doubtful, []
        self._known(doubtful, lost)

    async def _ask_on(self, hop: Hop, watch: _Watch) -> None:
        """Ask a hop until it answers: at once while it is in doubt, later and later when it is gone."""
        while True:
            if watch.gone_at is not None:
                wait = self._waits.get(hop, self._policy.first)
                self._waits[hop] = min(2 * wait, self._policy.most)
                await asyncio.sleep(wait)
            said = await self._ask(hop)
            if said is _Said.ANSWER:
                self._note(hop)
                self._back(hop)
                return
            watch.trial = said is _Said.SILENCE
            self._gone(hop, watch, NoAnswer.code if watch.trial else Unreachable.code)

    async def _ask(self, hop: Hop) -> _Said:
        uri = Uri("sip", None, host_in_uri(hop.host), hop.port).encode()
        probe = make_request("OPTIONS", uri, from_=self._psi)
        # Nobody behind the hop is meant.
        probe = replace(probe, headers=probe.headers.set("Max-Forwards", "0"))
        try:
            await self._endpoint.request(probe, hop)
        except Unreachable:
            return _Said.REFUSAL
        except McsecError:
            return _Said.SILENCE
        return _Said.ANSWER


def _name(hop: Hop) -> str:
    return f"{hop.transport} {host_in_uri(hop.host)}:{hop.port}"
