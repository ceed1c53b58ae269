"""At a client: keys that come again or were revoked, exactly; and what is no SIP at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcsec.client.events import MessageRefused
from mcsec.client.host import ClientHost, HostSettings
from mcsec.ids import PurposeTag
from mcsec.keys.key import Scope
from mcsec.net.sip.events import MessageMalformed, SipEvent
from mcsec.net.sip.message import Response
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.wire import mc_bodies
from support.mc_clients import ALICE, GROUP, Heard, Pair, engine, pair, profile
from support.scripted_mcx import ScriptedMcx, fresh_key, key_message, token
from support.sip_raw import RawUdp
from support.waiting import until

pytestmark = pytest.mark.anyio

W136 = '399 a.example "136 authentication of the MIKEY-SAKE I_MESSAGE failed"'
NOT_TAKEN = '399 a.example "the key was not taken"'


async def changes_nothing(heard: Heard, both: Pair, message: bytes, code: str, warning: str) -> None:
    """The message is answered 488 with this warning, is one event and one count, and leaves the keyring as it was."""
    keys, told, taken = heard.client.engine.keyring.keys, len(heard.events), heard.client.taken
    response = await both.mcx.send(ALICE, mc_bodies.key_download(ALICE, message))
    assert isinstance(response, Response)
    assert (response.status, response.headers.get("Warning")) == (488, warning)
    assert heard.client.engine.keyring.keys == keys
    assert heard.client.refused == {code: 1}
    assert heard.client.taken == taken
    (event,) = heard.events[told:]
    assert isinstance(event, MessageRefused)
    assert (event.status, event.code) == (488, code)


@pytest.mark.parametrize("tag", [PurposeTag.MUSIK, PurposeTag.CSK])
async def test_a_replayed_download(tag: PurposeTag) -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        scope = Scope.of(GROUP if tag is PurposeTag.MUSIK else ALICE)
        message = key_message(fresh_key(tag, scope), ALICE)
        assert (await both.mcx.send(ALICE, mc_bodies.key_download(ALICE, message))).status == 200
        await changes_nothing(alice, both, message, "mikey.replayed", W136)


async def test_a_revoked_key() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        key = fresh_key(PurposeTag.MUSIK, Scope.of(GROUP))
        assert (await both.mcx.download(ALICE, key)).status == 200
        assert (await both.mcx.download(ALICE, key, revoked=True)).status == 200
        await changes_nothing(alice, both, key_message(key, ALICE), "keys.revoked", NOT_TAKEN)


async def test_another_key_under_an_id_that_is_taken() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        key = fresh_key(PurposeTag.MUSIK, Scope.of(GROUP))
        assert (await both.mcx.download(ALICE, key)).status == 200
        other = replace(fresh_key(PurposeTag.MUSIK, Scope.of(GROUP)), key_id=key.key_id)
        await changes_nothing(alice, both, key_message(other, ALICE), "keys.id-reused", NOT_TAKEN)


@pytest.mark.parametrize("by", ["mcx.b.example", GROUP, ALICE])
async def test_an_initiator_that_is_not_the_own_server(by: str) -> None:
    """Another domain's server, a group's GMS, the user itself: all have good keys of the KMS."""
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        message = key_message(fresh_key(PurposeTag.MUSIK, Scope.of(GROUP)), ALICE, by=by)
        await changes_nothing(alice, both, message, "mikey.wrong-sender", W136)


@pytest.mark.parametrize(
    "octets",
    [
        b"\0\0\0\0",
        b"MESSAGE sip:x@127.0.0.1 SIP/2.0\r\n\r\n",
        b"MESSAGE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
        b"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 9999\r\n\r\nshort",
    ],
)
async def test_what_is_no_sip_changes_nothing(octets: bytes) -> None:
    seen: list[SipEvent] = []
    async with ScriptedMcx() as mcx:
        port = await mcx.listen("UDP")
        settings = HostSettings(Hop("UDP", "127.0.0.1", port), EndpointSettings())
        async with ClientHost(settings, on_sip_event=seen.append) as host:
            client = host.add(profile(), engine(), token)
            await client.log_on([GROUP])
            (binding,) = mcx.registrar.lookup(ALICE, mcx.endpoint.core.clock.now())
            keys = client.engine.keyring.keys
            with RawUdp(int(binding.contact.partition("@")[2].partition(";")[0].rpartition(":")[2])) as raw:
                raw.send(octets)
                await until(lambda: host.endpoint.counters.malformed)
            assert host.endpoint.counters.malformed == 1
            assert [type(event) for event in seen if isinstance(event, MessageMalformed)] == [
                MessageMalformed
            ]
            assert client.engine.keyring.keys == keys
            assert not client.refused
