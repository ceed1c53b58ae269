"""What senders and receivers promise: layout, indexes that only go up, windows, several keys, errors."""

from __future__ import annotations

import pickle

import pytest

from mcsec._core import Secret
from mcsec.crypto.srtp import (
    ForwardedMedia,
    OpenedPacket,
    ProtectedPacket,
    SrtcpReceiver,
    SrtcpSender,
    SrtpProfile,
    SrtpReceiver,
    SrtpSender,
    bearer_octets,
)
from mcsec.errors import (
    CheckFailed,
    DecodeError,
    Forbidden,
    IndexExhausted,
    InvalidValue,
    Refused,
    Replayed,
    UnknownKey,
)
from support.srtp import (
    CM,
    GCM,
    LAST_RTCP,
    LAST_RTP,
    MKI,
    SSRC,
    master,
    rtcp,
    rtp,
    secrets_of,
    srtcp_receiver,
    srtcp_sender,
    srtp_receiver,
    srtp_sender,
)

BOTH = pytest.mark.parametrize("profile", list(SrtpProfile))

#: A packet made by an independent script from the MuSiK of the self-made key download.
MUSIK_KEY = bytes.fromhex("90a2a228736c90e9234f6cd9f18dc081")
MUSIK_SALT = bytes.fromhex("4ab12e2c97de214696cea544")
MUSIK_RTCP = bytes.fromhex("80cc0004112233444d4350540102030405060708")
MUSIK_SRTCP = bytes.fromhex(
    "80cc000411223344d6f8cfb3bdc5ccfbe79ca6d5663879e2d634aef912d2e5d12db547ca800000016abcdef0"
)


def test_a_known_packet_both_ways() -> None:
    keys = (Secret(MUSIK_KEY), Secret(MUSIK_SALT))
    sender = SrtcpSender(GCM, SSRC, MKI, *keys, first=1, last=1)
    assert sender.protect(MUSIK_RTCP).octets == MUSIK_SRTCP
    receiver = SrtcpReceiver(GCM)
    receiver.add_key(MKI, *keys)
    opened = receiver.unprotect(MUSIK_SRTCP)
    assert (opened.octets, opened.mki, opened.ssrc, opened.index) == (MUSIK_RTCP, MKI, SSRC, 1)
    assert bytes(opened) == MUSIK_RTCP


