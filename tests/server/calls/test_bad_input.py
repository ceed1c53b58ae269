"""What others send that they should not: dropped or answered as the clauses say, counted, told, passed on to nobody."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.client.audio import speech
from mcsec.client.calls.service import McCall
from mcsec.client.calls.uplink import FloorUplink, MediaUplink
from mcsec.client.publishing import ServiceRefused
from mcsec.crypto.srtp import SrtcpSender, SrtpProfile
from mcsec.keys.key import Key
from mcsec.keys.policy import GroupRules
from mcsec.net.media_ports import Address
from mcsec.server.calls import events
from mcsec.server.calls.groups import CallKind, Group, GroupMember
from mcsec.server.events import RequestRefused
from mcsec.server.floor import FloorPolicy
from mcsec.server.floor.events import MediaRefused
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorMessage, FloorRequest, FloorTaken
from support.call_domains import Domain, User, domain, gmk_of, two_domains
from support.calls import ANN, BOB, CEM, DAN, GROUP, group
from support.waiting import until

pytestmark = pytest.mark.anyio
EVA = "sip:eva@b.example"
OTHER, CLOSED = "sip:police@b.example", "sip:closed@b.example"
GROUPS = [
    # Who has the floor keeps it, however long a loaded machine takes.
    group(BOB, DAN, floor=FloorPolicy(t1=60.0)),
    Group(group_id=OTHER, home="b.example", kind=CallKind.CHAT, everybody=True),
    Group(group_id=CLOSED, home="b.example", everybody=True, disabled=True),
]


@dataclass
class Scene:
    """Bob and Dan are in a call; Eva is in another one. A socket of a stranger."""

    made: Domain
    users: dict[str, User]
    stranger: socket.socket

    def call(self, user: str) -> McCall:
        (found,) = self.users[user].client.calls.values()
        return found

    def uplink(self, user: str, ssrc: int | None = None) -> FloorUplink:
        """What ``user`` sends, from any SSRC."""
        return FloorUplink(
            self.users[user].client.engine, self.call(user).engine.ssrc if ssrc is None else ssrc
        )

    @property
    def floor(self) -> Address:
        """Where the server takes floor control of Bob's call."""
        return self.made.calls.servings[GROUP].floor_address

    def media(self, user: str) -> Address:
        """Where the server takes the media of a user."""
        return self.made.calls.servings[GROUP].legs[user].port.address

    def packet(self, user: str, message: FloorMessage, now: float) -> bytes:
        return self.uplink(user, message.ssrc).protect(message, now).octets

    async def refused(self, code: str, count: int = 1) -> None:
        """It was counted, told, and nobody talks."""
        around = self.made.calls.around
        await until(lambda: around.refused[code] >= count)
        assert code in {event.code for event in self.made.of(events.PacketRefused)}  # type: ignore[attr-defined]  # of() gives the base class
        assert self.made.calls.focuses[GROUP].call.floor.talkers == ()


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    key = gmk_of(GROUP, OTHER)
    async with domain(tmp_path, "b.example", GROUPS) as made:
        users = {
            user: await made.log_on(user, [group, CLOSED], key)
            for user, group in ((BOB, GROUP), (DAN, GROUP), (EVA, OTHER))
        }
        await users[BOB].client.call(GROUP)
        await users[EVA].client.call(OTHER, chat=True)
        await until(lambda: made.of(events.CallEstablished) and users[DAN].client.calls)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            yield Scene(made, users, stranger)


