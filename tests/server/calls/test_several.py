"""A client in several groups hears several bearers at once: each call for itself, wherever it is broadcast."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable
from pathlib import Path

import pytest

from mcsec.client.audio import pcmu, speech
from mcsec.server.calls import events
from mcsec.server.calls.groups import Group, GroupMember
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.events import ListeningReported
from support.call_air import bearers
from support.call_domains import Domain, User, gmk_of, two_domains
from support.call_waiting import everybody_in
from support.calls import ANN, BOB, CEM, DAN
from support.sip_domain import free_port
from support.sip_tls import TestAuthority
from support.waiting import until

pytestmark = pytest.mark.anyio
FIRE, MEDIC = "sip:fire@b.example", "sip:medic@b.example"
WHO = {FIRE: (ANN, BOB, CEM), MEDIC: (ANN, DAN)}
TALKERS = {FIRE: BOB, MEDIC: DAN}
VOICE = speech.synthesise(0.3)
VOICES = {FIRE: VOICE, MEDIC: array("h", reversed(VOICE))}


def groups() -> list[Group]:
    return [
        Group(group_id=name, home="b.example", members={user: GroupMember(user=user) for user in users})
        for name, users in WHO.items()
    ]


class Ears:
    """What one user hears, call by call."""

    def __init__(self, user: User, *names: str) -> None:
        self.heard = {name: array("h") for name in names}
        for name in names:
            user.client.calls[name].on_audio = lambda frame, now, name=name: self.heard[name].extend(
                pcmu.decode(frame.payload)
            )

    def forget(self) -> None:
        for name in self.heard:
            self.heard[name] = array("h")


def listened(a: Domain, user: str) -> set[tuple[str, tuple[str, ...]]]:
    """Which bearers a user hears for which group, as it said; the empty one: at all."""
    return {
        (event.group, event.tmgis)  # type: ignore[attr-defined]  # of() gives the base class
        for event in a.of(ListeningReported)
        if event.user == user and event.listening  # type: ignore[attr-defined]  # likewise
    }


def by_bearer(a: Domain, user: str, name: str) -> str | None:
    return a.calls.servings[name].call.bearer_of(user)


async def both_talk(users: dict[str, User], ears: Iterable[Ears]) -> None:
    """At the same time, each in its group; everybody hears what is said in each group, and nothing else."""
    known = list(ears)
    for one in known:
        one.forget()
    await asyncio.gather(
        *(users[TALKERS[name]].client.calls[name].talk(VOICES[name], within=30.0) for name in WHO)
    )
    for one in known:
        for name in one.heard:
            expected = pcmu.decode(pcmu.encode(VOICES[name]))
            await until(lambda one=one, name=name, expected=expected: len(one.heard[name]) >= len(expected))
            assert one.heard[name] == expected


async def test_two_groups_on_two_bearers(tmp_path: Path) -> None:
    (tmp_path / "mb2").mkdir()
    async with (
        two_domains(tmp_path, groups(), CallPolicy(t15=600.0, t16=0.2)) as (a, b),
        bearers(a, TestAuthority(tmp_path / "mb2")) as air,
    ):
        gmk = gmk_of(*WHO)
        users: dict[str, User] = {}
        for user in (ANN, BOB, CEM, DAN):
            mine = [name for name, members in WHO.items() if user in members]
            users[user] = await (a if user in (ANN, CEM) else b).log_on(user, mine, gmk)
        # Each bearer is announced to the members of one group; Ann hears both.
        port = free_port()
        air.want("north", port, FIRE)
        air.want("south", port + 300 if port < 60_000 else port - 300, MEDIC)
        await until(lambda: len(listened(a, ANN)) == 2 and len(listened(a, CEM)) == 1)
        for name, talker in TALKERS.items():
            await users[talker].client.call(name)
        for name, who in WHO.items():
            await everybody_in(name, (users[user].client for user in who), b.calls, a.calls)
        ears = [Ears(users[ANN], FIRE, MEDIC), Ears(users[CEM], FIRE)]
        await both_talk(users, ears)
        # The first words mapped the calls; from now on nobody of A is told by unicast.
        await until(lambda: all(by_bearer(a, user, FIRE) for user in (ANN, CEM)))
        await until(lambda: by_bearer(a, ANN, MEDIC))
        assert by_bearer(a, CEM, FIRE) == "north"
        await both_talk(users, ears)
        # Both bearers carry both calls, and repeat that all the time; Ann keeps to what she heard first.
        reported = [event for event in a.of(ListeningReported) if event.user == ANN and event.group]  # type: ignore[attr-defined]  # of() gives the base class
        assert 2 <= len(reported) <= 4
        # One of them ends. Ann goes on with the other, or by unicast, in both calls.
        air.joint.drop("south")
        await until(lambda: all(by_bearer(a, ANN, name) != "south" for name in WHO))
        await until(lambda: a.of(events.GroupUnmapped))
        await both_talk(users, ears)
        assert by_bearer(a, CEM, FIRE) == "north"
        # One call ends; the other one does not notice.
        await b.calls.release(MEDIC)
        await until(lambda: MEDIC not in users[ANN].client.calls)
        ears[0].heard.pop(MEDIC)
        ears[0].forget()
        ears[1].forget()
        await users[BOB].client.calls[FIRE].talk(VOICES[FIRE], within=30.0)
        expected = pcmu.decode(pcmu.encode(VOICES[FIRE]))
        for one in ears:
            await until(lambda one=one: len(one.heard[FIRE]) >= len(expected))
            assert one.heard[FIRE] == expected
        for side in (a, b):
            assert side.calls.around.refused == {}
