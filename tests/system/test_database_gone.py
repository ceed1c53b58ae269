"""PostgreSQL stops and is started again: nothing doubtful leaves, and the domain goes on without a person.

A server that cannot ask whether it is still on duty ends; who starts it again, as systemd does, is played here.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from mcsec.errors import LocalError
from support.crash_domain import CrashDomain, crash_domain
from support.crash_evidence import Captures
from support.crashes import Crashes
from support.postgresql import PROGRAM, postgresql
from support.waiting import soon

pytestmark = [pytest.mark.anyio, pytest.mark.peer(PROGRAM)]


def log(domain: CrashDomain) -> str:
    return (domain.directory / "server.log").read_text()


async def ended(domain: CrashDomain) -> str:
    """What the server's process says last; it ends by itself."""
    assert domain.process is not None
    assert await soon(domain.process.wait()) == 1
    return log(domain).splitlines()[-1]


async def musiks(domain: CrashDomain) -> set[str]:
    """What is sent under. The MSCCK goes with the bearer, which the BM-SC may have to give anew."""
    rows = await domain.keys()
    return {row["key_id"] for row in rows if row["kind"] == "MuSiK" and row["state"] == "active"}


@pytest.mark.timeout(600)
async def test_a_server_whose_database_is_away_for_a_while(tmp_path: Path) -> None:
    with postgresql() as found:
        async with crash_domain(tmp_path / "domain", found.database()) as domain:
            run = Crashes(domain, Random(0), Captures(domain))
            await run.call()
            before = await musiks(domain)
            found.stop()
            # An order is not acknowledged that the database did not take.
            with pytest.raises(LocalError):
                await soon(domain.order("POST", "/v1/keys/rotate", {"kind": "musik", "names": []}))
            said = await ended(domain)
            assert "server.not-on-duty" in said
            assert "start it again" in said
            assert "DutyLost" in log(domain)
            for _ in range(2):
                await domain.spawn()
                said = await ended(domain)
                assert said.startswith("mcsec: store.database: ")
                assert "look whether PostgreSQL runs" in said
            found.start()
            await domain.spawn()
            await domain.ready()
            await domain.converge()
            await run.call()
            # Every index that any packet carried was used once, whichever process sent it; see Captures.
            run.captures.look()
            assert run.captures.opened
            assert before <= await musiks(domain)
            assert "Traceback" not in log(domain)
