"""Who joins a call in which somebody has talked for hours: the rollover counter of that stream is found by its tag."""

from __future__ import annotations

import pytest

from mcsec.client.events import MediaHeard, PacketDropped
from mcsec.crypto.kdf import guk_id
from mcsec.crypto.srtp import SrtpProfile, SrtpSender
from mcsec.wire.rtp import RtpHeader, RtpPacket
from support.client_calls import TALKER, CallScene, in_call
from support.domains import NOW
from support.engines import GROUP


class LongTalk:
    """A stream of which ``rollovers`` times 65,536 packets went before."""

    def __init__(self, scene: CallScene, rollovers: int, sequence: int = 100, ssrc: int = 9) -> None:
        material = scene.gmk.srtp_material(guk_id=guk_id(scene.gmk.secret, scene.gmk.key_id, TALKER))
        first = rollovers << 16 | sequence
        self._sequence, self._ssrc = sequence, ssrc
        self._sender = SrtpSender(
            SrtpProfile.AEAD_AES_128_GCM, ssrc, *material, first=first, last=(1 << 48) - 1
        )

    def packet(self) -> bytes:
        header = RtpHeader(
            payload_type=0, sequence=self._sequence & 0xFFFF, timestamp=160 * self._sequence, ssrc=self._ssrc
        )
        self._sequence += 1
        return self._sender.protect(RtpPacket(header, bytes(160)).encode()).octets


@pytest.mark.parametrize("rollovers", [0, 1, 2, 15])
def test_hears_a_stream_from_the_first_packet_on(rollovers: int) -> None:
    scene = in_call()
    talk = LongTalk(scene, rollovers, 65_534)
    for _ in range(5):
        # Over another wrap of the sequence number, too.
        assert isinstance(scene.client.media_packet(talk.packet(), GROUP, NOW)[-1], MediaHeard)
    assert not scene.client.dropped


def test_after_a_day_it_is_given_up_with_one_count_a_packet() -> None:
    scene = in_call()
    talk = LongTalk(scene, 16)
    for _ in range(3):
        (event,) = scene.client.media_packet(talk.packet(), GROUP, NOW)
        assert isinstance(event, PacketDropped)
        assert event.code == "peer.check-failed"
    assert scene.client.dropped == {"peer.check-failed": 3}


@pytest.mark.parametrize("rollovers", [0, 3])
def test_forged_packets_before_do_not_lead_astray(rollovers: int) -> None:
    scene = in_call()
    talk = LongTalk(scene, rollovers)
    genuine = talk.packet()
    for number in range(1, 40):
        forged = bytearray(genuine)
        forged[20 + number] ^= 1
        scene.client.media_packet(bytes(forged), GROUP, NOW)
    assert isinstance(scene.client.media_packet(genuine, GROUP, NOW)[-1], MediaHeard)
    # Nor do they once the stream is known.
    second = talk.packet()
    scene.client.media_packet(second[:30] + b"\0" + second[31:-30] + b"\0" + second[-29:], GROUP, NOW)
    assert isinstance(scene.client.media_packet(second, GROUP, NOW)[-1], MediaHeard)
    (event,) = scene.client.media_packet(second, GROUP, NOW)
    assert isinstance(event, PacketDropped)
    assert event.code == "peer.replayed"
