"""A client beside a scripted MCX server on loopback: registered, authorised, keyed, logged off."""

from __future__ import annotations

import pytest

from mcsec._core import Secret
from mcsec.client.events import (
    ListeningReported,
    LoggedOff,
    MessageRefused,
    ProcedureFailed,
    RegistrationChanged,
    ServiceAuthorised,
)
from mcsec.client.profile import Authorisation
from mcsec.client.publishing import PATIENCE, ServiceRefused
from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyInstalled, KeyRevoked, KeyringWiped
from mcsec.keys.key import Scope
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.net.sip.refreshing import RetryTimes
from mcsec.wire.mc_sip import McpttWarning
from mcsec.wire.mikey_body import Form
from mcsec.wire.rtcp.subchannel import UnmapGroupToBearer
from support.mc_clients import ALICE, BOB, GROUP, pair
from support.scripted_mcx import GENERAL, TMGI, ScriptedMcx, Seen, fresh_key, protected
from support.waiting import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("transport", ["UDP", "UDP only", "TCP"])
@pytest.mark.parametrize("way", list(Authorisation))
async def test_logs_on_and_off(transport: str, way: Authorisation) -> None:
    async with pair(transport) as both:
        alice = both.add(authorisation=way)
        await alice.client.log_on([GROUP])
        event = "" if way is Authorisation.REGISTER else "poc-settings"
        (authorisation,) = both.mcx.of(way.name, event)
        info = authorisation.body.info
        assert isinstance(info.access_token, Secret)
        assert info.access_token.reveal() == b"token-octets-that-must-not-show"
        assert b"token-octets" not in authorisation.request.body, "encrypted under the CSK that comes with it"
        assert info.request_uri == ALICE
        assert len(both.mcx.csks) == 1
        (affiliation,) = both.mcx.of("PUBLISH", "presence")
        assert affiliation.presence is not None
        assert [each.group for each in affiliation.presence.clients[0].affiliations] == [GROUP]
        assert [type(event) for event in alice.of(RegistrationChanged, ServiceAuthorised)] == [
            RegistrationChanged,
            ServiceAuthorised,
        ]
        await alice.client.log_off()
        assert both.mcx.of("REGISTER")[-1].request.headers.get("Expires") == "0"
        assert len(both.mcx.registrar) == 0
        if way is Authorisation.PUBLISH:
            assert both.mcx.of("PUBLISH", "poc-settings")[-1].request.headers.get("Expires") == "0"
        assert not alice.client.engine.keyring.keys
        assert [type(event) for event in alice.events[-2:]] == [KeyringWiped, LoggedOff]


async def test_affiliations_replace_one_another() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        await alice.client.affiliate(["sip:other@a.example"])
        await alice.client.affiliate([])
        sent = both.mcx.of("PUBLISH", "presence")
        groups = [
            [each.group for each in seen.presence.clients[0].affiliations] for seen in sent if seen.presence
        ]
        assert groups == [[GROUP], ["sip:other@a.example"], []]
        assert [seen.request.headers.get("SIP-If-Match") for seen in sent] == [None, "1", "1"]
        assert sent[-1].request.headers.get("Expires") == "0"


@pytest.mark.parametrize("transport", ["UDP only", "TCP"])
@pytest.mark.parametrize("form", list(Form))
async def test_takes_key_downloads(form: Form, transport: str) -> None:
    async with pair(transport) as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        for tag, scope in ((PurposeTag.MUSIK, Scope.of(GROUP)), (PurposeTag.CSK, Scope.of(ALICE))):
            key = fresh_key(tag, scope)
            assert (await both.mcx.download(ALICE, key, form=form)).status == 200
            assert key.key_id in alice.client.engine.keyring
        assert alice.client.taken == 2


async def test_a_revoked_key_goes_and_does_not_come_back() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on()
        key = fresh_key(PurposeTag.MUSIK)
        assert (await both.mcx.download(ALICE, key)).status == 200
        assert (await both.mcx.download(ALICE, key, revoked=True)).status == 200
        assert key.key_id not in alice.client.engine.keyring
        assert alice.of(KeyRevoked)
        assert (await both.mcx.download(ALICE, key)).status == 488
        assert alice.client.refused == {"keys.revoked": 1}


async def test_clients_of_one_host_are_told_apart() -> None:
    async with pair() as both:
        alice, bob = both.add(ALICE), both.add(BOB)
        await alice.client.log_on()
        await bob.client.log_on()
        key = fresh_key(PurposeTag.MUSIK)
        assert (await both.mcx.download(BOB, key)).status == 200
        assert key.key_id in bob.client.engine.keyring
        assert key.key_id not in alice.client.engine.keyring
        assert both.host.endpoint.core.counters.requests_sent == 2


@pytest.mark.parametrize("way", list(Authorisation))
async def test_a_refused_authorisation_is_told_with_its_warning(way: Authorisation) -> None:
    refusal = (403, (McpttWarning.SERVICE_AUTHORISATION_FAILED.header("a.example"),))

    def script(seen: Seen) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        return refusal if seen.method == way.name else None

    async with pair(mcx=ScriptedMcx(script)) as both:
        alice = both.add(authorisation=way)
        with pytest.raises(ServiceRefused, match="101 service authorisation failed") as caught:
            await alice.client.log_on([GROUP])
        assert caught.value.status == 403
        await alice.client.log_off()
        assert not alice.client.engine.keyring.keys


async def test_a_refused_affiliation_leaves_the_groups_as_they_are() -> None:
    def script(seen: Seen) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        many = seen.presence is not None and len(seen.presence.clients[0].affiliations) > 1
        return (486, (McpttWarning.TOO_MANY_AFFILIATIONS.header("a.example"),)) if many else None

    async with pair(mcx=ScriptedMcx(script)) as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        with pytest.raises(ServiceRefused, match="102"):
            await alice.client.affiliate([GROUP, "sip:other@a.example"])
        assert alice.client.groups == (GROUP,)


