"""Kamailio as an edge proxy before our registrar: keys go along the Path of a client, and the edge proves nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.radio import RadioSide
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.keys.key import Scope
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.wire import mc_sip
from support.kamailio import EDGE, kamailio
from support.mc_clients import Heard, engine, profile
from support.mc_server import ALICE, BOB, GROUP, LOOPBACK, Running, running
from support.phones import Phone, phone, refused
from support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.peer("kamailio")]


@asynccontextmanager
async def behind_the_edge(directory: Path) -> AsyncIterator[tuple[Running, Hop]]:
    async with running(directory) as mcx, kamailio(EDGE, directory, registrar=mcx.ports["TCP"]) as edge:
        yield mcx, Hop("TCP", "127.0.0.1", edge.port)


async def test_keys_go_along_the_path(tmp_path: Path) -> None:
    async with behind_the_edge(tmp_path) as (mcx, hop):
        await mcx.server.make_musik(Scope.of(GROUP))
        events: list[Event] = []
        async with ClientHost(HostSettings(hop, EndpointSettings(trust=LOOPBACK))) as host:
            client = host.add(
                profile(ALICE),
                engine(ALICE),
                lambda: Secret(ALICE.encode()),
                radio=RadioSide(),
                on_event=events.append,
            )
            alice = Heard(client, events)
            await alice.client.log_on([GROUP])
            await until(
                lambda: any(key.key_id.tag is PurposeTag.MUSIK for key in alice.client.engine.keyring.keys)
            )
            assert mcx.server.requests.refused == {}
            contact, path = mcx.server._locations.written(ALICE)
            assert path
            assert f"127.0.0.1:{hop.port}" in path[0]
            assert f"127.0.0.1:{hop.port}" not in contact


async def test_who_shares_the_edge_speaks_for_nobody_else(tmp_path: Path) -> None:
    """Mallory comes by the same connection of the edge as Alice, and has no signature of hers."""
    async with behind_the_edge(tmp_path) as (mcx, hop), phone(mcx) as alice, phone(mcx, BOB) as mallory:
        for each in (alice, mallory):
            each.hop = hop
            answer = await each.register(each.authorisation(each.user))
            assert answer.status == 200, mcx.server.requests.refused
        await _nothing_happens(mcx, mallory)


async def _nothing_happens(mcx: Running, mallory: Phone) -> None:
    before = mcx.server.function.users.get(ALICE)
    farewell = (("Contact", "*"), ("Expires", "0"))
    mallory.user = ALICE
    await refused(mcx, await mallory.ask("REGISTER", (), farewell), 403, "server.sender", 100)
    mcx.events.clear()
    mcx.server.requests.refused.clear()
    headers = mc_sip.publication("poc-settings", 0)
    await refused(mcx, await mallory.ask("PUBLISH", (), headers), 403, "server.sender", 100)
    assert mcx.server.function.users.get(ALICE) == before
