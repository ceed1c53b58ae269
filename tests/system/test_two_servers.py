"""Two `mcsec run server` on one PostgreSQL: one serves and is gone, the other goes on."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcsec.keys.records import Happening, Record, decode
from mcsec.lab.ports import free_port
from support.client_process import configure, lines_until, start
from support.postgresql import PROGRAM, PostgreSql, postgresql
from support.sip_domain import USERS, find_kms, make
from support.waiting import soon, until

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


async def ready(found: Process, directory: Path, name: str = "server") -> str:
    assert found.stdout is not None
    line = (await soon(found.stdout.readline())).decode().strip()
    assert line, (directory / f"{name}.log").read_text()
    return line


async def told(directory: Path, event: str) -> None:
    await until(lambda: f'"{event}"' in (directory / "server.log").read_text())


def duties(directory: Path) -> list[str]:
    lines = (directory / "server.log").read_text().splitlines()
    found = [json.loads(line)["event"] for line in lines if line.startswith("{")]
    return [event for event in found if event in ("StandingBy", "DutyTaken", "DutyLost")]


@dataclass(frozen=True)
class Pair:
    """Two machines with one store: their directories, the SIP port of the first, the KMS, the database."""

    first: Path
    second: Path
    port: int
    kms: str
    server: PostgreSql
    database: str

    def records(self) -> list[Record]:
        lines = self.server.sql("SELECT line FROM mc_provenance ORDER BY sequence", self.database)
        return [decode(line) for line in lines.splitlines()]


@asynccontextmanager
async def machines(tmp_path: Path, *, one_address: bool) -> AsyncIterator[Pair]:
    first, second = tmp_path / "domain", tmp_path / "second"
    port = await make(first)
    with postgresql() as found:
        uri = found.database()
        with (first / "mcsec.toml").open("a") as config:
            config.write(f'\n[store]\nurl = "{uri}"\n')
        async with process(first, "kms") as kms:
            address = await ready(kms, first, "kms")
            find_kms(first, address)
            # The other machine has the wrapping key too, and an address of its own for operators.
            shutil.copytree(
                first, second, ignore=shutil.ignore_patterns("*.sock", "kms.db*", "*.log", "*-seen")
            )
            if not one_address:
                file = second / "mcsec.toml"
                file.write_text(file.read_text().replace(str(port), str(free_port())))
            yield Pair(first, second, port, address, found, uri.partition("@/")[2].partition("?")[0])


async def test_a_server_that_hangs_is_followed_and_ends_when_it_wakes(tmp_path: Path) -> None:
    async with machines(tmp_path, one_address=False) as pair, process(pair.first, "server") as one:
        await ready(one, pair.first)
        async with process(pair.second, "server") as two:
            await told(pair.second, "StandingBy")
            one.send_signal(signal.SIGSTOP)
            await ready(two, pair.second)
            before = len(pair.records())
            one.send_signal(signal.SIGCONT)
            assert await soon(one.wait()) == 1
            assert len(pair.records()) == before
        assert duties(pair.first) == ["DutyTaken", "DutyLost"]
        assert duties(pair.second) == ["StandingBy", "DutyTaken"]
        assert "server.not-on-duty" in (pair.first / "server.log").read_text()


async def test_a_killed_server_is_followed_and_nobody_is_served_twice_or_never(tmp_path: Path) -> None:
    async with machines(tmp_path, one_address=True) as pair, process(pair.first, "server") as one:
        await ready(one, pair.first)
        async with process(pair.second, "server") as two:
            await told(pair.second, "StandingBy")
            file = configure(pair.first, pair.kms, pair.port, *USERS, secure=True)
            client = await start("listen", "--json", "--config", str(file))
            await lines_until(client, "MuSiKInstalled")
            await told(pair.first, "MuSiKHeld")
            one.kill()
            await ready(two, pair.second)
            await lines_until(client, "RegistrationChanged")
            client.terminate()
            await client.wait()
            # A client that comes anew is served by the other one, with the keys of before.
            file.write_text(file.read_text().replace("{n}", "2"))
            client = await start("listen", "--json", "--config", str(file))
            installed = await lines_until(client, "MuSiKInstalled")
            client.terminate()
            await client.wait()
        assert duties(pair.second) == ["StandingBy", "DutyTaken"]
        records = pair.records()
    made = [record.key_id for record in records if record.happening is Happening.MADE]
    assert len(set(made)) == len(made)
    held = [
        (record.key_id, member)
        for record in records
        if record.happening is Happening.HELD
        for member in record.members or (record.subject,)
    ]
    assert len(set(held)) == len(held)
    keys = {line["key_id"] for line in installed if line["event"] == "MuSiKInstalled"}
    assert keys
    assert keys <= {str(key_id) for key_id in made}


async def test_one_that_stands_by_delivers_is_shown_and_can_be_stopped(tmp_path: Path) -> None:
    async with machines(tmp_path, one_address=False) as pair, process(pair.first, "server") as one:
        await ready(one, pair.first)
        async with process(pair.second, "server") as two:
            await told(pair.second, "DeliveringToo")
            status = await asyncio.create_subprocess_exec(
                MCSEC,
                *("store", "status", "--json", "--config", pair.first / "mcsec.toml"),
                stdout=PIPE,
            )
            facts = json.loads((await status.communicate())[0])
            assert [node["task"] for node in facts["nodes"]] == ["on duty", "delivering"]
            two.terminate()
            assert await soon(two.wait()) == 0
            await told(pair.first, "NodeGone")
        assert one.returncode is None
