"""An MCX server with many group calls, in a process of its own: ``python -m mcsec.lab.bench.call_server``.

Reads JSON lines from standard input and answers each with one: first what to be, then what it costs so far. Its users
are seeded, with the CSKs that they would have uploaded; all after that, from the first INVITE, is the server as it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from mcsec.crypto.secret import Secret
from mcsec.lab.bench import key_server
from mcsec.lab.bench.call_phones import DOMAIN, PSI, csk_of, group_of, user_of
from mcsec.lab.soak.users import peak_octets
from mcsec.net.media_ports import make_room
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tokens import Claims, TokenRefused
from mcsec.server import memory
from mcsec.server.calls.events import CallEstablished
from mcsec.server.calls.groups import Group, GroupMember, GroupTable
from mcsec.server.calls.service import Calls, CallSettings
from mcsec.server.function import FunctionSettings
from mcsec.server.service import McServer, ServiceSettings
from mcsec.server.users import User
from mcsec.store.database import Database
from mcsec.store.kek import Kek


async def _nobody(token: str, now: float) -> Claims:
    raise TokenRefused("everybody is there already")


@asynccontextmanager
async def running(told: dict[str, Any], directory: Path) -> AsyncIterator[tuple[McServer, Calls]]:
    """The server, behind the telephones' gateway as its SIP core, with everybody affiliated."""
    groups, members, seed = told["groups"], told["members"], bytes.fromhex(told["seed"])
    now = time.time()
    table = []
    for number in range(groups):
        users = [user_of(number * members + one, members) for one in range(members)]
        known = {user: GroupMember(user=user) for user in users}
        table.append(Group(group_id=group_of(number), home=DOMAIN, members=known, hang_time=80_000.0))
    loopback = ip_network("127.0.0.0/8")
    settings = ServiceSettings(
        FunctionSettings(DOMAIN, PSI, default_musik=False, csk_required=True),
        sip=EndpointSettings(
            outbound=Hop("TCP", "127.0.0.1", told["port"]), trust=Trust(addresses=(loopback,))
        ),
    )
    database = await Database.open(directory / "server.sqlite", Kek(Secret.random(32)))
    try:
        async with McServer(
            database,
            key_server.identity(now),
            settings,
            verify=_nobody,
            may_join=lambda user, group: True,
        ) as server:
            function = server.function
            for number in range(groups * members):
                user, csk = user_of(number, members), csk_of(number, members, seed)
                affiliated = frozenset({group_of(number // members)})
                function.users.put(User(user, user, "urn:uuid:1", now + 36_000, affiliated))
                function.engine.csks.put(user, csk, now)
            calls = CallSettings(f"sip:mcptt-controlling@{DOMAIN}")
            async with Calls(server, GroupTable(table), calls) as served:
                await server.endpoint.reach(Hop("TCP", "127.0.0.1", told["port"]))
                yield server, served
    finally:
        await database.close()


def _cost(server: McServer, calls: Calls) -> dict[str, Any]:
    return {
        "cpu": time.process_time(),
        "peak": peak_octets(),
        "legs": sum(leg.ready for serving in calls.servings.values() for leg in serving.legs.values()),
        "established": server.events[CallEstablished.__name__],
        "refused": dict(calls.around.refused),
        "waited": calls.around.outbox.waited,
        "lost": calls.around.outbox.lost,
    }


async def _work() -> None:
    loop = asyncio.get_running_loop()

    async def line() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    def say(what: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    told = json.loads(await line())
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    # A floor port for each call, a media port for each leg.
    ports = told["groups"] * (told["members"] + 1)
    if make_room(ports // 2 + 1) * 2 < ports:
        say({"error": "too few files may be open"})
        return
    with tempfile.TemporaryDirectory() as directory:
        async with running(told, Path(directory)) as (server, calls):
            with memory.settled():
                say(_cost(server, calls))
                while (await line()).strip():
                    say(_cost(server, calls))


if __name__ == "__main__":
    asyncio.run(_work())
