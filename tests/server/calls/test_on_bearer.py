"""A group homed in B, listeners in A, A's own bearer: the floor on it under A's key, and back to unicast.

The server's side of the story of TS 36.579-2 6.4.1: announcement, listening status, from unicast to MBMS, floor and
media there, and back.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mcsec.client.events import FloorHeard
from mcsec.keys.events import KeyFirstUsed
from mcsec.server.calls import events
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.subchannel_states import SubchannelState
from support.call_story import story, talk
from support.call_waiting import everybody_in
from support.calls import ANN, BOB, CEM, GROUP
from support.waiting import until

pytestmark = pytest.mark.anyio


async def test_to_the_bearer_and_back(tmp_path: Path) -> None:
    async with story(tmp_path, CallPolicy(t15=120.0, t16=0.2)) as here:
        a, users = here.a, here.users
        await users[BOB].client.call(GROUP)
        await everybody_in(GROUP, (user.client for user in users.values()), here.b.calls, here.a.calls)
        for user in users.values():
            user.listen(GROUP)
        # The first word maps the call; both say that they hear it there, and are served by nothing else.
        await talk(here, BOB)
        await here.listening(GROUP, ANN, CEM)
        await until(lambda: (here.switches(ANN), here.switches(CEM)) == (["north"], ["north"]))
        serving = a.calls.servings[GROUP]
        assert serving.call.by_unicast == frozenset()
        before = dict(here.air.transmitter.counts("north"))
        await talk(here, BOB)
        after = here.air.transmitter.counts("north")
        # 15 frames, floor and subchannel control beside. That it is once for both is seen in test_mbms_story.
        assert after["packets"] - before["packets"] >= 15
        # What the bearer carries is protected by A's own keys, made in A.
        used = {event.key_id for event in a.of(KeyFirstUsed)}  # type: ignore[attr-defined]  # of() gives the base class
        assert used <= set(a.server.function.engine.keydown.live)
        # A talks as well: up by unicast, to B's legs, and down to the bearer.
        await talk(here, ANN)
        # Ann leaves the area: unicast at once, and she misses nothing.
        users[ANN].client.moved(None)
        await until(lambda: here.switches(ANN)[-1] == "")
        await talk(here, BOB)
        users[ANN].client.moved(1)
        # Silence takes the call off the bearer.
        for bearer in serving.call._bearers.values():
            bearer.subchannel._policy = CallPolicy(t15=0.5)
        await talk(here, BOB)
        await until(lambda: a.of(events.GroupUnmapped))
        assert here.switches(CEM)[-1] == ""
        await talk(here, CEM)
        assert [type(event).__name__ for event in users[CEM].of(FloorHeard)]
        for side in (a, here.b):
            assert side.calls.around.refused == {}


async def test_a_lost_bearer_in_mid_call_costs_nobody_a_word(tmp_path: Path) -> None:
    async with story(tmp_path) as here:
        users = here.users
        await users[BOB].client.call(GROUP)
        await everybody_in(GROUP, (user.client for user in users.values()), here.b.calls, here.a.calls)
        for user in users.values():
            user.listen(GROUP)
        await talk(here, BOB)
        await until(lambda: here.switches(CEM) == ["north"])
        await here.air.bmsc.restart(keep_state=False, abruptly=True)
        await until(lambda: here.switches(CEM)[-1] == "")
        await talk(here, BOB)
        await until(lambda: here.switches(CEM)[-1] == "north")
        await talk(here, BOB)


async def test_when_the_call_is_over_the_subchannel_is_free(tmp_path: Path) -> None:
    async with story(tmp_path) as here:
        users = here.users
        await users[BOB].client.call(GROUP)
        await everybody_in(GROUP, (user.client for user in users.values()), here.b.calls, here.a.calls)
        for user in users.values():
            user.listen(GROUP)
        await talk(here, BOB)
        await until(lambda: here.switches(ANN) == ["north"])
        serving = here.a.calls.servings[GROUP]
        await here.b.calls.release(GROUP)
        await until(lambda: not any(user.client.calls for user in users.values()))
        await until(lambda: not here.a.calls.servings)
        assert serving.call.state("north") is SubchannelState.NOT_ASSIGNED
        await asyncio.sleep(0)
