"""A fresh place for a store, once for each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcsec.store.address import Address
from support.postgresql import PROGRAM, PostgreSql, postgresql


@pytest.fixture(scope="session")
def cluster() -> Iterator[PostgreSql]:
    with postgresql() as found:
        yield found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer(PROGRAM))])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    if request.param == "sqlite":
        return Address(path=tmp_path / "server.sqlite")
    found: PostgreSql = request.getfixturevalue("cluster")
    return Address(uri=found.database())
