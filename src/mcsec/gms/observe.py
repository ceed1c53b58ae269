"""What a GMS shows of itself."""

from __future__ import annotations

from typing import TextIO

from prometheus_client import Counter, Gauge

from mcsec.net.observe import HttpsObserver


class Observer(HttpsObserver):
    """Counts and logs for one GMS."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__("gms", "method", stream)
        name, registry = self.name, self.registry
        self._keys = Counter(
            f"{name}_keys", "Group keys by kind and what happened", ("act",), registry=registry
        )
        self._pushes = Counter(f"{name}_pushes", "Key messages by SIP", ("outcome",), registry=registry)
        self._groups = Gauge(f"{name}_groups", "Groups at home here", registry=registry)

    def answered(self, asked: str, status: int, seconds: float) -> None:
        """A request was answered, of whatever method."""
        super().answered(asked if asked in ("GET", "PUT", "DELETE") else "other", status, seconds)

    def acted(self, act: str, group: str, actor: str, detail: str) -> None:
        """A record of the log was written."""
        if act.startswith("key"):
            self._keys.labels(act).inc()
        self._log.info(act, group=group, actor=actor, detail=detail)

    def pushed(self, outcome: str, member: str, group: str) -> None:
        """A key message by SIP was acknowledged, refused or not answered."""
        self._pushes.labels(outcome).inc()
        self._log.info("pushed", outcome=outcome, member=member, group=group)

    def groups(self, count: int) -> None:
        """How many groups there are."""
        self._groups.set(count)
