"""Packets that wait for the store: together, in order, and what cannot be sent stops nothing else."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from mcsec.errors import Forbidden, WrongState
from mcsec.ids import PurposeTag
from mcsec.keys.key import Maker, Scope, make
from mcsec.server.service import McServer
from mcsec.server.signalling import Sent, ToClient
from support.call_domains import domain
from support.calls import group, idle
from support.waiting import patience, until

pytestmark = pytest.mark.anyio
USERS = [f"sip:u{number}@b.example" for number in range(600)]


def known(server: McServer) -> None:
    """Everybody has a CSK, and was never sent anything."""
    now = time.time()
    for user in USERS:
        csk = make(PurposeTag.CSK, scope=Scope.of(user), maker=Maker("b.example", user), now=now)
        server.function.engine.csks.put(user, csk, now)


def forbidden(now: float) -> Sent:
    raise Forbidden("no", code="test.no")


async def test_everybodys_first_packet_asks_the_disk_a_few_times_and_not_once_each(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group()]) as made:
        known(made.server)
        outbox, engine = made.calls.around.outbox, made.server.function.engine
        sent: list[str] = []

        def took(packet: Sent) -> None:
            assert isinstance(packet, ToClient)
            sent.append(packet.client)

        before = made.server._writer.transactions
        for user in USERS:
            outbox.put(lambda now, user=user: engine.tell(user, idle(1), now), took)
            if user is USERS[5]:
                outbox.put(forbidden, took)
        await until(lambda: len(sent) == len(USERS))
        assert sent == USERS
        assert outbox.waited == len(USERS) + 1
        assert outbox.lost == 1
        assert made.server._writer.transactions - before < 20
        # From now on indexes are at hand, and nothing waits.
        outbox.put(lambda now: engine.tell(USERS[0], idle(2), now), took)
        assert sent[-1] == USERS[0]


async def test_two_want_the_first_index_of_one_channel(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group()]) as made:
        known(made.server)
        say = partial(made.server.function.engine.tell, USERS[0])
        async with patience():
            sent = await asyncio.gather(*(made.server.send(partial(say, idle(number))) for number in (1, 2)))
        assert all(isinstance(one, ToClient) for one in sent)


async def test_a_server_that_is_not_on_duty_loses_them_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with domain(tmp_path, "b.example", [group()]) as made:
        known(made.server)
        outbox, engine = made.calls.around.outbox, made.server.function.engine
        sent: list[Sent] = []

        async def off_duty(produces: object) -> None:
            raise WrongState("another server is on duty", code="server.not-on-duty")

        with monkeypatch.context() as patched:
            patched.setattr(made.server, "send_all", off_duty)
            for user in USERS[:3]:
                outbox.put(partial(engine.tell, user, idle(1)), sent.append)
            await until(lambda: outbox.lost == 3)
        outbox.put(partial(engine.tell, USERS[3], idle(1)), sent.append)
        await until(lambda: sent)
        assert outbox.lost == 3
