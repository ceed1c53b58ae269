"""A client beside a scripted MCX server on loopback: registered, authorised, keyed, listening, logged off."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import pytest

from mcsec._core import Secret
from mcsec.client.events import (
    FloorHeard,
    GroupMapped,
    ListeningReported,
    LoggedOff,
    MessageRefused,
    ProcedureFailed,
    RegistrationChanged,
    ServiceAuthorised,
)
from mcsec.client.profile import Authorisation
from mcsec.client.publishing import ServiceRefused
from mcsec.errors import WrongState
from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyInstalled, KeyRevoked, KeyringWiped
from mcsec.keys.key import Scope
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.wire.mbms_usage import Suspension
from mcsec.wire.mc_sip import McpttWarning
from mcsec.wire.mikey_body import Form
from mcsec.wire.rtcp.floor import FloorTaken
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel, UnmapGroupToBearer
from support.mc_clients import ALICE, BOB, GROUP, pair
from support.scripted_mcx import GENERAL, TMGI, ScriptedMcx, Seen, fresh_key, protected

pytestmark = pytest.mark.anyio

CALL = IPv4Address("239.192.7.2")
CHANNEL = MbmsSubchannel(2, 3, CALL, 42010, 42012)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
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
        assert alice.of(RegistrationChanged, ServiceAuthorised) == alice.events[:0] + [
            happened
            for happened in alice.events
            if isinstance(happened, (RegistrationChanged, ServiceAuthorised))
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


@pytest.mark.parametrize("form", list(Form))
async def test_takes_key_downloads(form: Form) -> None:
    async with pair() as both:
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


async def test_hears_a_protected_broadcast_and_says_so() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        musik, mscck = (
            fresh_key(PurposeTag.MUSIK, Scope.of(GROUP)),
            fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI))),
        )
        assert (await both.mcx.download(ALICE, musik)).status == 200
        assert (await both.mcx.announce(ALICE, mscck)).status == 200
        await asyncio.sleep(0.05)
        assert not both.mcx.of("MESSAGE"), "nothing was received yet"
        mapping = MapGroupToBearer(ssrc=1, group_id=GROUP, tmgi=TMGI, subchannel=CHANNEL)
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(protected(mapping, mscck))
            await both.mcx.until(lambda: len(alice.of(ListeningReported)) == 2)
            first, second = (seen.usage.listening for seen in both.mcx.of("MESSAGE") if seen.usage)
            assert first is not None
            assert second is not None
            assert (first.listening, first.general_purpose, first.tmgis) == (True, True, (TMGI,))
            assert (second.listening, second.session_id, second.tmgis) == (True, GROUP, (TMGI,))
            assert alice.of(GroupMapped)
            with MulticastSender(MulticastGroup(CALL, 42012)) as floor:
                taken = FloorTaken(ssrc=2, permission=True, sequence_number=1, granted_party=BOB)
                floor.send(protected(taken, musik))
                await both.mcx.until(lambda: bool(alice.of(FloorHeard)))
            general.send(protected(UnmapGroupToBearer(ssrc=1, group_id=GROUP), mscck, index=2))
            await both.mcx.until(lambda: len(alice.of(ListeningReported)) == 3)
        assert both.host.airwaves.groups == {MulticastGroup(*GENERAL)}
        await alice.client.log_off()
        assert not both.host.airwaves.groups


async def test_silence_is_reported() -> None:
    async with pair() as both:
        alice = both.add(silence=0.2)
        await alice.client.log_on([GROUP])
        mscck = fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI)))
        await both.mcx.announce(ALICE, mscck)
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(protected(UnmapGroupToBearer(ssrc=1, group_id=GROUP), mscck))
            await both.mcx.until(lambda: len(alice.of(ListeningReported)) == 2)
        assert [
            seen.usage.listening.listening
            for seen in both.mcx.of("MESSAGE")
            if seen.usage and seen.usage.listening
        ] == [True, False]


async def test_a_map_of_a_strange_group_is_not_followed() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on(["sip:other@a.example"])
        mscck = fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI)))
        await both.mcx.announce(ALICE, mscck)
        mapping = MapGroupToBearer(ssrc=1, group_id=GROUP, tmgi=TMGI, subchannel=CHANNEL)
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(protected(mapping, mscck))
            await both.mcx.until(lambda: len(alice.of(ListeningReported)) == 1)
        assert both.host.airwaves.groups == {MulticastGroup(*GENERAL)}
        assert not alice.of(GroupMapped)


async def test_a_subchannel_that_cannot_be_joined_is_not_reported() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        mscck = fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI)))
        await both.mcx.announce(ALICE, mscck)
        nowhere = MbmsSubchannel(2, 3, IPv4Address("127.0.0.1"), 42010, 42012)
        mapping = MapGroupToBearer(ssrc=1, group_id=GROUP, tmgi=TMGI, subchannel=nowhere)
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(protected(mapping, mscck))
            await both.mcx.until(lambda: len(alice.of(ListeningReported)) == 2)
        assert [(event.listening, event.group) for event in alice.of(ListeningReported)] == [
            (True, ""),
            (False, GROUP),
        ]  # type: ignore[attr-defined]


async def test_a_cancelled_bearer_is_left() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        await both.mcx.announce(ALICE, fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI))))
        assert both.host.airwaves.groups == {MulticastGroup(*GENERAL)}
        assert (await both.mcx.announce(ALICE, areas=None)).status == 200
        assert not both.host.airwaves.groups


async def test_suspension_is_reported_only_when_asked_for() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on()
        report = Suspension(suspended=True, suspended_tmgis=(TMGI,))
        with pytest.raises(WrongState):
            await alice.client.report_suspension(report)
        await both.mcx.announce(
            ALICE, fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI))), report_suspension=True
        )
        await alice.client.report_suspension(report)
        (seen,) = both.mcx.of("MESSAGE")
        assert seen.usage is not None
        assert seen.usage.suspension == report


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
