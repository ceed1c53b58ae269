"""SIPp as a client of an MCX server: registered, affiliated, in a group call, and out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.server.calls import events
from mcsec.server.calls.groups import CallKind, Group
from mcsec.server.events import RequestRefused
from support.call_domains import domain
from support.calls import GROUP
from support.sipp import sipp_client
from support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.peer("sipp")]
CHAT = Group(group_id=GROUP, home="b.example", kind=CallKind.CHAT, everybody=True)


async def test_sipp_enters_a_group_call_and_leaves(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [CHAT], csk_required=False) as made:
        await sipp_client("group_call_uac", "TCP", made.port, tmp_path)
        await until(lambda: not made.calls.servings)
        assert made.of(RequestRefused) == []
        assert len(made.of(events.CallServed)) == len(made.of(events.CallEnded)) == 1
