"""What a KMS shows of itself: counters for Prometheus and one structured line for each thing that happened.

Neither ever has a key, a token or a body in it.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mcsec.errors import McsecError

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Observer:
    """Counts and logs for one KMS."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "mcsec_kms_requests", "Requests by procedure and HTTP status", ("procedure", "status"),
            registry=self.registry,
        )  # fmt: skip
        self._refusals = Counter(
            "mcsec_kms_refusals", "Refused requests by code", ("code",), registry=self.registry
        )
        self._issues = Counter("mcsec_kms_issues", "Key sets handed out", registry=self.registry)
        self._seconds = Histogram(
            "mcsec_kms_request_seconds",
            "Seconds to answer a request",
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._ready = Gauge("mcsec_kms_ready", "1 while requests are served", registry=self.registry)
        self._children: dict[tuple[str, int], Any] = {}
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream or sys.stderr),
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.add_log_level,
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def answered(self, procedure: str, status: int, seconds: float) -> None:
        """A request was answered."""
        child = self._children.get((procedure, status))
        if child is None:
            child = self._children[procedure, status] = self._requests.labels(procedure, str(status))
        child.inc()
        self._seconds.observe(seconds)

    def issued(self, count: int) -> None:
        """Key sets left."""
        self._issues.inc(count)

    def refused(self, procedure: str, status: int, error: McsecError, subject: str) -> None:
        """A request was refused; ``subject`` is that of its token where it had a valid one."""
        self._refusals.labels(error.code).inc()
        self._log.warning(
            "refused",
            procedure=procedure,
            status=status,
            code=error.code,
            reason=str(error),
            clause=error.clause,
            hint=error.hint,
            subject=subject,
        )

    def failed(self, procedure: str, error: Exception) -> None:
        """Something of ours went wrong. The type says what; a text could hold anything."""
        self._refusals.labels("internal").inc()
        self._log.error("failed", procedure=procedure, error=type(error).__name__)

    def note(self, event: str, **facts: str | int | float) -> None:
        """Something happened that an operator may want to know."""
        self._log.info(event, **facts)

    def ready(self, is_ready: bool) -> None:
        """Whether requests are served."""
        self._ready.set(is_ready)

    def metrics(self) -> bytes:
        """In the text format of Prometheus."""
        return generate_latest(self.registry)
