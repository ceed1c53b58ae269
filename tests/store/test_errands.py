"""Servers that share a store claim different deliveries, with all that is needed to make them, and say who they are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from math import inf

import pytest

from mcsec.crypto.secret import Secret
from mcsec.ids import PurposeTag
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.lifecycle import Epoch
from mcsec.store import deliveries, errands, nodes, server
from mcsec.store.address import Address
from mcsec.store.database import Database
from mcsec.store.deliveries import BULK, Answered
from mcsec.store.errands import Errands
from mcsec.store.group_commit import GroupCommit, Write
from mcsec.store.kek import Kek
from mcsec.store.nodes import Task
from mcsec.store.server import StoredUser
from mcsec.store.server_tables import DeliveryState
from support.postgresql import PROGRAM, PostgreSql

pytestmark = pytest.mark.anyio
NOW = 1_795_435_200.0
MAKER = Maker("a.example", "mcx.a.example")
KEK = Kek(Secret(bytes(32)))
TMGI = "a1b2c3-001-01"
MUSIK = make(PurposeTag.MUSIK, scope=Scope(), maker=MAKER, now=NOW)
MSCCK = make(PurposeTag.MSCCK, scope=Scope.of(TMGI), maker=MAKER, now=NOW)


def name(number: int) -> str:
    return f"sip:u{number}@a.example"


def user(number: int, *path: str, expires: float = NOW + 60) -> StoredUser:
    return StoredUser(name(number), f"{name(number)};impu", "urn:uuid:1", expires, "sip:u@192.0.2.1", path)


def csk(number: int) -> Key:
    return make(PurposeTag.CSK, scope=Scope.of(name(number)), maker=Maker("a.example", name(number)), now=NOW)


def wishes(key: Key, *numbers: int) -> list[Write]:
    return [deliveries.wish(name(number), key.key_id, NOW, BULK) for number in numbers]


@contextlib.asynccontextmanager
async def opened(
    address: Address, users: Sequence[StoredUser], *writes: Write
) -> AsyncIterator[tuple[Database, GroupCommit]]:
    database = await Database.open(address, KEK)
    try:
        async with GroupCommit(database) as writer:
            await writer.write(
                [
                    *map(server.put_user, users),
                    server.put_epoch(Epoch(MUSIK), 0, database.wrapper),
                    server.put_epoch(Epoch(MSCCK), 1, database.wrapper),
                    server.put_bearer(TMGI, "a bearer"),
                    *writes,
                ]
            )
            yield database, writer
    finally:
        await database.close()


async def take(writer: GroupCommit, most: int = 100, now: float = NOW, *, routed: bool = False) -> Errands:
    found = await writer.run(lambda c: errands.take(c, most, now, now + 30, BULK, routed=routed))
    assert isinstance(found, Errands)
    return found


async def answered(writer: GroupCommit) -> list[Answered]:
    found: list[Answered] = await writer.run(lambda c: deliveries.answered(c, 100))
    return found


async def test_rows_come_with_users_keys_and_bearers(address: Address) -> None:
    own = csk(1)
    async with opened(
        address, [user(1, "<sip:edge;lr>"), user(2)], *wishes(MUSIK, 1, 2), *wishes(MSCCK, 1)
    ) as (database, writer):
        await writer.write([server.put_csk(name(1), own, database.wrapper)])
        found = await take(writer)
        assert {(row.mc_service_id, row.key_id) for row in found.rows} == {
            (name(1), MUSIK.key_id),
            (name(2), MUSIK.key_id),
            (name(1), MSCCK.key_id),
        }
        assert found.bearers == {TMGI: "a bearer"}
        assert found.users[name(1)].path == ("<sip:edge;lr>",)
        assert found.users[name(1)].unwrap(database.wrapper) == own
        assert found.users[name(2)].unwrap(database.wrapper) is None
        epoch = found.epoch(MUSIK.key_id, database.wrapper)
        assert epoch is not None
        assert epoch.key == MUSIK
        assert (await take(writer)).rows == []


async def test_without_a_core_only_those_behind_a_proxy_are_anybodys(address: Address) -> None:
    users = [user(1), user(2, "<sip:edge;lr>"), user(3, "<sip:edge;lr>", expires=NOW - 1)]
    async with opened(address, users, *wishes(MUSIK, 1, 2, 3)) as (_, writer):
        assert [row.mc_service_id for row in (await take(writer, routed=True)).rows] == [name(2)]
        assert len((await take(writer)).rows) == 2


async def test_who_is_not_there_is_parked_until_it_comes(address: Address) -> None:
    async with opened(address, [user(1)], *wishes(MUSIK, 1, 2)) as (_, writer):
        assert [row.mc_service_id for row in (await take(writer)).rows] == [name(1)]
        assert (await take(writer, now=NOW + 1000)).rows[0].mc_service_id == name(1)
        await writer.write([server.put_user(user(2)), deliveries.unpark(name(2), NOW)])
        assert [row.mc_service_id for row in (await take(writer)).rows] == [name(2)]


async def test_answers_are_kept_for_the_one_on_duty(address: Address) -> None:
    async with opened(address, [user(n) for n in range(4)], *wishes(MUSIK, 0, 1, 2, 3)) as (_, writer):
        rows = {row.mc_service_id: row for row in (await take(writer)).rows}
        one, two, three, four = (rows[name(number)] for number in range(4))
        await writer.write(
            [
                deliveries.accepted([one.row], revoked=False),
                deliveries.accepted([two.row], revoked=True),
                deliveries.settle_sent(three, DeliveryState.DECLINED, reason="488"),
                deliveries.settle_sent(four, DeliveryState.WANTED, NOW + 5, "480"),
            ]
        )
        assert await answered(writer) == [
            Answered(one, accepted=True, revoked=False, reason=""),
            Answered(two, accepted=True, revoked=True, reason="revoked"),
            Answered(three, accepted=False, revoked=False, reason="488"),
        ]
        # Who accepted has the key, though it comes anew before that is noted.
        await writer.write([deliveries.unpark(name(0), NOW), deliveries.unpark(name(2), NOW)])
        assert [found.row for found in await answered(writer)] == [one, two]
        await writer.write([deliveries.settle_held([one.row, two.row])])
        assert await answered(writer) == []
        assert {row.mc_service_id for row in (await take(writer, now=NOW + 6)).rows} == {name(2), name(3)}


async def test_a_row_that_another_changed_is_left_alone(address: Address) -> None:
    async with opened(address, [user(1)], *wishes(MUSIK, 1)) as (_, writer):
        (row,) = (await take(writer)).rows
        # Its client came anew meanwhile: it is to get everything again.
        await writer.write([deliveries.unpark(name(1), NOW)])
        await writer.write(
            [
                deliveries.accepted([row.row], revoked=False),
                deliveries.settle_sent(row, DeliveryState.FAILED),
                deliveries.give_back(row, NOW + 1000),
            ]
        )
        assert await writer.run(deliveries.count) == {"wanted": 1}
        (again,) = (await take(writer)).rows
        assert again == replace(row, attempt=1)


async def test_what_did_not_leave_is_given_back(address: Address) -> None:
    async with opened(address, [user(1)], *wishes(MUSIK, 1)) as (_, writer):
        (row,) = (await take(writer)).rows
        await writer.write([deliveries.give_back(row, NOW)])
        assert (await take(writer)).rows == [row]


@pytest.mark.peer(PROGRAM)
async def test_servers_that_claim_at_once_get_different_rows(cluster: PostgreSql) -> None:
    address = Address(uri=cluster.database())
    numbers = range(60)
    async with opened(address, [user(n) for n in numbers], *wishes(MUSIK, *numbers)) as (_, writer):
        other = await Database.open(address, KEK)
        try:
            async with GroupCommit(other) as second:
                found = await asyncio.gather(*(take(one, 10) for one in (writer, second) * 3))
        finally:
            await other.close()
        claimed = [row.row for errand in found for row in errand.rows]
        assert len(claimed) == len(set(claimed)) == 60


async def test_nodes_say_what_they_do(address: Address) -> None:
    async with opened(address, []) as (_, writer):

        async def say(node: str, task: Task, delivered: int, clock: float) -> list[nodes.Node]:
            found: list[nodes.Node] = await writer.run(
                lambda c: nodes.say(c, node, f"{node} of a test", task, delivered, lambda: clock)
            )
            return found

        (alone,) = await say("one", Task.STANDING_BY, 0, NOW)
        await say("two", Task.ON_DUTY, 0, NOW)
        first, second = await say("one", Task.DELIVERING, 7, NOW + 1000)
        assert (first.node, first.place, first.task, first.delivered) == (
            "one",
            "one of a test",
            Task.DELIVERING,
            7,
        )
        assert (first.since, second.task) == (alone.since, Task.ON_DUTY)
        # By how much the clocks of two nodes differ, both can tell.
        assert 900 < first.ahead - second.ahead < 1100
        await writer.run(lambda c: nodes.leave(c, "two"))
        assert [one.node for one in await writer.run(nodes.there)] == ["one"]
        late = await writer.run(lambda c: nodes.there(c, first.until + 0.1))
        assert late == []


async def test_what_nodes_claimed_that_are_gone_is_due_at_once(address: Address) -> None:
    writes = wishes(MUSIK, 1, 2, 3, 4, 5)
    async with opened(address, [user(number) for number in range(1, 6)], *writes) as (_, writer):
        for node in ("there", "gone", "came later", ""):
            await writer.run(lambda c, node=node: deliveries.claim(c, 1, NOW, NOW + 90, node=node))
        await writer.run(lambda c: nodes.say(c, "came later", "a test", Task.DELIVERING, 0, lambda: NOW))
        (later,) = await writer.run(nodes.there)

        async def due() -> set[str]:
            return {row.mc_service_id for row in (await take(writer, now=NOW + 1)).rows}

        assert await due() == {name(5)}
        await writer.write([deliveries.free({"there"}, later.since - 1, NOW + 1)])
        assert await due() == {name(2)}
        # Who was there before, and is not among those who are there now, is gone.
        await writer.write([deliveries.free({"there"}, later.since + 1, NOW + 1)])
        assert await due() == {name(3)}
        # Whoever they were, on a store that one process has.
        await writer.write([deliveries.free({"own"}, inf, NOW + 1)])
        assert await due() == {name(1)}
