"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_where_they_were() -> Iterator[None]:
    """A command points the log at its own standard error, which ends with the test."""
    yield
    structlog.reset_defaults()
