"""What a client in a call must not obey: one event, one count, nothing changed (media plane C.4)."""

from __future__ import annotations

import pytest

from mcsec.client.calls import events
from mcsec.client.calls.engine import CallEngine, Wish
from mcsec.client.copies import Copies
from mcsec.client.floor import State
from mcsec.ids import PurposeTag
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorGranted, FloorIdle, FloorRequest, FloorTaken
from mcsec.wire.rtcp.subchannel import UnmapGroupToBearer
from support.client_calls import (
    FLOOR,
    MEDIA,
    OURS,
    TALKER,
    THEIRS,
    CallScene,
    FarEnd,
    heard,
    in_call,
    key,
    of,
    terms,
)
from support.domains import NOW
from support.engines import GROUP, OTHER_GROUP

GRANTED = FloorGranted(ssrc=THEIRS, duration=30, priority=5)
TAKEN = FloorTaken(ssrc=THEIRS, permission=True, sequence_number=7, granted_party=TALKER)
ELSEWHERE = ("127.0.0.1", 41_000)


@pytest.fixture
def scene() -> CallScene:
    """A call whose user asks for the floor: a Floor Granted that is believed would show."""
    scene = in_call()
    scene.call.press(NOW)
    return scene


def waits(scene: CallScene) -> bool:
    return scene.call.floor.state is State.PENDING_REQUEST


def test_in_clear(scene: CallScene) -> None:
    scene.dropped(scene.call.floor_packet(rtcp.encode(GRANTED), FLOOR, NOW))
    assert waits(scene)


def test_from_somewhere_else(scene: CallScene) -> None:
    octets = scene.far.say(GRANTED)
    assert scene.dropped(scene.call.floor_packet(octets, ELSEWHERE, NOW)) == "call.wrong-source"
    assert waits(scene)
    # It was not opened, so the genuine one is no replay.
    assert of(scene.call.floor_packet(octets, FLOOR, NOW), events.FloorGranted)


def test_under_a_key_that_is_not_ours(scene: CallScene) -> None:
    octets = FarEnd(key(PurposeTag.CSK, "sip:eve@a.example")).say(GRANTED)
    assert scene.dropped(scene.call.floor_packet(octets, FLOOR, NOW)) == "keyring.unknown"
    assert waits(scene)


def test_under_the_key_of_the_bearer(scene: CallScene) -> None:
    musik = key(PurposeTag.MUSIK, GROUP)
    scene.client.keyring.install(musik, signer="mcx.a.example", now=NOW)
    octets = FarEnd(musik).say(GRANTED)
    assert scene.dropped(scene.call.floor_packet(octets, FLOOR, NOW)) == "keyring.wrong-kind"
    assert waits(scene)


def test_replayed(scene: CallScene) -> None:
    octets = scene.far.say(TAKEN)
    scene.call.floor_packet(octets, FLOOR, NOW)
    assert scene.dropped(scene.call.floor_packet(octets, FLOOR, NOW)) == "peer.replayed"


def test_tampered(scene: CallScene) -> None:
    octets = bytearray(scene.far.say(GRANTED))
    octets[10] ^= 1
    assert scene.dropped(scene.call.floor_packet(bytes(octets), FLOOR, NOW)) == "peer.check-failed"
    assert waits(scene)


def test_from_the_ssrc_of_another_call(scene: CallScene) -> None:
    octets = FarEnd(scene.csk, 0x0C0C0C0C).say(FloorGranted(ssrc=0x0C0C0C0C, duration=30, priority=5))
    outputs = scene.call.floor_packet(octets, FLOOR, NOW)
    assert scene.dropped(outputs) == "call.wrong-ssrc"
    assert waits(scene)


def test_our_own_message_sent_back() -> None:
    scene = in_call(answer=terms(ssrc=None))
    (request,) = scene.call.press(NOW)
    outputs = scene.call.floor_packet(request.packet.octets, FLOOR, NOW)
    assert scene.dropped(outputs) == "client.wrong-socket", "a request is for servers"
    octets = FarEnd(scene.csk, OURS, first=9).say(FloorGranted(ssrc=OURS, duration=30, priority=5))
    outputs = scene.call.floor_packet(octets, FLOOR, NOW)
    assert outputs[-1].code == "call.own-ssrc"
    assert waits(scene)


def test_without_an_announced_ssrc_any_of_the_server_counts() -> None:
    scene = in_call(answer=terms(ssrc=None))
    far = FarEnd(scene.csk, 5)
    assert of(
        scene.call.floor_packet(far.say(FloorIdle(ssrc=5, sequence_number=1)), FLOOR, NOW), events.FloorIdle
    )


@pytest.mark.parametrize(
    "message",
    [FloorRequest(ssrc=THEIRS), UnmapGroupToBearer(ssrc=THEIRS, group_id=GROUP)],
    ids=lambda message: type(message).__name__,
)
def test_what_does_not_belong_there(scene: CallScene, message: rtcp.Message) -> None:
    assert scene.dropped(scene.hear(message)) == "client.wrong-socket"


@pytest.mark.parametrize("octets", [b"", b"\x80", bytes(11), bytes(200), b"\x80\xcc\x00\x02" + bytes(40)])
def test_what_is_no_packet(scene: CallScene, octets: bytes) -> None:
    scene.dropped(scene.call.floor_packet(octets, FLOOR, NOW))
    assert scene.call.media_packet(octets, MEDIA, NOW)
    assert scene.client.dropped.total() == 2
    assert waits(scene)


# --- media


def test_media_without_a_key() -> None:
    scene = in_call(gmk=False)
    octets = scene.talker().packet(bytes(160), 0)[1].octets
    assert scene.dropped(scene.call.media_packet(octets, MEDIA, NOW)) == "keyring.unknown"


def test_media_from_somewhere_else(scene: CallScene) -> None:
    octets = scene.talker().packet(bytes(160), 0)[1].octets
    assert scene.dropped(scene.call.media_packet(octets, ELSEWHERE, NOW)) == "call.wrong-source"
    assert heard(scene.call.media_packet(octets, MEDIA, NOW)) == [bytes(160)]


def test_media_in_clear(scene: CallScene) -> None:
    rtp, _ = scene.talker().packet(bytes(160), 0)
    scene.dropped(scene.call.media_packet(rtp, MEDIA, NOW))


def test_media_again_by_the_same_path(scene: CallScene) -> None:
    octets = scene.talker().packet(bytes(160), 0)[1].octets
    scene.call.media_packet(octets, MEDIA, NOW)
    assert scene.dropped(scene.call.media_packet(octets, MEDIA, NOW)) == "peer.replayed"


def test_media_of_another_group(scene: CallScene) -> None:
    other = key(PurposeTag.GMK, OTHER_GROUP)
    scene.client.keyring.install(other, signer="gms.b.example", now=NOW)
    scene.gmk = other
    octets = scene.talker().packet(bytes(160), 0)[1].octets
    assert scene.dropped(scene.call.media_packet(octets, MEDIA, NOW)) == "keyring.wrong-scope"


def test_calls_do_not_hear_one_another(scene: CallScene) -> None:
    """The floor of one call, sent to the port of another by who can send from the server's address."""
    second = CallEngine(scene.client, Wish(group=OTHER_GROUP), 0x0D0D0D0D, Copies())
    second.calling()
    second.accepted(terms(ssrc=0x0E0E0E0E), "", NOW)
    outputs = second.floor_packet(scene.far.say(TAKEN), FLOOR, NOW)
    assert outputs[-1].code == "call.wrong-ssrc"
    assert not of(outputs, events.FloorTaken)
