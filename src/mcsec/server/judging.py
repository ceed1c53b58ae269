"""What follows from the answers to deliveries: who holds which key, what is tried again, what is given up.

Answers that came together are judged together: one event for each client, one record and one statement for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mcsec.ids import KeyId
from mcsec.keys.lifecycle import KeyState
from mcsec.net.sip.fanout import Outcome
from mcsec.server.answers import RetryPolicy, Verdict, verdict
from mcsec.server.events import DeliveryGivenUp, DeliveryRetried
from mcsec.server.function import Done, Function
from mcsec.store import deliveries
from mcsec.store.deliveries import Claimed
from mcsec.store.server_tables import DeliveryState


class Judging:
    """Judges for one server."""

    def __init__(self, function: Function, retry: RetryPolicy) -> None:
        self._function, self._retry = function, retry

    def judge(self, answers: Iterable[Outcome], now: float) -> Done:
        """What the answers bring about; every delivery's note is its row."""
        done = Done()
        held: dict[KeyId, list[Claimed]] = {}
        for outcome in answers:
            row = outcome.delivery.note
            assert isinstance(row, Claimed), "the note of every delivery is its row"
            found, reason = verdict(outcome)
            if found is Verdict.HELD:
                held.setdefault(row.key_id, []).append(row)
            elif found is Verdict.REFUSED:
                happened = self._function.engine.refused(row.mc_service_id, row.key_id, reason, now)
                done += self._function.done(
                    happened, deliveries.settle(row.row, DeliveryState.REFUSED, reason=reason)
                )
            else:
                done += self._again(row, reason, now)
        for key_id, rows in held.items():
            done += self._held(key_id, rows, now)
        return done

    def _held(self, key_id: KeyId, rows: Sequence[Claimed], now: float) -> Done:
        engine = self._function.engine
        epoch = engine.keydown.epoch(key_id)
        numbers = [row.row for row in rows]
        clients = [row.mc_service_id for row in rows]
        if epoch is None:
            return Done([], [deliveries.drop_rows(numbers)])
        if epoch.state is KeyState.REVOKED:
            rotation = engine.keydown.rotation_of(key_id)
            if rotation is not None:
                for client in clients:
                    rotation.withdrawn(client, key_id)
            return Done([], [deliveries.drop_rows(numbers)])
        return self._function.done(engine.held(clients, key_id, now), deliveries.settle_held(numbers))

    def _again(self, row: Claimed, reason: str, now: float) -> Done:
        user, key_id, attempt = row.mc_service_id, row.key_id, row.attempt
        wait = self._retry.wait(attempt)
        if wait is None:
            return Done(
                [DeliveryGivenUp(now, user, key_id, attempt, reason)],
                [deliveries.settle(row.row, DeliveryState.FAILED, reason=reason)],
            )
        due = now + wait
        return Done(
            [DeliveryRetried(now, user, key_id, attempt, reason, due)],
            [deliveries.settle(row.row, DeliveryState.WANTED, due, reason)],
        )
