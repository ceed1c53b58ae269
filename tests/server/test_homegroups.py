"""Groups of a server as the GMS of its domain has them: read when they change, in force while it is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mcsec.keys.policy import GroupRules
from mcsec.net.gms import GmsUnreachable
from mcsec.server.calls.groups import CallKind, Group, GroupTable
from mcsec.server.homegroups import HomeGroups, as_group
from mcsec.wire.groups import GroupDocument, Member, Protection
from support.gms import ANN, BOB, CHIEF, GROUP, HOME, OTHER, SERVER, document, gms_domain
from support.waiting import until


def test_what_a_document_says_of_calls() -> None:
    known = Group(
        group_id=GROUP, home=HOME, kind=CallKind.CHAT, everybody=True, hang_time=7.0, broadcast=True
    )
    members = (Member(uri=ANN, priority=9), Member(uri=BOB, receive_only=True, priority=255))
    group = as_group(
        GroupDocument(
            uri=GROUP,
            members=members,
            protection=Protection(media=False),
            maximum_duration=60.0,
            minimum_to_start=2,
        ),
        HOME,
        known,
    )
    assert (group.kind, group.hang_time, group.broadcast) == (CallKind.CHAT, 7.0, True), (
        "what only we say stays"
    )
    assert (group.everybody, group.maximum, group.minimum) == (False, 60.0, 2)
    assert group.rules == GroupRules(protect_floor_control=None, protect_media=False), "absent is not false"
    assert [(one.priority, one.receive_only) for one in group.members.values()] == [(9, False), (254, True)]
    assert group.member(ANN).domain == HOME


@pytest.mark.parametrize("facts", [{"disabled": True}, {"services": frozenset()}])
def test_a_group_that_calls_cannot_be_made_in(facts: dict[str, object]) -> None:
    assert as_group(document(ANN, **facts), HOME).disabled


def test_the_floor_of_a_temporary_group_says_that_it_is_one() -> None:
    assert as_group(document(ANN, constituents=(OTHER, f"sip:third@{HOME}")), HOME).floor.temporary_group
    assert not as_group(document(ANN), HOME).floor.temporary_group


@pytest.mark.anyio
async def test_it_follows_its_gms(tmp_path: Path) -> None:
    table = GroupTable()
    async with gms_domain(tmp_path) as domain:
        home = HomeGroups(table, lambda: domain.client(SERVER), SERVER, HOME)
        assert await home.refresh() == frozenset()
        await domain.put(document(ANN, BOB))
        await domain.put(document(ANN, group=OTHER))
        assert await home.refresh() == {GROUP, OTHER}
        assert await home.refresh() == frozenset()
        assert home.may_join(BOB, GROUP)
        assert not home.may_join(BOB, OTHER)
        assert not home.may_join(ANN, "sip:unknown@b.example")
        await domain.put(document(ANN))
        async with domain.client(CHIEF) as chief:
            await chief.delete(OTHER)
        told: list[frozenset[str]] = []

        async def changed(groups: frozenset[str]) -> None:
            told.append(groups)

        task = asyncio.create_task(home.run(0.01, changed, lambda error: pytest.fail(str(error))))
        await until(lambda: told)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert told == [{GROUP, OTHER}]
        assert not home.may_join(BOB, GROUP)
        assert table.find(OTHER) is None
        client = domain.client(SERVER)
    home._connect = lambda: client
    with pytest.raises(GmsUnreachable):
        await home.refresh()
    assert home.may_join(ANN, GROUP), "in force while the GMS is away"
