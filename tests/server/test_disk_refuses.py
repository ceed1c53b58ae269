"""A server whose disk takes nothing for a while: nobody is promised anything, nothing is sent, it goes on by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from mcsec.errors import McsecError, PeerError, WrongState
from mcsec.keys.events import KeySwitched
from mcsec.keys.key import Scope
from mcsec.server.events import StoreRefused
from mcsec.server.orders import Orders
from mcsec.server.service import McServer
from mcsec.store.database import StoreError
from mcsec.store.server_load import load
from support.desk import desk_of
from support.disks import no_more_than
from support.mc_server import ALICE, BOB, GROUP, clients, running
from support.waiting import until

pytestmark = pytest.mark.anyio


class Disk:
    """As much of a server as orders look at."""

    def __init__(self) -> None:
        self.store_trouble: StoreError | None = None
        self.failures: list[McsecError] = []
        self.writes = asyncio.Event()

    def tell_failure(self, error: McsecError) -> None:
        self.failures.append(error)

    async def write(self) -> str:
        await self.writes.wait()
        return "written"

    async def fail(self) -> None:
        await self.writes.wait()
        raise StoreError("the store is being closed", code="store.closing")


async def test_an_order_does_not_wait_for_a_disk_that_takes_nothing_any_more() -> None:
    disk = Disk()
    orders = Orders(cast(McServer, disk))
    waiting = [asyncio.create_task(orders.carry_out(work)) for work in (disk.write, disk.fail)]
    await asyncio.sleep(0)
    disk.store_trouble = StoreError("full", code="store.database", hint="free space")
    for one in waiting:
        with pytest.raises(WrongState, match="done, but not on the disk yet: full") as caught:
            await one
        assert caught.value.code == "store.waiting"
        assert caught.value.hint == "free space; the order need not be given again"
    with pytest.raises(StoreError, match="full"):
        await orders.carry_out(disk.write)
    # What had been begun ends, and a failure then is not lost.
    disk.store_trouble = None
    disk.writes.set()
    assert await orders.carry_out(disk.write) == "written"
    await until(lambda: disk.failures)
    assert [error.code for error in disk.failures] == ["store.closing"]


async def test_a_server_whose_disk_takes_nothing_for_a_while(tmp_path: Path) -> None:
    async with running(tmp_path) as at, clients(at) as add, desk_of(at.server, tmp_path) as desk:
        alice, bob = add(), add(BOB)
        await alice.client.log_on([GROUP])
        await at.server.make_musik(Scope.of(GROUP))
        musik = at.server.function.engine.keydown.musiks[GROUP]
        old = musik.sending
        assert old is not None
        await until(lambda: musik.audience.holds(ALICE, old.key_id))
        with no_more_than(1):
            rotating = asyncio.create_task(at.server.make_musik(Scope.of(GROUP)))
            await until(lambda: at.server.store_trouble)
            # Orders that are given now change nothing.
            assert await desk.refusal("/v1/keys/rotate", kind="musik", names=[GROUP]) == "store.database"
            assert await desk.refusal("/v1/keys/revoke", key_id=str(old.key_id)) == "store.database"
            assert "whether it is full" in desk.hints[0]
            # Who looks is shown what is on the disk.
            shown = await desk("GET", "/v1/keys")
            assert {row["key_id"] for row in shown["keys"]} >= {str(old.key_id)}
            sending = asyncio.create_task(at.server.send(lambda now: musik.sending))
            with pytest.raises(PeerError):
                await bob.client.log_on([GROUP])
            told = len(at.of(StoreRefused))
            await until(lambda: len(at.of(StoreRefused)) > told)
            assert not sending.done()
            assert at.server.send_now(lambda now: musik.sending) is None
            assert len(at.of(KeySwitched)) == 2  # The default MuSiK, and the group's first.
            assert ALICE in {user.mc_service_id for user in (await load(at.database)).users}
        await rotating
        sent = await sending
        assert sent not in (None, old)
        await until(lambda: musik.audience.holds(ALICE, sent.key_id))
        assert at.server.store_trouble is None
        await bob.client.log_on([GROUP])
        await until(lambda: musik.audience.holds(BOB, sent.key_id))
        assert len([epoch for epoch in musik.epochs if epoch.key.key_id != old.key_id]) == 1
