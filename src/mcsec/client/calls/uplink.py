"""What a client sends in a call: floor control under its CSK, media under the GMK (TS 24.380 13.1).

No nonce twice (``docs/keys/reservation.md``): each call draws an SSRC that no other call of this client had, nor any
message of the server to it under the same CSK, and its indexes only count up, over a change of key too. The CSK itself
lives no longer than the process, because it is made at each log-on and kept nowhere. The GMK lives longer; there the
random SSRC keeps the calls of different processes apart, as it does for the starts of a server.
"""

from __future__ import annotations

from mcsec.client.audio import pcmu
from mcsec.client.engine import ClientEngine
from mcsec.client.media import MediaSender
from mcsec.crypto.srtp import ProtectedPacket, SrtcpSender, SrtpProfile
from mcsec.errors import Forbidden, UnknownKey
from mcsec.ids import KeyId
from mcsec.keys.key import Key
from mcsec.keys.kinds import Traffic
from mcsec.keys.reservation import FIRST_INDEX, LAST_INDEX
from mcsec.wire import rtcp


class FloorUplink:
    """The floor messages of one call, under the newest CSK."""

    def __init__(self, engine: ClientEngine, ssrc: int) -> None:
        self._engine, self.ssrc = engine, ssrc
        self._sender: SrtcpSender | None = None
        self._key_id: KeyId | None = None

    def protect(self, message: rtcp.Message, now: float) -> ProtectedPacket:
        """``message`` as it is sent.

        :raises Forbidden: there is no CSK; nothing is sent in clear. :raises IndexExhausted: no index is left.
        """
        key = key_for(self._engine, Traffic.UNICAST_FLOOR, self._engine.uri, now)
        if self._sender is None:
            profile = SrtpProfile.AEAD_AES_128_GCM
            self._sender = SrtcpSender(
                profile, self.ssrc, *key.srtp_material(), first=FIRST_INDEX, last=LAST_INDEX
            )
        elif key.key_id != self._key_id:
            self._sender.install_key(*key.srtp_material())
        self._key_id = key.key_id
        return self._sender.protect(rtcp.encode(message))


class MediaUplink:
    """The media of one call, under the group's newest GMK. One SSRC, as the floor control server expects it."""

    def __init__(self, engine: ClientEngine, group: str, ssrc: int) -> None:
        self._engine, self._group, self.ssrc = engine, group, ssrc
        self._sender: MediaSender | None = None
        self._key_id: KeyId | None = None
        self._timestamp = 0
        # When the last burst began, and its first timestamp: the next one starts as much later as time went by.
        self._origin: tuple[float, int] | None = None

    def check(self, now: float) -> None:
        """Whether there is a key to talk under.

        :raises Forbidden: there is none.
        """
        key_for(self._engine, Traffic.GROUP_MEDIA, self._group, now)

    def packet(self, payload: bytes, now: float, *, starts: bool) -> ProtectedPacket:
        """One frame of PCMU. ``starts``: it is the first of a burst.

        :raises Forbidden: there is no GMK; nothing is sent in clear. :raises IndexExhausted: no index is left.
        """
        key = key_for(self._engine, Traffic.GROUP_MEDIA, self._group, now)
        if self._sender is None:
            self._sender = MediaSender(key, self._engine.uri, pcmu.PAYLOAD_TYPE, ssrc=self.ssrc)
        elif key.key_id != self._key_id:
            self._sender.change_key(key)
        self._key_id = key.key_id
        if starts:
            self._timestamp = self._later(now)
            self._origin = now, self._timestamp
        _, packet = self._sender.packet(payload, self._timestamp & 0xFFFFFFFF, marker=starts)
        self._timestamp += len(payload)
        return packet

    def _later(self, now: float) -> int:
        if self._origin is None:
            return 0
        since, timestamp = self._origin
        # Never back: a clock that is set, or frames that were sent faster than they are spoken.
        return max(self._timestamp, timestamp + round((now - since) * pcmu.RATE))


def key_for(engine: ClientEngine, traffic: Traffic, name: str, now: float) -> Key:
    """The key to send ``traffic`` under.

    :raises Forbidden: none is usable.
    """
    try:
        return engine.keyring.current(traffic, name, now)
    except UnknownKey:
        raise Forbidden(
            f"no key to send {traffic} of {name} under",
            code="call.no-key",
            clause="TS 24.380 13.1",
            hint="the GMK comes from the group's GMS, the CSK is made at log-on",
        ) from None
