"""What a KMS shows of itself."""

from __future__ import annotations

from typing import TextIO

from prometheus_client import Counter

from mcsec.net.observe import HttpsObserver


class Observer(HttpsObserver):
    """Counts and logs for one KMS."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__("kms", "procedure", stream)
        self._issues = Counter(f"{self.name}_issues", "Key sets handed out", registry=self.registry)

    def issued(self, count: int) -> None:
        """Key sets left."""
        self._issues.inc(count)