async def test_keys_are_wiped_at_log_off_although_nobody_answers() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on()
        await both.mcx.download(ALICE, fresh_key(PurposeTag.MUSIK))
        await both.mcx.endpoint.close(0.0)
        await alice.client.log_off()
        assert not alice.client.engine.keyring.keys


async def test_a_server_that_is_not_trusted_cannot_send_anything() -> None:
    async with pair(trusted=False) as both:
        alice = both.add()
        await alice.client.log_on()
        assert (await both.mcx.download(ALICE, fresh_key(PurposeTag.MUSIK))).status == 488
        assert alice.client.refused == {"client.not-mcptt": 1}


async def test_no_secret_shows_in_events() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        keys = [fresh_key(PurposeTag.MUSIK), fresh_key(PurposeTag.CSK, Scope.of(ALICE))]
        for key in keys:
            await both.mcx.download(ALICE, key)
            await both.mcx.download(ALICE, key)
        secrets = [key.secret.reveal() for key in [*keys, *alice.client.engine.keyring.keys]]
        await alice.client.log_off()
        assert alice.of(KeyInstalled)
        text = repr(alice.events) + repr([event.describe() for event in alice.events])
        assert "token-octets" not in text
        assert not any(secret.hex() in text or repr(secret)[2:-1] in text for secret in secrets)


async def test_the_same_key_in_another_message_is_harmless() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on()
        key = fresh_key(PurposeTag.MUSIK)
        assert (await both.mcx.download(ALICE, key)).status == 200
        assert (await both.mcx.download(ALICE, key)).status == 200
        assert not alice.of(MessageRefused, ProcedureFailed)


@pytest.mark.parametrize("way", list(Authorisation))
async def test_after_a_lost_connection_everything_is_said_anew(way: Authorisation) -> None:
    async with pair() as both:
        alice = both.add(authorisation=way, retry=RetryTimes(lost=0.01))
        await alice.client.log_on([GROUP])
        mscck = fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI)))
        await both.mcx.announce(ALICE, mscck)
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(protected(UnmapGroupToBearer(ssrc=1, group_id=GROUP), mscck))
            await until(lambda: len(alice.of(ListeningReported)) == 1)
        (binding,) = both.mcx.registrar.lookup(ALICE, both.mcx.endpoint.core.clock.now())
        both.mcx.endpoint.core.transport.cut(binding.source)  # type: ignore[arg-type]  # a peer
        await until(lambda: len(alice.of(ListeningReported)) == 2)
        assert len(both.mcx.csks) == 2, "a fresh CSK"
        assert len(both.mcx.of("PUBLISH", "presence")) == 2
        assert len(alice.of(ServiceAuthorised)) == 2
        assert (await both.mcx.download(ALICE, fresh_key(PurposeTag.MUSIK))).status == 200


async def test_a_registration_is_refreshed_without_a_new_key() -> None:
    async with pair() as both:
        alice = both.add(expires=2)
        await alice.client.log_on([GROUP])
        await until(lambda: len(both.mcx.of("REGISTER")) == 2)
        assert not both.mcx.of("REGISTER")[-1].request.body
        assert len(both.mcx.csks) == 1
        assert len(alice.of(ServiceAuthorised)) == 1


async def test_a_publication_that_was_granted_for_less_is_refreshed() -> None:
    def script(seen: Seen) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        return (200, (("Expires", "1"), ("SIP-ETag", "7"))) if seen.event == "presence" else None

    async with pair(mcx=ScriptedMcx(script)) as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        await until(lambda: len(both.mcx.of("PUBLISH", "presence")) == 2)
        assert both.mcx.of("PUBLISH", "presence")[-1].request.headers.get("SIP-If-Match") == "7"


@pytest.mark.parametrize("times", [2, 9])
async def test_a_server_that_the_core_tells_late_is_waited_for(times: int) -> None:
    unknown = (404, (McpttWarning.USER_UNKNOWN.header("a.example"),))

    def script(seen: Seen) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        return (
            unknown if seen.event == "presence" and len(both.mcx.of("PUBLISH", "presence")) <= times else None
        )

    async with pair(mcx=ScriptedMcx(script)) as both:
        alice = both.add()
        if times > len(PATIENCE):
            with pytest.raises(ServiceRefused, match="141"):
                await alice.client.log_on([GROUP])
        else:
            await alice.client.log_on([GROUP])
        assert len(both.mcx.of("PUBLISH", "presence")) == min(times, len(PATIENCE)) + 1


async def test_a_tag_that_the_server_forgot_is_dropped() -> None:
    def script(seen: Seen) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        return (412, ()) if "SIP-If-Match" in seen.request.headers else None

    async with pair(mcx=ScriptedMcx(script)) as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        await alice.client.affiliate(["sip:other@a.example"])
        assert len(both.mcx.of("PUBLISH", "presence")) == 3
        assert alice.client.groups == ("sip:other@a.example",)


async def test_a_registration_that_is_refused_later_is_told() -> None:
    refuse: list[bool] = []

    def script(seen: Seen) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        return (403, ()) if refuse and seen.method == "REGISTER" else None

    async with pair(mcx=ScriptedMcx(script)) as both:
        alice = both.add(expires=2)
        await alice.client.log_on()
        refuse.append(True)
        await until(lambda: len(alice.of(RegistrationChanged)) == 2)
        (_, event) = alice.of(RegistrationChanged)
        assert isinstance(event, RegistrationChanged)
        assert (event.expires, event.reason) == (0, "refused with 403")
