"""What a GMS shows of itself: counters for Prometheus and one structured line for each thing that happened.

Neither ever has a key, a token or a body in it.
"""

from __future__ import annotations

import sys
from typing import TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mcsec.errors import McsecError


class Observer:
    """Counts and logs for one GMS."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._requests = Counter(
            "mcsec_gms_requests",
            "Requests by method and HTTP status",
            ("method", "status"),
            registry=registry,
        )
        self._refusals = Counter(
            "mcsec_gms_refusals", "Refused requests by code", ("code",), registry=registry
        )
        self._keys = Counter(
            "mcsec_gms_keys", "Group keys by kind and what happened", ("act",), registry=registry
        )
        self._pushes = Counter("mcsec_gms_pushes", "Key messages by SIP", ("outcome",), registry=registry)
        self._groups = Gauge("mcsec_gms_groups", "Groups at home here", registry=registry)
        self._ready = Gauge("mcsec_gms_ready", "1 while requests are served", registry=registry)
        self._seconds = Histogram(
            "mcsec_gms_request_seconds", "Seconds to answer a request", registry=registry
        )
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream or sys.stderr),
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.add_log_level,
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def answered(self, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        known = method if method in ("GET", "PUT", "DELETE") else "other"
        self._requests.labels(known, str(status)).inc()
        self._seconds.observe(seconds)

    def refused(self, method: str, status: int, error: McsecError, subject: str) -> None:
        """A request was refused; ``subject`` is that of its token where it had a valid one."""
        self._refusals.labels(error.code).inc()
        self._log.warning(
            "refused",
            method=method,
            status=status,
            code=error.code,
            reason=str(error),
            clause=error.clause,
            hint=error.hint,
            subject=subject,
        )

    def acted(self, act: str, group: str, actor: str, detail: str) -> None:
        """A record of the log was written."""
        if act.startswith("key"):
            self._keys.labels(act).inc()
        self._log.info(act, group=group, actor=actor, detail=detail)

    def pushed(self, outcome: str, member: str, group: str) -> None:
        """A key message by SIP was acknowledged, refused or not answered."""
        self._pushes.labels(outcome).inc()
        self._log.info("pushed", outcome=outcome, member=member, group=group)

    def failed(self, what: str, error: Exception) -> None:
        """Something of ours went wrong. The type says what; a text could hold anything."""
        self._refusals.labels("internal").inc()
        self._log.error("failed", what=what, error=type(error).__name__)

    def note(self, event: str, **facts: str | int | float) -> None:
        """Something happened that an operator may want to know."""
        self._log.info(event, **facts)

    def groups(self, count: int) -> None:
        """How many groups there are."""
        self._groups.set(count)

    def ready(self, is_ready: bool) -> None:
        """Whether requests are served."""
        self._ready.set(is_ready)

    def metrics(self) -> bytes:
        """In the text format of Prometheus."""
        return generate_latest(self.registry)
