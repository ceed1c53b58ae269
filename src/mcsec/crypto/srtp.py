"""SRTP and SRTCP (RFC 3711, RFC 7714): the transforms, and the types that may go on a bearer.

Senders
    A sender has one SSRC and one running packet index, which is its nonce. The index belongs to the SSRC:
    it counts on when :meth:`~SrtcpSender.install_key` changes the key (RFC 3711 3.4). The caller reserves
    indexes, durably, before it hands their range over as ``first`` and ``last``; there is no way to set an
    index or to go back. A process that starts again takes a range above all that it had reserved, or a new
    SSRC. At the end of the range ``protect`` raises :class:`~mcsec.errors.IndexExhausted` until
    ``extend(last)`` moves it.

Receivers
    A receiver has any number of master keys by MKI (0 to 128 octets) and a replay window for each pair of
    MKI and SSRC, which moves only after the tag verified. A packet does not say how long its MKI is: the
    lengths of the installed keys are tried, longest first, and the first that names a key decides. At most
    ``max_streams`` windows are kept, about 100 octets each. None is ever evicted, because that would let
    its packets be replayed: past the bound a new SSRC is refused with :class:`~mcsec.errors.Refused` until
    a key is removed. For the same reason ``add_key`` refuses an MKI that is in use; who removes a key and
    adds the same again forgets what was seen.

    SRTCP packets with E = 0, which are authenticated and not encrypted, are refused unless the receiver is
    made with ``accept_unencrypted=True``.

    ``unprotect`` raises :class:`~mcsec.errors.DecodeError` (no such packet),
    :class:`~mcsec.errors.UnknownKey`, :class:`~mcsec.errors.Replayed`, :class:`~mcsec.errors.CheckFailed`
    and :class:`~mcsec.errors.Refused`, all of them ``PeerError``.

The SRTP pair is for media endpoints. An MCX server forwards media as it is and holds no key of it. The SRTP
receiver estimates the rollover counter (RFC 3711 3.3.1), starting from 0 unless ``start_stream(ssrc, roc)``
told another; with ``carry_roc`` both ends put it into every packet instead (RFC 4771 mode 3; TS 33.179
E.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from mcsec._core import OpenedPacket, ProtectedPacket, SrtcpReceiver, SrtcpSender, SrtpReceiver, SrtpSender
from mcsec.errors import Forbidden, InvalidValue

__all__ = [
    "BearerPacket",
    "ForwardedMedia",
    "OpenedPacket",
    "ProtectedPacket",
    "SrtcpReceiver",
    "SrtcpSender",
    "SrtpProfile",
    "SrtpReceiver",
    "SrtpSender",
    "bearer_octets",
]


class SrtpProfile(StrEnum):
    """A cipher suite, by its registered name (RFC 7714 14.2, RFC 5764 4.1.2)."""

    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"
    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"

    @property
    def key_length(self) -> int:
        """Octets of a master key."""
        return 16

    @property
    def salt_length(self) -> int:
        """Octets of a master salt."""
        return 12 if self is SrtpProfile.AEAD_AES_128_GCM else 14

    @property
    def tag_length(self) -> int:
        """Octets of an authentication tag."""
        return 16 if self is SrtpProfile.AEAD_AES_128_GCM else 10


@dataclass(frozen=True, slots=True)
class ForwardedMedia:
    """Media that a server received and passes on unchanged; it holds no key that would open it.

    Only the shape can be checked here. RTCP is refused, so that no floor control or subchannel control
    message gets on a bearer under the name of media.

    :raises InvalidValue: no RTP packet.
    """

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) < 12 or self.octets[0] >> 6 != 2:
            raise InvalidValue("forwarded media must be an RTP packet")
        # RFC 5761 4: these packet types tell RTCP from RTP.
        if 192 <= self.octets[1] <= 223:
            raise InvalidValue("RTCP is not media: signalling goes on a bearer protected, or not at all")


BearerPacket: TypeAlias = ProtectedPacket | ForwardedMedia
"""All that an MCX server may send on a bearer."""


def bearer_octets(packet: BearerPacket) -> bytes:
    """The octets for the wire. Whatever sends on a bearer takes them from here, and from nowhere else.

    :raises Forbidden: anything but a :class:`ProtectedPacket` or :class:`ForwardedMedia`, clear octets above all.
    """
    # Not isinstance: a subclass of ForwardedMedia could have left out its check.
    if type(packet) not in (ProtectedPacket, ForwardedMedia):
        raise Forbidden(
            f"{type(packet).__name__} is no packet for a bearer",
            code="bearer.unprotected",
            clause="TS 24.380 13.1",
            hint="protect it with SrtcpSender, or serve the listener by unicast",
        )
    return packet.octets
