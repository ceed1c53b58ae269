"""Over UDP nobody notices a killed server: the one that is started again knows its clients by what it wrote down."""

from __future__ import annotations

import json
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.client_process import configure, lines_until, start
from support.processes import entity, told
from support.sip_domain import GROUP, USERS, find_kms, make

pytestmark = pytest.mark.anyio


async def test_a_killed_server_is_the_same_to_its_clients(tmp_path: Path) -> None:
    directory = tmp_path / "domain"
    port = await make(directory)
    settings = directory / "mcsec.toml"
    settings.write_text(settings.read_text().replace("tls:127.0.0.1", "udp:127.0.0.1"))
    log = directory / "server.log"
    async with AsyncExitStack() as stack:
        _, address = await stack.enter_async_context(entity(directory, "kms"))
        find_kms(directory, address)
        async with entity(directory, "server") as (server, _):
            file = configure(directory, address, port, USERS[0])
            file.write_text(file.read_text().replace('transport = "TCP"', 'transport = "UDP"'))
            client = await start("listen", "--json", "--config", str(file))
            heard = await lines_until(client, "MuSiKInstalled")
            if heard[-1]["scope"] != GROUP:
                heard += await lines_until(client, "MuSiKInstalled")
            await told(directory, "MuSiKHeld")
            server.kill()
            await server.wait()
        before = len(log.read_text())
        async with entity(directory, "server"):
            client.send_signal(signal.SIGINT)
            lines = await lines_until(client, "Summary")
            assert await client.wait() == 0
            await told(directory, "ClientLeft")
        # Without a connection there was nothing to lose: the log-off is the first that the new server heard.
        (changed,) = [line for line in lines if line["event"] == "RegistrationChanged"]
        assert changed["reason"] == "we left"
        assert lines[-1]["messages_refused"] == {}
        after = [json.loads(line) for line in log.read_text()[before:].splitlines() if line.startswith("{")]
        assert "RequestRefused" not in {line["event"] for line in after}
        (left,) = [line for line in after if line["event"] == "ClientLeft"]
        assert left["user"] == USERS[0]
        assert "Traceback" not in log.read_text()
