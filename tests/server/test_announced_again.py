"""A bearer that is withdrawn and announced again: another MSCCK each time, and clients follow."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from mcsec.client.events import BearerCancelled
from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyHeld, KeyRevoked
from support.mc_clients import Heard
from support.mc_server import ALICE, BEARER, GROUP, Running, clients, running
from support.waiting import until

pytestmark = pytest.mark.anyio


def reached(mcx: Running, turn: int) -> bool:
    held = [event.key_id for event in mcx.of(KeyHeld)]  # type: ignore[attr-defined]
    return len({key_id for key_id in held if key_id.tag is PurposeTag.MSCCK}) == turn


def cancelled(heard: Heard, turn: int) -> bool:
    return len(heard.of(BearerCancelled)) == turn


async def test_a_bearer_comes_and_goes_twice(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, clients(mcx) as add:
        alice = add(ALICE)
        await alice.client.log_on([GROUP])
        for turn in (1, 2):
            await mcx.server.announce(BEARER)
            await until(partial(reached, mcx, turn))
            await mcx.server.withdraw(BEARER.tmgi)
            await until(partial(cancelled, alice, turn))
        ring = alice.client.engine.keyring
        assert not [key for key in ring.keys if key.key_id.tag is PurposeTag.MSCCK]
        revoked = [event.key_id for event in mcx.of(KeyRevoked)]  # type: ignore[attr-defined]
        assert len(revoked) == len(set(revoked)) == 2
