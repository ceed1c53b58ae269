"""Group calls of clients over SIP and UDP, beside a server by script: made, taken, talked in, left."""

from __future__ import annotations

import asyncio
from array import array

import pytest

from mcsec.client.audio import pcmu, speech
from mcsec.client.calls import events
from mcsec.client.calls.service import McCall
from mcsec.client.calls.states import CallState
from mcsec.client.events import Affiliated, PacketDropped
from mcsec.client.publishing import ServiceRefused
from mcsec.errors import Refused, WrongState
from mcsec.ids import PurposeTag
from mcsec.keys.key import Scope
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.inviting import CallRefused
from mcsec.net.sip.refreshing import RetryTimes
from mcsec.wire import sdp
from mcsec.wire.mc_sip import Lines, McpttWarning
from mcsec.wire.rtcp.floor import (
    FloorRequest,
)
from mcsec.wire.rtcp.floor_values import FloorIndicator
from support.call_mcx import CallMcx, logged_on
from support.mc_clients import ALICE, BOB, GROUP, pair
from support.scripted_mcx import PSI, Seen, fresh_key
from support.waiting import PATIENCE, until

pytestmark = pytest.mark.anyio

VOICE = speech.synthesise(0.3)


def listen(call: McCall) -> array[int]:
    """What a call lets hear, from now on."""
    samples = array("h")
    call.on_audio = lambda frame, now: samples.extend(pcmu.decode(frame.payload))
    return samples


async def test_calls_talks_and_leaves() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE, BOB) as (_, (alice, bob)):
        call = await alice.client.call(GROUP)
        assert alice.client.calls == {GROUP: call}
        (body,) = mcx.invites
        assert body.signed
        assert (body.info.session_type, body.info.request_uri) == ("prearranged", GROUP)
        (request,) = mcx.requests
        assert request.uri == PSI
        assert request.headers.get("Session-Expires") == "1800"
        assert "+g.3gpp.mcptt" in (request.headers.get("Contact") or "")
        assert "ims.icsi.mcptt" in (request.headers.get("P-Preferred-Service") or "")
        assert len(request.headers.all("Accept-Contact")) == 2
        assert body.info.client_id == alice.client.profile.client_id
        await mcx.invite(BOB, GROUP)
        heard = listen(bob.client.calls[GROUP])
        spoken = await call.talk(VOICE)
        assert spoken == 15
        await until(lambda: len(heard) == len(VOICE))
        assert heard == pcmu.decode(pcmu.encode(VOICE))
        await until(lambda: bool(bob.of(events.FloorIdle)))
        assert [type(event) for event in alice.of(events.CallEvent)] == [
            events.CallStarted,
            events.FloorGranted,
            events.FloorEnded,
            events.FloorIdle,
        ]
        assert [type(event) for event in bob.of(events.CallEvent)] == [
            events.CallStarted,
            events.FloorTaken,
            events.FloorIdle,
        ]
        await call.leave()
        assert call.state is CallState.OVER
        assert not alice.client.calls
        await (await mcx.sip_of(mcx.legs[ALICE, GROUP])).ended.wait()
        assert not alice.of(PacketDropped)


async def test_is_called_automatically_and_hung_up_on() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, BOB) as (_, (bob,)):
        leg = await mcx.invite(BOB, GROUP)
        await until(lambda: bool(bob.of(events.CallStarted)))
        (started,) = bob.of(events.CallStarted)
        assert started.inviter == "sip:ann@b.example"  # type: ignore[attr-defined]
        assert leg.sip is not None
        await leg.sip.hang_up()
        await until(lambda: bool(bob.of(events.CallEnded)))
        assert not bob.client.calls


async def test_a_late_joiner_hears_what_follows() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE, BOB) as (_, (alice, bob)):
        call = await alice.client.call(GROUP)
        await call.talk(VOICE)
        late = await bob.client.call(GROUP)
        assert late.engine.floor.may_request
        heard = listen(late)
        await call.talk(VOICE)
        await until(lambda: len(heard) == len(VOICE))
        assert heard == pcmu.decode(pcmu.encode(VOICE))


