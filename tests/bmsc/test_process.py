"""``mcsec run bmsc`` and ``mcsec bmsc``: a process with the files that ``mcsec init`` made, and a GCS AS over TLS."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mcsec.bmsc.config import load
from mcsec.bmsc.running import admin_endpoint
from mcsec.lab.init import make_domain
from mcsec.net.config import ConfigError
from mcsec.net.diameter.config import NodeConfig, PeerConfig, Timings
from mcsec.net.tls import client_context
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import BearerActive, BearerLost, BearerRefused, BmscRestarted
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.server.bearers.service import GcsAs
from mcsec.wire.mb2.masks import BearerResult
from mcsec.wire.mb2.messages import APPLICATION
from support.demo import MCSEC
from support.waiting import soon, until

pytestmark = pytest.mark.anyio
DOMAIN = "a.example"
FAST = Timings(connect=30, capabilities=30, disconnect=1, redial=0.05, redial_most=0.2, request=30)
POLICY = BearerPolicy(retry_first=0.05, retry_most=0.2, heartbeat=0.5)


class Process:
    """A BM-SC that runs, and its commands."""

    def __init__(self, config: Path, process: asyncio.subprocess.Process, port: int) -> None:
        self.config, self.process, self.port = config, process, port

    async def command(self, *arguments: str) -> tuple[int, bytes, bytes]:
        done = await asyncio.create_subprocess_exec(
            str(MCSEC),
            *("bmsc", *arguments, "--config", str(self.config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await soon(done.communicate())
        assert done.returncode is not None
        return done.returncode, out, err

    async def told(self, *arguments: str) -> Any:
        code, out, err = await self.command(*arguments, "--json")
        assert (code, err) == (0, b"")
        return json.loads(out)


@asynccontextmanager
async def process(directory: Path) -> AsyncIterator[Process]:
    config = directory / "mcsec.toml"
    await make_domain(directory, DOMAIN, time.time())
    text = config.read_text().replace("127.0.0.1:5658", "127.0.0.1:0")
    config.write_text(text.replace("mb2u_port = 9470", "mb2u_port = 0"))
    started = await asyncio.create_subprocess_exec(
        str(MCSEC),
        *("run", "bmsc", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert started.stdout is not None
        line = (await soon(started.stdout.readline())).decode()
        address = urlsplit(line.strip())
        assert (address.scheme, address.hostname) == ("aaas", "127.0.0.1"), line
        assert address.port is not None
        yield Process(config, started, address.port)
    finally:
        if started.returncode is None:
            started.terminate()
        _, log = await soon(started.communicate())
    assert started.returncode == 0, log
    assert not (directory / "bmsc.sock").exists()
    told = [json.loads(row)["event"] for row in log.decode().splitlines()]
    assert "PeerUp" in told or not told


async def test_faults_are_played_and_a_restart_is_survived(tmp_path: Path) -> None:
    directory = tmp_path / "a"
    async with process(directory) as bmsc:
        assert stat.S_IMODE((directory / "bmsc.sock").stat().st_mode) == 0o600
        (row,) = await bmsc.told("fault", "add", "start", "refuse", "--bit", "resources-exceeded")
        assert row["bits"] == ["RESOURCES_EXCEEDED"]
        tls = directory / "tls"
        peer = PeerConfig(
            host=f"bmsc.{DOMAIN}",
            realm=DOMAIN,
            address="127.0.0.1",
            port=bmsc.port,
            tls=client_context(tls / "ca.pem", certificate=tls / "server.pem", key=tls / "server.key"),
        )
        node = NodeConfig(
            host=f"mcx.{DOMAIN}", realm=DOMAIN, applications=(APPLICATION,), peers=(peer,), timings=FAST
        )
        events: list[Any] = []

        def of(kind: type[Any]) -> list[Any]:
            return [event for event in events if isinstance(event, kind)]

        async with GcsAs(node, peer.host, Bearers(POLICY), events.append) as gcs_as:
            gcs_as.want("one", Wish((1,)))
            await until(lambda: of(BearerActive))
            assert of(BearerRefused)[0].reason == BearerResult.RESOURCES_EXCEEDED.reason
            status = await bmsc.told("status")
            (bearer,) = status["bearers"]
            assert (bearer["state"], bearer["areas"], bearer["host"]) == ("active", [1], f"mcx.{DOMAIN}")
            assert status["faults"][0]["left"] == 0
            assert status["peers"] == {f"mcx.{DOMAIN}": "r-open"}
            assert await bmsc.told("fault", "clear") == {"cleared": 1}
            assert await bmsc.told("fault", "list") == []

            assert status["cells"] == [{"name": "lab", "areas": [1], "covered": True}]
            (cell,) = await bmsc.told("cover", "lab", "--off")
            assert not cell["covered"]
            (cell,) = await bmsc.told("cover", "lab")
            assert cell["covered"]
            await bmsc.told("end", bearer["tmgi"], "--flow", str(bearer["flow"]))
            await until(lambda: of(BearerLost) and len(of(BearerActive)) == 2)
            assert of(BearerLost)[0].reason
            events.clear()

            counter = status["restart_counter"]
            assert (await bmsc.told("restart", "--keep-state"))["restart_counter"] == counter
            # It kept the bearer, which the server lost with the connection, ends first, and asks for anew.
            await until(lambda: len(of(BearerActive)) == 1)
            (again,) = (await bmsc.told("status"))["bearers"]
            assert (again["state"], again["areas"]) == ("active", [1])
            before = len(of(BearerActive))
            assert (await bmsc.told("restart", "--abruptly"))["restart_counter"] == counter + 1
            await until(lambda: of(BmscRestarted) and len(of(BearerActive)) > before)

        code, out, err = await bmsc.command("fault", "add", "start", "refuse", "--bit", "nonsense")
        assert (code, out) == (1, b"")
        assert err.startswith(b"mcsec: bmsc.fault: nonsense is none of SUCCESS")
        code, out, err = await bmsc.command("end", "000009@001/01")
        assert (code, out) == (1, b"")
        assert err.startswith(b"mcsec: bmsc.admin: 0 bearers have TMGI")
        code, out, err = await bmsc.command("cover", "nowhere")
        assert (code, out) == (1, b"")
        assert err.startswith(b"mcsec: bmsc.admin: no cell nowhere")
        code, out, err = await bmsc.command("fault", "add", "sing", "refuse")
        assert (code, out) == (1, b"")
        assert err.startswith(b"mcsec: bmsc.admin: operation: ")


async def test_none_that_runs_is_told_in_one_line(tmp_path: Path) -> None:
    await make_domain(tmp_path / "a", DOMAIN, time.time())
    config = tmp_path / "a" / "mcsec.toml"
    ended = Process(config, None, 0)  # type: ignore[arg-type]  # there is none
    code, out, err = await ended.command("status")
    assert (code, out) == (1, b"")
    assert len(err.splitlines()) == 1
    assert b"mcsec run bmsc" in err


@pytest.mark.parametrize("admin", ["127.0.0.1:9999", "bmsc.sock", ""])
async def test_operators_come_by_a_socket_file_only(tmp_path: Path, admin: str) -> None:
    await make_domain(tmp_path / "a", DOMAIN, time.time())
    config = tmp_path / "a" / "mcsec.toml"
    config.write_text(config.read_text().replace('"unix:bmsc.sock"', f'"{admin}"'))
    with pytest.raises(ConfigError, match="admin"):
        admin_endpoint(load(config), tmp_path)
