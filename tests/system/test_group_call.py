"""A group homed in B, members in A and B, A's own bearer: WAV files said in both directions are recorded as they were.

Everybody is a client as ``mcsec client`` runs it; both servers are as ``mcsec server`` runs them. A's server holds no
key of B, and neither server the key of the media.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mcsec.client.audio import speech, wav
from mcsec.client.audio.recorder import Recorder
from mcsec.client.calls import events
from mcsec.client.events import GroupMapped, ListeningReported, MediaHeard, PacketDropped
from mcsec.crypto.srtp import BearerPacket, ForwardedMedia, ProtectedPacket, bearer_octets
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.lab.audio import compare
from mcsec.net.mb2u import Place
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.server.announcement import Bearer
from mcsec.server.calls.policy import CallPolicy
from mcsec.wire.rtcp.subchannel import BearerAnnouncement
from support.call_domains import AREA, Domain, User, gmk_of, two_domains
from support.call_waiting import everybody_in
from support.calls import ANN, BOB, CEM, DAN, GROUP, TMGI, group
from support.waiting import PATIENCE, until

pytestmark = pytest.mark.anyio

NAME = "one"
#: On a machine that has much else to do.
soon = partial(until, seconds=20.0)


@dataclass
class Multicast:
    """A's bearer, without a BM-SC: what is sent on it goes to the multicast groups of this machine, once."""

    stack: ExitStack
    general: Place
    sent: list[tuple[Place, BearerPacket]] = field(default_factory=list)
    _senders: dict[Place, MulticastSender] = field(default_factory=dict)

    def bearers(self) -> Mapping[str, Tmgi]:
        return {NAME: TMGI}

    def place(self, bearer: str) -> Place:
        assert bearer == NAME
        return self.general

    def send(self, bearer: str, packet: BearerPacket, to: Place) -> None:
        self.sent.append((to, packet))
        if to not in self._senders:
            self._senders[to] = self.stack.enter_context(MulticastSender(MulticastGroup(*to)))
        self._senders[to].send(packet)

    def media(self) -> list[bytes]:
        return [packet.octets for _, packet in self.sent if type(packet) is ForwardedMedia]

    def tags(self, kind: type[BearerPacket]) -> set[PurposeTag]:
        """What the packets of a type are protected under, as their MKIs say."""
        where = -8 if kind is ForwardedMedia else -4
        found = (bearer_octets(packet) for _, packet in self.sent if type(packet) is kind)
        return {KeyId.decode(octets[where : where + 4 or None]).tag for octets in found}


@contextmanager
def multicast() -> Iterator[Multicast]:
    # Below the ports that the system gives out, and another address for each run.
    place = IPv4Address("239.192.0.0") + secrets.randbits(18), 20_000 + 8 * secrets.randbelow(1_500)
    with ExitStack() as stack:
        yield Multicast(stack, place)


async def listening(a: Domain, air: Multicast, users: Iterable[User]) -> None:
    """A's users hold A's keys and said that they hear A's bearer."""
    await a.server.make_musik(Scope.of(GROUP))
    await a.server.announce(Bearer(TMGI, (AREA,), *air.general, groups=frozenset({GROUP})))
    a.calls.attach(air)
    kinds = {PurposeTag.MUSIK, PurposeTag.MSCCK}
    await soon(
        lambda: all(kinds <= {key.key_id.tag for key in user.client.engine.keyring.keys} for user in users)
    )
    engine, tmgi = a.server.function.engine, str(TMGI)
    sign = BearerAnnouncement(ssrc=engine.ssrc(Traffic.SUBCHANNEL_CONTROL, tmgi), tmgis=(TMGI,))
    sent = await a.server.send(lambda now: engine.subchannel(tmgi, sign, now))
    air.send(NAME, sent.packet, air.general)  # type: ignore[union-attr]  # there is a key to send under
    await soon(lambda: all(user.of(ListeningReported) for user in users))


async def test_wav_in_is_wav_out_across_domains_and_over_a_bearer(tmp_path: Path) -> None:
    wav.write(tmp_path / "bob.wav", speech.synthesise(1.0))
    wav.write(tmp_path / "ann.wav", speech.synthesise(2.0)[8000:])
    gmk = gmk_of(GROUP)
    policy = CallPolicy(t16=0.1, t17=0.05)
    with multicast() as air, ExitStack() as files:
        async with two_domains(tmp_path, [group(ANN, BOB, CEM, DAN)], policy) as (a, b):
            ann, cem = [await a.log_on(user, [GROUP], gmk) for user in (ANN, CEM)]
            bob, dan = [await b.log_on(user, [GROUP], gmk) for user in (BOB, DAN)]
            users = {"ann": ann, "bob": bob, "cem": cem, "dan": dan}
            await listening(a, air, (ann, cem))
            recorders = {
                name: files.enter_context(Recorder(tmp_path / f"{name}-heard.wav")) for name in users
            }
            for name, user in users.items():
                user.client.on_call = lambda call, name=name: setattr(call, "on_audio", recorders[name].frame)

            call = await bob.client.call(GROUP)
            await everybody_in(GROUP, (user.client for user in users.values()), b.calls, a.calls)
            # B's user talks: the call goes to A's bearer while it does.
            said = wav.read(tmp_path / "bob.wav")
            assert await call.talk(said) == 50
            await soon(lambda: all(len(user.of(MediaHeard)) == 50 for user in (ann, cem, dan)))
            await soon(lambda: all(user.of(events.FloorIdle) for user in users.values()))
            assert all(len(user.of(GroupMapped)) == 1 for user in (ann, cem))
            assert {"one"} == {a.calls.servings[GROUP].call.bearer_of(user) for user in (ANN, CEM)}
            assert 0 < len(air.media()) <= 50
            assert len(set(air.media())) == len(air.media()), "once, however many listen"

            # A's user talks: up by unicast, to B, and down on the bearer to the other one in A.
            before = len(air.media())
            answer = wav.read(tmp_path / "ann.wav")
            assert await ann.client.calls[GROUP].talk(answer, within=PATIENCE) == 50
            await soon(lambda: len(air.media()) == before + 50)
            await soon(lambda: all(len(user.of(MediaHeard)) == 100 for user in (cem, dan)))
            await soon(lambda: len(bob.of(MediaHeard)) == 50)
            await soon(lambda: len(cem.of(events.FloorTaken)) == 2)

            # Everything on the bearer is protected: control under A's own keys, media under the GMK.
            assert air.tags(ProtectedPacket) == {PurposeTag.MUSIK, PurposeTag.MSCCK}
            assert air.tags(ForwardedMedia) == {PurposeTag.GMK}
            for side in (a, b):
                assert PurposeTag.GMK not in side.server.function.engine.kinds_held
                assert side.calls.around.refused == {}

            await b.calls.release(GROUP)
            await soon(lambda: not any(user.client.calls for user in users.values()))
            assert not any(user.of(PacketDropped) for user in users.values())
            assert cem.client.engine.dropped == {}
            assert not {
                place for place in a.host.airwaves.groups if (place.address, place.port) != air.general
            }, "the subchannel is left with the call"

    for name, expected in {
        "ann": [said],
        "bob": [answer],
        "cem": [said, answer],
        "dan": [said, answer],
    }.items():
        recorded = wav.read(tmp_path / f"{name}-heard.wav")
        found = [compare(samples, recorded) for samples in expected]
        assert all(one.identical for one in found), f"{name}: {[str(one) for one in found]}"