async def test_floor_control_of_those_who_may_not(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        now = here.made.calls.around.clock()
        bob, dan = here.call(BOB).engine.ssrc, here.call(DAN).engine.ssrc

        def say(packet: bytes) -> None:
            here.stranger.sendto(packet, here.floor)

        # Somebody who is in no such call, and so somebody who speaks to another call than its own.
        say(here.packet(EVA, FloorRequest(ssrc=here.call(EVA).engine.ssrc), now))
        await here.refused("call.no-leg")
        # From another SSRC than that of the leg.
        say(here.packet(BOB, FloorRequest(ssrc=77), now))
        await here.refused("floor.ssrc")
        # Under another client's CSK: whoever's key it is, is whose message it is.
        say(here.packet(DAN, FloorRequest(ssrc=bob), now))
        await here.refused("floor.ssrc", 2)
        say(here.packet(DAN, FloorRequest(ssrc=dan, user_id=BOB), now))
        await here.refused("floor.user-id")
        # In clear.
        say(rtcp.encode(FloorRequest(ssrc=bob)))
        await until(lambda: sum(here.made.calls.around.refused.values()) == 5)
        # What only servers say.
        say(here.packet(BOB, FloorTaken(ssrc=bob, permission=True, sequence_number=1), now))
        await here.refused("floor.direction")
        # Nothing at all.
        for octets in (b"", b"\x80", bytes(64), b"\xff" * 1400):
            say(octets)
        await until(lambda: sum(here.made.calls.around.refused.values()) == 10)
        assert here.made.calls.focuses[GROUP].call.floor.talkers == ()


async def test_a_replayed_request_asks_for_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        call = here.call(BOB)
        taken: list[bytes] = []
        ports = call._ports
        send = ports.send_floor
        ports.send_floor = lambda packet, to: (taken.append(packet.octets), send(packet, to))[1]  # type: ignore[method-assign]  # What leaves is looked at.
        call.press()
        await until(lambda: call.may_talk)
        call.release()
        await until(lambda: here.made.calls.focuses[GROUP].call.floor.talkers == ())
        here.stranger.sendto(taken[0], here.floor)
        await here.refused("peer.replayed")


def ears(call: McCall) -> list[bytes]:
    """What comes to the media port of a call, from now on."""
    heard: list[bytes] = []
    call._ports._media._on_datagram = lambda octets, source: heard.append(octets)
    return heard


async def test_media_of_those_who_may_not(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        heard = ears(here.call(BOB))
        dan, now = here.call(DAN), here.made.calls.around.clock()
        engine = here.users[DAN].client.engine
        frame = bytes(160)
        # Without the floor: told to stop.
        uplink = MediaUplink(engine, GROUP, dan.engine.ssrc)
        dan._ports.send_media(uplink.packet(frame, now, starts=True), here.media(DAN))
        await until(lambda: here.made.of(MediaRefused))
        assert here.made.calls.around.refused["call.no-floor"] == 1
        # From elsewhere, at a port that is another's, and from another SSRC.
        here.stranger.sendto(uplink.packet(frame, now, starts=False).octets, here.media(DAN))
        await here.refused("call.media-source")
        dan._ports.send_media(uplink.packet(frame, now, starts=False), here.media(BOB))
        await here.refused("call.media-source", 2)
        other = MediaUplink(engine, GROUP, 99)
        dan._ports.send_media(other.packet(frame, now, starts=False), here.media(DAN))
        await here.refused("floor.media-ssrc")
        assert heard == []


async def test_what_the_talker_sends_that_is_no_protected_media(tmp_path: Path) -> None:
    """From the right place, with the floor: nothing but what is looked at stops it."""
    async with scene(tmp_path) as here:
        heard = ears(here.call(BOB))
        dan, around = here.call(DAN), here.made.calls.around
        dan.press()
        await until(lambda: dan.may_talk)
        now, own = around.clock(), dan._ports._media._socket
        media = MediaUplink(here.users[DAN].client.engine, GROUP, dan.engine.ssrc)
        ssrc = dan.engine.ssrc.to_bytes(4)

        async def say(packet: bytes, to: Address) -> None:
            before = around.refused.total()
            own.sendto(packet, to)
            await until(lambda: around.refused.total() == before + 1)

        # In clear; with an MKI that names no GMK; control at the media port, protected and in clear; nothing at all.
        await say(b"\x80\x00" + bytes(6) + ssrc + bytes([0x90]) * 200, here.media(DAN))
        await say(b"\x80\x00" + bytes(6) + ssrc + bytes([0x20]) * 200, here.media(DAN))
        for _ in range(40):
            # Of what stands where media has the ID of its key, one in sixteen looks like that of a GMK.
            request = FloorRequest(ssrc=dan.engine.ssrc)
            await say(here.packet(DAN, request, now), here.media(DAN))
            await say(rtcp.encode(request), here.media(DAN))
        for octets in (b"", b"\x80", bytes(64)):
            await say(octets, here.media(DAN))
        # Media at the port of floor control.
        await say(media.packet(bytes(160), now, starts=True).octets, here.floor)
        assert heard == []
        # What is media passes, and only that.
        fine = media.packet(bytes(160), now, starts=False).octets
        own.sendto(fine, here.media(DAN))
        await until(lambda: heard == [fine])


async def test_a_flipped_bit_arrives_flipped(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        heard = ears(here.call(DAN))
        call = here.call(BOB)
        sent: list[bytes] = []
        port = call._ports._media

        def flipped(octets: bytes, to: Address) -> None:
            changed = octets[:40] + bytes([octets[40] ^ 4]) + octets[41:]
            sent.append(changed)
            port._socket.sendto(changed, to)

        port._send = flipped  # type: ignore[method-assign]  # The attacker on the way.
        await call.talk(speech.synthesise(0.06))
        await until(lambda: len(heard) == len(sent) > 0)
        assert heard == sent


async def test_invites_that_are_answered_with_a_refusal(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        eva = here.users[EVA].client
        for called, status, warning in (
            (GROUP, 403, "120"),
            ("sip:nobody@b.example", 404, "113"),
            (CLOSED, 404, "115"),
        ):
            with pytest.raises(ServiceRefused) as refused:
                await eva.call(called)
            assert f"{status} {warning}" in str(refused.value)
        await eva.affiliate([OTHER, GROUP])
        with pytest.raises(ServiceRefused) as refused:
            await eva.call(GROUP)
        assert "116" in str(refused.value)
        with pytest.raises(ServiceRefused):
            await eva.call(GROUP, chat=True)
        assert len(here.made.of(RequestRefused)) == 5
        assert set(here.made.calls.focuses[GROUP].call.members) == {BOB, DAN}


async def test_media_in_clear_needs_the_groups_leave(tmp_path: Path) -> None:
    from mcsec.errors import Refused
    from mcsec.server.calls import bodies
    from mcsec.server.calls.bodies import Audio
    from mcsec.wire.sdp_mcptt import FloorParameters

    place = ("127.0.0.1", 4000)
    clear = bodies.write(place, place, Audio("RTP/AVP", ("0",), ()), FloorParameters())
    with pytest.raises(Refused):
        bodies.read(clear, GroupRules())
    with pytest.raises(Refused):
        bodies.read(clear, GroupRules(protect_media=True))
    assert bodies.read(clear, GroupRules(protect_media=False)).audio.protocol == "RTP/AVP"


def spk_sender(key: Key, ssrc: int, first: int) -> SrtcpSender:
    return SrtcpSender(SrtpProfile.AEAD_AES_128_GCM, ssrc, *key.srtp_material(), first=first, last=2**31 - 1)


async def test_a_partner_that_sends_nonsense(tmp_path: Path) -> None:
    key = gmk_of(GROUP)
    members = [GroupMember(user=user) for user in (ANN, BOB, CEM)]
    async with two_domains(tmp_path, [group(*members)]) as (a, b):
        users = {user: await (b if user == BOB else a).log_on(user, [GROUP], key) for user in (ANN, BOB, CEM)}
        await users[ANN].client.call(GROUP)
        await until(lambda: all(user.client.calls for user in users.values()))
        await until(lambda: len(b.calls.focuses[GROUP].partners) == 2)
        ann, cem = (b.calls.focuses[GROUP].partners[user] for user in (ANN, CEM))
        spk = b.calls.around.links["a.example"].partner.spks[0]
        around = b.calls.around
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:

            async def say(packet: bytes, to: Address, code: str) -> None:
                before = around.refused.copy()
                raw.sendto(packet, to)
                await until(lambda: around.refused != before)
                (only,) = around.refused - before
                assert only.startswith(code)

            assert ann.terms is not None and ann.terms.ssrc is not None  # noqa: PT018  # One fact.
            assert cem.terms is not None and cem.terms.ssrc is not None  # noqa: PT018  # One fact.
            # Authentic, on the right leg, and no floor control.
            sender = spk_sender(spk, ann.terms.ssrc, 50_000)
            broken = rtcp.encode(FloorRequest(ssrc=ann.terms.ssrc, user_id=ANN))
            await say(sender.protect(broken[:-4] + b"\xff" * 4).octets, ann.ports.floor, "rtcp.")
            taken = FloorTaken(ssrc=ann.terms.ssrc, permission=True, sequence_number=9)
            await say(sender.protect(rtcp.encode(taken)).octets, ann.ports.floor, "floor.direction")
            # One leg's message on the other leg, and one user's under the name of the other.
            fine = sender.protect(rtcp.encode(FloorRequest(ssrc=ann.terms.ssrc, user_id=ANN))).octets
            await say(fine, cem.ports.floor, "call.other-leg")
            named = rtcp.encode(FloorRequest(ssrc=ann.terms.ssrc, user_id=CEM))
            await say(sender.protect(named).octets, ann.ports.floor, "floor.user-id")
            # Somebody else's key under the same ID, and a key that nobody agreed on.
            forged = replace(spk, secret=Secret(bytes(16)))
            octets = spk_sender(forged, ann.terms.ssrc, 60_000).protect(named).octets
            await say(octets, ann.ports.floor, "peer.check-failed")
            csk = a.server.function.engine.csks.held[ANN]
            octets = spk_sender(csk, ann.terms.ssrc, 1).protect(named).octets
            await say(octets, ann.ports.floor, "peer.unknown-key")
        assert b.calls.focuses[GROUP].call.floor.talkers == ()
        assert b.of(events.PacketRefused)
        await b.calls.release(GROUP)
        await until(lambda: not any(user.client.calls for user in users.values()))


async def test_a_server_that_is_no_partner_is_refused(tmp_path: Path) -> None:
    from mcsec.net.sip.compose import make_request
    from mcsec.net.sip.endpoint import Endpoint
    from mcsec.net.sip.inviting import CallRefused
    from mcsec.net.sip.peer import Hop
    from mcsec.net.sip.settings import EndpointSettings
    from mcsec.server.calls import bodies
    from mcsec.server.calls.bodies import Audio
    from mcsec.wire import multipart
    from mcsec.wire.mcptt_info import McpttInfo
    from mcsec.wire.sdp_mcptt import FloorParameters
    from support.call_domains import controlling, mdsi
    from support.sip_tls import TestAuthority

    (tmp_path / "ca").mkdir()
    async with two_domains(tmp_path, [group(ANN, BOB)]) as (a, b):
        hop = next(iter(a.calls.around.links.values())).partner.hop
        authority = a.authority
        assert isinstance(authority, TestAuthority)
        settings = EndpointSettings(client_tls=authority.client("mcx.mallory.example"))
        place = ("127.0.0.1", 4000)
        description = bodies.write(place, place, Audio("RTP/SAVP", ("0",), ()), FloorParameters(ssrc=1))
        info = McpttInfo(session_type="prearranged", request_uri=GROUP, calling_user_id=ANN)
        content_type, body = multipart.encode(bodies.parts(info, description))
        async with Endpoint(lambda request, peer: None, settings) as endpoint:  # type: ignore[arg-type, return-value]  # It is asked nothing.
            request = make_request(
                "INVITE",
                controlling("b.example"),
                from_=ANN,
                headers=[("P-Asserted-Identity", f"<{ANN}>")],
                body=body,
                content_type=content_type,
            )
            with pytest.raises(CallRefused) as refused:
                await endpoint.invite(request, Hop("TLS", hop.host, hop.port, mdsi("b.example")))
        assert refused.value.response.status in (403, 404)
        assert not b.calls.focuses
        assert b.of(RequestRefused)
