"""Floor control from clients: under the CSK of whoever sent it, whichever of its CSKs is readable."""

from __future__ import annotations

import pytest

from mcsec.crypto.srtp import SrtcpSender, SrtpProfile
from mcsec.errors import DecodeError, PeerError, Refused, Replayed, UnknownKey
from mcsec.ids import PurposeTag
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.server.calls.uplink import Uplinks
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorRequest
from mcsec.wire.rtcp.subchannel import UnmapGroupToBearer
from support.calls import ANN, BOB, TMGI


class Keys:
    """Stands for the CSKs of a server."""

    def __init__(self) -> None:
        self.held: dict[str, Key] = {}
        self.before: dict[str, Key] = {}

    def readable(self, user: str) -> list[Key]:
        return [keys[user] for keys in (self.held, self.before) if user in keys]


def csk(user: str, tag: PurposeTag = PurposeTag.CSK) -> Key:
    return make(tag, scope=Scope.of(user), maker=Maker("a.example", user), now=0.0)


def sender(key: Key, ssrc: int = 5) -> SrtcpSender:
    return SrtcpSender(SrtpProfile.AEAD_AES_128_GCM, ssrc, *key.srtp_material(), first=1, last=100)


def uplinks(keys: Keys, times: list[float]) -> Uplinks:
    return Uplinks(keys, lambda: times[0])  # type: ignore[arg-type]  # What is asked of them is here.


REQUEST = rtcp.encode(FloorRequest(ssrc=5))


def test_whose_key_it_is_whose_message_it_is() -> None:
    keys = Keys()
    keys.held = {ANN: csk(ANN), BOB: csk(BOB)}
    found = uplinks(keys, [1.0])
    assert found.open(sender(keys.held[BOB]).protect(REQUEST).octets) == (BOB, (FloorRequest(ssrc=5),))
    packet = sender(keys.held[ANN]).protect(REQUEST).octets
    assert found.open(packet)[0] == ANN
    with pytest.raises(Replayed):
        found.open(packet)


def test_a_csk_of_before_is_readable_and_then_no_more() -> None:
    keys, times = Keys(), [1.0]
    keys.held = {ANN: csk(ANN)}
    found = uplinks(keys, times)
    old = sender(keys.held[ANN])
    found.open(old.protect(REQUEST).octets)
    keys.before, keys.held = keys.held, {ANN: csk(ANN)}
    times[0] += 1
    assert found.open(sender(keys.held[ANN], 6).protect(rtcp.encode(FloorRequest(ssrc=6))).octets)[0] == ANN
    assert found.open(old.protect(REQUEST).octets)[0] == ANN
    keys.before = {}
    with pytest.raises(UnknownKey):
        found.open(old.protect(REQUEST).octets)
    keys.held = {}
    found.forget(ANN)
    with pytest.raises(UnknownKey):
        found.open(old.protect(REQUEST).octets)


def test_a_stranger_has_nobody_look_through_all_keys_for_each_packet() -> None:
    keys, times = Keys(), [1.0]
    found = uplinks(keys, times)
    with pytest.raises(UnknownKey):
        found.open(sender(csk(BOB)).protect(REQUEST).octets)
    keys.held = {ANN: csk(ANN)}
    packet = sender(keys.held[ANN]).protect(REQUEST).octets
    with pytest.raises(UnknownKey):
        found.open(packet)
    times[0] += 0.2
    assert found.open(packet)[0] == ANN


def test_nothing_else_is_floor_control_of_a_client() -> None:
    keys = Keys()
    keys.held = {ANN: csk(ANN)}
    found = uplinks(keys, [1.0])
    with pytest.raises(Refused):
        found.open(sender(csk(ANN, PurposeTag.SPK)).protect(REQUEST).octets)
    own = sender(keys.held[ANN])
    unmap = rtcp.encode(UnmapGroupToBearer(ssrc=5, group_id="sip:g@a.example"))
    with pytest.raises(Refused):
        found.open(own.protect(unmap).octets)
    with pytest.raises(DecodeError):
        found.open(own.protect(REQUEST + REQUEST[:8]).octets)
    twice = sender(keys.held[ANN], 7).protect(rtcp.encode(FloorRequest(ssrc=7)) + REQUEST).octets
    with pytest.raises(DecodeError) as other:
        found.open(twice)
    assert other.value.code == "call.ssrc"
    for octets in (b"", b"\x80", REQUEST, TMGI.encode()):
        with pytest.raises(PeerError):
            found.open(octets)