def test_a_known_rtp_packet() -> None:
    """The example that libsrtp carries for RFC 3711."""
    keys = (
        Secret(bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139")),
        Secret(bytes.fromhex("0ec675ad498afeebb6960b3aabe6")),
    )
    clear = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
    protected = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
    sender = SrtpSender(CM, 0xCAFEBABE, b"", *keys, first=0, last=LAST_RTP)
    assert sender.protect(clear).octets == protected
    receiver = SrtpReceiver(CM)
    receiver.add_key(b"", *keys)
    assert receiver.unprotect(protected).octets == clear


@BOTH
def test_the_layout_of_srtcp(profile: SrtpProfile) -> None:
    octets = srtcp_sender(profile, first=7).protect(rtcp()).octets
    assert octets[:8] == rtcp()[:8]
    assert len(octets) == len(rtcp()) + profile.tag_length + 4 + len(MKI)
    word = (1 << 31 | 7).to_bytes(4)
    if profile is GCM:
        assert octets.endswith(word + MKI)
    else:
        assert octets[: -profile.tag_length].endswith(word + MKI)


@BOTH
def test_the_index_counts_on_when_the_key_changes(profile: SrtpProfile) -> None:
    sender, receiver = srtcp_sender(profile), srtcp_receiver(profile)
    receiver.add_key(b"new!", *secrets_of(profile, 2))
    before = sender.protect(rtcp())
    sender.install_key(b"new!", *secrets_of(profile, 2))
    after = sender.protect(rtcp())
    assert [receiver.unprotect(bytes(packet)).index for packet in (before, after)] == [1, 2]
    assert (sender.mki, sender.next_index) == (b"new!", 3)
    for packet in (before, after):
        with pytest.raises(Replayed):
            receiver.unprotect(packet.octets)


def test_a_sender_stops_at_the_end_of_its_range() -> None:
    sender = srtcp_sender(first=10, last=11)
    assert (sender.ssrc, sender.next_index, sender.last_index) == (SSRC, 10, 11)
    sender.protect(rtcp())
    sender.protect(rtcp())
    with pytest.raises(IndexExhausted):
        sender.protect(rtcp())
    sender.install_key(b"new!", *secrets_of(GCM, 2))
    with pytest.raises(IndexExhausted):
        sender.protect(rtcp())
    with pytest.raises(InvalidValue):
        sender.extend(10)
    sender.extend(12)
    assert sender.protect(rtcp()).octets[-8:] == (1 << 31 | 12).to_bytes(4) + b"new!"


@pytest.mark.parametrize("name", ["next_index", "last_index", "ssrc", "mki"])
def test_nothing_about_a_nonce_can_be_set(name: str) -> None:
    for sender in (srtcp_sender(), srtp_sender()):
        with pytest.raises(AttributeError):
            setattr(sender, name, 1)


@pytest.mark.parametrize(("first", "last"), [(0, 5), (6, 5), (1, LAST_RTCP + 1), (-1, 5), (1, 2**70)])
def test_ranges_that_cannot_be(first: int, last: int) -> None:
    with pytest.raises(InvalidValue):
        srtcp_sender(first=first, last=last)


@BOTH
def test_keys_of_the_wrong_size(profile: SrtpProfile) -> None:
    key, salt = master(profile)
    for wrong_key, wrong_salt in ((key[1:], salt), (key + b"x", salt), (key, salt[1:]), (key, salt + b"x")):
        secrets = Secret(wrong_key), Secret(wrong_salt)
        with pytest.raises(InvalidValue):
            SrtcpSender(profile, 1, MKI, *secrets, first=1, last=2)
        with pytest.raises(InvalidValue):
            SrtpReceiver(profile).add_key(MKI, *secrets)
        sender = srtcp_sender(profile)
        with pytest.raises(InvalidValue):
            sender.install_key(MKI, *secrets)
        assert srtcp_receiver(profile).unprotect(sender.protect(rtcp()).octets)


def test_arguments_that_cannot_be() -> None:
    with pytest.raises(InvalidValue):
        SrtcpReceiver("AES_256_CM_HMAC_SHA1_80")
    with pytest.raises(InvalidValue):
        srtcp_sender(mki=bytes(129))
    with pytest.raises(InvalidValue):
        srtcp_receiver(mki=bytes(129))
    with pytest.raises(InvalidValue):
        srtcp_sender(ssrc=1 << 32)
    for window in (63, 32769):
        with pytest.raises(InvalidValue):
            SrtcpReceiver(GCM, window=window)
    with pytest.raises(InvalidValue):
        srtp_receiver(CM, carry_roc=True)
    with pytest.raises(InvalidValue):
        srtp_sender(CM, carry_roc=True)


@pytest.mark.parametrize("packet", [b"", rtcp()[:7], b"\x40" + rtcp()[1:], rtcp(ssrc=SSRC + 1)])
def test_a_sender_refuses_what_is_not_its_own(packet: bytes) -> None:
    sender = srtcp_sender()
    with pytest.raises(InvalidValue):
        sender.protect(packet)
    assert sender.next_index == 1


@BOTH
def test_no_packet_is_longer_than_a_datagram(profile: SrtpProfile) -> None:
    """With AES-CM a packet of more than 2^16 blocks would use the next index's keystream too."""
    longest = 65535 - 12
    for sender, receiver, clear in (
        (srtcp_sender(profile), srtcp_receiver(profile), rtcp(bytes(longest - 3))),
        (srtp_sender(profile), srtp_receiver(profile), rtp(1, bytes(longest))),
    ):
        with pytest.raises(InvalidValue):
            sender.protect(clear + bytes(4))
        with pytest.raises(DecodeError) as refused:
            receiver.unprotect(clear + bytes(4))
        assert refused.value.offset == 65535
        assert len(sender.protect(clear)) > len(clear)


@BOTH
@pytest.mark.parametrize("window", [64, 128, 1000])
def test_packets_may_come_late_within_the_window_and_once(profile: SrtpProfile, window: int) -> None:
    sender, receiver = srtcp_sender(profile), srtcp_receiver(profile, window=window)
    packets = [sender.protect(rtcp()).octets for _ in range(window + 1)]
    receiver.unprotect(packets[-1])
    with pytest.raises(Replayed):
        receiver.unprotect(packets[0])
    for packet in reversed(packets[1:-1]):
        receiver.unprotect(packet)
    for packet in packets:
        with pytest.raises(Replayed):
            receiver.unprotect(packet)


def test_each_sender_and_each_key_has_its_own_window() -> None:
    receiver = srtcp_receiver()
    receiver.add_key(b"new!", *secrets_of(GCM, 2))
    for ssrc in (1, 2):
        for mki, number in ((MKI, 1), (b"new!", 2)):
            sender = srtcp_sender(mki=mki, ssrc=ssrc, number=number)
            packet = sender.protect(rtcp(ssrc=ssrc)).octets
            opened = receiver.unprotect(packet)
            assert (opened.mki, opened.ssrc, opened.index) == (mki, ssrc, 1)
            with pytest.raises(Replayed):
                receiver.unprotect(packet)


def test_an_unknown_and_a_removed_key() -> None:
    packet = srtcp_sender().protect(rtcp()).octets
    receiver = SrtcpReceiver(GCM)
    with pytest.raises(UnknownKey):
        receiver.unprotect(packet)
    receiver.add_key(MKI, *secrets_of(GCM))
    with pytest.raises(InvalidValue):
        receiver.add_key(MKI, *secrets_of(GCM, 2))
    receiver.unprotect(packet)
    receiver.remove_key(MKI)
    receiver.remove_key(MKI)
    with pytest.raises(UnknownKey):
        receiver.unprotect(packet)


@BOTH
def test_the_longest_mki_decides(profile: SrtpProfile) -> None:
    receiver = SrtcpReceiver(profile)
    long, short = b"\x80\0\0\1" + MKI, MKI
    receiver.add_key(b"", *secrets_of(profile, 1))
    receiver.add_key(short, *secrets_of(profile, 2))
    receiver.add_key(long, *secrets_of(profile, 3))
    for mki, number in ((long, 3), (short, 2), (b"", 1)):
        sender = srtcp_sender(profile, mki, first=2, number=number)
        assert receiver.unprotect(sender.protect(rtcp()).octets).mki == mki
    # This packet has the short MKI behind an index word that completes the long one: no second key is tried.
    packet = srtcp_sender(profile, short, first=1, number=2).protect(rtcp()).octets
    with pytest.raises(CheckFailed):
        receiver.unprotect(packet)
    receiver.remove_key(long)
    assert receiver.unprotect(packet).mki == short


def test_the_number_of_senders_is_bounded_and_replays_stay_caught() -> None:
    receiver = srtcp_receiver(max_streams=2)
    packets = [srtcp_sender(ssrc=ssrc).protect(rtcp(ssrc=ssrc)).octets for ssrc in (1, 2, 3)]
    receiver.unprotect(packets[0])
    receiver.unprotect(packets[1])
    with pytest.raises(Refused):
        receiver.unprotect(packets[2])
    for packet in packets[:2]:
        with pytest.raises(Replayed):
            receiver.unprotect(packet)
    forged = packets[2][:-9] + bytes([packets[2][-9] ^ 1]) + packets[2][-8:]
    with pytest.raises(CheckFailed):
        receiver.unprotect(forged)
    receiver.remove_key(MKI)
    receiver.add_key(b"new!", *secrets_of(GCM, 2))
    sender = srtcp_sender(mki=b"new!", ssrc=3, number=2)
    assert receiver.unprotect(sender.protect(rtcp(ssrc=3)).octets).ssrc == 3


def test_a_forgery_makes_no_room_for_itself() -> None:
    receiver = srtcp_receiver(max_streams=1)
    for ssrc in range(5):
        packet = bytearray(srtcp_sender(ssrc=ssrc).protect(rtcp(ssrc=ssrc)).octets)
        packet[9] ^= 1
        with pytest.raises(CheckFailed):
            receiver.unprotect(bytes(packet))
    receiver.unprotect(srtcp_sender().protect(rtcp()).octets)


def test_only_protect_makes_a_protected_packet() -> None:
    with pytest.raises(TypeError):
        ProtectedPacket()
    with pytest.raises(TypeError):
        type("Forged", (ProtectedPacket,), {})
    packet = srtcp_sender().protect(rtcp())
    assert isinstance(packet, ProtectedPacket)
    with pytest.raises(AttributeError):
        setattr(packet, "octets", b"")  # noqa: B010 - mypy would refuse the plain assignment
    with pytest.raises(TypeError):
        pickle.dumps(packet)
    assert (bytes(packet), len(packet)) == (packet.octets, len(packet.octets))


def test_reprs_show_no_content() -> None:
    packet = srtcp_sender().protect(rtcp())
    opened = srtcp_receiver().unprotect(packet.octets)
    assert isinstance(opened, OpenedPacket)
    assert repr(opened) == "<OpenedPacket of SSRC 11223344, index 1>"
    assert repr(packet) == f"<ProtectedPacket of {len(packet)} octets>"


def test_forwarded_media_is_rtp_and_never_signalling() -> None:
    media = srtp_sender().protect(rtp()).octets
    assert ForwardedMedia(media).octets == media
    for octets in (rtcp(), srtcp_sender().protect(rtcp()).octets, b"", media[:11], b"\0" + media[1:]):
        with pytest.raises(InvalidValue):
            ForwardedMedia(octets)


def test_only_packets_for_a_bearer_give_octets_to_one() -> None:
    protected = srtcp_sender().protect(rtcp())
    assert bearer_octets(protected) == protected.octets
    assert bearer_octets(ForwardedMedia(rtp())) == rtp()

    class Smuggled(ForwardedMedia):
        def __post_init__(self) -> None:
            """Leaves the check out."""

    for packet in (rtcp(), protected.octets, Smuggled(rtcp()), srtcp_receiver().unprotect(protected.octets)):
        with pytest.raises(Forbidden) as refused:
            bearer_octets(packet)  # type: ignore[arg-type]  # what mypy refuses is refused at run time too
        assert refused.value.code == "bearer.unprotected"


def test_the_sizes_of_profiles() -> None:
    assert [(p.key_length, p.salt_length, p.tag_length) for p in SrtpProfile] == [(16, 12, 16), (16, 14, 10)]
