"""Where bearers meet keys and listeners: what MB2 tells becomes announcements, and who is served by what.

A bearer on the air is announced with an MSCCK of its own, always a new one. One that changed is announced again. One
that is given up or lost serves nobody from that moment on: its listeners get the next floor message by unicast, under
their CSKs, and are told that the bearer ended.

::

    async with Joint(server, on_event, time.time) as joint, GcsAs(config, bmsc, Bearers(), joint.happened) as gcs_as:
        joint.attach(gcs_as)
        joint.want(Plan("north", Wish((1,)), IPv4Address("239.255.77.2"), 42001))
        sent = await joint.floor(group, message)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Self

from mcsec.errors import InvalidValue, McsecError
from mcsec.ids import Tmgi
from mcsec.keys.events import Event
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import GroupRules
from mcsec.net.mb2u import Place
from mcsec.server import listening
from mcsec.server.announcement import Bearer
from mcsec.server.bearers import events
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.service import GcsAs
from mcsec.server.engine import ServerEngine
from mcsec.server.service import McServer
from mcsec.server.signalling import ABSENT, Sent
from mcsec.wire.rtcp.floor import FloorMessage

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """A bearer that is wanted, and how it is announced.

    ``address`` and ``port`` are those of the general purpose subchannel. ``groups``: whom it is announced to, by
    affiliation; none: everybody.
    """

    name: str
    wish: Wish
    address: IPv4Address | IPv6Address
    port: int
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OnAir:
    """A bearer on the air; ``mb2u`` is where its packets go."""

    tmgi: Tmgi
    mb2u: Place
    areas: tuple[int, ...]


class Joint:
    """The bearers of one server. Use it as an async context manager, around the :class:`GcsAs` that it hears.

    :ivar on_air: what is on the air, by the bearer's name.
    """

    def __init__(
        self, server: McServer, on_event: Callable[[Event], None], clock: Callable[[], float]
    ) -> None:
        """:param on_event: called with each event of the bearers. :param clock: Unix seconds, the server's."""
        self._server, self._on_event, self._clock = server, on_event, clock
        self._gcs_as: GcsAs | None = None
        self._plans: dict[str, Plan] = {}
        self.on_air: dict[str, OnAir] = {}
        # Who heard a group's call on a bearer that is gone, and has not said that it hears another.
        self._moved: dict[str, set[str]] = {}
        self._ends: dict[str, asyncio.Event] = {}
        # Announcements follow one another in the order of what happened.
        self._work: asyncio.Queue[Work] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        # What was announced before a restart is on no air that we know of.
        for bearer in list(self._server.function.bearers.values()):
            if not bearer.withdrawn:
                self._to_unicast(bearer.tmgi)
                self._later(self._withdrawing(bearer.tmgi))
        self._worker = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._worker is not None
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)

    def attach(self, gcs_as: GcsAs) -> None:
        """Bearers are asked for there."""
        self._gcs_as = gcs_as

    # --- what is wanted

    def want(self, plan: Plan) -> None:
        """A bearer is wanted; it is announced when it is on the air.

        :raises InvalidValue: the name is taken.
        """
        self._gcs.want(plan.name, plan.wish)
        self._plans[plan.name] = plan

    def drop(self, name: str) -> None:
        """Give a bearer up: its listeners go to unicast first.

        :raises InvalidValue: no such bearer. :raises WrongState: it is being given up.
        """
        self._gcs.drop(name)

    async def released(self, name: str) -> None:
        """Returns when there is no bearer of that name any more."""
        if name in self._plans:
            await self._ends.setdefault(name, asyncio.Event()).wait()

    @property
    def names(self) -> frozenset[str]:
        """The bearers that are wanted, or are being given up."""
        return frozenset(self._plans)

    def plan(self, name: str) -> Plan:
        """What is wanted of a bearer.

        :raises InvalidValue: none of that name.
        """
        if name not in self._plans:
            raise InvalidValue(f"no bearer {name}", code="bearer.unknown")
        return self._plans[name]

    def place(self, name: str) -> Place:
        """Where its general purpose subchannel is.

        :raises InvalidValue: none of that name.
        """
        plan = self.plan(name)
        return plan.address, plan.port

    def listeners(self, name: str) -> int:
        """How many said that they listen to it."""
        air = self.on_air.get(name)
        rotation = None if air is None else self._engine.keydown.msccks.get(str(air.tmgi))
        return 0 if rotation is None else len(rotation.audience.listeners)

    # --- sending

    async def floor(self, group: str, message: FloorMessage, rules: GroupRules = ABSENT) -> list[Sent]:
        """A floor message of ``group``: once on each bearer on which somebody said that it hears the group's call, and
        by unicast to who heard it on one that is gone. The message's SSRC is set here.
        """

        def produce(now: float) -> list[Sent]:
            engine, apart = self._engine, self._apart(group)
            carrying = [air.tmgi for air in self.on_air.values() if engine.listeners.on(str(air.tmgi), group)]
            if not carrying:
                return engine.floor(None, group, message, now, rules, apart=apart)
            sent: list[Sent] = []
            # Where the second bearer has to wait for indexes, what was made for the first is not sent: a gap, no more.
            for tmgi in carrying:
                said = replace(message, ssrc=engine.ssrc(Traffic.MBMS_FLOOR, tmgi))
                sent += engine.floor(tmgi, group, said, now, rules, apart=apart)
                apart = set()
            return sent

        return await self._server.send(produce)

    # --- what happens

    def happened(self, event: Event) -> None:
        """An event of :mod:`mcsec.server.bearers.events`. Who is served by what is so when this returns."""
        match event:
            case events.BearerActive(bearer=name, tmgi=tmgi, mb2u=mb2u, areas=areas):
                self.on_air[name] = OnAir(tmgi, mb2u, areas)
                self._later(self._announcing(name, tmgi, areas, anew=True))
            case events.BearerModified(bearer=name, tmgi=tmgi, areas=areas) if name in self.on_air:
                self.on_air[name] = OnAir(tmgi, self.on_air[name].mb2u, areas)
                self._later(self._announcing(name, tmgi, areas, anew=False))
            case events.ListenersToUnicast(bearer=name, tmgi=tmgi, then_release=then_release):
                self.on_air.pop(name, None)
                self._to_unicast(tmgi)
                if then_release:
                    self._later(self._releasing(name))
            case events.BearerLost(tmgi=tmgi):
                self._later(self._withdrawing(tmgi))
            case events.BearerReleased(bearer=name, tmgi=tmgi):
                self._plans.pop(name, None)
                if (end := self._ends.pop(name, None)) is not None:
                    end.set()
                if tmgi is not None:
                    self._later(self._withdrawing(tmgi))
        self._on_event(event)

    async def settled(self) -> None:
        """Returns when everything that happened until now is announced."""
        await self._work.join()

    # --- inside

    @property
    def _gcs(self) -> GcsAs:
        if self._gcs_as is None:
            raise InvalidValue("no GCS AS is attached", code="bearer.detached")
        return self._gcs_as

    @property
    def _engine(self) -> ServerEngine:
        return self._server.function.engine

    def _apart(self, group: str) -> set[str]:
        """Who heard the call on a bearer that is gone, is still of the group, and hears no other bearer."""
        moved = self._moved.get(group)
        if not moved:
            return set()
        moved &= self._server.function.users.members([group])
        moved -= self._engine.listeners.of(group)
        return moved

    def _to_unicast(self, tmgi: Tmgi) -> None:
        heard, done = listening.all_leave(self._server.function, tmgi, self._clock())
        for group, who in heard.items():
            self._moved.setdefault(group, set()).update(who)
        self._later(lambda: self._server.carry_out(done))

    def _announcing(self, name: str, tmgi: Tmgi, areas: tuple[int, ...], *, anew: bool) -> Work:
        plan = self._plans[name]

        async def announce() -> None:
            if anew:
                # The TMGI may be that of a bearer that ended: its MSCCK is not used again.
                await self._withdraw(tmgi)
            qci = int(plan.wish.qci)
            await self._server.announce(Bearer(tmgi, areas, plan.address, plan.port, qci, plan.groups))

        return announce

    def _withdrawing(self, tmgi: Tmgi) -> Work:
        return lambda: self._withdraw(tmgi)

    async def _withdraw(self, tmgi: Tmgi) -> None:
        known = self._server.function.bearers.get(str(tmgi))
        if known is not None and not known.withdrawn:
            await self._server.withdraw(tmgi)

    def _releasing(self, name: str) -> Work:
        async def release() -> None:
            self._gcs.emptied(name)

        return release

    def _later(self, work: Work) -> None:
        self._work.put_nowait(work)

    async def _run(self) -> None:
        while True:
            work = await self._work.get()
            try:
                await work()
            except McsecError as error:
                self._server.tell_failure(error)
            finally:
                self._work.task_done()