async def test_asks_with_the_invite_and_the_grant_overtakes_the_answer() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP, talk=True, priority=7)
        leg = mcx.legs[ALICE, GROUP]
        assert leg.terms is not None
        parameters = leg.terms.parameters
        assert (parameters.implicit_request, parameters.granted, parameters.priority) == (True, True, 7)
        await call.until(lambda: call.may_talk, PATIENCE)
        assert await call.talk(VOICE) == 15
        assert FloorRequest not in {type(message) for message in leg.heard}


async def test_emergency_and_chat_are_said() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP, chat=True, emergency=True)
        (body,) = mcx.invites
        assert (body.info.session_type, body.info.emergency_ind) == ("chat", True)
        call.press()
        await until(lambda: bool(mcx.legs[ALICE, GROUP].heard))
        (request,) = mcx.legs[ALICE, GROUP].heard
        assert isinstance(request, FloorRequest)
        assert request.indicator == FloorIndicator.EMERGENCY


async def test_several_calls_at_once() -> None:
    mcx, other = CallMcx(), "sip:police@a.example"
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        first = await alice.client.call(GROUP)
        second = await alice.client.call(other)
        assert first.engine.ssrc != second.engine.ssrc
        first.press()
        await first.until(lambda: first.may_talk, PATIENCE)
        assert not second.may_talk
        with pytest.raises(WrongState):
            await alice.client.call(GROUP)
        await first.leave()
        assert set(alice.client.calls) == {other}
        # The same group again is a new call with an SSRC of its own.
        again = await alice.client.call(GROUP)
        assert again.engine.ssrc not in (first.engine.ssrc, second.engine.ssrc)


async def test_logging_off_leaves_every_call() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        (binding,) = mcx.registrar.lookup(ALICE, mcx.endpoint.core.clock.now())
        await alice.client.log_off()
        assert call.state is CallState.OVER
        with pytest.raises(WrongState):
            await alice.client.call(GROUP)
        request = make_request("INVITE", binding.contact, from_=PSI)
        with pytest.raises(CallRefused) as caught:
            await mcx.endpoint.invite(request, binding.source)  # type: ignore[arg-type]  # a peer
        assert caught.value.response.status == 480


# --- what does not go well


async def test_refused_with_a_warning() -> None:
    refusal = (403, (McpttWarning.NOT_AFFILIATED.header("a.example"),))
    async with logged_on(CallMcx(decide=lambda body: refusal), ALICE) as (_, (alice,)):
        with pytest.raises(ServiceRefused, match="120 user is not affiliated") as caught:
            await alice.client.call(GROUP)
        assert caught.value.status == 403
        (event,) = alice.of(events.CallRefused)
        assert "120 user" in event.reason  # type: ignore[attr-defined]
        assert not alice.client.calls


async def test_nobody_answers() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        await mcx.endpoint.close(0.0)
        with pytest.raises(Exception, match=r"sip|TCP|connect"):
            await alice.client.call(GROUP)
        (event,) = alice.of(events.CallRefused)
        assert event.status == 0  # type: ignore[attr-defined]
        assert not alice.client.calls


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("RTP/SAVP", "RTP/AVP", "call.media-clear"),
        ("RTP/SAVP 0", "RTP/SAVP 97", "call.codec"),
        ("m=audio ", "m=video ", "call.sdp"),
        ("IP4 127.0.0.1", "IP4 0.0.0.0", "call.sdp"),
        ("IP4 127.0.0.1", "IP4 239.1.1.1", "call.sdp"),
    ],
)
async def test_an_answer_that_will_not_do_ends_the_call(old: str, new: str, code: str) -> None:
    def change(session: sdp.Session) -> sdp.Session:
        return sdp.decode(sdp.encode(session).decode().replace(old, new).encode())

    mcx = CallMcx(change=change)
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        with pytest.raises(Refused) as caught:
            await alice.client.call(GROUP)
        assert caught.value.code == code
        await (await mcx.sip_of(mcx.legs[ALICE, GROUP])).ended.wait()
        assert not alice.client.calls
        # The same in an INVITE is refused.
        with pytest.raises(CallRefused) as refused:
            await mcx.invite(ALICE, GROUP)
        assert refused.value.response.status == 488
        assert alice.client.refused == {code: 1}


