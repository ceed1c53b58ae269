"""Somebody is in a call when the client, its participating and the controlling function all know."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.lab.in_call import all_in
from support.call_domains import domain, gmk_of
from support.call_waiting import everybody_in
from support.calls import BOB, DAN, GROUP, group

pytestmark = pytest.mark.anyio


async def test_who_does_not_hear_yet_is_not_in(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN)]) as made:
        users = [await made.log_on(user, [GROUP], gmk_of(GROUP)) for user in (BOB, DAN)]
        clients = [user.client for user in users]
        assert not all_in(GROUP, clients, [made.calls])
        await clients[0].call(GROUP)
        await everybody_in(GROUP, clients, made.calls)
        leg = made.calls.servings[GROUP].legs[DAN]
        leg.ready = False
        assert not all_in(GROUP, clients, [made.calls])
        assert all_in(GROUP, clients[:1], [made.calls])
        leg.ready = True
        made.calls.focuses[GROUP].left(DAN, "a test")
        assert not all_in(GROUP, clients, [made.calls])
