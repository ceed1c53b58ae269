"""Senders, receivers and packets for the tests of SRTP."""

from __future__ import annotations

from mcsec._core import Secret
from mcsec.crypto.srtp import (
    ProtectedPacket,
    SrtcpReceiver,
    SrtcpSender,
    SrtpProfile,
    SrtpReceiver,
    SrtpSender,
)
from mcsec.wire.rtp import RtcpHeader, RtpHeader

SSRC = 0x11223344
MKI = bytes.fromhex("6abcdef0")
LAST_RTCP = 2**31 - 1
LAST_RTP = 2**48 - 1
GCM = SrtpProfile.AEAD_AES_128_GCM
CM = SrtpProfile.AES_CM_128_HMAC_SHA1_80


def master(profile: SrtpProfile, number: int = 1) -> tuple[bytes, bytes]:
    """A master key and salt, different for each number."""
    return bytes([number]) * profile.key_length, bytes([0xA0 + number]) * profile.salt_length


def secrets_of(profile: SrtpProfile, number: int = 1) -> tuple[Secret, Secret]:
    key, salt = master(profile, number)
    return Secret(key), Secret(salt)


def rtcp(data: bytes = b"12345678", ssrc: int = SSRC) -> bytes:
    """An APP packet of floor control's name."""
    data += bytes(-len(data) % 4)
    return RtcpHeader(204, 1, 12 + len(data)).encode() + ssrc.to_bytes(4) + b"MCPT" + data


def rtp(sequence: int = 0, payload: bytes = b"speech", ssrc: int = SSRC) -> bytes:
    return RtpHeader(100, sequence % 65536, 160 * sequence % 2**32, ssrc).encode() + payload


def srtcp_sender(
    profile: SrtpProfile = GCM,
    mki: bytes = MKI,
    *,
    ssrc: int = SSRC,
    first: int = 1,
    last: int = LAST_RTCP,
    number: int = 1,
) -> SrtcpSender:
    return SrtcpSender(profile, ssrc, mki, *secrets_of(profile, number), first=first, last=last)


def srtcp_receiver(
    profile: SrtpProfile = GCM,
    mki: bytes = MKI,
    *,
    window: int = 128,
    max_streams: int = 65536,
    accept_unencrypted: bool = False,
) -> SrtcpReceiver:
    receiver = SrtcpReceiver(
        profile, window=window, max_streams=max_streams, accept_unencrypted=accept_unencrypted
    )
    receiver.add_key(mki, *secrets_of(profile))
    return receiver


def srtp_sender(
    profile: SrtpProfile = GCM,
    mki: bytes = MKI,
    *,
    ssrc: int = SSRC,
    first: int = 0,
    last: int = LAST_RTP,
    carry_roc: bool = False,
) -> SrtpSender:
    return SrtpSender(profile, ssrc, mki, *secrets_of(profile), first=first, last=last, carry_roc=carry_roc)


def srtp_receiver(
    profile: SrtpProfile = GCM, mki: bytes = MKI, *, max_streams: int = 65536, carry_roc: bool = False
) -> SrtpReceiver:
    receiver = SrtpReceiver(profile, max_streams=max_streams, carry_roc=carry_roc)
    receiver.add_key(mki, *secrets_of(profile))
    return receiver


def protected_packet(data: bytes = b"12345678") -> ProtectedPacket:
    """A packet of floor control, protected."""
    return srtcp_sender().protect(rtcp(data))
