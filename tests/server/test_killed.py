"""A server killed with -9 goes on where it was: nothing that was acknowledged is lost, keys stay what they were."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.mikey.message import IMessage
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.wire import mc_bodies, mc_sip, mikey_body, multipart
from mcsec.wire.affiliation import Affiliation, ClientAffiliations, Presence
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.multipart import Part
from support.mcx_process import GROUP, kms_in
from support.scripted_mcx import PSI
from support.waiting import soon, until

pytestmark = pytest.mark.anyio
TESTS = Path(__file__).parents[1]
USERS = [f"sip:many{number}@a.example" for number in range(60)]


@dataclass
class Core:
    """A SIP core that speaks for its users; what it answered 200 counts as held by the client.

    ``most``: answers so many, and then no others, so that deliveries stay open.
    """

    downloads: dict[str, set[tuple[bytes, bytes]]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    most: float = float("inf")

    async def answer(self, request: Request, peer: Peer) -> Response:
        parts = multipart.decode(request.headers.get("Content-Type") or "", request.body)
        part = multipart.first(parts, mikey_body.CONTENT_TYPE)
        assert part is not None
        message = IMessage.decode(mikey_body.decode(part))
        user = message.responder.uri
        assert user is not None
        self.downloads.setdefault(user, set()).add((message.header.csb_id, message.rand))
        await until(lambda: len(self.answered) < self.most)
        self.answered.add(user)
        return make_response(request, 200)


@asynccontextmanager
async def process(directory: Path, core: int) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "support.mcx_process",
        str(directory),
        str(core),
        cwd=TESTS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert started.stdout is not None
        line = (await soon(started.stdout.readline())).split()
        assert line[:1] == [b"ready"], line
        yield started, int(line[1])
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def send(
    endpoint: Endpoint, hop: Hop, method: str, user: str, parts: tuple[Part, ...], headers: mc_sip.Lines
) -> int:
    content_type, body = multipart.encode(parts)
    asserted = (("P-Asserted-Identity", f"<{user}>"),)
    request = make_request(
        method,
        PSI,
        from_="sip:core@a.example" if method == "REGISTER" else user,
        to=user if method == "REGISTER" else None,
        headers=(*headers, *asserted),
        body=body,
        content_type=content_type,
    )
    return (await endpoint.request(request, hop)).status


async def log_on(endpoint: Endpoint, hop: Hop, user: str) -> None:
    info = McpttInfo(access_token=Secret(user.encode()), request_uri=user, client_id="urn:uuid:1")
    authorised = await send(
        endpoint, hop, "REGISTER", user, mc_bodies.authorisation(info, None), (("Expires", "3600"),)
    )
    wanted = Presence(user, (ClientAffiliations("urn:uuid:1", (Affiliation(GROUP),)),))
    parts = mc_bodies.affiliations(McpttInfo(request_uri=user, client_id="urn:uuid:1"), wanted)
    affiliated = await send(endpoint, hop, "PUBLISH", user, parts, mc_sip.publication("presence", 3600))
    assert (authorised, affiliated) == (200, 200)


def rows(directory: Path) -> dict[str, int]:
    with sqlite3.connect(directory / "server.sqlite") as connection:
        return dict(connection.execute("select mc_service_id, state from mc_delivery").fetchall())


async def test_a_killed_server_goes_on_where_it_was(tmp_path: Path) -> None:
    kms_in(tmp_path)
    core = Core(most=10)
    async with Endpoint(core.answer) as endpoint:
        port = (await endpoint.listen("TCP", "127.0.0.1"))[1]
        async with process(tmp_path, port) as (server, at):
            hop = Hop("TCP", "127.0.0.1", at)
            await asyncio.gather(*(log_on(endpoint, hop, user) for user in USERS[:40]))
            # In the midst of it: some hold the key, some are asked, some wait. An answer is written down a moment
            # after it came; what is not is asked for again.
            await until(lambda: 2 in rows(tmp_path).values())
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await server.wait()
        core.most = float("inf")
        between = rows(tmp_path)
        assert set(between) == set(USERS[:40]), "every affiliation that was answered 200 is written down"
        held = {user for user, state in between.items() if state == 2}
        assert held, "some were done"
        assert held <= core.answered
        assert len(held) < 40, "and some were not"
        before = {user: set(seen) for user, seen in core.downloads.items()}
        async with process(tmp_path, port) as (server, at):
            hop = Hop("TCP", "127.0.0.1", at)
            await asyncio.gather(*(log_on(endpoint, hop, user) for user in USERS[40:]))
            await until(lambda: list(rows(tmp_path).values()) == [2] * len(USERS))
        assert set(core.downloads) == set(USERS)
        given = set().union(*core.downloads.values())
        assert len(given) == 1, "one key with one RAND, before and after"
        assert all(before[user] == core.downloads[user] for user in held)
