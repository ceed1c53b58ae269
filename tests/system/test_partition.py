"""A server on duty that is cut off from the database, while its way to the bearer stays: it stops, another one goes on.

Two `mcsec run server` in network namespaces of their own; KMS, BM-SC and the way to PostgreSQL are in a third one.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mcsec.cli.admin import ask
from mcsec.ids import KeyId, PurposeTag
from mcsec.lab.init import make_domain
from mcsec.net.tls import DevelopmentCa
from mcsec.wire.mb2.userplane import decode_inner
from support.partition import DATABASE_PORT, HUB, NODES, address, database
from support.postgresql import PROGRAM, PostgreSql, postgresql
from support.processes import PROGRAM as MCSEC
from support.processes import entity, told
from support.waiting import soon, until

pytestmark = [pytest.mark.anyio, pytest.mark.peer("unshare", "nsenter", "ip", PROGRAM)]
MB2U = range(9470, 9570)


@dataclass
class Network:
    """Commands that start something in the middle and at a node; what the nodes sent, when it has ended."""

    process: Process
    hub: list[str]
    nodes: dict[int, list[str]]
    sent: list[dict[str, Any]] = field(default_factory=list)

    async def order(self, order: str, node: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{order} {node}\n".encode())
        assert (await soon(self.process.stdout.readline())).split() == [order.encode()]


@asynccontextmanager
async def network(cluster: PostgreSql) -> AsyncIterator[Network]:
    # The one in the middle is root there, not here.
    cluster.directory.chmod(0o711)
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "support.partition"),
        str(cluster.directory / f".s.PGSQL.{DATABASE_PORT}"),
        stdin=PIPE,
        stdout=PIPE,
        cwd=Path(__file__).parents[1],
        limit=1 << 26,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        pids = (await soon(process.stdout.readline())).decode().split()
        assert len(pids) == 1 + len(NODES), "user and network namespaces, and veth, are needed"
        enter = [["nsenter", "--user", "--net", "--preserve-credentials", "-t", pid] for pid in pids]
        made = Network(process, enter[0], dict(zip(NODES, enter[1:], strict=True)))
        yield made
    finally:
        process.stdin.close()
        out = await process.stdout.read()
        await process.wait()
    made.sent = json.loads(out)


async def make(directory: Path, uri: str) -> dict[int, Path]:
    """The domain, once for each node: with its own address, and its own way to the same database."""
    first = directory / "1"
    await make_domain(first, "a.example", time.time())
    # The servers know the KMS by its address here.
    DevelopmentCa(first / "tls").issue("hub", ["kms.a.example", HUB])
    text = (first / "mcsec.toml").read_text()
    for old, new in (
        ('listen = "127.0.0.1:8443"', f'listen = "{HUB}:8443"'),
        ('"tls/kms.pem"', '"tls/hub.pem"'),
        ('"tls/kms.key"', '"tls/hub.key"'),
        ("https://127.0.0.1:8443", f"https://{HUB}:8443"),
        ('address = "127.0.0.1:5658"', f'address = "{HUB}:5658"'),
        ('listen = ["127.0.0.1:5658"]', f'listen = ["{HUB}:5658"]'),
        (f"mb2u_port = {MB2U.start}", f'mb2u_port = {MB2U.start}\nmb2u_addresses = ["{HUB}"]'),
        ("[[server.mb2", "sign_of_life = 0.1\nredial_first = 0.1\nredial_most = 0.3\n\n[[server.mb2"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    found = {1: first, 2: directory / "2"}
    shutil.copytree(first, found[2])
    name = uri.partition("@/")[2].partition("?")[0]
    for node, where in found.items():
        store = f'[store]\nurl = "postgresql://mcsec@{database(node)}:{DATABASE_PORT}/{name}"\n'
        own = text.replace("tls:127.0.0.1:5061", f"tls:{address(node)}:5061")
        (where / "mcsec.toml").write_text(f"{own}\n{store}")
    return found


@asynccontextmanager
async def server(directory: Path, before: list[str]) -> AsyncIterator[Process]:
    """A server that is started; when its turn comes is another matter."""
    with (directory / "server.log").open("ab") as log:
        found = await asyncio.create_subprocess_exec(
            *before, MCSEC, "run", "server", "--config", directory / "mcsec.toml", stdout=PIPE, stderr=log
        )
    try:
        yield found
    finally:
        if found.returncode is None:
            found.terminate()
        await found.wait()


async def ready(process: Process) -> None:
    """Wait until a server is on duty and serves."""
    assert process.stdout is not None
    assert await soon(process.stdout.readline())


async def broadcasts(directory: Path, more: int = 10) -> None:
    """Wait until the server there has sent so many packets on the bearer."""

    async def sent() -> bool:
        row = await asyncio.to_thread(ask, directory / "server.sock", "", "GET", "/v1/bearers/one")
        return bool(row["sent"]["packets"] >= more)

    await until(sent)


def on_the_bearer(sent: list[dict[str, Any]], node: int) -> list[tuple[float, KeyId, int, int]]:
    """What a node sent there: when, under which key, from which SSRC, with which index."""
    found = []
    for one in sent:
        if one["node"] == node and one["port"] in MB2U:
            packet = decode_inner(bytes.fromhex(one["octets"])).payload
            word = int.from_bytes(packet[-8:-4])
            assert word >> 31, "a packet in clear"
            ssrc = int.from_bytes(packet[4:8])
            found.append((one["time"], KeyId.decode(packet[-4:]), ssrc, word & 0x7FFF_FFFF))
    return found


async def test_whoever_is_cut_off_from_the_database_is_silent_before_another_one_speaks(
    tmp_path: Path,
) -> None:
    with postgresql() as cluster:
        uri = cluster.database()
        found = await make(tmp_path, uri)
        name = uri.partition("@/")[2].partition("?")[0]
        async with (
            network(cluster) as net,
            entity(found[1], "kms", *net.hub),
            entity(found[1], "bmsc", *net.hub),
            server(found[1], net.nodes[1]) as one,
        ):
            await ready(one)
            await broadcasts(found[1])
            async with server(found[2], net.nodes[2]) as two:
                await told(found[2], "DeliveringToo")
                await net.order("cut", 1)
                # Nothing prolongs it any more.
                lease = cluster.sql("SELECT term, until FROM mc_lease", name)
                await ready(two)
                await broadcasts(found[2])
                assert await soon(one.wait()) == 1
                after = cluster.sql("SELECT term FROM mc_lease", name)
                await net.order("mend", 1)
                # As systemd does.
                async with server(found[1], net.nodes[1]) as again:
                    await until(lambda: (found[1] / "server.log").read_text().count('"DeliveringToo"') == 1)
                    await broadcasts(found[2], 30)
                    assert (again.returncode, two.returncode) == (None, None)
    term, ended = lease.strip().split("|")
    assert int(after) == int(term) + 1
    first, second = on_the_bearer(net.sent, 1), on_the_bearer(net.sent, 2)
    assert first
    assert second
    assert {key_id.tag for _, key_id, _, _ in first + second} == {PurposeTag.MSCCK}
    assert max(first)[0] < float(ended) < min(second)[0]
    assert {packet[2] for packet in first}.isdisjoint(packet[2] for packet in second)
    places = [packet[1:] for packet in first + second]
    assert len(set(places)) == len(places)
    events = [
        json.loads(line)["event"]
        for line in (found[1] / "server.log").read_text().splitlines()
        if line.startswith("{")
    ]
    assert [event for event in events if event in ("StandingBy", "DutyTaken", "DutyLost")] == [
        "DutyTaken",
        "DutyLost",
        "StandingBy",
    ]
    for node in NODES:
        assert "Traceback" not in (found[node] / "server.log").read_text()
