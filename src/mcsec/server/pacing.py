"""How fast keys go out: not faster than the operator allows, and how fast that turns out to be.

A rekey of a whole country must not flood the SIP core. Whoever just came is served at once, whatever the rate.
"""

from __future__ import annotations

#: Seconds for which deliveries are saved up and claimed together.
_TOGETHER = 0.1
#: Answers that make a measurement, and how many seconds they must have taken; what an older one counts beside the
#: next. Answers come in bursts, as many as are in flight: no measurement may count for much.
_ENOUGH, _LONG_ENOUGH, _OLDER = 256, 0.1, 0.8


class Pacer:
    """The pace of one process. Times are seconds of a steady clock.

    :ivar rate: deliveries of a rekey for each second at the most, of all servers together; None: no limit.
    :ivar servers: so many share the rate.
    :ivar pace: seconds that one delivery takes where many are due; 0: not measured yet.
    """

    def __init__(self, rate: float | None, batch: int) -> None:
        """:param rate: deliveries of a rekey for each second at the most; None: as fast as the next hop takes them."""
        self.rate = rate
        self.servers = 1
        self.pace = 0.0
        self._batch = batch
        self._saved = float(self._chunk)
        self._looked: float | None = None
        self._since: float | None = None
        self._count = 0
        self._seconds = self._answers = 0.0

    @property
    def wait(self) -> float:
        """Seconds until some more may go."""
        share = self._share
        return _TOGETHER if share is None else max(_TOGETHER, self._chunk / share)

    def room(self, most: int, now: float) -> int:
        """How many deliveries of a rekey may go now, ``most`` at the most; 0: none yet."""
        share = self._share
        if share is None:
            return most
        if self._looked is not None:
            self._saved = min(self._saved + (now - self._looked) * share, 2.0 * self._chunk)
        self._looked = now
        return min(most, int(self._saved)) if self._saved >= min(most, self._chunk) else 0

    def spend(self, count: int) -> None:
        """So many go."""
        self._saved -= count

    def answered(self, count: int, now: float, busy: bool) -> None:
        """So many were answered; ``busy``: others are on their way, or due."""
        if self._since is not None:
            self._count += count
            took = now - self._since
            if self._count >= _ENOUGH and took >= _LONG_ENOUGH:
                self._seconds = _OLDER * self._seconds + took
                self._answers = _OLDER * self._answers + self._count
                self.pace = self._seconds / self._answers
                self._since, self._count = now, 0
        if self._since is None or not busy:
            self._since, self._count = (now if busy else None), 0

    @property
    def _share(self) -> float | None:
        """The rate of this server alone."""
        return None if self.rate is None else self.rate / self.servers

    @property
    def _chunk(self) -> int:
        """So many are saved up and claimed together."""
        share = self._share
        return self._batch if share is None else max(1, min(self._batch, int(share * _TOGETHER)))
