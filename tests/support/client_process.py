"""``mcsec client`` as a process: its configuration, its lines."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from mcsec.kms.config import load
from mcsec.kms.issuers import open_local
from support.waiting import PATIENCE

TEMPLATE = """
[client]
identity = "sip:alice{n}@a.example"
groups = ["sip:rescue@a.example"]
area = 7

[server]
host = "127.0.0.1"
port = 5061
transport = "TCP"
trust = ["127.0.0.0/8"]
domain = "a.example"
psi = "sip:mcptt@a.example"
mdsi = "mcx.a.example"

[kms]
address = "https://127.0.0.1:8443"
uri = "kms.a.example"

[kms.token]
file = "alice{n}-kms.jwt"

[token]
file = "alice{n}.jwt"
"""
#: What a token for the MCX server is for.
AUDIENCE, SCOPE = "mcx.a.example", "3gpp:mc:ptt_service"
#: In place of ``transport = "TCP"``, with the development CA of a domain's directory.
SECURE = 'transport = "TLS"\nname = "mcx.a.example"\nca = "domain/tls/ca.pem"'


def write(directory: Path, text: str = TEMPLATE) -> Path:
    file = directory / "client.toml"
    file.write_text(text)
    return file


def configure(directory: Path, kms: str, port: int, *users: str, secure: bool = False) -> Path:
    """Configuration and tokens of the clients of the domain in ``directory``, beside it."""
    config = load(directory / "mcsec.toml")
    issuer, now = open_local(config), time.time()
    text = TEMPLATE.replace("5061", str(port)).replace("https://127.0.0.1:8443", kms)
    text = text.replace("[kms.token]", 'ca = "domain/tls/ca.pem"\n[kms.token]')
    if secure:
        text = text.replace('transport = "TCP"', SECURE)
    for number, user in enumerate(users, 1):
        for_kms = issuer.issue(user, audience=config.kms.uri, scopes=config.kms.tokens.scopes, now=now)
        for_server = issuer.issue(user, audience=AUDIENCE, scopes=[SCOPE], now=now)
        (directory.parent / f"alice{number}-kms.jwt").write_text(for_kms)
        (directory.parent / f"alice{number}.jwt").write_text(for_server)
    return write(directory.parent, text)


async def start(*arguments: str) -> Process:
    program = Path(sys.executable).with_name("mcsec")
    return await asyncio.create_subprocess_exec(program, "client", *arguments, stdout=PIPE, stderr=PIPE)


async def lines_until(process: Process, event: str, within: float = PATIENCE) -> list[dict[str, Any]]:
    """The lines up to the first that tells of ``event``."""
    assert process.stdout is not None
    lines: list[dict[str, Any]] = []
    async with asyncio.timeout(within):
        while not lines or lines[-1]["event"] != event:
            line = await process.stdout.readline()
            assert line, f"no {event} after {[found['event'] for found in lines]}"
            lines.append(json.loads(line))
    return lines
