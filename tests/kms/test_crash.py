"""A KMS killed with -9 while it provisions: the same keys afterwards, and no record lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcsec.crypto.secret import Secret
from mcsec.kms import records
from mcsec.kms.issuers import open_local
from mcsec.kms.kms import Kms
from mcsec.kms.observe import Observer
from mcsec.net.kms.client import KmsClient, KmsClientSettings, KmsUnreachable
from mcsec.net.tls import client_context
from mcsec.wire.kms.protect import ProtectionKeys
from support.kms import DOMAIN, make, no_sleep

pytestmark = pytest.mark.anyio

USERS = [f"sip:u{number}@{DOMAIN}" for number in range(24)]


async def start(config: Path) -> tuple[asyncio.subprocess.Process, str]:
    code = "from mcsec.cli.main import run; run()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "run", "kms", "--config", str(config),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


async def test_killed_while_provisioning(tmp_path: Path) -> None:
    config = await make(tmp_path / "a", provision_ahead="0")
    file = config.directory / "mcsec.toml"
    issuer, tls = open_local(config), client_context(config.path("tls/ca.pem"))
    protection: dict[str, ProtectionKeys] = {}
    got: dict[str, bytes] = {}

    def client(address: str, user: str) -> KmsClient:
        async def token() -> Secret:
            found = issuer.issue(
                user, audience=config.kms.uri, scopes=config.kms.tokens.scopes, now=time.time()
            )
            return Secret(found.encode())

        async def keep(keys: ProtectionKeys) -> None:
            protection[user] = keys

        settings = KmsClientSettings(address, config.kms.uri, user, attempts=1)
        return KmsClient(settings, token, tls, keys=protection.get(user), keep=keep, sleep=no_sleep)

    async def provision(address: str, user: str) -> bytes:
        async with client(address, user) as kms:
            return (await kms.identity(user)).signer.sign(b"")[64:]

    process, address = await start(file)
    try:
        waiting = list(USERS)

        async def worker() -> None:
            while waiting:
                user = waiting.pop()
                got[user] = await provision(address, user)
                if len(got) == len(USERS) // 3:
                    process.kill()

        outcomes = await asyncio.gather(*(worker() for _ in range(4)), return_exceptions=True)
        assert waiting, "it was killed before it was done"
        assert all(isinstance(outcome, KmsUnreachable) for outcome in outcomes)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()

    # Between the kill and the next request the second turns, so that nothing looks replayed.
    process, address = await start(file)
    try:
        for user, pvt in got.items():
            assert await provision(address, user) == pvt
        for user in set(USERS) - set(got):
            await provision(address, user)
    finally:
        process.terminate()
        assert await process.wait() == 0

    kms = await Kms.open(config, Observer(), time.time())
    try:
        log = [records.decode(line) for line in await kms.ledger.read(lambda tables: tables.log(-1, 10_000))]
        assert records.verify(log, DOMAIN) == kms.ledger.head
        issued = [record.identity for record in log if record.act is records.Act.ISSUED]
        assert sorted(issued) == sorted(USERS), "each identity was issued once, and no record is lost"
        assert all(json.loads(records.encode(record)) for record in log)
    finally:
        await kms.close()
