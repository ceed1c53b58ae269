"""A GMS killed with -9 while groups are made: the same keys afterwards, and nothing lost that was acknowledged."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcsec.crypto.secret import Secret
from mcsec.gms.access import DEFAULT_SCOPES
from mcsec.gms.config import load
from mcsec.gms.keeper import Keeper
from mcsec.kms.issuers import open_local
from mcsec.lab.kms import lab_kms
from mcsec.net.gms import GmsClient, GmsClientSettings, GmsUnreachable
from mcsec.net.issuer import LocalIssuer
from mcsec.net.tls import client_context
from mcsec.store.database import Database
from support.gms import ANN, CHIEF, HOME, document, prepare

pytestmark = pytest.mark.anyio
GROUPS = [f"sip:g{number}@{HOME}" for number in range(24)]


async def start(config: Path) -> tuple[asyncio.subprocess.Process, str]:
    code = "from mcsec.cli.main import run; run()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "run", "gms", "--config", str(config),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


def client(address: str, issuer: LocalIssuer, tls: Path, user: str) -> GmsClient:
    async def token() -> Secret:
        found = issuer.issue(user, audience=f"gms.{HOME}", scopes=DEFAULT_SCOPES, now=time.time())
        return Secret(found.encode())

    return GmsClient(GmsClientSettings(address, attempts=1), token, client_context(tls))


async def test_killed_while_groups_are_made(tmp_path: Path) -> None:
    async with lab_kms(tmp_path / HOME, HOME, time.time()) as kms:
        file = prepare(tmp_path / HOME, kms.service.address)
        issuer, tls = open_local(kms.configuration), tmp_path / HOME / "tls/ca.pem"
        process, address = await start(file)
        told: dict[str, tuple[str, str]] = {}
        waiting = list(GROUPS)

        async def worker() -> None:
            async with client(address, issuer, tls, CHIEF) as chief, client(address, issuer, tls, ANN) as ann:
                while waiting:
                    group = waiting.pop()
                    etag = await chief.put(document(ANN, group=group))
                    found = await ann.keys(group)
                    assert found is not None
                    told[group] = etag, found[1]
                    if len(told) == len(GROUPS) // 3:
                        process.kill()

        try:
            outcomes = await asyncio.gather(*(worker() for _ in range(3)), return_exceptions=True)
            assert waiting, "it was killed before it was done"
            assert all(isinstance(outcome, GmsUnreachable) for outcome in outcomes)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

        process, address = await start(file)
        try:
            async with client(address, issuer, tls, ANN) as ann:
                for group, (etag, keys) in told.items():
                    assert await ann.group(group, etag) is None
                    assert await ann.keys(group, keys) is None, "the same key in the same state"
        finally:
            process.terminate()
            assert await process.wait() == 0

    config = load(file)
    database = await Database.open(config.path(config.gms.database), config.kek())
    try:
        keeper = await Keeper.open(database, HOME)
        assert (await keeper.verify_log()) == keeper.head
        given = [record.subject for record in await keeper.log() if record.act == "key-given"]
        assert set(told) <= set(given)
        assert all(len(group.keys) == 1 for group in keeper.groups.values())
    finally:
        await database.close()
