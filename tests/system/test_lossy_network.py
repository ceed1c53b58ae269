"""A bearer over a network with 10 % loss and 50 ms delay each way: KMS and server here, BM-SC and client over there.

Each side has a network namespace of its own; the link between them is a program of the tests, for not every kernel has
netem (:mod:`support.lossy_link`).
"""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcsec.cli.admin import ask
from mcsec.lab.init import make_domain
from mcsec.net.tls import DevelopmentCa
from support.client_process import configure, lines_until
from support.demo import MCSEC
from support.lossy_link import FAR, NEAR
from support.processes import entity
from support.sip_domain import USERS
from support.waiting import patience

pytestmark = [pytest.mark.anyio, pytest.mark.peer("unshare", "nsenter", "ip")]

LOSS, DELAY = 0.1, 0.05
GROUP = '\n[[server.groups]]\nid = "sip:rescue@a.example"\nmembers = "*"\n'


@asynccontextmanager
async def link() -> AsyncIterator[tuple[list[str], list[str]]]:
    """The commands that start something on this side and on that side."""
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "support.lossy_link"),
        *(str(LOSS), str(DELAY)),
        stdin=PIPE,
        stdout=PIPE,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with patience():
            pids = (await process.stdout.readline()).decode().split()
        assert len(pids) == 2, "user and network namespaces, and /dev/net/tun, are needed"
        near, far = (["nsenter", "--user", "--net", "--preserve-credentials", "-t", pid] for pid in pids)
        yield near, far
    finally:
        process.stdin.close()
        out = await process.stdout.read()
        await process.wait()
    carried, lost = map(int, out.split())
    assert 0.05 < lost / (carried + lost) < 0.15, "the link was as bad as it is meant to be"


async def make(directory: Path) -> Path:
    """A domain whose server side is at one address and whose BM-SC is at the other."""
    await make_domain(directory, "a.example", time.time())
    # The client knows the KMS by its address here.
    DevelopmentCa(directory / "tls").issue("near", ["kms.a.example", NEAR])
    config = directory / "mcsec.toml"
    text = config.read_text()
    for old, new in (
        ('listen = "127.0.0.1:8443"', f'listen = "{NEAR}:8443"'),
        ('"tls/kms.pem"', '"tls/near.pem"'),
        ('"tls/kms.key"', '"tls/near.key"'),
        ('listen = ["tls:127.0.0.1:5061"]', f'listen = ["tls:{NEAR}:5061"]'),
        ("https://127.0.0.1:8443", f"https://{NEAR}:8443"),
        ('address = "127.0.0.1:5658"', f'address = "{FAR}:5658"'),
        ('listen = ["127.0.0.1:5658"]', f'listen = ["{FAR}:5658"]'),
        ("mb2u_port = 9470", f'mb2u_port = 9470\nmb2u_addresses = ["{FAR}"]'),
        ("[[server.mb2", "sign_of_life = 0.2\nredial_first = 0.1\nredial_most = 0.3\n\n[[server.mb2"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    config.write_text(text + GROUP)
    return config


async def bearer(config: Path, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    async with patience():
        while True:
            row = await asyncio.to_thread(ask, config.parent / "server.sock", "", "GET", "/v1/bearers/one")
            if condition(row):
                found: dict[str, Any] = row
                return found
            await asyncio.sleep(0.05)


async def test_a_bearer_and_its_listener_over_a_bad_network(tmp_path: Path) -> None:
    directory = tmp_path / "domain"
    config = await make(directory)
    async with link() as (near, far), entity(directory, "kms", *near), entity(directory, "server", *near):
        async with entity(directory, "bmsc", *far) as (bmsc, _):
            first = await bearer(config, lambda row: row["state"] == "active")
            assert first["mb2u"] == f"{FAR} 9470"
            file = configure(directory, f"https://{NEAR}:8443", 5061, USERS[0], secure=True)
            text = file.read_text().replace("area = 7", "area = 1").replace("127.0.0.1", NEAR)
            file.write_text(text)
            client = await asyncio.create_subprocess_exec(
                *far, str(MCSEC), "client", "listen", "--json", "--config", str(file), stdout=PIPE
            )
            await lines_until(client, "ListeningReported", within=40)
            await bearer(config, lambda row: row["listeners"] == 1)
            # A tenth of the signs of life is lost, which moves nobody.
            begun = (await bearer(config, lambda _: True))["sent"]["packets"]
            await bearer(config, lambda row: row["sent"]["packets"] > begun + 15)
            assert (await bearer(config, lambda _: True))["listeners"] == 1
            bmsc.kill()
            await bmsc.wait()
            await bearer(config, lambda row: row["state"] == "wanted" and row["listeners"] == 0)
        async with entity(directory, "bmsc", *far):
            await bearer(config, lambda row: row["state"] == "active" and row["listeners"] == 1)
            client.terminate()
            summary = (await lines_until(client, "Summary", within=40))[-1]
            await client.wait()
    assert summary["packets_dropped"] == {}
    assert summary["messages_refused"] == {}
    for name in ("kms", "bmsc", "server"):
        assert "Traceback" not in (directory / f"{name}.log").read_text()
