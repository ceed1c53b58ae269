"""libsrtp is the referee: SRTP and SRTCP, both ciphers, both ways, with MKIs of several lengths and two keys."""

from __future__ import annotations

import os

import pylibsrtp
import pytest

from mcsec.crypto.srtp import SrtcpReceiver, SrtcpSender, SrtpProfile, SrtpReceiver, SrtpSender
from mcsec.errors import Replayed, UnknownKey
from support.libsrtp import BAD_MKI, LIBRARY, REPLAY_FAIL, Libsrtp, LibsrtpError, Session
from support.srtp import (
    CM,
    GCM,
    LAST_RTCP,
    LAST_RTP,
    SSRC,
    master,
    rtcp,
    rtp,
    secrets_of,
)

BOTH = pytest.mark.parametrize("profile", list(SrtpProfile))
MKI_LENGTHS = pytest.mark.parametrize("mki_length", [4, 8, 128])
PROFILES = {
    GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    CM: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
SIZES = (0, 1, 15, 16, 17, 31, 100, 1200)


@pytest.fixture(scope="module")
def libsrtp() -> Libsrtp:
    """The library, wanted like the programs of other tests: skipped where it is missing, a failure in CI."""
    try:
        return Libsrtp()
    except OSError:
        message = f"{LIBRARY} is not installed: run `make peers`"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


def two_keys(profile: SrtpProfile, mki_length: int) -> list[tuple[bytes, bytes, bytes]]:
    return [(bytes([number]) * mki_length, *master(profile, number)) for number in (1, 2)]


def control_sender(profile: SrtpProfile, mki: bytes) -> SrtcpSender:
    return SrtcpSender(profile, SSRC, mki, *secrets_of(profile, 1), first=1, last=LAST_RTCP)


def media_sender(profile: SrtpProfile, mki: bytes, first: int = 0) -> SrtpSender:
    return SrtpSender(profile, SSRC, mki, *secrets_of(profile, 1), first=first, last=LAST_RTP)


def with_keys(
    receiver: SrtcpReceiver | SrtpReceiver, profile: SrtpProfile, mki_length: int
) -> SrtcpReceiver | SrtpReceiver:
    for number in (1, 2):
        receiver.add_key(bytes([number]) * mki_length, *secrets_of(profile, number))
    return receiver


def plain_session(profile: SrtpProfile, *, outbound: bool) -> pylibsrtp.Session:
    key, salt = master(profile)
    direction = pylibsrtp.Policy.SSRC_ANY_OUTBOUND if outbound else pylibsrtp.Policy.SSRC_ANY_INBOUND
    return pylibsrtp.Session(
        policy=pylibsrtp.Policy(key=key + salt, ssrc_type=direction, srtp_profile=PROFILES[profile])
    )


@BOTH
def test_without_mki(profile: SrtpProfile) -> None:
    """The salt of the AEAD profile has 12 octets: this is what fixes how it is padded for the key derivation."""
    theirs_out, theirs_in = plain_session(profile, outbound=True), plain_session(profile, outbound=False)
    control_in, media_in = SrtcpReceiver(profile), SrtpReceiver(profile)
    for receiver in (control_in, media_in):
        receiver.add_key(b"", *secrets_of(profile))
    control_out, media_out = control_sender(profile, b""), media_sender(profile, b"", first=1)
    for number, size in enumerate(SIZES, 1):
        control, media = rtcp(bytes(size)), rtp(number, bytes(size))
        assert control_in.unprotect(theirs_out.protect_rtcp(control)).octets == control
        assert media_in.unprotect(theirs_out.protect(media)).octets == media
        assert theirs_in.unprotect_rtcp(control_out.protect(control).octets) == control
        assert theirs_in.unprotect(media_out.protect(media).octets) == media


@BOTH
def test_both_write_the_same_octets(libsrtp: Libsrtp, profile: SrtpProfile) -> None:
    keys = two_keys(profile, 4)
    control_out, media_out = control_sender(profile, keys[0][0]), media_sender(profile, keys[0][0])
    with Session(libsrtp, profile, keys, outbound=True) as theirs:
        for number, size in enumerate(SIZES):
            control, media = rtcp(bytes(size)), rtp(number, bytes(size))
            assert theirs.protect_rtcp(control) == control_out.protect(control).octets
            assert theirs.protect(media) == media_out.protect(media).octets


@BOTH
@MKI_LENGTHS
def test_they_open_what_we_protect(libsrtp: Libsrtp, profile: SrtpProfile, mki_length: int) -> None:
    keys = two_keys(profile, mki_length)
    control_out, media_out = control_sender(profile, keys[0][0]), media_sender(profile, keys[0][0])
    with Session(libsrtp, profile, keys, outbound=False) as theirs:
        for number in range(3):
            assert theirs.unprotect_rtcp(control_out.protect(rtcp()).octets) == rtcp()
            assert theirs.unprotect(media_out.protect(rtp(number)).octets) == rtp(number)
        # They hold one index for each SSRC, whatever the key: ours has to count on across the change.
        control_out.install_key(keys[1][0], *secrets_of(profile, 2))
        media_out.install_key(keys[1][0], *secrets_of(profile, 2))
        for number in range(3, 6):
            control, media = control_out.protect(rtcp()).octets, media_out.protect(rtp(number)).octets
            assert theirs.unprotect_rtcp(control) == rtcp()
            assert theirs.unprotect(media) == rtp(number)
            for again, packet in ((theirs.unprotect_rtcp, control), (theirs.unprotect, media)):
                with pytest.raises(LibsrtpError) as refused:
                    again(packet)
                assert refused.value.status == REPLAY_FAIL


@BOTH
@MKI_LENGTHS
def test_we_open_what_they_protect(libsrtp: Libsrtp, profile: SrtpProfile, mki_length: int) -> None:
    keys = two_keys(profile, mki_length)
    control_in = with_keys(SrtcpReceiver(profile), profile, mki_length)
    media_in = with_keys(SrtpReceiver(profile), profile, mki_length)
    with Session(libsrtp, profile, keys, outbound=True) as theirs:
        for number, key in enumerate((0, 0, 1, 1, 0)):
            control, media = theirs.protect_rtcp(rtcp(), key), theirs.protect(rtp(number), key)
            opened = control_in.unprotect(control)
            assert (opened.octets, opened.mki, opened.index) == (rtcp(), keys[key][0], number + 1)
            opened = media_in.unprotect(media)
            assert (opened.octets, opened.mki, opened.index) == (rtp(number), keys[key][0], number)
            for receiver, packet in ((control_in, control), (media_in, media)):
                with pytest.raises(Replayed):
                    receiver.unprotect(packet)


@BOTH
@MKI_LENGTHS
def test_a_wrong_mki_opens_nothing(libsrtp: Libsrtp, profile: SrtpProfile, mki_length: int) -> None:
    keys = two_keys(profile, mki_length)
    stranger = b"\x09" * mki_length
    control_in = with_keys(SrtcpReceiver(profile), profile, mki_length)
    media_in = with_keys(SrtpReceiver(profile), profile, mki_length)
    with (
        Session(libsrtp, profile, [(stranger, *master(profile))], outbound=True) as theirs_out,
        Session(libsrtp, profile, keys, outbound=False) as theirs_in,
    ):
        for packet in (control_sender(profile, stranger).protect(rtcp()), theirs_out.protect_rtcp(rtcp())):
            with pytest.raises(LibsrtpError) as refused:
                theirs_in.unprotect_rtcp(bytes(packet))
            assert refused.value.status == BAD_MKI
            with pytest.raises(UnknownKey):
                control_in.unprotect(bytes(packet))
        for packet in (media_sender(profile, stranger).protect(rtp()), theirs_out.protect(rtp())):
            with pytest.raises(LibsrtpError) as refused:
                theirs_in.unprotect(bytes(packet))
            assert refused.value.status == BAD_MKI
            with pytest.raises(UnknownKey):
                media_in.unprotect(bytes(packet))


@BOTH
def test_the_rollover_counter_is_the_same(libsrtp: Libsrtp, profile: SrtpProfile) -> None:
    keys = two_keys(profile, 4)
    numbers = [65530, 65535, 65536, 65534, 65540, 98000, 130000, 131072]
    ascending = sorted(numbers)
    with (
        Session(libsrtp, profile, keys, outbound=True) as theirs_out,
        Session(libsrtp, profile, keys, outbound=False) as theirs_in,
    ):
        media_out = media_sender(profile, keys[0][0])
        ours = {number: media_out.protect(rtp(number)).octets for number in ascending}
        assert {number: theirs_out.protect(rtp(number)) for number in ascending} == ours
        media_in = with_keys(SrtpReceiver(profile), profile, 4)
        for number in numbers:
            assert theirs_in.unprotect(ours[number]) == rtp(number)
            assert media_in.unprotect(ours[number]).index == number
