"""Operators list, plan, rotate and revoke keys over the socket of a server that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.keys.events import KeySwitched
from mcsec.keys.key import Scope
from support.desk import desk_of
from support.mc_server import ALICE, BEARER, BOB, GROUP, TMGI, clients, running
from support.waiting import until

pytestmark = pytest.mark.anyio


async def test_a_musik_is_planned_rotated_and_followed(tmp_path: Path) -> None:
    async with (
        running(tmp_path, default_musik=False) as at,
        clients(at) as add,
        desk_of(at.server, tmp_path) as desk,
    ):
        alice, bob = add(), add(BOB)
        await alice.client.log_on([GROUP])
        await bob.client.log_on([GROUP])
        assert (await desk("GET", "/v1/keys")) == {"keys": [], "csks": 2, "csks_offered": 0, "pace": 0.0}
        await at.server.make_musik(Scope.of(GROUP))
        await until(lambda: at.server.events["MuSiKHeld"] == 2)
        plan = await desk("POST", "/v1/keys/plan", kind="musik", names=[GROUP])
        assert (plan["messages"], plan["kind"], plan["scope"]) == (2, "MuSiK", [GROUP])
        assert plan["octets"] > 2 * 1000
        assert 0 < plan["seconds"] < 5
        assert plan["switch_by"] == 30.0
        assert len((await desk("GET", "/v1/keys"))["keys"]) == 1
        await desk("POST", "/v1/keys/rotate", kind="musik", names=[GROUP])
        await until(lambda: at.server.events["MuSiKHeld"] == 4)
        await until(lambda: len(at.of(KeySwitched)) == 2)
        first, second = (await desk("GET", "/v1/keys"))["keys"]
        assert (first["state"], second["state"]) == ("retiring", "active")
        assert second["deliveries"]["held"] == second["members"] == 2
        assert second["seconds_left"] == 0
        assert await desk("POST", "/v1/keys/revoke", key_id=second["key_id"]) == {"revoked": second["key_id"]}
        states = {row["key_id"]: row["state"] for row in (await desk("GET", "/v1/keys"))["keys"]}
        assert states[second["key_id"]] == "revoked"


async def test_the_keys_of_bearers_and_clients(tmp_path: Path) -> None:
    async with running(tmp_path) as at, clients(at) as add, desk_of(at.server, tmp_path) as desk:
        alice = add()
        await alice.client.log_on([GROUP])
        await at.server.announce(BEARER)
        mscck = at.server.function.engine.keydown.msccks[str(TMGI)]
        await until(lambda: len(mscck.epochs) == 1 and mscck.sending)
        first = mscck.sending
        await desk("POST", "/v1/keys/rotate", kind="mscck", names=[str(TMGI)])
        await until(lambda: mscck.sending not in (None, first))
        csk = at.server.function.engine.csks.held[ALICE]
        plan = await desk("POST", "/v1/keys/rotate", kind="csk", names=[ALICE])
        assert plan["messages"] == 1
        await until(lambda: at.server.function.engine.csks.held[ALICE] != csk)


async def test_what_is_not_there(tmp_path: Path) -> None:
    async with running(tmp_path) as at, desk_of(at.server, tmp_path) as desk:
        for body, code in (
            ({"kind": "musik", "names": ["sip:nobody@a.example"]}, "keys.unknown"),
            ({"kind": "mscck", "names": ["x"]}, "keys.unknown"),
            ({"kind": "csk", "names": [ALICE]}, "keys.no-csk"),
            ({"kind": "gmk", "names": []}, "keys.unknown"),
            ({"kind": 7}, "keys.body"),
        ):
            assert await desk.refusal("/v1/keys/plan", **body) == code
            assert await desk.refusal("/v1/keys/rotate", **body) == code
        for key_id in ("6fffffff", "f0000000", "none"):
            assert await desk.refusal("/v1/keys/revoke", key_id=key_id) == "keys.unknown"
