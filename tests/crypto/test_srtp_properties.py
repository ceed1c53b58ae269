"""Properties of SRTP and SRTCP for random packets, MKIs and damage."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.crypto.srtp import SrtcpReceiver, SrtcpSender, SrtpProfile, SrtpReceiver, SrtpSender
from mcsec.errors import CheckFailed, DecodeError, PeerError, Refused, UnknownKey
from support.srtp import (
    rtcp,
    rtp,
    secrets_of,
    srtcp_receiver,
    srtcp_sender,
    srtp_receiver,
    srtp_sender,
)

profiles = st.sampled_from(SrtpProfile)
mkis = st.binary(max_size=128) | st.binary(min_size=4, max_size=8)
payloads = st.binary(max_size=300)
Sender = SrtcpSender | SrtpSender
Receiver = SrtcpReceiver | SrtpReceiver


@given(profiles, mkis, st.lists(payloads, min_size=1, max_size=4), st.integers(1, 2**31 - 5))
def test_srtcp_round_trip(profile: SrtpProfile, mki: bytes, contents: list[bytes], first: int) -> None:
    sender, receiver = srtcp_sender(profile, mki, first=first), srtcp_receiver(profile, mki)
    for index, data in enumerate(contents, first):
        protected = sender.protect(rtcp(data)).octets
        opened = receiver.unprotect(protected)
        assert (opened.octets, opened.mki, opened.index) == (rtcp(data), mki, index)


@given(profiles, mkis, st.lists(payloads, min_size=1, max_size=4), st.integers(0, 65535))
def test_srtp_round_trip(profile: SrtpProfile, mki: bytes, contents: list[bytes], first: int) -> None:
    sender, receiver = srtp_sender(profile, mki, first=first), srtp_receiver(profile, mki)
    for number, payload in enumerate(contents, first):
        protected = sender.protect(rtp(number, payload)).octets
        opened = receiver.unprotect(protected)
        assert (opened.octets, opened.mki, opened.index) == (rtp(number, payload), mki, number)


@given(
    profiles,
    st.lists(mkis, max_size=4, unique=True),
    st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"\x80\xcc" + tail),
    st.booleans(),
)
def test_arbitrary_octets_are_refused_with_a_peers_error(
    profile: SrtpProfile, known: list[bytes], octets: bytes, unencrypted: bool
) -> None:
    receivers: list[Receiver] = [
        SrtcpReceiver(profile, accept_unencrypted=unencrypted),
        SrtpReceiver(profile),
    ]
    for receiver in receivers:
        for mki in known:
            receiver.add_key(mki, *secrets_of(profile))
        # The MKI that ends the octets is known half of the time, so that decoding goes on behind it.
        if octets and octets[0] & 1 and octets[-1:] not in known:
            receiver.add_key(octets[-1:], *secrets_of(profile))
        with pytest.raises(PeerError):
            receiver.unprotect(octets)


def _pair(control: bool, profile: SrtpProfile, mki: bytes) -> tuple[Sender, Receiver, bytes]:
    if control:
        return srtcp_sender(profile, mki), srtcp_receiver(profile, mki), rtcp()
    return srtp_sender(profile, mki), srtp_receiver(profile, mki), rtp()


@given(st.booleans(), profiles, st.binary(max_size=8), st.data())
def test_a_flipped_bit_is_seen_and_leaves_no_trace(
    control: bool, profile: SrtpProfile, mki: bytes, data: st.DataObject
) -> None:
    sender, receiver, clear = _pair(control, profile, mki)
    genuine = sender.protect(clear).octets
    position = data.draw(st.integers(0, 8 * len(genuine) - 1))
    damaged = bytearray(genuine)
    damaged[position // 8] ^= 0x80 >> position % 8
    # Refused is for the flipped E flag alone: an SRTCP packet that says it is not encrypted.
    with pytest.raises((CheckFailed, UnknownKey, DecodeError, Refused)) as seen:
        receiver.unprotect(bytes(damaged))
    if seen.type is Refused:
        assert control
        assert position % 8 == 0
    assert receiver.unprotect(genuine).octets == clear


@given(st.booleans(), profiles, st.binary(max_size=8), st.data())
def test_a_cut_packet_is_seen_and_leaves_no_trace(
    control: bool, profile: SrtpProfile, mki: bytes, data: st.DataObject
) -> None:
    sender, receiver, clear = _pair(control, profile, mki)
    genuine = sender.protect(clear).octets
    kept = data.draw(st.integers(0, len(genuine) - 1))
    with pytest.raises((CheckFailed, UnknownKey, DecodeError, Refused)):
        receiver.unprotect(genuine[:kept])
    assert receiver.unprotect(genuine).octets == clear


@given(
    profiles,
    st.sampled_from((64, 100, 128)),
    st.lists(st.integers(0, 399), min_size=1, max_size=120),
)
def test_a_receiver_takes_what_a_plain_model_takes(
    profile: SrtpProfile, window: int, arrivals: list[int]
) -> None:
    """Any order, any repetition: accepted exactly when it is new and inside the window."""
    sender, receiver = srtcp_sender(profile), srtcp_receiver(profile, window=window)
    packets = [sender.protect(rtcp(b"")).octets for _ in range(400)]
    seen: set[int] = set()
    taken: list[int] = []
    for number in arrivals:
        with suppress(PeerError):
            taken.append(receiver.unprotect(packets[number]).index - 1)
    wanted = []
    for number in arrivals:
        if number not in seen and number > max(seen, default=0) - window:
            seen.add(number)
            wanted.append(number)
    assert taken == wanted
