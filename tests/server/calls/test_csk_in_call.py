"""The CSK of a client is replaced in mid-call: what was on its way under the one of before counts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mcsec.client.calls.engine import SendFloor
from mcsec.ids import KeyId
from support.call_domains import domain, gmk_of
from support.calls import BOB, DAN, GROUP, group
from support.waiting import until

pytestmark = pytest.mark.anyio


async def test_a_request_under_the_csk_of_before_is_granted(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN)]) as made:
        for user in (BOB, DAN):
            await made.log_on(user, [GROUP], gmk_of(GROUP))
        call = await made.users[BOB].client.call(GROUP)
        await until(lambda: GROUP in made.users[DAN].client.calls)
        csks, floor = made.server.function.engine.csks, made.calls.focuses[GROUP].call.floor
        before = csks.held[BOB].key_id
        # Bob's request is written, and stays in the network for a while.
        late = call.engine.press(time.time())
        keys = [KeyId.decode(one.packet.octets[-4:]) for one in late if isinstance(one, SendFloor)]
        assert keys == [before]
        await made.server.replace_csk(BOB)
        await until(lambda: csks.held[BOB].key_id != before)
        call.carry_out(late)
        await until(lambda: call.may_talk)
        assert floor.talkers == (BOB,)
        # What he says next is under the new one. It came after the request, so that was taken as well.
        call.release()
        await until(lambda: not floor.talkers)
        call.press()
        await until(lambda: call.may_talk)
        assert made.calls.around.refused == {}
        assert {key.key_id for key in csks.readable(BOB)} == {before, csks.held[BOB].key_id}
