"""A group homed in B, listeners in A, A's own bearer: the floor on it under A's key, and back to unicast.

The server's side of the story of TS 36.579-2 6.4.1: announcement, listening status, from unicast to MBMS, floor and
media there, and back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcsec.client.audio import speech
from mcsec.client.events import FloorHeard
from mcsec.keys.events import KeyFirstUsed
from mcsec.server.calls import events
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.subchannel_states import SubchannelState
from mcsec.server.events import ListeningReported
from support.call_air import OnAir, bearers
from support.call_domains import Domain, User, gmk_of, two_domains, until
from support.calls import ANN, BOB, CEM, GROUP, group
from support.sip_domain import free_port
from support.sip_tls import TestAuthority

pytestmark = pytest.mark.anyio
VOICE = speech.synthesise(0.3)


@dataclass
class Story:
    """Two domains, A's bearer, three users in the group."""

    a: Domain
    b: Domain
    air: OnAir
    users: dict[str, User]

    def switches(self, user: str) -> list[str]:
        """By which bearer a user was served, one after the other; empty by unicast."""
        return [event.bearer for event in self.a.of(events.ListenerSwitched) if event.user == user]  # type: ignore[attr-defined]  # of() gives the base class

    async def listening(self, group: str, *users: str) -> None:
        """Waits until they said that they hear the bearer, or with ``group`` the call there."""
        await until(
            lambda: (
                {
                    event.user  # type: ignore[attr-defined]  # of() gives the base class
                    for event in self.a.of(ListeningReported)
                    if event.listening and event.group == group  # type: ignore[attr-defined]  # likewise
                }
                >= set(users)
            )
        )


@asynccontextmanager
async def story(tmp_path: Path, policy: CallPolicy | None = None) -> AsyncIterator[Story]:
    key = gmk_of(GROUP)
    (tmp_path / "mb2").mkdir()
    async with (
        two_domains(tmp_path, [group(ANN, BOB, CEM)], policy) as (a, b),
        bearers(a, TestAuthority(tmp_path / "mb2")) as air,
    ):
        users = {}
        for user in (ANN, BOB, CEM):
            users[user] = await (b if user == BOB else a).log_on(user, [GROUP], key)
        found = Story(a, b, air, users)
        air.want("north", free_port())
        await found.listening("", ANN, CEM)
        yield found


async def talk(story: Story, who: str) -> None:
    for user in story.users.values():
        user.heard = type(user.heard)("h")
    await story.users[who].client.calls[GROUP].talk(VOICE)
    others = [user for name, user in story.users.items() if name != who]
    await until(lambda: all(len(user.heard) == len(VOICE) for user in others))


async def test_to_the_bearer_and_back(tmp_path: Path) -> None:
    async with story(tmp_path, CallPolicy(t15=1.5, t16=0.2)) as here:
        a, users = here.a, here.users
        await users[BOB].client.call(GROUP)
        await until(lambda: all(GROUP in user.client.calls for user in users.values()))
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
        # 15 frames, once for both; floor and subchannel control beside.
        assert 15 <= after["packets"] - before["packets"] <= 40
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
        await until(lambda: a.of(events.GroupUnmapped), 8)
        assert here.switches(CEM)[-1] == ""
        await talk(here, CEM)
        assert [type(event).__name__ for event in users[CEM].of(FloorHeard)]
        for side in (a, here.b):
            assert side.calls.around.refused == {}


async def test_a_lost_bearer_in_mid_call_costs_nobody_a_word(tmp_path: Path) -> None:
    async with story(tmp_path) as here:
        users = here.users
        await users[BOB].client.call(GROUP)
        await until(lambda: all(GROUP in user.client.calls for user in users.values()))
        for user in users.values():
            user.listen(GROUP)
        await talk(here, BOB)
        await until(lambda: here.switches(CEM) == ["north"])
        await here.air.bmsc.restart(keep_state=False, abruptly=True)
        await until(lambda: here.switches(CEM)[-1] == "")
        await talk(here, BOB)
        await until(lambda: here.switches(CEM)[-1] == "north", 10)
        await talk(here, BOB)


async def test_when_the_call_is_over_the_subchannel_is_free(tmp_path: Path) -> None:
    async with story(tmp_path) as here:
        users = here.users
        await users[BOB].client.call(GROUP)
        await until(lambda: all(GROUP in user.client.calls for user in users.values()))
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
