"""A domain begins on a file and is moved with `mcsec store copy`: two servers go on from the copy where one stopped."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from mcsec.ids import KeyId
from mcsec.keys.events import KeyHeld
from mcsec.keys.key import Scope
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.message import Request, Response
from mcsec.server.answers import RetryPolicy
from mcsec.store import audit
from support.mc_server import DOMAIN, GROUP
from support.postgresql import PROGRAM, postgresql
from support.processes import PROGRAM as MCSEC
from support.sharing import Server, a_server, name, settings, sip_core, two_servers, users
from support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.peer(PROGRAM)]
THERE = [name(number) for number in range(20)]
EVERYBODY = [name(number) for number in range(40)]


def holders(server: Server, key_id: KeyId) -> list[str]:
    (rotation,) = server.mcx.function.engine.keydown.rotations
    return sorted(user for user in EVERYBODY if rotation.audience.holds(user, key_id))


def sending(server: Server) -> KeyId:
    (rotation,) = server.mcx.function.engine.keydown.rotations
    assert rotation.sending is not None
    return rotation.sending.key_id


async def copy(directory: Path, uri: str) -> None:
    """As the operator does it."""
    config = directory / "mcsec.toml"
    config.write_text(f'[domain]\nname = "{DOMAIN}"\n[server]\ndatabase = "server.db"\n')
    done = await asyncio.create_subprocess_exec(
        MCSEC, "store", "copy", uri, "--config", config, stdout=PIPE, stderr=PIPE
    )
    _, err = await done.communicate()
    assert done.returncode == 0, err


async def test_two_servers_go_on_from_a_copy_of_a_file(tmp_path: Path) -> None:
    found = {"retry": RetryPolicy(0.1, 0.3, 1000)}

    def half(request: Request) -> Response:
        return make_response(request, 200 if request.uri in THERE else 480)

    async with sip_core() as core:
        core.answer = half
        async with a_server(tmp_path / "server.db", settings(core, **found)) as alone:
            await until(lambda: alone.serving)
            await users(alone.mcx, 40)
            await alone.mcx.make_musik(Scope.of(GROUP))
            await until(lambda: len(alone.of(KeyHeld)) == len(THERE))
            first = sending(alone)
            assert holders(alone, first) == sorted(THERE)
        with postgresql() as cluster:
            uri = cluster.database()
            await copy(tmp_path, uri)
            core.came.clear()
            core.answer = None
            async with two_servers(uri, settings(core, **found)) as (one, two):
                # Who has its key is left alone, who has not gets it.
                await until(lambda: holders(one, first) == sorted(EVERYBODY))
                assert core.times.keys() == set(EVERYBODY) - set(THERE)
                assert sending(one) == first
                core.came.clear()
                core.answer = core.when_both_sent
                await one.mcx.make_musik(Scope.of(GROUP))
                await until(lambda: sending(one) != first)
                second = sending(one)
                await until(lambda: holders(one, second) == sorted(EVERYBODY))
                assert sorted(core.times) == sorted(EVERYBODY)
                assert set(core.times.values()) == {1}
                await until(one.others)
                await one.stop()
                await until(lambda: two.serving)
                assert (sending(two), holders(two, second)) == (second, sorted(EVERYBODY))
                assert two.database is not None
                async with two.database.read() as connection:
                    head = await connection.run_sync(lambda c: audit.verify(c, DOMAIN))
                assert head.length > 0
