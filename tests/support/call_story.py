"""A group homed in B, listeners in A, A's own bearer: the scene of tests of calls that go on a bearer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mcsec.client.audio import speech
from mcsec.lab.ports import free_port
from mcsec.server.calls import events
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.events import ListeningReported
from support.call_air import OnAir, bearers
from support.call_domains import Domain, User, gmk_of, two_domains
from support.calls import ANN, BOB, CEM, GROUP, group
from support.sip_tls import TestAuthority
from support.waiting import until

VOICE = speech.synthesise(0.3)
#: On a machine that has much else to do.


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
