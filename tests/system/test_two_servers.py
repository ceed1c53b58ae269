"""Two `mcsec run server` on one PostgreSQL: one serves and is killed, the other goes on within three seconds."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from mcsec.keys.records import Happening, decode
from support.client_process import configure, start, until
from support.postgresql import PROGRAM, PostgreSql, postgresql
from support.sip_domain import USERS, find_kms, make

pytestmark = [pytest.mark.anyio, pytest.mark.peer(PROGRAM)]
MCSEC = Path(sys.executable).with_name("mcsec")


@asynccontextmanager
async def process(directory: Path, name: str) -> AsyncIterator[Process]:
    with (directory / f"{name}.log").open("ab") as log:
        found = await asyncio.create_subprocess_exec(
            MCSEC, "run", name, "--config", directory / "mcsec.toml", stdout=PIPE, stderr=log
        )
    try:
        yield found
    finally:
        if found.returncode is None:
            found.terminate()
        await found.wait()


async def ready(found: Process, within: float = 30.0) -> str:
    assert found.stdout is not None
    async with asyncio.timeout(within):
        return (await found.stdout.readline()).decode().strip()


async def told(directory: Path, event: str) -> None:
    async with asyncio.timeout(20):
        while f'"{event}"' not in (directory / "server.log").read_text():
            await asyncio.sleep(0.05)


def records(server: PostgreSql, database: str) -> list[str]:
    return server.sql("SELECT line FROM mc_provenance ORDER BY sequence", database).splitlines()


async def test_a_killed_server_is_followed_and_nobody_is_served_twice_or_never(tmp_path: Path) -> None:
    first, second = tmp_path / "domain", tmp_path / "second"
    port = await make(first)
    with postgresql() as found:
        uri = found.database()
        name = uri.partition("@/")[2].partition("?")[0]
        with (first / "mcsec.toml").open("a") as config:
            config.write(f'\n[store]\nurl = "{uri}"\n')
        async with AsyncExitStack() as stack:
            kms = await stack.enter_async_context(process(first, "kms"))
            address = await ready(kms)
            find_kms(first, address)
            # The other machine: the same wrapping key, an address of its own for operators, the SIP address of both.
            shutil.copytree(
                first, second, ignore=shutil.ignore_patterns("*.sock", "kms.db*", "*.log", "*-seen")
            )
            one = await stack.enter_async_context(process(first, "server"))
            assert await ready(one)
            two = await stack.enter_async_context(process(second, "server"))
            await told(second, "StandingBy")
            file = configure(first, address, port, USERS[0], secure=True)
            client = await start("listen", "--json", "--config", str(file))
            await until(client, "MuSiKInstalled")
            await told(first, "MuSiKHeld")
            one.kill()
            killed = time.monotonic()
            assert await ready(two, 10.0)
            assert time.monotonic() - killed < 3.0
            await until(client, "RegistrationChanged")
            client.terminate()
            await client.wait()
            # A client that comes anew is served by the other one, with the keys of before.
            file = configure(first, address, port, *USERS, secure=True)
            file.write_text(file.read_text().replace("{n}", "2"))
            client = await start("listen", "--json", "--config", str(file))
            installed = await until(client, "MuSiKInstalled")
            client.terminate()
            await client.wait()
        lines = [decode(line) for line in records(found, name)]
        made = [record.key_id for record in lines if record.happening is Happening.MADE]
        assert len(set(made)) == len(made)
        held = [
            (record.key_id, member)
            for record in lines
            if record.happening is Happening.HELD
            for member in record.members or (record.subject,)
        ]
        assert len(set(held)) == len(held)
        keys = {line["key_id"] for line in installed if line["event"] == "MuSiKInstalled"}
        assert keys
        assert keys <= {str(key_id) for key_id in made}
    log = [json.loads(line) for line in (second / "server.log").read_text().splitlines()]
    assert [line["event"] for line in log if line["event"] in ("StandingBy", "DutyTaken", "DutyLost")] == [
        "StandingBy",
        "DutyTaken",
    ]
