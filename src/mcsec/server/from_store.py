"""Deliveries of a server that is not on duty: all that it knows of users and keys is what the store says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import transport
from mcsec.keys.events import Event
from mcsec.keys.lifecycle import Epoch, KeyState
from mcsec.mikey.build import Initiator, Recipient
from mcsec.net.sip.fanout import Outcome
from mcsec.net.sip.peer import Hop
from mcsec.server.announcement import Bearer
from mcsec.server.answers import Verdict, verdict
from mcsec.server.bodies import Bodies
from mcsec.server.delivering import DeliverySettings
from mcsec.server.events import UpkeepFailed
from mcsec.server.function import Done, FunctionSettings
from mcsec.server.judging import OnItsWay, again
from mcsec.server.keydown import revoked as revoked_by
from mcsec.server.locations import Place, along
from mcsec.server.sources import REVOKED_USER, Batch, Build, addressed
from mcsec.store import deliveries, errands
from mcsec.store.database import Database
from mcsec.store.deliveries import Claimed
from mcsec.store.errands import Errands
from mcsec.store.group_commit import GroupCommit, Write
from mcsec.store.kek import WrapError
from mcsec.store.server_tables import DeliveryState

#: Seconds for which what is due is left to the server on duty: whoever just came, it serves at once by itself.
_HEAD_START = 0.25
#: Seconds between looks for something to do, and for how many times its time a look in vain is not repeated.
_LOOK, _TIMES = 0.25, 10.0
#: Seconds that a server delivers nothing after a key in the store did not open.
_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Sender:
    """What messages are signed with, and the KMS of the clients."""

    initiator: Initiator
    clients: Recipient


class FromStore:
    """The rows of a server that delivers for the one on duty.

    :ivar sender: as of the present key period.
    """

    def __init__(
        self,
        database: Database,
        writer: GroupCommit,
        sender: Sender,
        core: Hop | None,
        function: FunctionSettings,
        delivery: DeliverySettings,
        origin_host: str,
        tell: Callable[[Iterable[Event]], None],
        node: str = "",
    ) -> None:
        """:param core: the SIP core; None: only clients behind a proxy are reached, by the way that Path gave.
        :param node: whose rows they are, among those that share the store.
        """
        self.sender, self._node = sender, node
        self._database, self._writer, self._core = database, writer, core
        self._function, self._delivery, self._tell = function, delivery, tell
        self._bodies = Bodies(function, origin_host)
        self._not_before = float("-inf")
        self._looked = 0.0

    @property
    def content_type(self) -> str:
        """Of every message."""
        return self._bodies.content_type

    async def claim(self, most: int, now: float, lease: float, urgency: int) -> Batch:
        """Claim rows with everything that belongs to them."""
        began = time.monotonic()
        found = Errands()
        if began >= self._not_before and await self._something_is_due(now - _HEAD_START):
            found = await self._writer.run(
                lambda connection: errands.take(
                    connection,
                    most,
                    now - _HEAD_START,
                    lease,
                    urgency,
                    routed=self._core is None,
                    node=self._node,
                )
            )
        self._looked = time.monotonic() - began
        return _Batch(self, found)

    async def until_due(self, now: float) -> float:
        """Seconds until another look is worth it."""
        return max(_LOOK, _TIMES * self._looked)

    def may_leave(self, after: float) -> bool:
        """Whether the lease lasts: after it, another server may have claimed the same."""
        return after < self._delivery.lease

    def judge(self, answers: Sequence[Outcome], now: float, pace: float) -> Done:
        """What is written of the answers: who has its key, and who refused, the server on duty has to note."""
        done = Done()
        accepted: dict[bool, list[int]] = {}
        for outcome in answers:
            sent = outcome.delivery.note
            assert isinstance(sent, OnItsWay), "the note of every delivery"
            found, reason = verdict(outcome)
            if found is Verdict.HELD:
                accepted.setdefault(sent.revoked, []).append(sent.row.row)
            elif found is Verdict.REFUSED:
                done.writes.append(deliveries.settle_sent(sent.row, DeliveryState.DECLINED, reason=reason))
            else:
                done += again(sent.row, reason, self._delivery.retry, now, deliveries.settle_sent)
        done.writes += [deliveries.accepted(rows, revoked) for revoked, rows in accepted.items()]
        return done

    async def _something_is_due(self, now: float) -> bool:
        """Asked without a transaction that would have to be written."""
        async with self._database.read() as connection:
            due = await connection.run_sync(deliveries.next_due)
        return due is not None and due <= now

    # --- for a batch

    def prepare(self, found: Errands, now: float) -> tuple[list[Build], list[Write]]:
        """What builds the messages, key by key, and what is written of rows that lead to none."""
        by_key: dict[KeyId, list[Claimed]] = {}
        prepared: list[Build] = []
        dropped: list[Write] = []
        expelled = revoked_by(self.sender.clients.kms, found.users, now)
        for row in found.rows:
            if row.mc_service_id in expelled:
                # The server on duty logs it off.
                dropped.append(deliveries.settle_sent(row, DeliveryState.REFUSED, reason=REVOKED_USER))
            else:
                by_key.setdefault(row.key_id, []).append(row)
        for key_id, rows in by_key.items():
            try:
                epoch = found.epoch(key_id, self._database.wrapper)
                bearer = self._bearer(key_id, epoch, found)
                if epoch is None or (bearer is None and key_id.tag is PurposeTag.MSCCK):
                    # As the server on duty does with what is destroyed.
                    dropped.append(deliveries.drop_rows([row.row for row in rows]))
                    continue
                prepared.append(self._messages(epoch, bearer, rows, found, now, dropped))
            except WrapError as error:
                self._pause(error, now)
                dropped += [deliveries.give_back(row, now) for row in rows]
        return prepared, dropped

    def _messages(
        self,
        epoch: Epoch,
        bearer: Bearer | None,
        rows: Sequence[Claimed],
        found: Errands,
        now: float,
        dropped: list[Write],
    ) -> Build:
        placed: list[tuple[Claimed, Place]] = []
        for row in rows:
            user = found.users[row.mc_service_id]
            place = Place(user.impu, self._core) if self._core else along(user.contact, user.path)
            if place is None:
                dropped.append(deliveries.park(row.mc_service_id))
            else:
                placed.append((row, place))
        names = [row.mc_service_id for row, _ in placed]
        wrapper = self._database.wrapper
        csks = [found.users[name].unwrap(wrapper) if self._function.protection else None for name in names]
        revoked = epoch.state is KeyState.REVOKED
        kms = self.sender.clients.kms
        write = partial(
            transport.write,
            epoch.key,
            self.sender.initiator,
            [Recipient(name, kms) for name in names],
            now,
            revoked=revoked,
        )
        return partial(addressed, placed, revoked, self._bodies.render(names, csks, write, bearer))

    def _bearer(self, key_id: KeyId, epoch: Epoch | None, found: Errands) -> Bearer | None:
        if epoch is None or key_id.tag is not PurposeTag.MSCCK:
            return None
        (tmgi,) = epoch.key.scope.names
        described = found.bearers.get(tmgi)
        return None if described is None else Bearer.decode(described)

    def _pause(self, error: WrapError, now: float) -> None:
        """A key does not open: this server may have to be started again for a new data key. Others deliver on."""
        self._not_before = time.monotonic() + _PAUSE
        self._tell([UpkeepFailed(now, error.code, str(error), error.hint)])


@dataclass(frozen=True, slots=True)
class _Batch:
    source: FromStore
    found: Errands

    @property
    def rows(self) -> Sequence[Claimed]:
        """The rows."""
        return self.found.rows

    def prepare(self, now: float) -> tuple[list[Build], list[Write]]:
        """What builds the messages, key by key, and what is written of rows that lead to none."""
        return self.source.prepare(self.found, now)
