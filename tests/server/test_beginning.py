"""A server whose store is a copy of the past replaces every key before it sends; a chain that was changed stops it."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from mcsec.crypto.secret import Secret
from mcsec.errors import McsecError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.chain import ChainBroken
from mcsec.keys.events import Event
from mcsec.keys.key import Maker, Scope, make
from mcsec.keys.lifecycle import KeyState
from mcsec.keys.provenance import Chain
from mcsec.keys.records import Happening
from mcsec.server.beginning import Watch, by_the_clock
from mcsec.server.events import StoreRestored
from mcsec.server.function import FunctionSettings
from mcsec.server.service import McServer, ServiceSettings
from mcsec.store import backup, deliveries, life, server_tables, witness
from mcsec.store import server as store
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from mcsec.store.witness import Witness
from support.mc_server import DOMAIN, identity

pytestmark = pytest.mark.anyio
KEK, RECOVERY = Kek(Secret(bytes(32))), Kek(Secret(b"r" * 32))
GROUP = "sip:rescue@b.example"
NOW = 1_795_435_200.0


async def nobody(*_: object) -> object:
    raise AssertionError("no token is shown here")


@contextlib.asynccontextmanager
async def started(
    directory: Path, events: list[Event], clock: Callable[[], float] = time.time
) -> AsyncIterator[tuple[McServer, Database]]:
    database = await Database.open(directory / "server.db", KEK)
    try:
        server = McServer(
            database,
            identity(),
            ServiceSettings(FunctionSettings(DOMAIN, f"sip:mcptt@{DOMAIN}")),
            verify=nobody,  # type: ignore[arg-type]
            may_join=lambda user, group: True,
            seen=Witness(directory / "server.db-seen"),
            on_event=events.append,
            clock=clock,
        )
        async with server:
            yield server, database
    finally:
        await database.close()


def sent_under(server: McServer) -> dict[frozenset[str], KeyId]:
    return {
        rotation.scope.names: rotation.sending.key_id
        for rotation in server.function.engine.keydown.rotations
        if rotation.sending is not None
    }


async def first_life(directory: Path) -> dict[frozenset[str], KeyId]:
    async with started(directory, []) as (server, _):
        await server.make_musik(Scope.of(GROUP))
        return sent_under(server)


async def test_a_restart_goes_on_with_its_keys(tmp_path: Path) -> None:
    before = await first_life(tmp_path)
    events: list[Event] = []
    async with started(tmp_path, events) as (server, _):
        assert sent_under(server) == before
    assert not [event for event in events if isinstance(event, StoreRestored)]


async def test_a_file_that_was_copied_back_forces_other_keys(tmp_path: Path) -> None:
    await first_life(tmp_path)
    shutil.copy(tmp_path / "server.db", tmp_path / "old")
    async with started(tmp_path, []) as (server, _):
        await server.make_musik(Scope.of("sip:other@a.example"))
    shutil.copy(tmp_path / "old", tmp_path / "server.db")
    await _finds_other_keys(tmp_path, "the store ends before what was seen of it")


async def test_a_copy_that_went_on_elsewhere_forces_other_keys(tmp_path: Path) -> None:
    await first_life(tmp_path)
    shutil.copytree(tmp_path, tmp_path / "elsewhere")
    async with started(tmp_path, []) as (server, _):
        await server.make_musik(Scope.of("sip:other@a.example"))
    async with started(tmp_path / "elsewhere", []) as (server, _):
        for number in range(3):
            await server.make_musik(Scope.of(f"sip:{number}@a.example"))
    shutil.copy(tmp_path / "elsewhere" / "server.db", tmp_path / "server.db")
    await _finds_other_keys(tmp_path, "the store is not the one that was seen")


async def test_a_backup_that_was_restored_forces_other_keys(tmp_path: Path) -> None:
    await first_life(tmp_path)
    await backup.write(tmp_path / "server.db", tmp_path / "sealed", KEK, RECOVERY)
    for name in ("server.db", "server.db-wal", "server.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    await backup.restore(tmp_path / "sealed", tmp_path / "server.db", KEK, RECOVERY, time.time())
    await _finds_other_keys(tmp_path, "restored from a backup")


async def _finds_other_keys(directory: Path, reason: str) -> None:
    events: list[Event] = []
    database = await Database.open(directory / "server.db", KEK)
    old = {
        row[0]
        for row in await database.transact(lambda c: c.execute(text("SELECT key_id FROM mc_key")).all())
    }
    await database.close()
    async with started(directory, events) as (server, database):
        (told,) = [event for event in events if isinstance(event, StoreRestored)]
        assert told.reason == reason
        now = sent_under(server)
        assert len(now) == len(old)
        assert not {key_id.value for key_id in now.values()} & old
        keydown = server.function.engine.keydown
        for value in old:
            epoch = keydown.epoch(KeyId(value))
            assert epoch is not None
            assert epoch.state is KeyState.REVOKED
        assert not (await database.transact(life.begin)).doubtful
    # Once is enough.
    events.clear()
    async with started(directory, events) as (server, _):
        assert sent_under(server) == now
    assert not [event for event in events if isinstance(event, StoreRestored)]


async def test_records_that_were_changed_stop_the_start(tmp_path: Path) -> None:
    await first_life(tmp_path)
    async with started(tmp_path, []) as (server, database):
        await server.make_musik(Scope.of("sip:other@a.example"))
        await database.transact(
            lambda c: c.execute(
                text(
                    """UPDATE mc_provenance SET line = replace(line, '"reason":""', '"reason":"x"') WHERE sequence ="""
                    " (SELECT max(sequence) - 1 FROM mc_provenance)"
                )
            )
        )
    with pytest.raises(ChainBroken):
        async with started(tmp_path, []):
            pass


async def test_records_that_are_changed_while_the_server_runs_are_told_of(tmp_path: Path) -> None:
    failures: list[McsecError] = []
    async with started(tmp_path, []) as (_, database):
        watch = Watch(database, DOMAIN, None)
        await watch.begin(NOW)
        chain = Chain(DOMAIN, (await database.transact(witness.look)).head)
        key = make(PurposeTag.MUSIK, scope=Scope(), maker=Maker(DOMAIN, "mcx"), now=NOW)
        told = [chain.append(Happening.HELD, key, now=NOW, subject=f"sip:u{n}") for n in range(4200)]
        await database.transact(
            lambda c: c.execute(
                insert(server_tables.provenance), [store.append(one).values for one in told[:2100]]
            )
        )
        await watch.note(NOW, failures.append)
        assert failures == []
        lines = [store.append(one).values | {} for one in told[2100:]]
        lines[5]["line"] = lines[4]["line"]
        await database.transact(lambda c: c.execute(insert(server_tables.provenance), lines))
        await watch.note(NOW, failures.append)
        assert [error.code for error in failures] == ["provenance.out-of-order"]
    with pytest.raises(ChainBroken) as caught:
        async with started(tmp_path, []):
            pass
    assert caught.value.sequence == told[2105].sequence


async def test_a_clock_that_was_set_back_by_hours_leaves_nothing_waiting_for_them(tmp_path: Path) -> None:
    await first_life(tmp_path)
    events: list[Event] = []
    ahead = time.time() + 3 * 3600
    async with started(tmp_path, events) as (server, database):
        (key_id,) = {key_id for names, key_id in sent_under(server).items() if not names}
        await server.write(
            [deliveries.wish("sip:u1", key_id, ahead), deliveries.wish("sip:u2", key_id, server_tables.NEVER)]
        )
        watch = Watch(database, DOMAIN, None)
        assert watch.jump(ahead, 100.0) != 0
        assert watch.jump(ahead + 2, 102.0) == 0
        back = watch.jump(ahead - 3 * 3600 + 3, 103.0)
        assert back == pytest.approx(-3 * 3600)
        await server.carry_out(by_the_clock(server.function, time.time(), 600.0))
        rows = await database.transact(
            lambda c: c.execute(text("SELECT mc_service_id, due FROM mc_delivery ORDER BY 1")).all()
        )
        assert dict(map(tuple, rows))["sip:u2"] == server_tables.NEVER
        assert dict(map(tuple, rows)).get("sip:u1", 0.0) <= time.time() + 600


async def test_a_clock_that_runs_far_ahead_sends_under_no_expired_key(tmp_path: Path) -> None:
    before = await first_life(tmp_path)
    events: list[Event] = []
    async with started(tmp_path, events, lambda: time.time() + 30 * 86_400) as (server, _):
        assert not set(sent_under(server).values()) & set(before.values())
        assert sent_under(server)
    # And back: what was made meanwhile is active in a month, so others follow it at once.
    async with started(tmp_path, events) as (server, _):
        now = time.time()
        for rotation in server.function.engine.keydown.rotations:
            assert rotation.sending is not None
            assert rotation.sending.activation <= now