async def test_left_before_it_is_answered() -> None:
    waiting = asyncio.Event()
    mcx = CallMcx()
    async with logged_on(mcx, ALICE) as (_, (alice,)):

        async def never(incoming: object) -> None:
            waiting.set()
            await asyncio.Event().wait()

        mcx._invited = never  # type: ignore[method-assign]
        serving = mcx.endpoint.serving
        offer = serving.special["INVITE"]
        serving.special["INVITE"] = type(offer)(offer.func, *offer.args[:2], never)  # type: ignore[attr-defined]
        calling = asyncio.ensure_future(alice.client.call(GROUP))
        await waiting.wait()
        await alice.client.calls[GROUP].leave()
        with pytest.raises(WrongState, match="left before"):
            await calling
        assert [type(event) for event in alice.of(events.CallEvent)] == [events.CallEnded]
        # The caller may be cancelled just so.
        waiting.clear()
        calling = asyncio.ensure_future(alice.client.call(GROUP))
        await waiting.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert not alice.client.calls


async def test_a_server_that_is_gone_is_noticed_and_the_user_told() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        await mcx.endpoint.close(0.0)
        await call.leave()
        assert [type(event) for event in alice.of(events.CallEvent)] == [
            events.CallStarted,
            events.CallEnded,
        ]


async def test_a_description_changes_within_the_call() -> None:
    mcx = CallMcx()
    async with logged_on(mcx, ALICE) as (_, (alice,)):
        call = await alice.client.call(GROUP)
        leg = mcx.legs[ALICE, GROUP]
        theirs = await mcx.sip_of(leg)
        leg.far.ssrc = 77
        response = await theirs.reinvite(sdp.encode(leg.describe()), sdp.CONTENT_TYPE)
        assert response.status == 200
        assert call.engine.terms is not None
        assert call.engine.terms.ssrc == 77
        clear = sdp.encode(leg.describe(ssrc=78)).replace(b"SAVP", b"AVP")
        response = await theirs.reinvite(clear, sdp.CONTENT_TYPE)
        assert response.status == 488
        assert call.engine.terms.ssrc == 77, "the session is as it was"
        assert call.state is CallState.IN_CALL


@pytest.mark.parametrize("known", [True, False])
async def test_who_registers_anew_asks_whether_its_call_goes_on(known: bool) -> None:
    """A server that was killed before it wrote the call down never says that it is over."""
    lost: list[bool] = []

    def script(seen: Seen) -> tuple[int, Lines] | None:
        return (503, ()) if seen.method == "REGISTER" and lost and lost.pop() else None

    async with pair(mcx=CallMcx(script)) as both:
        alice = both.add(expires=2, retry=RetryTimes(first=0.1, most=0.2, lost=0.05))
        await alice.client.log_on([GROUP])
        alice.client.engine.keyring.install(fresh_key(PurposeTag.GMK, Scope.of(GROUP)), signer="gms", now=0.0)
        mcx = both.mcx
        assert isinstance(mcx, CallMcx)
        call = await alice.client.call(GROUP)
        sip = await mcx.sip_of(mcx.legs[ALICE, GROUP])
        if not known:
            del mcx.endpoint.serving.usages[sip.dialog.id]
        lost.append(True)
        await until(lambda: len(alice.of(Affiliated)) == 2)
        if known:
            await asyncio.sleep(0.1)
            assert call.state is CallState.IN_CALL
        else:
            await until(lambda: not alice.client.calls)
            assert call.state is CallState.OVER
