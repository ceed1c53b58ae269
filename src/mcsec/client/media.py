"""Media of a talking client: RTP under the group's GMK, end to end (TS 33.180 7.4.2)."""

from __future__ import annotations

from mcsec.crypto.kdf import guk_id
from mcsec.crypto.srtp import ProtectedPacket, SrtpProfile, SrtpSender
from mcsec.keys.key import Key
from mcsec.keys.reservation import draw_ssrc
from mcsec.wire.rtp import RtpHeader, RtpPacket

_LAST_INDEX = (1 << 48) - 1


class MediaSender:
    """One talk burst's stream: its SSRC, its sequence numbers, its key.

    The SSRC is drawn anew for each stream, so that no two streams of this user share a nonce.
    """

    def __init__(self, gmk: Key, uri: str, payload_type: int) -> None:
        """:param gmk: the group's key. :param uri: the talker, whose GUK-ID makes the key its own."""
        self.ssrc = draw_ssrc()
        self._payload_type = payload_type
        self._sequence = 0
        material = gmk.srtp_material(guk_id=guk_id(gmk.secret, gmk.key_id, uri))
        self.mki_octets = len(material.mki)
        self._sender = SrtpSender(
            SrtpProfile.AEAD_AES_128_GCM, self.ssrc, *material, first=0, last=_LAST_INDEX
        )

    def packet(self, payload: bytes, timestamp: int) -> tuple[bytes, ProtectedPacket]:
        """One frame: the RTP packet in clear, and as it is sent."""
        header = RtpHeader(
            payload_type=self._payload_type,
            sequence=self._sequence,
            timestamp=timestamp,
            ssrc=self.ssrc,
        )
        self._sequence = (self._sequence + 1) % (1 << 16)
        rtp = RtpPacket(header, payload).encode()
        return rtp, self._sender.protect(rtp)
