"""SRTP's 48-bit index: rollover on both ends, late joiners, the counter in every packet."""

from __future__ import annotations

import pytest

from mcsec.crypto.srtp import SrtpProfile
from mcsec.errors import CheckFailed, IndexExhausted, InvalidValue, Refused, Replayed
from support.srtp import (
    GCM,
    LAST_RTP,
    MKI,
    SSRC,
    rtcp,
    rtp,
    secrets_of,
    srtcp_sender,
    srtp_receiver,
    srtp_sender,
)

BOTH = pytest.mark.parametrize("profile", list(SrtpProfile))


@BOTH
def test_the_layout_of_srtp(profile: SrtpProfile) -> None:
    octets = srtp_sender(profile).protect(rtp()).octets
    assert octets[:12] == rtp()[:12]
    assert len(octets) == len(rtp()) + profile.tag_length + len(MKI)
    assert octets.endswith(MKI) if profile is GCM else octets[:-10].endswith(MKI)


@BOTH
def test_the_counter_rolls_over_on_both_ends(profile: SrtpProfile) -> None:
    sender, receiver = srtp_sender(profile), srtp_receiver(profile)
    numbers = [65530, *range(65533, 65540), 65536 + 32000, 65536 + 64000, 2 * 65536 + 10]
    for number in numbers:
        opened = receiver.unprotect(sender.protect(rtp(number)).octets)
        assert (opened.octets, opened.index) == (rtp(number), number)
    assert sender.next_index == numbers[-1] + 1


@BOTH
def test_packets_around_a_rollover_may_swap(profile: SrtpProfile) -> None:
    sender, receiver = srtp_sender(profile), srtp_receiver(profile)
    packets = {number: sender.protect(rtp(number)).octets for number in range(65520, 65550)}
    order = sorted(packets, key=lambda number: (number % 7, number))
    # The receiver has to know the counter first: a stream that it meets in the middle starts at 0.
    receiver.unprotect(packets.pop(65520))
    order.remove(65520)
    for number in order:
        assert receiver.unprotect(packets[number]).index == number
    for number in order:
        with pytest.raises(Replayed):
            receiver.unprotect(packets[number])


def test_no_index_is_used_twice() -> None:
    sender = srtp_sender()
    sender.protect(rtp(100))
    for number in (100, 99, 0):
        with pytest.raises(InvalidValue):
            sender.protect(rtp(number))
    sender.install_key(b"new!", *secrets_of(GCM, 2))
    with pytest.raises(InvalidValue):
        sender.protect(rtp(100))
    assert sender.protect(rtp(101)).octets.endswith(b"new!")


def test_a_range_ends() -> None:
    sender = srtp_sender(first=5, last=6)
    with pytest.raises(InvalidValue):
        sender.protect(rtp(4))
    sender.protect(rtp(5))
    with pytest.raises(IndexExhausted):
        sender.protect(rtp(7))
    sender.extend(7)
    sender.protect(rtp(7))
    with pytest.raises(InvalidValue):
        sender.extend(6)


@pytest.mark.parametrize(
    "packet", [b"", rtp()[:11], b"\x00" + rtp()[1:], rtp(ssrc=SSRC + 1), b"\x9f" + rtp()[1:]]
)
def test_a_sender_refuses_what_is_not_its_own(packet: bytes) -> None:
    sender = srtp_sender()
    with pytest.raises(InvalidValue):
        sender.protect(packet)
    assert sender.next_index == 0


@BOTH
def test_a_late_joiner_has_to_be_told(profile: SrtpProfile) -> None:
    number = 3 * 65536 + 9
    packet = srtp_sender(profile, first=number).protect(rtp(number)).octets
    receiver = srtp_receiver(profile)
    with pytest.raises(CheckFailed):
        receiver.unprotect(packet)
    receiver.start_stream(SSRC, 3)
    assert receiver.unprotect(packet).index == number
    with pytest.raises(InvalidValue):
        receiver.start_stream(SSRC, 3)
    with pytest.raises(InvalidValue):
        receiver.start_stream(SSRC, 1 << 32)


def test_a_late_joiner_reads_the_counter_where_packets_carry_it() -> None:
    number = 3 * 65536 + 9
    sender = srtp_sender(first=number, carry_roc=True)
    packet = sender.protect(rtp(number)).octets
    assert packet.endswith(MKI + (3).to_bytes(4))
    receiver = srtp_receiver(carry_roc=True)
    assert receiver.unprotect(packet).index == number
    with pytest.raises(Replayed):
        receiver.unprotect(packet)
    following = sender.protect(rtp(number + 1)).octets
    with pytest.raises(CheckFailed):
        receiver.unprotect(following[:-4] + (4).to_bytes(4))
    assert receiver.unprotect(following).index == number + 1


@BOTH
def test_the_counter_outlives_the_key(profile: SrtpProfile) -> None:
    sender, receiver = srtp_sender(profile), srtp_receiver(profile)
    for number in (65535, 65536):
        receiver.unprotect(sender.protect(rtp(number)).octets)
    receiver.remove_key(MKI)
    receiver.add_key(b"new!", *secrets_of(profile, 2))
    sender.install_key(b"new!", *secrets_of(profile, 2))
    opened = receiver.unprotect(sender.protect(rtp(65537)).octets)
    assert (opened.mki, opened.index) == (b"new!", 65537)


def test_the_last_index_is_the_last() -> None:
    sender, receiver = srtp_sender(first=LAST_RTP), srtp_receiver()
    receiver.start_stream(SSRC, LAST_RTP >> 16)
    receiver.unprotect(sender.protect(rtp(LAST_RTP)).octets)
    with pytest.raises(IndexExhausted):
        sender.protect(rtp(0))
    beyond = srtp_sender().protect(rtp(0)).octets
    with pytest.raises(Refused):
        receiver.unprotect(beyond)


def test_streams_are_bounded_in_every_way_to_open_one() -> None:
    receiver = srtp_receiver(max_streams=2)
    receiver.unprotect(srtp_sender(ssrc=1).protect(rtp(ssrc=1)).octets)
    receiver.start_stream(2, 7)
    # A stream that was only announced gives way; one that was heard does not.
    receiver.start_stream(3, 7)
    number = 7 << 16
    packet = srtp_sender(ssrc=3, first=number).protect(rtp(number, ssrc=3)).octets
    assert receiver.unprotect(packet).index == number
    with pytest.raises(InvalidValue):
        receiver.start_stream(4, 0)
    with pytest.raises(Refused):
        receiver.unprotect(srtp_sender(ssrc=4).protect(rtp(ssrc=4)).octets)


@BOTH
def test_media_and_control_never_share_a_keystream(profile: SrtpProfile) -> None:
    """One master key gives other session keys for RTP than for RTCP; here SSRC and index are the same."""
    media = srtp_sender(profile, first=1).protect(rtp(1, bytes(16))).octets
    control = srtcp_sender(profile, first=1).protect(rtcp(bytes(16))).octets
    assert media[12:28] != control[12:28]
