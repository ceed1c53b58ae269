"""Who is no member any more is out of the call that goes on, in both domains, and is sent nothing from then on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mcsec.client.calls.events import CallEnded
from mcsec.client.publishing import ServiceRefused
from mcsec.keys.key import Scope
from mcsec.server.calls import events
from mcsec.store.server_load import load
from support.call_domains import Domain, User, gmk_of, two_domains
from support.call_waiting import everybody_in
from support.calls import ANN, BOB, CEM, DAN, GROUP, group
from support.waiting import until

pytestmark = pytest.mark.anyio
USERS = (ANN, BOB, CEM, DAN)


@asynccontextmanager
async def calling(tmp_path: Path) -> AsyncIterator[tuple[Domain, Domain, dict[str, User]]]:
    """A call of all, homed in B; A has a MuSiK of the group."""
    key = gmk_of(GROUP)
    async with two_domains(tmp_path, [group(*USERS)]) as (a, b):
        await a.server.make_musik(Scope.of(GROUP))
        users = {}
        for user in USERS:
            users[user] = await (a if user.endswith("@a.example") else b).log_on(user, [GROUP], key)
        await users[BOB].client.call(GROUP)
        await everybody_in(GROUP, (user.client for user in users.values()), b.calls, a.calls)
        yield a, b, users


def change(home: Domain, *members: str, **values: object) -> None:
    """The GMS of the group says something else from now on."""
    home.groups.put(replace(group(*members), **values))  # type: ignore[arg-type]  # passed on
    home.calls.follow(GROUP)


def here(domain: Domain) -> list[str]:
    return [user for user in USERS if user.endswith(f"@{domain.name}")]


async def written(domain: Domain, barred: set[tuple[str, str]]) -> bool:
    """Whether the store says who does not join."""
    return (await load(domain.server._database)).barred == barred


async def test_a_member_that_another_domain_serves(tmp_path: Path) -> None:
    async with calling(tmp_path) as (a, b, users):
        gone = next(user for user in here(a) if user != BOB)
        before = a.server.function.engine.keydown.musiks[GROUP].sending
        change(b, *(user for user in USERS if user != gone))
        await until(lambda: GROUP not in users[gone].client.calls)
        assert set(b.calls.focuses[GROUP].call.members) == set(USERS) - {gone}
        (ended,) = users[gone].of(CallEnded)
        assert "no member of the group any more" in ended.reason  # type: ignore[attr-defined]  # of() gives the base class
        # Its own domain believes the home domain: what it holds is sent under no more, and it gets nothing else.
        rotation = a.server.function.engine.keydown.musiks[GROUP]
        await until(lambda: rotation.sending not in (None, before))
        (removed,) = a.of(events.MemberRemoved)
        assert (removed.user, removed.home) == (gone, "b.example")  # type: ignore[attr-defined]  # as above
        assert gone not in rotation.audience.members
        await until(partial(written, a, {(gone, GROUP)}))
        with pytest.raises(ServiceRefused):
            await users[gone].client.log_on([GROUP])
        # The others go on.
        call = users[BOB].client.calls[GROUP]
        call.press()
        await until(lambda: call.may_talk)


async def test_whom_the_home_domain_invites_again_is_a_member_again(tmp_path: Path) -> None:
    async with calling(tmp_path) as (a, b, users):
        gone = next(user for user in here(a))
        change(b, *(user for user in USERS if user != gone))
        await until(lambda: a.of(events.MemberRemoved))
        await until(lambda: GROUP not in users[gone].client.calls)
        await b.calls.release(GROUP)
        await until(lambda: not b.calls.focuses and not any(user.client.calls for user in users.values()))
        change(b, *USERS)
        await users[BOB].client.call(GROUP)
        await until(lambda: (gone, GROUP) not in a.server.function.barred)
        await users[gone].client.log_on([GROUP])
        await until(partial(written, a, set()))
        await users[gone].client.call(GROUP)
        await until(lambda: gone in b.calls.focuses[GROUP].call.members)


async def test_a_member_of_the_home_domain(tmp_path: Path) -> None:
    async with calling(tmp_path) as (_, b, users):
        gone = next(user for user in here(b) if user != BOB)
        change(b, *(user for user in USERS if user != gone))
        await until(lambda: GROUP not in users[gone].client.calls)
        assert set(b.calls.focuses[GROUP].call.members) == set(USERS) - {gone}


@pytest.mark.parametrize("how", ["disabled", "gone"])
async def test_a_group_that_may_not_be_called_any_more(tmp_path: Path, how: str) -> None:
    async with calling(tmp_path) as (a, b, users):
        if how == "disabled":
            change(b, *USERS, disabled=True)
        else:
            b.groups.drop(GROUP)
            b.calls.follow(GROUP)
        await until(lambda: not any(user.client.calls for user in users.values()))
        await until(lambda: not b.calls.focuses and not a.calls.servings)
        # The members are members still.
        assert not a.of(events.MemberRemoved)
        (ended,) = b.of(events.CallEnded)
        assert how in ended.reason or "no more" in ended.reason  # type: ignore[attr-defined]  # as above
