"""A server among several on one store: it delivers for the one on duty until its own turn comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcsec.keys.events import Event
from mcsec.server.assisting import Ask, Assistant
from mcsec.server.duty import Duty
from mcsec.server.presence import Presence
from mcsec.server.service import ServiceSettings
from mcsec.store.database import Database


@dataclass(frozen=True, slots=True)
class Turn:
    """A server's turn, and what it says to the others; both None where no other process can use the store."""

    duty: Duty | None = None
    presence: Presence | None = None


@asynccontextmanager
async def turn(
    database: Database,
    settings: ServiceSettings,
    ask: Ask,
    on_event: Callable[[Event], None],
    clock: Callable[[], float],
    datagrams: str | None = None,
) -> AsyncIterator[Turn]:
    """Until this server's turn comes it delivers for others; the turn is kept until the end of the block.

    ``datagrams``: as :class:`~mcsec.server.assisting.Assistant` has it.
    """
    if not database.shared:
        yield Turn()
        return

    def tell(happened: Iterable[Event]) -> None:
        for event in happened:
            on_event(event)

    duty = Duty(database, tell)
    presence = Presence(database, tell, clock)
    saying = asyncio.create_task(presence.keep())
    try:
        async with Assistant(database, settings, ask, presence, tell, clock, datagrams) as assistant:
            await duty.wait()
            assistant.retire()
            keeping = (asyncio.create_task(duty.keep()), asyncio.create_task(_let_go(database, duty)))
            try:
                yield Turn(duty, presence)
            finally:
                for task in keeping:
                    task.cancel()
                await asyncio.gather(*keeping, return_exceptions=True)
                await duty.give_back()
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
        await presence.leave()


async def _let_go(database: Database, duty: Duty) -> None:
    """Whoever lost duty writes nothing that counts, so it need not wait for a database that it may be cut off from."""
    await duty.lost.wait()
    database.give_up()
