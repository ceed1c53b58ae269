"""What a service over HTTPS shows of itself: counters for Prometheus, and a structured line for all that happens.

Neither ever has a key, a token or a body in it.
"""

from __future__ import annotations

from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mcsec.errors import McsecError
from mcsec.net.log import LOG

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class HttpsObserver:
    """Counts and logs for one service.

    :param name: metrics are ``mcsec_NAME_...``. :param sort: what requests are told apart by.
    """

    def __init__(self, name: str, sort: str, stream: TextIO | None = None) -> None:
        self.registry = registry = CollectorRegistry()
        self.name, self._sort = f"mcsec_{name}", sort
        self._requests = Counter(
            f"{self.name}_requests",
            f"Requests by {sort} and HTTP status",
            (sort, "status"),
            registry=registry,
        )
        self._refusals = Counter(
            f"{self.name}_refusals", "Refused requests by code", ("code",), registry=registry
        )
        self._seconds = Histogram(
            f"{self.name}_request_seconds", "Seconds to answer a request", registry=registry, buckets=_BUCKETS
        )
        self._ready = Gauge(f"{self.name}_ready", "1 while requests are served", registry=registry)
        self._children: dict[tuple[str, int], Any] = {}
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream or LOG),
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.add_log_level,
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def answered(self, asked: str, status: int, seconds: float) -> None:
        """A request was answered; ``asked`` is of a bounded set, whatever came."""
        child = self._children.get((asked, status))
        if child is None:
            child = self._children[asked, status] = self._requests.labels(asked, str(status))
        child.inc()
        self._seconds.observe(seconds)

    def refused(self, asked: str, status: int, error: McsecError, subject: str) -> None:
        """A request was refused; ``subject`` is that of its token where it had a valid one."""
        self._refusals.labels(error.code).inc()
        self._log.warning(
            "refused",
            **{self._sort: asked},
            status=status,
            code=error.code,
            reason=str(error),
            clause=error.clause,
            hint=error.hint,
            subject=subject,
        )

    def failed(self, what: str, error: Exception) -> None:
        """Something of ours went wrong. The type says what; a text could hold anything."""
        self._refusals.labels("internal").inc()
        self._log.error("failed", what=what, error=type(error).__name__)

    def note(self, event: str, **facts: str | int | float) -> None:
        """Something happened that an operator may want to know."""
        self._log.info(event, **facts)

    def ready(self, is_ready: bool) -> None:
        """Whether requests are served."""
        self._ready.set(is_ready)

    def metrics(self) -> bytes:
        """In the text format of Prometheus."""
        return generate_latest(self.registry)
