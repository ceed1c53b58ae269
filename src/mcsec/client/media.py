"""Media of a talking client: RTP under the group's GMK, end to end (TS 33.180 7.4.2)."""

from __future__ import annotations

from mcsec.crypto.kdf import guk_id
from mcsec.crypto.srtp import ProtectedPacket, SrtpProfile, SrtpSender
from mcsec.keys.key import Key, SrtpMaterial
from mcsec.keys.reservation import draw_ssrc
from mcsec.wire.rtp import RtpHeader, RtpPacket

_LAST_INDEX = (1 << 48) - 1


class MediaSender:
    """One stream: its SSRC, its sequence numbers, its key.

    The SSRC is drawn anew for each stream, so that no two streams of this user share a nonce.
    """

    def __init__(self, gmk: Key, uri: str, payload_type: int, *, ssrc: int | None = None) -> None:
        """:param gmk: the group's key. :param uri: the talker, whose GUK-ID makes the key its own.
        :param ssrc: drawn for this stream by the caller; None: drawn here.
        """
        self.ssrc = draw_ssrc() if ssrc is None else ssrc
        self._uri = uri
        self._payload_type = payload_type
        self._sequence = 0
        material = self._material(gmk)
        self.mki_octets = len(material.mki)
        self._sender = SrtpSender(
            SrtpProfile.AEAD_AES_128_GCM, self.ssrc, *material, first=0, last=_LAST_INDEX
        )

    def change_key(self, gmk: Key) -> None:
        """Send under another GMK from now on; the packet index counts on."""
        self._sender.install_key(*self._material(gmk))

    def packet(
        self, payload: bytes, timestamp: int, *, marker: bool = False
    ) -> tuple[bytes, ProtectedPacket]:
        """One frame: the RTP packet in clear, and as it is sent. ``marker``: a talk burst begins."""
        header = RtpHeader(
            payload_type=self._payload_type,
            sequence=self._sequence,
            timestamp=timestamp,
            ssrc=self.ssrc,
            marker=marker,
        )
        self._sequence = (self._sequence + 1) % (1 << 16)
        rtp = RtpPacket(header, payload).encode()
        return rtp, self._sender.protect(rtp)

    def _material(self, gmk: Key) -> SrtpMaterial:
        return gmk.srtp_material(guk_id=guk_id(gmk.secret, gmk.key_id, self._uri))
