"""KMS, MCX server and client as three processes; the server is killed, and the client notices."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.client_process import configure, lines_until, start
from support.processes import entity, told
from support.sip_domain import GROUP, USERS, find_kms, make

pytestmark = pytest.mark.anyio


async def test_a_client_gets_its_keys_and_notices_a_killed_server(tmp_path: Path) -> None:
    directory = tmp_path / "domain"
    port = await make(directory)
    async with AsyncExitStack() as stack:
        _, address = await stack.enter_async_context(entity(directory, "kms"))
        find_kms(directory, address)
        async with entity(directory, "server") as (server, _):
            file = configure(directory, address, port, USERS[0], secure=True)
            client = await start("listen", "--json", "--config", str(file))
            heard = await lines_until(client, "MuSiKInstalled")
            if heard[-1]["scope"] != GROUP:
                heard += await lines_until(client, "MuSiKInstalled")
            assert {"ServiceAuthorised", "RegistrationChanged"} <= {line["event"] for line in heard}
            await told(directory, "MuSiKHeld")
            server.kill()
            await server.wait()
            (lost,) = await lines_until(client, "RegistrationChanged")
            assert lost["expires"] == "0"
        async with entity(directory, "server"):
            client.send_signal(signal.SIGINT)
            lines = await lines_until(client, "Summary")
            assert await client.wait() == 0
        assert lines[-1]["messages_refused"] == {}
        assert "Traceback" not in (directory / "server.log").read_text()
