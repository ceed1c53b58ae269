"""A server killed with -9 at random moments of rotations, calls and restarts loses nothing and repeats no index.

``MCSEC_CRASHES`` says how many moments (200 for a night), ``MCSEC_CRASH_SEED`` repeats the plan of a run.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from asyncio.subprocess import PIPE
from pathlib import Path
from random import Random

import pytest

from mcsec.ids import PurposeTag
from support.crash_domain import CrashDomain, crash_domain
from support.crash_evidence import Captures
from support.crashes import Crashes
from support.demo import MCSEC
from support.postgresql import PROGRAM, postgresql

pytestmark = pytest.mark.anyio


async def crash(directory: Path, kills: int, store: str = "") -> Crashes:
    kills = int(os.environ.get("MCSEC_CRASHES", kills))
    seed = int(os.environ.get("MCSEC_CRASH_SEED", secrets.randbits(32)))
    # Shown where the test fails.
    print(f"MCSEC_CRASHES={kills} MCSEC_CRASH_SEED={seed}")
    async with crash_domain(directory, store) as domain:
        run = Crashes(domain, Random(seed), Captures(domain))
        try:
            await run.run(kills)
        finally:
            print(
                f"killed: {dict(run.killed)}; acknowledged: {dict(run.done)}; packets: {run.captures.opened}"
            )
    assert sum(run.killed.values()) == kills
    assert run.captures.opened > 0
    assert "Traceback" not in (directory / "server.log").read_text()
    return run


@pytest.mark.slow
async def test_a_server_on_a_file_is_killed_at_random_moments(tmp_path: Path) -> None:
    await crash(tmp_path / "domain", 5)


@pytest.mark.slow
@pytest.mark.peer(PROGRAM)
async def test_a_server_on_postgresql_is_killed_at_random_moments(tmp_path: Path) -> None:
    with postgresql() as found:
        await crash(tmp_path / "domain", 2, found.database())


async def mcsec(domain: CrashDomain, *arguments: object) -> None:
    done = await asyncio.create_subprocess_exec(
        str(MCSEC), *map(str, arguments), "--config", str(domain.config), stdout=PIPE, stderr=PIPE
    )
    out, err = await done.communicate()
    assert done.returncode == 0, (out, err)


async def test_a_backup_that_was_put_back_repeats_no_index(tmp_path: Path) -> None:
    """The copy knows neither which indexes were used since it was taken, nor who left."""
    async with crash_domain(tmp_path / "domain") as domain:
        run = Crashes(domain, Random(0), Captures(domain))
        await run.call()
        copy = ("--key", tmp_path / "recovery.key")
        await mcsec(domain, "backup", tmp_path / "sealed", *copy)
        await domain.converge()
        await run.call()
        await domain.kill()
        run.captures.look()
        before = {(key_id, ssrc) for key_id, ssrc, _ in run.captures.indexes}
        assert {key_id.tag for key_id, _ in before} >= {PurposeTag.MUSIK, PurposeTag.MSCCK}
        # Everything that says how far the store went is lost, but for the copy.
        for file in (tmp_path / "domain").glob("server.db*"):
            file.unlink()
        await mcsec(domain, "restore", tmp_path / "sealed", *copy)
        await domain.spawn()
        await domain.ready()
        await domain.converge()
        await run.call()
        run.captures.look()
        after = {(key_id, ssrc) for key_id, ssrc, _ in run.captures.indexes} - before
        assert {key_id.tag for key_id, _ in after} >= {PurposeTag.MUSIK, PurposeTag.MSCCK}
        assert not {key_id for key_id, _ in before} & {key_id for key_id, _ in after}, "other keys, every one"
        assert "StoreRestored" in (tmp_path / "domain" / "server.log").read_text()
