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
    :ivar nodes: those that are there, itself among them, as last heard.
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
                self._heard({})
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
        now = self._clock()
        others = {name: node for name, node in found.items() if name != self.node}
        for name, node in others.items():
            before = self.nodes.get(name)
            if before is None or before.task is not node.task:
                self._tell([NodeCame(now, node.node, node.place, node.task.value)])
        for name, node in self.nodes.items():
            if name != self.node and name not in others:
                self._tell([NodeGone(now, node.node, node.place)])
        self.nodes = found
        own, other = found.get(self.node), self.on_duty
        if own is not None and other is not None:
            self._behind = other.ahead - own.ahead
