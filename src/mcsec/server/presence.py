"""What a server says of itself to those that it shares a store with, and what they say (design 7)."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from mcsec.keys.events import Event
from mcsec.server.events import NodeCame, NodeGone
from mcsec.store import nodes
from mcsec.store.database import Database, StoreError
from mcsec.store.nodes import Node, Task

#: Seconds between what is said.
_SAY = nodes.THERE / 4


class Presence:
    """One server among those that share a store.

    :ivar counts: each gives how many keys clients took from a part of this server.
    :ivar nodes: those that are there, itself among them, as last heard; ``heard``: when, by the database's clock.
    :ivar not_gone: their names, and of those that were missed once only; empty: nobody was heard of twice yet.
    """

    def __init__(
        self, database: Database, tell: Callable[[Iterable[Event]], None], clock: Callable[[], float]
    ) -> None:
        self._database, self._tell, self._clock = database, tell, clock
        self.node = secrets.token_hex(8)
        self.place = f"{socket.gethostname()} {os.getpid()}"
        self._task = Task.STANDING_BY
        self._changed = asyncio.Event()
        self.counts: list[Callable[[], int]] = []
        self.nodes: dict[str, Node] = {}
        self.heard = 0.0
        self.not_gone: frozenset[str] = frozenset()
        self._known: dict[str, Node] = {}
        self._missed: frozenset[str] = frozenset()
        self._looks = 0
        self._behind = 0.0

    @property
    def task(self) -> Task:
        """What this server does; the others are told at once."""
        return self._task

    @task.setter
    def task(self, task: Task) -> None:
        self._task = task
        self._changed.set()

    @property
    def on_duty(self) -> Node | None:
        """The server on duty; None: none is, as far as is known."""
        found = [node for node in self.nodes.values() if node.task is Task.ON_DUTY]
        return max(found, key=lambda node: node.until, default=None)

    @property
    def delivering(self) -> int:
        """How many servers deliver keys."""
        busy = (Task.ON_DUTY, Task.DELIVERING)
        return sum(node.task in busy for node in self.nodes.values())

    def by_the_one_on_duty(self) -> float:
        """What the clock of the server on duty says: it counts for deliveries, for that server made them.

        Where it is not known now who is on duty, what was last known of the clocks counts.
        """
        return self._clock() + self._behind

    async def say(self) -> None:
        """Say what this server does, and hear what the others do.

        :raises StoreError: the database cannot be asked.
        """
        delivered = sum(count() for count in self.counts)
        async with self._database.begin() as connection:
            found = await connection.run_sync(
                partial(
                    nodes.say,
                    node=self.node,
                    place=self.place,
                    task=self.task,
                    delivered=delivered,
                    own_clock=self._clock,
                )
            )
        self._heard({node.node: node for node in found})

    async def keep(self) -> None:
        """Say it again and again, for ever."""
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(nodes.THERE):
                    await self.say()
            except (StoreError, TimeoutError):
                # Whoever serves tells of a store that is away. Who is there then, nobody knows.
                self.nodes = {}
            with suppress(TimeoutError):
                async with asyncio.timeout(_SAY):
                    await self._changed.wait()

    async def leave(self) -> None:
        """This server ends."""
        try:
            async with self._database.begin() as connection:
                await connection.run_sync(nodes.leave, self.node)
        except StoreError:
            # The others find out by themselves.
            return

    def _heard(self, found: dict[str, Node]) -> None:
        """Who is missed is gone only if it is missed again: a machine that stood still is heard of in between."""
        now = self._clock()
        for name, node in found.items():
            before = self._known.get(name)
            if name != self.node and (before is None or before.task is not node.task):
                self._tell([NodeCame(now, node.node, node.place, node.task.value)])
        missed = self._known.keys() - found.keys()
        for name in sorted(missed & self._missed):
            gone = self._known.pop(name)
            self._tell([NodeGone(now, gone.node, gone.place)])
        self._missed = frozenset(missed & self._known.keys())
        self._known |= found
        self.nodes = found
        self._looks += 1
        if self._looks > 1:
            self.not_gone = frozenset(self._known)
        own, other = found[self.node], self.on_duty
        self.heard = own.until - nodes.THERE
        if other is not None:
            self._behind = other.ahead - own.ahead
