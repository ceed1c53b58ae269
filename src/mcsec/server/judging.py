"""What follows from the answers to deliveries: who holds which key, what is tried again, what is given up.

Answers that came together are judged together: one event for each client, one record and one statement for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mcsec.ids import KeyId
from mcsec.keys.lifecycle import KeyState
from mcsec.net.sip.fanout import Outcome
from mcsec.server.answers import RetryPolicy, Verdict, verdict
from mcsec.server.events import DeliveryGivenUp, DeliveryRetried
from mcsec.server.function import Done, Function
from mcsec.store import deliveries
from mcsec.store.deliveries import Answered, Claimed
from mcsec.store.group_commit import Write
from mcsec.store.server_tables import NEVER, DeliveryState


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """A delivery that was sent: the note of every one. ``revoked``: it tells that the key is revoked."""

    row: Claimed
    revoked: bool


class Judging:
    """Judges for the server on duty."""

    def __init__(self, function: Function, retry: RetryPolicy) -> None:
        self._function, self._retry = function, retry

    def judge(self, answers: Iterable[Outcome], now: float) -> Done:
        """What the answers bring about; every delivery's note is its row."""
        done = Done()
        held: dict[tuple[KeyId, bool], list[Claimed]] = {}
        for outcome in answers:
            sent = outcome.delivery.note
            assert isinstance(sent, OnItsWay), "the note of every delivery"
            found, reason = verdict(outcome)
            if found is Verdict.HELD:
                held.setdefault((sent.row.key_id, sent.revoked), []).append(sent.row)
            elif found is Verdict.REFUSED:
                done += self._refused(sent.row, reason, now)
            else:
                done += again(sent.row, reason, self._retry, now, _settle)
        for (key_id, revoked), rows in held.items():
            done += self._held(key_id, rows, revoked, now)
        return done

    def heard(self, answers: Iterable[Answered], now: float) -> Done:
        """What the answers bring about that other servers were given."""
        done = Done()
        held: dict[tuple[KeyId, bool], list[Claimed]] = {}
        for answer in answers:
            if answer.accepted:
                held.setdefault((answer.row.key_id, answer.revoked), []).append(answer.row)
            else:
                done += self._refused(answer.row, answer.reason, now)
        for (key_id, revoked), rows in held.items():
            done += self._held(key_id, rows, revoked, now)
        return done

    def _refused(self, row: Claimed, reason: str, now: float) -> Done:
        happened = self._function.engine.refused(row.mc_service_id, row.key_id, reason, now)
        return self._function.done(happened, deliveries.settle(row.row, DeliveryState.REFUSED, reason=reason))

    def _held(self, key_id: KeyId, rows: Sequence[Claimed], revoked: bool, now: float) -> Done:
        engine = self._function.engine
        epoch = engine.keydown.epoch(key_id)
        numbers = [row.row for row in rows]
        clients = [row.mc_service_id for row in rows]
        if epoch is None:
            return Done([], [deliveries.drop_rows(numbers)])
        if epoch.state is not KeyState.REVOKED:
            return self._function.done(engine.held(clients, key_id, now), deliveries.settle_held(numbers))
        if not revoked:
            # It was revoked while the key was on its way; now they are told of that.
            return Done([], [deliveries.settle(number, DeliveryState.WANTED, now) for number in numbers])
        rotation = engine.keydown.rotation_of(key_id)
        if rotation is not None:
            for client in clients:
                rotation.withdrawn(client, key_id)
        return Done([], [deliveries.drop_rows(numbers)])


def _settle(row: Claimed, state: DeliveryState, due: float, reason: str) -> Write:
    return deliveries.settle(row.row, state, due, reason)


Settle = Callable[[Claimed, DeliveryState, float, str], Write]
"""Writes what became of a row: its state, when it is due again, and the reason."""


def again(row: Claimed, reason: str, retry: RetryPolicy, now: float, settle: Settle) -> Done:
    """Nobody answered for the client: the delivery is tried again later, or given up."""
    user, key_id, attempt = row.mc_service_id, row.key_id, row.attempt
    wait = retry.wait(attempt)
    if wait is None:
        return Done(
            [DeliveryGivenUp(now, user, key_id, attempt, reason)],
            [settle(row, DeliveryState.FAILED, NEVER, reason)],
        )
    due = now + wait
    return Done(
        [DeliveryRetried(now, user, key_id, attempt, reason, due)],
        [settle(row, DeliveryState.WANTED, due, reason)],
    )
