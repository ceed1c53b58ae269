"""A group of B on A's bearer while nobody reaches B's KMS and GMS: A's broadcast starts, goes on, and is rekeyed.

Where they listened there are traps now, which answer nothing. B's own server may look for its GMS there; nobody needs
an answer for what A signals.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mcsec.client.audio import pcmu, speech
from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyMade
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.lab.claims import DemoReport
from mcsec.lab.scenario import acts
from mcsec.lab.scenario import play as playing
from mcsec.lab.scenario.air import tags
from mcsec.lab.scenario.format import LogOn, Unreachable, parse
from mcsec.lab.scenario.site import BEARER
from mcsec.lab.scenario.stage import Stage
from support.call_waiting import everybody_in
from support.waiting import PATIENCE, until

pytestmark = pytest.mark.anyio

SCENARIO = """
format = "mcsec-scenario/1"
title = "B's KMS and GMS are gone before the call begins"

[domains."a.example"]
clients = ["ann", "amy"]
bearer = { groups = ["rescue"], listeners = 2 }

[domains."b.example"]
clients = ["bob"]

[groups.rescue]
home = "b.example"
members = ["ann", "amy", "bob"]

[[steps]]
do = "log-on"
who = ["ann", "amy", "bob"]

[[steps]]
do = "unreachable"
domain = "b.example"
"""
GROUP = "sip:rescue@b.example"
VOICE = speech.synthesise(0.3)


@dataclass
class Traps:
    """Listeners in the place of services: whoever comes is counted."""

    tried: int = 0

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tried += 1
        writer.close()


@asynccontextmanager
async def traps(*addresses: str) -> AsyncIterator[Traps]:
    """Traps at the addresses of services that are closed."""
    made = Traps()
    async with AsyncExitStack() as stack:
        for address in addresses:
            place = urlsplit(address)
            server = await asyncio.start_server(made._came, place.hostname, place.port)
            await stack.enter_async_context(server)
        yield made


async def talk(stage: Stage) -> None:
    """Bob talks, and Ann and Amy hear him on A's bearer."""
    a, b = stage.sites["a.example"], stage.sites["b.example"]
    heard = [stage.people[name] for name in ("ann", "amy")]
    for one in stage.people.values():
        one.listen()
    assert await stage.people["bob"].client.calls[GROUP].talk(VOICE, within=PATIENCE) == 15
    await until(lambda: all(len(one.heard) >= len(VOICE) for one in heard))
    assert all(one.heard == pcmu.decode(pcmu.encode(VOICE)) for one in heard)
    serving = a.running.calls.servings[GROUP].call
    await until(lambda: all(serving.bearer_of(one.uri) == BEARER for one in heard))
    await until(lambda: not b.running.calls.focuses[GROUP].call.floor.talkers)


async def test_the_broadcast_needs_nothing_of_the_partners_kms_and_gms(tmp_path: Path) -> None:
    scenario = parse(tomllib.loads(SCENARIO))
    (tmp_path / "home").mkdir()
    stages = playing._stage(scenario, tmp_path / "home", tmp_path, DemoReport(), lambda step: None)
    async with stages as stage:
        log_on, unreachable = scenario.steps
        assert isinstance(log_on, LogOn)
        assert isinstance(unreachable, Unreachable)
        await acts.play(stage, log_on)
        a, b = stage.sites["a.example"], stage.sites["b.example"]
        gone = b.kms.service.address, b.gms.service.address
        await acts.play(stage, unreachable)
        async with traps(*gone) as trap:
            await stage.people["bob"].client.call(GROUP)
            clients = [one.client for one in stage.people.values()]
            await everybody_in(GROUP, clients, *(site.running.calls for site in stage.sites.values()))
            # The call goes on the bearer with the first word, and is heard there with the second.
            await talk(stage)
            await talk(stage)
            # A makes its key anew, gives it to its users, and goes on under it.
            rotation = a.running.server.function.engine.keydown.musiks[GROUP]
            old = rotation.sending
            assert old is not None
            await a.running.server.make_musik(Scope.of(GROUP))
            await until(lambda: rotation.sending not in (None, old))
            await talk(stage)
            tap = stage.taps["a.example"]
            floor = tap.keys(Traffic.MBMS_FLOOR)
            assert rotation.sending is not None
            assert {old.key_id, rotation.sending.key_id} <= floor
            made = {event.key_id for event in a.happened if isinstance(event, KeyMade)}
            signalling = tap.keys(Traffic.MBMS_FLOOR, Traffic.SUBCHANNEL_CONTROL)
            assert signalling <= made
            assert tags(signalling) == {PurposeTag.MUSIK, PurposeTag.MSCCK}
            # A trap does catch who comes, and answers nothing.
            before = trap.tried
            place = urlsplit(gone[0])
            _, writer = await asyncio.open_connection(place.hostname, place.port)
            await until(lambda: trap.tried > before)
            writer.close()
            await writer.wait_closed()
