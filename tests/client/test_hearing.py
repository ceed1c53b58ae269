"""A client that hears bearers: announced by a scripted MCX server, sent over multicast on loopback, reported."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import pytest

from mcsec.client.events import (
    FloorHeard,
    GroupMapped,
    ListeningReported,
    ProcedureFailed,
)
from mcsec.errors import WrongState
from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyRevoked
from mcsec.keys.key import Scope
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.wire.mbms_usage import Suspension
from mcsec.wire.rtcp.floor import FloorTaken
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel, UnmapGroupToBearer
from support.mc_clients import ALICE, BOB, GROUP, pair
from support.scripted_mcx import GENERAL, TMGI, ScriptedMcx, Seen, fresh_key, protected
from support.waiting import until

pytestmark = pytest.mark.anyio

CALL = IPv4Address("239.192.7.2")
CHANNEL = MbmsSubchannel(2, 3, CALL, 42010, 42012)


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
            await until(lambda: len(alice.of(ListeningReported)) == 2)
            first, second = (seen.usage.listening for seen in both.mcx.of("MESSAGE") if seen.usage)
            assert first is not None
            assert second is not None
            assert (first.listening, first.general_purpose, first.tmgis) == (True, True, (TMGI,))
            assert (second.listening, second.session_id, second.tmgis) == (True, GROUP, (TMGI,))
            assert alice.of(GroupMapped)
            with MulticastSender(MulticastGroup(CALL, 42012)) as floor:
                taken = FloorTaken(ssrc=2, permission=True, sequence_number=1, granted_party=BOB)
                floor.send(protected(taken, musik))
                await until(lambda: bool(alice.of(FloorHeard)))
            general.send(protected(UnmapGroupToBearer(ssrc=1, group_id=GROUP), mscck, index=2))
            await until(lambda: len(alice.of(ListeningReported)) == 3)
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
            await until(lambda: len(alice.of(ListeningReported)) == 2)
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
            await until(lambda: len(alice.of(ListeningReported)) == 1)
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
            await until(lambda: len(alice.of(ListeningReported)) == 2)
        assert [(event.listening, event.group) for event in alice.of(ListeningReported)] == [
            (True, ""),
            (False, GROUP),
        ]  # type: ignore[attr-defined]


async def test_a_cancelled_bearer_is_left() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        mscck = fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI)))
        await both.mcx.announce(ALICE, mscck)
        assert both.host.airwaves.groups == {MulticastGroup(*GENERAL)}
        assert mscck.key_id in alice.client.engine.keyring
        assert (await both.mcx.announce(ALICE, areas=None)).status == 200
        assert not both.host.airwaves.groups
        assert mscck.key_id not in alice.client.engine.keyring
        (event,) = alice.of(KeyRevoked)
        assert isinstance(event, KeyRevoked)
        assert event.key_id == mscck.key_id


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


async def test_a_new_description_replaces_the_key() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        scope = Scope.of(str(TMGI))
        first, second = fresh_key(PurposeTag.MSCCK, scope), fresh_key(PurposeTag.MSCCK, scope)
        keyring = alice.client.engine.keyring
        assert (await both.mcx.announce(ALICE, first)).status == 200
        assert (await both.mcx.announce(ALICE, second)).status == 200
        held = [key.key_id for key in keyring.keys if key.key_id.tag is PurposeTag.MSCCK]
        assert held == [first.key_id, second.key_id], "the server still sends under the first"
        assert (await both.mcx.announce(ALICE, described=False, areas=(8,))).status == 200
        assert not both.host.airwaves.groups, "another area, the same description"
        assert [key.key_id for key in keyring.keys if key.key_id.tag is PurposeTag.MSCCK] == held
        assert (await both.mcx.announce(ALICE)).status == 200
        assert not [key for key in keyring.keys if key.key_id.tag is PurposeTag.MSCCK], (
            "described without a key"
        )


async def test_moving_joins_and_leaves() -> None:
    async with pair() as both:
        alice = both.add(area=1)
        await alice.client.log_on([GROUP])
        await both.mcx.announce(ALICE, fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI))))
        assert not both.host.airwaves.groups
        alice.client.moved(7)
        assert both.host.airwaves.groups == {MulticastGroup(*GENERAL)}
        alice.client.moved(None)
        assert not both.host.airwaves.groups


async def test_reports_that_meet_no_answer_are_sent_again() -> None:
    lost = [503, 503]

    def script(seen: Seen) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        return (lost.pop(), ()) if seen.method == "MESSAGE" and lost else None

    async with pair(mcx=ScriptedMcx(script)) as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        alice.client._reporter._pauses = (0.01, 0.01)
        mscck = fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI)))
        await both.mcx.announce(ALICE, mscck)
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(protected(UnmapGroupToBearer(ssrc=1, group_id=GROUP), mscck))
            await until(lambda: len(alice.of(ListeningReported)) == 1)
        assert len(both.mcx.of("MESSAGE")) == 3


async def test_a_refused_report_is_told() -> None:
    def script(seen: Seen) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        return (404, ()) if seen.method == "MESSAGE" else None

    async with pair(mcx=ScriptedMcx(script)) as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        mscck = fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI)))
        await both.mcx.announce(ALICE, mscck)
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(protected(UnmapGroupToBearer(ssrc=1, group_id=GROUP), mscck))
            await until(lambda: bool(alice.of(ProcedureFailed)))
        (event,) = alice.of(ProcedureFailed)
        assert isinstance(event, ProcedureFailed)
        assert (event.procedure, event.status) == ("listening report", 404)
