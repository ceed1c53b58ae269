"""KMS, GMS, MCX server and client as four processes: the GMS says who is a member, and who is none any more."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mcsec.gms.access import DEFAULT_SCOPES
from mcsec.kms.config import load
from mcsec.kms.issuers import open_local
from mcsec.wire import groups
from mcsec.wire.groups import GroupDocument, Member
from support.client_process import configure, lines_until, start
from support.processes import PROGRAM, entity, told
from support.sip_domain import GROUP, MDSI, USERS, find_kms, make
from support.waiting import patience

pytestmark = pytest.mark.anyio
ALICE, BOB = USERS
GMS = "gms.a.example"


def group(directory: Path, *members: str) -> None:
    """The operator's word: the group with these members."""
    file = directory / "group.xml"
    file.write_bytes(
        groups.encode(GroupDocument(uri=GROUP, members=tuple(Member(uri=uri) for uri in members)))
    )
    command = [PROGRAM, "gms", "put", file, "--config", directory / "mcsec.toml"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def tokens(directory: Path) -> None:
    """What proves the server and the client to the GMS."""
    issuer = open_local(load(directory / "mcsec.toml"))
    for identity, file in (
        (MDSI, directory / "server-gms.token"),
        (ALICE, directory.parent / "alice1-gms.jwt"),
    ):
        file.write_text(issuer.issue(identity, audience=GMS, scopes=DEFAULT_SCOPES, now=time.time()))


async def test_the_word_of_the_gms(tmp_path: Path) -> None:
    directory = tmp_path / "domain"
    port = await make(directory)
    file = directory / "mcsec.toml"
    async with AsyncExitStack() as stack:
        _, kms = await stack.enter_async_context(entity(directory, "kms"))
        text = file.read_text().replace("https://127.0.0.1:0", kms).replace("127.0.0.1:8444", "127.0.0.1:0")
        file.write_text(text)
        _, gms = await stack.enter_async_context(entity(directory, "gms"))
        tokens(directory)
        group(directory, ALICE, BOB)
        find_kms(directory, kms)
        file.write_text(f'{file.read_text()}\n[server.gms]\naddress = "{gms}"\nrefresh = 1\n')
        await stack.enter_async_context(entity(directory, "server"))
        client_file = configure(directory, kms, port, ALICE, secure=True)
        client_file.write_text(
            f'{client_file.read_text()}\n[[gms]]\naddress = "{gms}"\nuri = "{GMS}"\ndomain = "a.example"\n'
            f'groups = ["{GROUP}"]\nca = "domain/tls/ca.pem"\nrefresh = 1\n[gms.token]\nfile = "alice1-gms.jwt"\n'
        )
        client = await start("listen", "--json", "--config", str(client_file))
        try:
            heard = await lines_until(client, "GMKInstalled")
            if not any(line["event"] == "MuSiKInstalled" and line["scope"] == GROUP for line in heard):
                await lines_until(client, "MuSiKInstalled")
            await told(directory, "MuSiKHeld")

            group(directory, BOB)
            await told(directory, "MemberRemoved")
            log = (directory / "server.log").read_text()
            assert ALICE in log
            status = subprocess.run(
                [PROGRAM, "gms", "groups", "--config", file], check=True, capture_output=True, text=True
            ).stdout
            assert "revoked" in status
            assert "1 members" in status
        finally:
            client.send_signal(signal.SIGINT)
            async with patience():
                await client.wait()
        for name in ("kms", "gms", "server"):
            assert "Traceback" not in (directory / f"{name}.log").read_text()
