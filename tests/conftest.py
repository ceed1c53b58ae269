"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
import structlog

from support.patient_loop import PatientLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": PatientLoop}


@pytest.fixture(autouse=True)
def _logs_where_they_were() -> Iterator[None]:
    """A command points the log at its own standard error, which ends with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _peer_programs(request: pytest.FixtureRequest) -> None:
    """A test marked ``peer("tshark")`` is skipped where the program is missing, and fails there in CI."""
    for mark in request.node.iter_markers("peer"):
        for program in mark.args:
            if shutil.which(program) is None:
                message = f"{program} is not installed: run `make peers`"
                if os.environ.get("CI"):
                    pytest.fail(message)
                pytest.skip(message)
