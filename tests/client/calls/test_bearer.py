"""A call that goes over a bearer: floor and media there and by unicast, once each for the user; then it is left."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mcsec.client.audio import pcmu
from mcsec.client.calls import events
from mcsec.client.events import GroupMapped, ListeningReported, PacketDropped
from mcsec.client.media import MediaSender
from mcsec.crypto.srtp import SrtcpSender
from mcsec.ids import PurposeTag
from mcsec.keys.key import Key, Scope
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorIdle, FloorTaken
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel, UnmapGroupToBearer
from support.call_mcx import CallMcx, Leg
from support.client_calls import PROFILE
from support.mc_clients import ALICE, BOB, GROUP, Heard, pair
from support.scripted_mcx import GENERAL, TMGI, ScriptedMcx, fresh_key
from support.waiting import until

pytestmark = pytest.mark.anyio

ADDRESS = IPv4Address("239.192.7.4")
CHANNEL = MbmsSubchannel(2, 3, ADDRESS, 42030, 42032)
MAP = MapGroupToBearer(ssrc=1, group_id=GROUP, tmgi=TMGI, subchannel=CHANNEL)


class OnAir:
    """What a server sends on one multicast address under one key."""

    def __init__(self, place: MulticastGroup, key: Key, ssrc: int) -> None:
        self.sender = MulticastSender(place)
        self._srtcp = SrtcpSender(PROFILE, ssrc, *key.srtp_material(), first=1, last=100)

    def __call__(self, message: rtcp.Message) -> None:
        self.sender.send(self._srtcp.protect(rtcp.encode(message)))


def taken(number: int, ssrc: int) -> FloorTaken:
    return FloorTaken(ssrc=ssrc, permission=True, sequence_number=number, granted_party=BOB, audio_ssrc=9)


async def keyed(mcx: ScriptedMcx, alice: Heard) -> tuple[Key, Key, Key]:
    musik = fresh_key(PurposeTag.MUSIK, Scope.of(GROUP))
    mscck = fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI)))
    gmk = fresh_key(PurposeTag.GMK, Scope.of(GROUP))
    await alice.client.log_on([GROUP])
    assert (await mcx.download(ALICE, musik)).status == 200
    assert (await mcx.announce(ALICE, mscck)).status == 200
    alice.client.engine.keyring.install(gmk, signer="gms", now=0.0)
    return musik, mscck, gmk


async def test_both_paths_are_one_call() -> None:
    mcx = CallMcx()
    async with pair(mcx=mcx) as both:
        alice = both.add(ALICE)
        musik, mscck, gmk = await keyed(mcx, alice)
        leg: Leg = await mcx.invite(ALICE, GROUP)
        call, heard = alice.client.calls[GROUP], bytearray()
        call.on_audio = lambda frame, now: heard.extend(frame.payload)
        general = OnAir(MulticastGroup(*GENERAL), mscck, 1)
        floor = OnAir(MulticastGroup(ADDRESS, 42032), musik, 2)
        media = MulticastSender(MulticastGroup(ADDRESS, 42030))
        with general.sender, floor.sender, media:
            general(MAP)
            await until(lambda: len(alice.of(ListeningReported)) == 2)

            # Floor: the same Floor Taken by both paths is one event.
            leg.say(taken(1, leg.far.ssrc))
            floor(taken(1, 2))
            floor(FloorIdle(ssrc=2, sequence_number=2))
            leg.say(FloorIdle(ssrc=leg.far.ssrc, sequence_number=2))
            leg.say(taken(3, leg.far.ssrc))
            await until(lambda: len(alice.of(events.FloorTaken)) == 2)
            assert [type(event) for event in alice.of(events.CallEvent)] == [
                events.CallStarted,
                events.FloorTaken,
                events.FloorIdle,
                events.FloorTaken,
            ]

            # Media: some by unicast, some on the bearer, some by both, as around a switch.
            talker, spoken = MediaSender(gmk, BOB, pcmu.PAYLOAD_TYPE), b""
            for number in range(9):
                payload = bytes((number,)) * pcmu.FRAME
                spoken += payload
                _, packet = talker.packet(payload, number * pcmu.FRAME)
                if number < 6:
                    leg.pass_on(packet.octets)
                if number > 2:
                    media.send(packet)
            await until(lambda: len(heard) == len(spoken))
            assert bytes(heard) == spoken
            assert not alice.of(PacketDropped)

            # Leaving leaves the subchannel too, and repeated maps do not bring it back.
            await call.leave()
            await until(lambda: len(alice.of(ListeningReported)) == 3)
            assert alice.of(ListeningReported)[-1].group == GROUP  # type: ignore[attr-defined]
            assert both.host.airwaves.groups == {MulticastGroup(*GENERAL)}
            general(MAP)
            general(UnmapGroupToBearer(ssrc=1, group_id="sip:other@a.example"))
            again = await mcx.invite(ALICE, GROUP)
            general(MAP)
            await until(lambda: len(alice.of(ListeningReported)) == 4)
            assert len(alice.of(GroupMapped)) == 2, "one for each call"

            # A call that the server releases likewise.
            assert again.sip is not None
            await again.sip.hang_up()
            await until(lambda: len(alice.of(ListeningReported)) == 5)
            assert both.host.airwaves.groups == {MulticastGroup(*GENERAL)}


async def test_unmapped_means_unicast_again() -> None:
    mcx = CallMcx()
    async with pair(mcx=mcx) as both:
        alice = both.add(ALICE)
        musik, mscck, _ = await keyed(mcx, alice)
        leg = await mcx.invite(ALICE, GROUP)
        general = OnAir(MulticastGroup(*GENERAL), mscck, 1)
        floor = OnAir(MulticastGroup(ADDRESS, 42032), musik, 2)
        with general.sender, floor.sender:
            general(MAP)
            await until(lambda: len(alice.of(ListeningReported)) == 2)
            floor(taken(1, 2))
            await until(lambda: len(alice.of(events.FloorTaken)) == 1)
            general(UnmapGroupToBearer(ssrc=1, group_id=GROUP))
            await until(lambda: len(alice.of(ListeningReported)) == 3)
            report = alice.of(ListeningReported)[-1]
            assert (report.listening, report.group) == (False, GROUP)  # type: ignore[attr-defined]
            leg.say(FloorIdle(ssrc=leg.far.ssrc, sequence_number=2))
            await until(lambda: bool(alice.of(events.FloorIdle)))
        assert GROUP in alice.client.calls
