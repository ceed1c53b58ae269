"""What the calls of one server share: its engine and SIP endpoint, ports, partners, bearers; and time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import McsecError, Refused
from mcsec.keys.events import Event
from mcsec.keys.policy import GroupRules
from mcsec.net.media_ports import PortPool
from mcsec.net.sip.calls import Call
from mcsec.net.sip.endpoint import Endpoint
from mcsec.server.calls import leftovers
from mcsec.server.calls.air import Air, NoAir, Subchannels
from mcsec.server.calls.events import PacketRefused
from mcsec.server.calls.links import Link, Partner
from mcsec.server.calls.numbers import Numbers
from mcsec.server.calls.outbox import Outbox
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.uplink import Uplinks
from mcsec.server.engine import ServerEngine
from mcsec.server.service import McServer

_GMK_MKI = 8
#: Seconds between two events about packets that are refused for the same reason in the same call.
_TELL_AGAIN = 1.0


class Around:
    """Shared by everything of one server's calls.

    :ivar refused: packets that changed nothing, by code.
    """

    def __init__(
        self,
        server: McServer,
        clock: Callable[[], float],
        pool: PortPool,
        policy: CallPolicy,
        partners: Mapping[str, Partner],
        controlling: str,
    ) -> None:
        self.server, self.clock, self.pool, self.policy = server, clock, pool, policy
        self.engine: ServerEngine = server.function.engine
        self.endpoint: Endpoint = server.endpoint
        self.domain = server.function.settings.domain
        self.participating, self.controlling = server.function.settings.psi, controlling
        self.outbox = Outbox(server)
        self.uplinks = Uplinks(self.engine.csks, clock)
        self.links = {name: Link(partner, self.engine, self.outbox) for name, partner in partners.items()}
        self.legs = Numbers()
        self.air: Air = NoAir()
        self.subchannels = Subchannels(self.air)
        self.refused: Counter[str] = Counter()
        self._told: dict[tuple[str, str], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, air: Air) -> None:
        """Calls may go on these bearers from now on."""
        self.air = air
        self.subchannels = Subchannels(air)

    def link(self, domain: str) -> Link:
        """Floor control with the server of a domain.

        :raises Refused: no agreement with it is configured.
        """
        found = self.links.get(domain)
        if found is None:
            raise Refused(
                f"{domain} is no partner of ours",
                code="call.peer",
                clause="TS 33.180 5.5",
                hint="configure it in [[server.partners]]",
            )
        return found

    def tell(self, *happened: Event) -> None:
        """Publish events."""
        self.server.tell(happened)

    def remember(self, group: str, owner: str, call: Call) -> None:
        """Write a leg down while it lasts."""
        self.spawn(self._while_it_lasts(group, owner, call))

    async def _while_it_lasts(self, group: str, owner: str, call: Call) -> None:
        await self.server.write([leftovers.written(group, owner, call, self.clock())])
        await call.ended.wait()
        await self.server.write([leftovers.dropped(call)])

    def packet_refused(self, group: str, sender: str, what: str, error: McsecError) -> None:
        """A packet changed nothing: counted always, told now and then."""
        self.refused[error.code] += 1
        now, place = self.clock(), (group, error.code)
        if now - self._told.get(place, 0.0) >= _TELL_AGAIN:
            self._told[place] = now
            self.tell(PacketRefused(now, group, sender, what, error.code, str(error)))

    def checked_media(self, group: str, octets: bytes, rules: GroupRules) -> ForwardedMedia:
        """Media as it may be passed on; the server has no key for it and does not look inside.

        :raises LocalError: no RTP packet, or in clear where the group's rules do not allow that.
        """
        mki = 0 if rules.protect_media is False else _GMK_MKI
        return self.engine.forward(group, octets, mki, self.clock(), rules)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside; what goes wrong is told and ends nothing else."""
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End all that was begun."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except McsecError as error:
            self.server.tell_failure(error)


class Alarm:
    """Calls ``ring`` when it is time; one time at a time."""

    def __init__(self, clock: Callable[[], float], ring: Callable[[], None]) -> None:
        self._clock, self._ring = clock, ring
        self._handle: asyncio.TimerHandle | None = None
        self._when: float | None = None

    def set(self, when: float | None) -> None:
        """At ``when``, by the clock; None: not at all."""
        if when == self._when and self._handle is not None:
            return
        self.stop()
        if when is not None:
            self._when = when
            self._handle = asyncio.get_running_loop().call_later(max(0.0, when - self._clock()), self._due)

    def stop(self) -> None:
        """Not at all."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._when = None

    def close(self) -> None:
        """Not at all, and never again: who is rung is let go."""
        self.stop()
        self._ring = _nobody

    def _due(self) -> None:
        self._handle = self._when = None
        self._ring()


def _nobody() -> None:
    """Who was rung is gone."""
