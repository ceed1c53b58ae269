"""Clients as one process: from a configuration to events, and what became of everybody at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mcsec.client.config import Configuration
from mcsec.client.engine import ClientEngine
from mcsec.client.events import FloorHeard, MediaHeard, PacketDropped
from mcsec.client.groupkeys import GroupKeys
from mcsec.client.host import ClientHost
from mcsec.client.provision import KmsSources, Provisioned, renew
from mcsec.client.radio import RadioSide
from mcsec.client.service import McClient
from mcsec.errors import McsecError
from mcsec.keys.events import Event
from mcsec.net.sip.events import MessageMalformed, RequestRejected, SipEvent

#: Clients that log on at a time.
TOGETHER = 32
#: Failures that are named one by one.
_NAMED = 10


@dataclass(slots=True)
class Tally:
    """What happened to all clients of a run.

    ``users`` are those who got on. ``floor`` and ``media`` count authentic packets, ``dropped`` and ``refused`` what
    changed nothing, by code.
    """

    clients: int = 0
    logged_on: int = 0
    events: Counter[str] = field(default_factory=Counter)
    floor: int = 0
    media: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[McsecError] = field(default_factory=list)
    users: list[McClient] = field(default_factory=list)

    def count(self, event: Event) -> None:
        """One more event."""
        self.events[event.name] += 1
        self.floor += isinstance(event, FloorHeard)
        self.media += isinstance(event, MediaHeard)
        if isinstance(event, PacketDropped):
            self.dropped[event.code] += 1

    def at_the_wire(self, event: SipEvent) -> None:
        """What SIP refused before any client saw it."""
        if isinstance(event, MessageMalformed | RequestRejected):
            self.events[type(event).__name__] += 1

    def failed(self, error: McsecError) -> None:
        """One client did not get on."""
        self.events["LogOnFailed"] += 1
        if len(self.failures) < _NAMED:
            self.failures.append(error)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "clients": self.clients,
            "logged_on": self.logged_on,
            "floor_heard": self.floor,
            "media_heard": self.media,
            "messages_refused": dict(self.refused),
            "packets_dropped": dict(self.dropped),
            "events": dict(sorted(self.events.items())),
            "failures": [error.describe() for error in self.failures],
        }


OnEvent = Callable[[str, Event], None]
"""Told the MC service ID of a client, and what happened there."""


@asynccontextmanager
async def logged_on(config: Configuration, count: int, on_event: OnEvent) -> AsyncIterator[Tally]:
    """``count`` clients of a configuration, logged on; logged off at the end.

    Who does not get on is counted, and told in :attr:`Tally.failures`.

    :raises ConfigError: the configuration does not do.
    """
    config.check_count(count)
    tally = Tally(clients=count)
    sources = KmsSources(config)
    turns = asyncio.Semaphore(TOGETHER)

    def heard(user: str, event: Event) -> None:
        tally.count(event)
        on_event(user, event)

    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(ClientHost(config.host(), on_sip_event=tally.at_the_wire))

        async def one(number: int) -> None:
            async with turns:
                try:
                    tally.users.append(await _log_on(config, number, host, sources, stack, heard))
                except McsecError as error:
                    tally.failed(error)
                else:
                    tally.logged_on += 1

        await asyncio.gather(*(one(number) for number in range(1, count + 1)))
        try:
            yield tally
        finally:
            for client in host.clients:
                tally.refused += client.refused


async def _log_on(
    config: Configuration,
    number: int,
    host: ClientHost,
    sources: KmsSources,
    stack: AsyncExitStack,
    heard: OnEvent,
) -> McClient:
    profile = config.profile(number)
    source = sources.source(number)
    keys = await source.fetch()
    settings = config.content.client
    gmss = config.group_keys(number)
    homes = {group: gms.party for gms in gmss for group in gms.groups}
    fetching: list[GroupKeys] = []

    def told(event: Event) -> None:
        heard(profile.mc_service_id, event)
        for fetched in fetching:
            fetched.heard(event)

    client = host.add(
        profile,
        ClientEngine(keys.identities, keys.kms, profile.server, homes),
        partial(config.token, number),
        radio=RadioSide(settings.area, silence=settings.silence),
        on_event=told,
        credentials=config.credentials(number),
    )

    def install(fresh: Provisioned) -> None:
        client.engine.provision(fresh.identities, fresh.kms)

    renewing = asyncio.get_running_loop().create_task(renew(source, install, client.failed))
    stack.push_async_callback(_stop, renewing)
    await client.log_on(config.groups)
    fetching += [GroupKeys(client, gms) for gms in gmss]
    for fetched in fetching:
        stack.push_async_callback(_stop, asyncio.get_running_loop().create_task(fetched.run()))
    return client


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
