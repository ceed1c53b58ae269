"""INVITEs that a client does not take: the status, one event, one count, and nothing changed."""

from __future__ import annotations

import pytest

from mcsec.client.calls import events
from mcsec.ids import PurposeTag
from mcsec.keys.key import Scope
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.inviting import CallRefused
from mcsec.wire.mc_sip import Lines, from_server, read_warning
from mcsec.wire.mcptt_info import McpttInfo
from support.call_mcx import CallMcx
from support.mc_clients import ALICE, BOB, GROUP, pair
from support.scripted_mcx import PSI, fresh_key

pytestmark = pytest.mark.anyio


def info(**change: object) -> McpttInfo:
    given = {
        "session_type": "prearranged",
        "request_uri": ALICE,
        "calling_user_id": BOB,
        "calling_group_id": GROUP,
    } | change
    return McpttInfo(**given)  # type: ignore[arg-type]  # passed on


NOT_OURS: Lines = from_server("sip:mcptt@b.example")
CASES: dict[str, tuple[dict[str, object], int, str, int | None]] = {
    "another function": ({"headers": NOT_OURS}, 403, "client.not-our-server", 100),
    "nobody vouches": ({"headers": ()}, 488, "client.not-mcptt", None),
    "another service": (
        {"headers": (("P-Asserted-Identity", f"<{PSI}>"), ("P-Asserted-Service", "urn:x"))},
        488,
        "client.not-mcptt",
        None,
    ),
    "XML in clear": ({"protect": False}, 403, "mc-body.unprotected", 139),
    "for another user": ({"info": info(request_uri=BOB)}, 404, "client.not-us", None),
    "a group that is not ours": (
        {"info": info(calling_group_id="sip:police@a.example")},
        403,
        "call.not-affiliated",
        120,
    ),
    "no group": ({"info": info(calling_group_id=None)}, 403, "call.not-affiliated", 120),
    "a private call": ({"info": info(session_type="private")}, 488, "call.session-type", None),
    "answered by hand": ({"more": (("Answer-Mode", "Manual"),)}, 480, "call.manual", None),
    "no description": (
        {"body": ("application/vnd.3gpp.mcptt-info+xml", b"<x/>")},
        403,
        "mc-body.unprotected",
        139,
    ),
    "no multipart": ({"body": ("multipart/mixed;boundary=x", b"x")}, 400, "mime.boundary", None),
    "only SDP": ({"body": ("application/sdp", b"v=0\r\n")}, 488, "call.session-type", None),
}


@pytest.mark.parametrize("case", CASES)
async def test_is_refused_and_changes_nothing(case: str) -> None:
    change, status, code, warning = CASES[case]
    async with pair(mcx=CallMcx()) as both:
        mcx = both.mcx
        assert isinstance(mcx, CallMcx)
        alice = both.add(ALICE)
        await alice.client.log_on([GROUP])
        before = alice.client.engine.keyring.keys
        with pytest.raises(CallRefused) as caught:
            await mcx.invite(ALICE, GROUP, **change)  # type: ignore[arg-type]  # as listed
        response = caught.value.response
        assert response.status == status
        told = read_warning(response.headers.get("Warning"))
        assert (told.number if told is not None else None) == warning
        (event,) = alice.of(events.InviteRefused)
        assert (event.status, event.code) == (status, code)  # type: ignore[attr-defined]
        assert alice.client.refused == {code: 1}
        assert not alice.client.calls
        assert alice.client.engine.keyring.keys == before


async def test_an_untrusted_neighbour_cannot_call() -> None:
    async with pair(trusted=False, mcx=CallMcx()) as both:
        alice = both.add(ALICE)
        await alice.client.log_on([GROUP])
        with pytest.raises(CallRefused) as caught:
            await both.mcx.invite(ALICE, GROUP)  # type: ignore[attr-defined]
        assert caught.value.response.status == 488
        assert alice.client.refused == {"client.not-mcptt": 1}


async def test_a_second_call_of_the_group_is_busy_and_the_first_goes_on() -> None:
    async with pair(mcx=CallMcx()) as both:
        alice = both.add(ALICE)
        await alice.client.log_on([GROUP])
        alice.client.engine.keyring.install(fresh_key(PurposeTag.GMK, Scope.of(GROUP)), signer="gms", now=0.0)
        call = await alice.client.call(GROUP)
        with pytest.raises(CallRefused) as caught:
            await both.mcx.invite(ALICE, GROUP)  # type: ignore[attr-defined]
        assert caught.value.response.status == 486
        assert alice.client.calls == {GROUP: call}


async def test_nobody_of_that_name() -> None:
    async with pair(mcx=CallMcx()) as both:
        alice = both.add(ALICE)
        await alice.client.log_on([GROUP])
        (binding,) = both.mcx.registrar.lookup(ALICE, both.mcx.endpoint.core.clock.now())
        request = make_request("INVITE", "sip:nobody@127.0.0.1", from_=PSI)
        with pytest.raises(CallRefused) as caught:
            await both.mcx.endpoint.invite(request, binding.source)  # type: ignore[arg-type]  # a peer
        assert caught.value.response.status == 404
