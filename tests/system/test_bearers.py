"""What ``mcsec init`` makes just works together: KMS, BM-SC, MCX server and a client, and ``mcsec bearers``."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcsec.cli.admin import ask
from mcsec.lab.init import make_domain
from mcsec.lab.ports import free_port
from support.client_process import configure, lines_until, start
from support.demo import MCSEC
from support.processes import entity
from support.sip_domain import USERS
from support.waiting import until

pytestmark = pytest.mark.anyio


async def mcsec(config: Path, *arguments: str) -> tuple[int | None, str, str]:
    done = await asyncio.create_subprocess_exec(
        str(MCSEC), *arguments, "--config", str(config), stdout=PIPE, stderr=PIPE
    )
    out, err = await done.communicate()
    return done.returncode, out.decode(), err.decode()


async def bearers(config: Path, *arguments: str) -> Any:
    code, out, err = await mcsec(config, "bearers", *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


async def bearer(config: Path, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The one bearer, as soon as ``condition`` holds; asked on the socket, which is quicker than by a process."""
    socket = config.parent / "server.sock"
    found: dict[str, Any] = {}

    async def holds() -> bool:
        found.clear()
        found.update(await asyncio.to_thread(ask, socket, "", "GET", "/v1/bearers/one"))
        return condition(found)

    await until(holds)
    return found


async def test_from_init_to_a_listener_and_a_bearer_that_is_dropped(tmp_path: Path) -> None:
    directory = tmp_path / "domain"
    await make_domain(directory, "a.example", time.time())
    config = directory / "mcsec.toml"
    # Nothing is changed but the ports, which tests may not share.
    text, ports = config.read_text(), {}
    for port in ("8443", "5061", "5658", "9470", "42001"):
        ports[port] = str(free_port())
        text = text.replace(port, ports[port])
    text += '\n[[server.groups]]\nid = "sip:rescue@a.example"\nmembers = "*"\n'
    # And patience.
    text = text.replace(
        "[[server.mb2", "sign_of_life = 0.2\nredial_first = 0.1\nredial_most = 0.3\n\n[[server.mb2"
    )
    config.write_text(text)
    async with entity(directory, "kms"), entity(directory, "bmsc") as (bmsc, _), entity(directory, "server"):
        row = await bearer(config, lambda row: row["state"] == "active" and row["sent"]["packets"] > 0)
        assert (row["areas"], row["qci"], row["kind"], row["listeners"]) == ([1], 65, "pre-established", 0)
        file = configure(
            directory, f"https://127.0.0.1:{ports['8443']}", int(ports["5061"]), USERS[0], secure=True
        )
        file.write_text(file.read_text().replace("area = 7", "area = 1"))
        client = await start("listen", "--json", "--config", str(file))
        heard = await lines_until(client, "ListeningReported")
        assert {"MSCCKInstalled", "BearerAnnounced"} <= {line["event"] for line in heard}
        await bearer(config, lambda row: row["listeners"] == 1)
        code, out, _ = await mcsec(config, "bearers", "list")
        assert code == 0
        assert "MB2-C to bmsc.a.example: i-open" in out
        assert "1 listening" in out
        code, out, _ = await mcsec(config, "policy", "explain", "sip:rescue@a.example", USERS[0])
        assert code == 0
        assert "under MSCCK" in out
        assert "made by mcx.a.example" in out
        code, out, err = await mcsec(config, "policy", "explain", "sip:nobody@a.example", USERS[0])
        assert (code, out) == (1, "")
        assert len(err.splitlines()) <= 2

        # The BM-SC is killed, and is there again: so is the bearer, and the client listens, all by themselves.
        bmsc.kill()
        await bmsc.wait()
        await bearer(config, lambda row: row["state"] == "wanted")
        async with entity(directory, "bmsc"):
            again = await bearer(config, lambda row: row["listeners"] == 1)
            assert again["state"] == "active"
            dropped = await bearers(config, "drop", "one")
            assert dropped["state"] == "released"
            assert (await bearers(config, "list"))["bearers"] == []
            code, out, _ = await mcsec(config, "bearers", "list")
            assert out.endswith("no bearers\n")
            code, out, err = await mcsec(config, "bearers", "show", "one")
            assert (code, out) == (1, "")
            assert err == "mcsec: bearer.unknown: no bearer one\n"
            status = json.loads((await mcsec(config, "bmsc", "status", "--json"))[1])
            assert (status["bearers"], status["tmgis"]) == ([], [])
            await lines_until(client, "BearerCancelled")
        client.terminate()
        (summary,) = [line for line in await lines_until(client, "Summary") if line["event"] == "Summary"]
        assert summary["messages_refused"] == {}
    for name in ("kms", "bmsc", "server"):
        assert "Traceback" not in (directory / f"{name}.log").read_text()
    assert not (directory / "server.sock").exists()


async def test_a_server_that_does_not_run_is_told_in_one_line(tmp_path: Path) -> None:
    directory = tmp_path / "domain"
    await make_domain(directory, "a.example", time.time())
    config = directory / "mcsec.toml"
    code, out, err = await mcsec(config, "bearers", "list")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "mcsec run server" in err
