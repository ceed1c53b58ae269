"""An MCX server and real clients on loopback: authorised, affiliated, keyed, told of bearers, rekeyed, restarted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.client.events import BearerAnnounced, BearerCancelled
from mcsec.client.profile import Authorisation
from mcsec.client.publishing import ServiceRefused
from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyHeld, KeySwitched
from mcsec.keys.key import Scope
from mcsec.keys.lifecycle import KeyState
from mcsec.keys.provenance import verify as verify_chain
from mcsec.keys.records import decode
from mcsec.server.events import AffiliationChanged, ClientAuthorised, ClientLeft
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from mcsec.store.server_load import load, records
from support.mc_server import ALICE, BEARER, BOB, GROUP, clients, running
from support.waiting import patience, until

pytestmark = pytest.mark.anyio


def keys_of(heard: object, tag: PurposeTag) -> list[object]:
    ring = heard.client.engine.keyring  # type: ignore[attr-defined]
    return [key for key in ring.keys if key.key_id.tag is tag]


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("way", list(Authorisation))
async def test_a_client_gets_its_keys_and_leaves(tmp_path: Path, transport: str, way: Authorisation) -> None:
    async with running(tmp_path, transports=(transport,)) as mcx, clients(mcx, transport) as add:
        await mcx.server.make_musik(Scope.of(GROUP))
        await mcx.server.announce(BEARER)
        alice = add(ALICE, way)
        await alice.client.log_on([GROUP])
        await until(lambda: len(mcx.of(KeyHeld)) == 2)
        (musik,) = keys_of(alice, PurposeTag.MUSIK)
        assert musik.scope == Scope.of(GROUP)  # type: ignore[attr-defined]
        assert keys_of(alice, PurposeTag.MSCCK)
        assert alice.of(BearerAnnounced)
        (authorised,) = mcx.of(ClientAuthorised)
        assert authorised.csk in alice.client.engine.keyring  # type: ignore[attr-defined]
        assert await mcx.server.deliveries() == {"held": 2}
        await alice.client.log_off()
        await until(lambda: mcx.of(ClientLeft))
        assert len(mcx.server.function.users) == 0
        assert not mcx.server.function.engine.csks.held
        assert await mcx.server.deliveries() == {}
        assert not mcx.server.requests.refused
    assert mcx.server.endpoint.counters.handlers_failed == 0


async def test_a_rotation_reaches_everybody_with_one_key(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, clients(mcx) as add:
        alice, bob = add(ALICE), add(BOB)
        await mcx.server.make_musik(Scope.of(GROUP))
        for heard in (alice, bob):
            await heard.client.log_on([GROUP])
        await until(lambda: len(mcx.of(KeyHeld)) == 2)
        await mcx.server.make_musik(Scope.of(GROUP))
        await until(lambda: len(mcx.of(KeyHeld)) == 4)
        (old, new) = [event.key_id for event in mcx.of(KeySwitched) if event.key_id.tag is PurposeTag.MUSIK][
            -2:
        ]  # type: ignore[attr-defined]
        assert old != new
        mine = {key.key_id: key for key in keys_of(alice, PurposeTag.MUSIK)}  # type: ignore[attr-defined]
        his = {key.key_id: key for key in keys_of(bob, PurposeTag.MUSIK)}  # type: ignore[attr-defined]
        assert mine[new].same_octets(his[new]), "the same RAND for the same key"  # type: ignore[attr-defined]


async def test_who_is_removed_does_not_get_the_next_key(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, clients(mcx) as add:
        alice, bob = add(ALICE), add(BOB)
        await mcx.server.make_musik(Scope.of(GROUP))
        for heard in (alice, bob):
            await heard.client.log_on([GROUP])
        await until(lambda: len(mcx.of(KeyHeld)) == 2)
        await mcx.server.remove(GROUP, [BOB])
        await until(lambda: len(mcx.of(KeyHeld)) == 3)
        sending = mcx.server.function.engine.keydown.musiks[GROUP].sending
        assert sending is not None
        assert sending.key_id in alice.client.engine.keyring
        assert sending.key_id not in bob.client.engine.keyring
        user = mcx.server.function.users.get(BOB)
        assert user is not None
        assert GROUP not in user.groups


async def test_a_bearer_that_ended_is_taken_back(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, clients(mcx) as add:
        alice = add(ALICE)
        await alice.client.log_on([GROUP])
        await mcx.server.announce(BEARER)
        await until(lambda: alice.of(BearerAnnounced))
        await until(lambda: any(event.key_id.tag is PurposeTag.MSCCK for event in mcx.of(KeyHeld)))  # type: ignore[attr-defined]
        await mcx.server.withdraw(BEARER.tmgi)
        await until(lambda: alice.of(BearerCancelled))


async def test_a_group_that_is_not_the_users_own_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, clients(mcx) as add:
        alice = add(ALICE)
        await alice.client.log_on([GROUP])
        with pytest.raises(ServiceRefused) as refused:
            await alice.client.affiliate([GROUP, "sip:secret@a.example"])
        assert refused.value.status == 403
        assert "116" in str(refused.value)
        user = mcx.server.function.users.get(ALICE)
        assert user is not None
        assert user.groups == {GROUP}
        assert mcx.server.requests.refused == {"server.not-in-group": 1}


async def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as rest:
        # The server goes first: its clients have no time to say good-bye.
        async with running(tmp_path) as first:
            add = await rest.enter_async_context(clients(first))
            await first.server.make_musik(Scope.of(GROUP))
            await first.server.announce(BEARER)
            alice = add(ALICE)
            await alice.client.log_on([GROUP])
            await until(lambda: len(first.of(KeyHeld)) == 2)
            before = first.server.function
            musik = before.engine.keydown.musiks[GROUP].sending
        assert musik is not None
        assert len(before.users) == 1
    async with running(tmp_path) as again:
        after = again.server.function
        assert after.users.get(ALICE) == before.users.get(ALICE)
        assert after.engine.csks.held == before.engine.csks.held
        assert after.bearers == before.bearers
        assert after.engine.keydown.musiks[GROUP].sending == musik
        assert after.engine.keydown.musiks[GROUP].audience.holds(ALICE, musik.key_id)
        await again.server.make_musik(Scope.of(GROUP))
    database = await Database.open(tmp_path / "server.sqlite", Kek(Secret(bytes(32))))
    async with database.read() as connection:
        lines = await records(connection)
    await database.close()
    verify_chain([decode(line) for line in lines], "a.example")


async def test_affiliation_replaces_the_set(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, clients(mcx) as add:
        alice = add(ALICE)
        await alice.client.log_on([GROUP])
        await alice.client.affiliate([])
        changes = [(event.joined, event.left) for event in mcx.of(AffiliationChanged)]  # type: ignore[attr-defined]
        assert changes == [((GROUP,), ()), ((), (GROUP,))]


async def test_nothing_is_sent_under_a_key_before_the_disk_says_that_it_is_sent_under(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx:
        await mcx.server.make_musik(Scope.of(GROUP))
        engine = mcx.server.function.engine
        old = engine.keydown.musiks[GROUP].sending
        switching = asyncio.create_task(mcx.server.make_musik(Scope.of(GROUP)))
        async with patience():
            # In the very turn of the loop in which it changes.
            while engine.keydown.musiks[GROUP].sending is old:
                await asyncio.sleep(0)
        sent = await mcx.server.send(lambda now: engine.keydown.musiks[GROUP].sending)
        assert sent is not None
        assert sent is not old
        stored = {epoch.key.key_id: epoch.state for epoch in (await load(mcx.database)).epochs}
        assert stored[sent.key_id] is KeyState.ACTIVE
        await switching
