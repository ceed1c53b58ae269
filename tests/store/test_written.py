"""SPKs, calls and leases in the store, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from mcsec.crypto.secret import Secret
from mcsec.ids import PurposeTag
from mcsec.keys.key import Maker, Scope, make
from mcsec.store import leases
from mcsec.store.address import Address
from mcsec.store.calls import StoredCall, drop_call, load_calls, put_call
from mcsec.store.database import Database
from mcsec.store.group_commit import GroupCommit
from mcsec.store.kek import Kek, WrapError
from mcsec.store.server_tables import spks
from mcsec.store.spks import drop_spk, load_spks, put_spk

pytestmark = pytest.mark.anyio
KEK = Kek(Secret(bytes(32)))
PEER = "mcx.b.example"


async def test_spks(address: Address) -> None:
    database = await Database.open(address, KEK)
    maker = Maker("a.example", "mcx.a.example")
    old, new = (make(PurposeTag.SPK, scope=Scope.of(PEER), maker=maker, now=now) for now in (1.0, 2.0))
    wrapper = database.wrapper
    for key in (new, old, old):
        await database.transact(lambda connection, key=key: put_spk(connection, wrapper, PEER, key))
    assert await database.transact(lambda c: load_spks(c, wrapper)) == {PEER: [old, new]}
    await database.transact(lambda c: drop_spk(c, PEER, old.key_id))
    assert await database.transact(lambda c: load_spks(c, wrapper)) == {PEER: [new]}
    await database.transact(lambda c: c.execute(update(spks).values(peer="mcx.c.example")))
    with pytest.raises(WrapError):
        await database.transact(lambda c: load_spks(c, wrapper))
    await database.close()


async def test_calls(address: Address) -> None:
    database = await Database.open(address, KEK)
    first = StoredCall("1", "sip:g", 5.0)
    second = StoredCall("2", "sip:g", 4.0, "t", '{"a": 1}')
    changed = StoredCall("1", "sip:g", 5.0, "t")
    async with GroupCommit(database) as writer:
        await writer.write([put_call(first), put_call(second), put_call(changed)])
        assert await database.transact(load_calls) == [second, changed]
        await writer.write([drop_call("2")])
        assert await database.transact(load_calls) == [changed]
    await database.close()


async def test_a_lease_has_one_holder_and_ends_by_itself(address: Address) -> None:
    database = await Database.open(address, KEK)

    async def take(holder: str, now: float) -> leases.Lease | None:
        return await database.transact(lambda c: leases.take(c, "bearer t", holder, now, 2.0))

    assert await take("one", 10.0) == leases.Lease("bearer t", "one", 1, 12.0)
    assert await take("two", 11.0) is None
    assert await take("one", 11.5) == leases.Lease("bearer t", "one", 1, 13.5)
    assert await take("two", 13.0) is None
    assert await take("two", 13.5) == leases.Lease("bearer t", "two", 2, 15.5)
    assert await take("one", 14.0) is None
    await database.transact(lambda c: leases.give_back(c, "bearer t", "one"))
    assert await take("one", 14.0) is None
    await database.transact(lambda c: leases.give_back(c, "bearer t", "two"))
    assert await take("one", 14.0) == leases.Lease("bearer t", "one", 3, 16.0)
    held = await database.transact(lambda c: leases.holder(c, "bearer t"))
    assert held is not None
    assert held.holder == "one"
    await database.close()
