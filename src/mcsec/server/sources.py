"""Where deliveries come from: for the server on duty, rows of the store that it makes from what it has in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Scope, make
from mcsec.keys.lifecycle import KeyState
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.server.announcement import Bearer
from mcsec.server.bodies import Bodies
from mcsec.server.function import Done, Function
from mcsec.server.judging import Judging, OnItsWay
from mcsec.server.locations import Place
from mcsec.store import deliveries
from mcsec.store.deliveries import Claimed
from mcsec.store.group_commit import GroupCommit, Write
from mcsec.store.server_tables import DeliveryState

#: Seconds between looks where nothing is due, and nobody says that something is.
_IDLE = 5.0

#: The reason of a delivery that is not made.
REVOKED_USER = "revoked by the KMS"

Where = Callable[[str], "Place | None"]
"""How a user's client is reached; None: it is not registered here."""
Build = Callable[[], list[Delivery]]
"""Builds the messages of one key; it may run on another thread."""


class Batch(Protocol):
    """Rows that were claimed together."""

    @property
    def rows(self) -> Sequence[Claimed]:
        """The rows."""

    def prepare(self, now: float) -> tuple[list[Build], list[Write]]:
        """What builds the messages, key by key, and what is written of rows that lead to none.

        The note of every delivery is an :class:`~mcsec.server.judging.OnItsWay`.
        """


class Source(Protocol):
    """Claims rows, knows what their messages say, and what follows from the answers."""

    @property
    def content_type(self) -> str:
        """Of every message."""

    async def claim(self, most: int, now: float, lease: float, urgency: int) -> Batch:
        """Claim rows as :func:`mcsec.store.deliveries.claim` does.

        :raises StoreError: the store is being closed.
        """

    async def until_due(self, now: float) -> float:
        """Seconds until something may be due where nothing was.

        :raises StoreError: the store is being closed.
        """

    def may_leave(self, after: float) -> bool:
        """Whether what was claimed so many seconds ago may still be sent."""

    def judge(self, answers: Sequence[Outcome], now: float, pace: float) -> Done:
        """What the answers bring about. ``pace``: seconds that one delivery takes at present, 0: not known."""


class FromMemory:
    """The rows of the server on duty.

    :ivar function: its state.
    """

    def __init__(
        self,
        function: Function,
        writer: GroupCommit,
        where: Where,
        judging: Judging,
        origin_host: str,
        node: str = "",
    ) -> None:
        """:param node: whose rows they are, among those that share the store."""
        self.function = function
        self.where = where
        self._writer, self._judging, self._node = writer, judging, node
        self._bodies = Bodies(function.settings, origin_host)

    @property
    def content_type(self) -> str:
        """Of every message."""
        return self._bodies.content_type

    async def claim(self, most: int, now: float, lease: float, urgency: int) -> Batch:
        """Claim rows."""
        rows: list[Claimed] = await self._writer.run(
            lambda connection: deliveries.claim(connection, most, now, lease, urgency, node=self._node)
        )
        return _Rows(self, rows)

    async def until_due(self, now: float) -> float:
        """Seconds until something may be due."""
        due: float | None = await self._writer.run(deliveries.next_due)
        return _IDLE if due is None else min(max(due - now, 0.01), _IDLE)

    def may_leave(self, after: float) -> bool:
        """Always: when the lease is over, nobody but this server claims what it has claimed."""
        return True

    def judge(self, answers: Sequence[Outcome], now: float, pace: float) -> Done:
        """What the answers bring about."""
        self.function.engine.pace = pace
        return self._judging.judge(answers, now)

    def messages(self, key_id: KeyId, placed: Sequence[tuple[Claimed, Place]], now: float) -> Build:
        """What builds the messages of one key.

        :raises InvalidValue: the key is destroyed.
        """
        function = self.function
        users = [row.mc_service_id for row, _ in placed]
        write = function.engine.keydown.writer(key_id, users, now)
        epoch = function.engine.keydown.epoch(key_id)
        revoked = epoch is not None and epoch.state is KeyState.REVOKED
        csks = [function.protecting(user) for user in users]
        build = self._bodies.render(users, csks, write, self._bearer(key_id))
        return partial(addressed, placed, revoked, build)

    def trial(self, count: int, now: float) -> tuple[list[str], Callable[[], list[bytes]]]:
        """Users, and what writes key downloads for them of a key that nobody will hold: to see what they take."""
        keydown = self.function.engine.keydown
        users = [f"sip:user-{number}@{self.function.settings.domain}" for number in range(count)]
        csks = [make(PurposeTag.CSK, scope=Scope.of(user), maker=keydown.maker, now=now) for user in users]
        return users, self._bodies.render(users, csks, keydown.trial(users, now))

    def _bearer(self, key_id: KeyId) -> Bearer | None:
        """The bearer that is announced with a key; None: it goes by key download."""
        rotation = self.function.engine.keydown.rotation_of(key_id)
        if key_id.tag is not PurposeTag.MSCCK or rotation is None:
            return None
        (tmgi,) = rotation.scope.names
        bearer = self.function.bearers.get(tmgi)
        if bearer is None:
            raise InvalidValue(f"no bearer {tmgi} is announced", code="server.bearer")
        return bearer


@dataclass(frozen=True, slots=True)
class _Rows:
    source: FromMemory
    rows: Sequence[Claimed]

    def prepare(self, now: float) -> tuple[list[Build], list[Write]]:
        """What builds the messages, key by key, and what is written of rows that lead to none."""
        by_key: dict[KeyId, list[tuple[Claimed, Place]]] = {}
        dropped: list[Write] = []
        keydown = self.source.function.engine.keydown
        revoked = keydown.revoked({row.mc_service_id for row in self.rows}, now)
        for row in self.rows:
            place = self.source.where(row.mc_service_id)
            if row.mc_service_id in revoked:
                # Soon it is logged off; until then it gets nothing more.
                dropped.append(deliveries.settle(row.row, DeliveryState.REFUSED, reason=REVOKED_USER))
            elif place is None:
                dropped.append(deliveries.park(row.mc_service_id))
            else:
                by_key.setdefault(row.key_id, []).append((row, place))
        prepared: list[Build] = []
        for key_id, placed in by_key.items():
            try:
                prepared.append(self.source.messages(key_id, placed, now))
            except InvalidValue:
                # The key was destroyed after the rows were claimed.
                dropped.append(deliveries.drop_rows([row.row for row, _ in placed]))
        return prepared, dropped


def addressed(
    placed: Iterable[tuple[Claimed, Place]], revoked: bool, build: Callable[[], list[bytes]]
) -> list[Delivery]:
    """The messages that ``build`` gives, each with its way. ``revoked``: they say that the key is revoked."""
    return [
        Delivery(place.uri, body, place.target, OnItsWay(row, revoked), place.route)
        for (row, place), body in zip(placed, build(), strict=True)
    ]
