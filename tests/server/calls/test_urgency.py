"""A call becomes urgent, wherever it is controlled: what the network is asked for, who decides, and what stays so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcsec.client.publishing import ServiceRefused
from mcsec.errors import InvalidValue
from mcsec.net.sip.core import Core
from mcsec.net.sip.message import Request
from mcsec.server.calls.config import CallsSection
from mcsec.server.calls.groups import GroupMember
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.floor import Urgency
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.priority import STANDARD, ResourcePriorities
from support.call_domains import Domain, gmk_of, two_domains
from support.calls import ANN, BOB, CEM, GROUP, group
from support.waiting import until

EMERGENCY, PERIL = "mcpttp.15", "mcpttp.14"


@pytest.fixture
def invites(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Resource-Priority of every INVITE that anybody sends."""
    sent: list[str | None] = []
    ask = Core.ask

    def heard(self: Core, request: Request, *more: Any) -> Any:
        if request.method == "INVITE":
            sent.append(request.headers.get("Resource-Priority"))
        return ask(self, request, *more)

    monkeypatch.setattr(Core, "ask", heard)
    return sent


@asynccontextmanager
async def scene(
    tmp_path: Path, policy: CallPolicy | None = None, **of_ann: Any
) -> AsyncIterator[tuple[Domain, Domain]]:
    """Ann and Cem in A; Bob in B, where the group is homed."""
    ann = GroupMember(user=ANN, **of_ann)
    async with two_domains(tmp_path, [group(ann, BOB, CEM)], policy) as (a, b):
        for user in (ANN, BOB, CEM):
            await (b if user == BOB else a).log_on(user, [GROUP], gmk_of(GROUP))
        yield a, b


async def called(a: Domain, b: Domain, **wishes: Any) -> None:
    """Ann calls, and everybody is there."""
    await a.users[ANN].client.call(GROUP, **wishes)
    await until(lambda: GROUP in b.calls.focuses and len(b.calls.focuses[GROUP].call.members) == 3)
    legs = a.calls.servings[GROUP].legs
    await until(lambda: all(legs[user].way is not None for user in (ANN, CEM)))


def urgency(b: Domain) -> Urgency:
    return b.calls.focuses[GROUP].call.urgency


@pytest.mark.anyio
async def test_the_network_is_asked_on_every_leg(tmp_path: Path, invites: list[str | None]) -> None:
    async with scene(tmp_path) as (a, b):
        await called(a, b)
        # Ann, A to B, B to Bob, B to A for Cem, A to Cem.
        assert invites == [None] * 5
        await b.calls.release(GROUP)
        users = [*a.users.values(), *b.users.values()]
        await until(lambda: not any(user.client.calls for user in users))
        await until(lambda: not a.calls.servings and not b.calls.servings and not b.calls.focuses)
        invites.clear()
        await called(a, b, imminent_peril=True)
        assert invites == [PERIL] * 5
        assert urgency(b) is Urgency.IMMINENT_PERIL


@pytest.mark.anyio
async def test_a_call_that_goes_on_becomes_an_emergency_elsewhere(
    tmp_path: Path, invites: list[str | None]
) -> None:
    async with scene(tmp_path) as (a, b):
        await called(a, b)
        invites.clear()
        await a.users[ANN].client.calls[GROUP].urge(emergency=True)
        # It is answered when the controlling function has decided.
        assert urgency(b) is Urgency.EMERGENCY
        assert invites == [EMERGENCY, EMERGENCY]
        await b.users[BOB].client.calls[GROUP].urge(imminent_peril=True)
        assert urgency(b) is Urgency.IMMINENT_PERIL
        assert invites[2:] == [PERIL]
        await b.users[BOB].client.calls[GROUP].urge()
        assert urgency(b) is Urgency.NORMAL
        assert invites[3:] == [None]


@pytest.mark.anyio
async def test_the_controlling_functions_refusal_reaches_the_client(tmp_path: Path) -> None:
    async with scene(tmp_path, urgent=False) as (a, b):
        await called(a, b)
        call = a.users[ANN].client.calls[GROUP]
        with pytest.raises(ServiceRefused) as refused:
            await call.urge(emergency=True)
        assert "119" in str(refused.value)
        assert urgency(b) is Urgency.NORMAL
        assert call.engine.wish.indicator is None
        # The call goes on, and others may.
        await a.users[CEM].client.calls[GROUP].urge(emergency=True)
        assert urgency(b) is Urgency.EMERGENCY


@pytest.mark.anyio
async def test_a_refresh_does_not_bring_back_what_was_taken_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as (a, b):
        await called(a, b, emergency=True)
        await a.users[CEM].client.calls[GROUP].urge(emergency=True)
        await b.users[BOB].client.calls[GROUP].urge()
        assert urgency(b) is Urgency.NORMAL
        for user in (ANN, CEM):
            sip = a.users[user].client.calls[GROUP]._sip
            way = a.calls.servings[GROUP].legs[user].way
            leg = way.leg.call  # type: ignore[union-attr]  # It leads to a partner.
            assert sip is not None
            for dialog in (sip, leg):
                assert dialog is not None
                assert (await dialog.reinvite(dialog._body, dialog._content_type or "")).status == 200
        assert urgency(b) is Urgency.NORMAL


@pytest.mark.anyio
async def test_an_operator_has_other_values(tmp_path: Path, invites: list[str | None]) -> None:
    section = CallsSection.model_validate(
        {"resource_priority": {"normal": "mcpttq.1", "emergency": "mcpttq.9", "imminent_peril": ""}}
    )
    async with scene(tmp_path, section.policy) as (a, b):
        await called(a, b)
        # A client has its own.
        assert invites == [None, *["mcpttq.1"] * 4]


def test_what_is_urgent_has_its_value() -> None:
    normal, peril, emergency = McpttInfo(), McpttInfo(imminentperil_ind=True), McpttInfo(emergency_ind=True)
    assert STANDARD.headers(normal) == ()
    assert STANDARD.headers(peril) == (("Resource-Priority", PERIL),)
    assert STANDARD.headers(emergency) == (("Resource-Priority", EMERGENCY),)
    # Emergency counts before imminent peril, and what is taken back is normal.
    assert STANDARD.headers(replace(emergency, imminentperil_ind=True)) == STANDARD.headers(emergency)
    assert STANDARD.headers(replace(peril, imminentperil_ind=False)) == ()


@pytest.mark.parametrize(
    "value", ["mcpttp", "mcpttp.16", "mcpttp.-1", "wps.1", "mcpttp.1\r\nX: y", "mcpttp.01"]
)
def test_other_values_are_none(value: str) -> None:
    with pytest.raises(InvalidValue):
        ResourcePriorities(emergency=value)
    with pytest.raises(ValueError, match="resource_priority"):
        CallsSection.model_validate({"resource_priority": {"emergency": value}})
