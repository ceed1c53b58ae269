"""What a client makes of packets (media plane C.4): the socket says which key is legal, and nothing else is obeyed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from mcsec.client.engine import ClientEngine
from mcsec.client.events import FloorHeard, GroupMapped, GroupUnmapped, MediaHeard, PacketDropped
from mcsec.client.media import MediaSender
from mcsec.crypto.srtp import SrtcpSender, SrtpProfile
from mcsec.ids import PurposeTag
from mcsec.keys import events
from mcsec.keys.events import Event
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.keys.kinds import Traffic
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorDeny, FloorGranted, FloorIdle, FloorRequest, FloorTaken
from mcsec.wire.rtcp.floor_values import RejectCause
from mcsec.wire.rtcp.preestablished import Disconnect
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel, UnmapGroupToBearer
from support.domains import NOW
from support.engines import GROUP, OTHER_GROUP, TMGI, A, B, client, gms_uri, hand_out, initiator, mdsi, user

SSRC = 0x01020304
BEARER = str(TMGI)
USER = user("user")
SERVER_A, GMS_B = initiator(mdsi(A)), initiator(gms_uri(B), B)
SCOPES = {
    PurposeTag.MUSIK: Scope.of(GROUP),
    PurposeTag.MSCCK: Scope.of(BEARER),
    PurposeTag.CSK: Scope.of(USER),
    PurposeTag.GMK: Scope.of(GROUP),
    PurposeTag.MKFC: Scope.of(OTHER_GROUP),
}
NAMES = {
    Traffic.MBMS_FLOOR: GROUP,
    Traffic.SUBCHANNEL_CONTROL: BEARER,
    Traffic.UNICAST_FLOOR: USER,
    Traffic.GROUP_MEDIA: GROUP,
}
MAP = MapGroupToBearer(
    ssrc=SSRC, group_id=GROUP, tmgi=TMGI, subchannel=MbmsSubchannel(2, 3, ip_address("239.192.0.1"), 4, 6)
)
UNMAP = UnmapGroupToBearer(ssrc=SSRC, group_id=GROUP)
TAKEN = FloorTaken(ssrc=SSRC, permission=True, sequence_number=7, granted_party=user("ann", B))


def key(tag: PurposeTag, scope: Scope | None = None, **times: float) -> Key:
    return make(tag, scope=scope or SCOPES[tag], maker=Maker(A, mdsi(A)), now=NOW, **times)


def by(made: Key) -> object:
    return GMS_B if made.key_id.tag in (PurposeTag.GMK, PurposeTag.MKFC) else SERVER_A


class Sender:
    """The other end: whoever holds ``under``."""

    def __init__(self, under: Key, ssrc: int = SSRC) -> None:
        profile = SrtpProfile.AEAD_AES_128_GCM
        self._sender = SrtcpSender(profile, ssrc, *under.srtp_material(), first=1, last=1000)

    def __call__(self, *messages: rtcp.Message) -> bytes:
        return self.octets(b"".join(map(rtcp.encode, messages)))

    def octets(self, clear: bytes) -> bytes:
        return self._sender.protect(clear).octets


@dataclass
class Scene:
    """A client that holds one key of each kind, and the other end of each."""

    one: ClientEngine
    keys: dict[PurposeTag, Key]
    senders: dict[PurposeTag, Sender]

    def take(self, packet: bytes, traffic: Traffic, name: str | None = None, now: float = NOW) -> list[Event]:
        return self.one.control_packet(packet, traffic, name or NAMES[traffic], now)

    def dropped(self, packet: bytes, traffic: Traffic, name: str | None = None, now: float = NOW) -> str:
        """The code of the one event; the drop is counted and changes nothing else."""
        counted, held = self.one.dropped.total(), self.one.keyring.keys
        (event,) = self.take(packet, traffic, name, now)
        assert isinstance(event, PacketDropped)
        assert event.traffic == traffic.name
        assert self.one.dropped[event.code] > 0
        assert self.one.dropped.total() == counted + 1
        assert self.one.keyring.keys == held
        return event.code


@pytest.fixture
def scene() -> Scene:
    one = client()
    keys = {tag: key(tag) for tag in SCOPES}
    for made in keys.values():
        hand_out(made, one, by(made))  # type: ignore[arg-type]
    senders = {tag: Sender(made) for tag, made in keys.items() if tag is not PurposeTag.GMK}
    return Scene(one, keys, senders)


# --- what is obeyed


@pytest.mark.parametrize(
    ("tag", "traffic", "name"),
    [
        (PurposeTag.MUSIK, Traffic.MBMS_FLOOR, GROUP),
        (PurposeTag.MKFC, Traffic.MBMS_FLOOR, OTHER_GROUP),
        (PurposeTag.CSK, Traffic.UNICAST_FLOOR, USER),
    ],
)
def test_floor_control_under_the_key_of_its_socket(
    scene: Scene, tag: PurposeTag, traffic: Traffic, name: str
) -> None:
    first, heard = scene.take(scene.senders[tag](TAKEN), traffic, name)
    assert first == events.KeyFirstUsed(NOW, scene.keys[tag].key_id, traffic.name, name)
    assert heard == FloorHeard(NOW, name, scene.keys[tag].key_id, TAKEN)
    (again,) = scene.take(scene.senders[tag](TAKEN), traffic, name)
    assert isinstance(again, FloorHeard)


def test_a_map_is_news_once_and_an_unmap_once(scene: Scene) -> None:
    say = scene.senders[PurposeTag.MSCCK]
    _, mapped = scene.take(say(MAP), Traffic.SUBCHANNEL_CONTROL)
    assert mapped == GroupMapped(NOW, GROUP, TMGI, MAP.subchannel)
    assert scene.take(say(MAP), Traffic.SUBCHANNEL_CONTROL) == []
    assert scene.take(say(UNMAP), Traffic.SUBCHANNEL_CONTROL) == [GroupUnmapped(NOW, GROUP)]
    assert scene.take(say(UNMAP), Traffic.SUBCHANNEL_CONTROL) == []
    assert [type(event) for event in scene.take(say(MAP), Traffic.SUBCHANNEL_CONTROL)] == [GroupMapped]


def test_several_messages_in_one_packet(scene: Scene) -> None:
    packet = scene.senders[PurposeTag.MUSIK](TAKEN, FloorIdle(ssrc=SSRC, sequence_number=8))
    _, taken, idle = scene.take(packet, Traffic.MBMS_FLOOR)
    assert isinstance(taken, FloorHeard)
    assert isinstance(idle, FloorHeard)


def test_what_is_for_one_client_comes_by_unicast_and_may_ask_for_an_answer(scene: Scene) -> None:
    granted = FloorGranted(ssrc=SSRC, ack_requested=True, duration=30, priority=1)
    _, heard = scene.take(scene.senders[PurposeTag.CSK](granted), Traffic.UNICAST_FLOOR)
    assert isinstance(heard, FloorHeard)


# --- C.4 items 1 and 2: which key


@pytest.mark.parametrize("tag", [PurposeTag.MUSIK, PurposeTag.MSCCK, PurposeTag.CSK, PurposeTag.MKFC])
@pytest.mark.parametrize("traffic", NAMES)
def test_a_key_opens_nothing_on_another_socket(scene: Scene, tag: PurposeTag, traffic: Traffic) -> None:
    if traffic in scene.keys[tag].kind.protects:
        return
    packet = scene.senders[tag](FloorIdle(ssrc=SSRC, sequence_number=1))
    if traffic is Traffic.GROUP_MEDIA:
        (event,) = scene.one.media_packet(packet, GROUP, NOW)
        assert isinstance(event, PacketDropped)
    else:
        assert scene.dropped(packet, traffic) == "keyring.wrong-kind"


def test_a_key_of_another_group(scene: Scene) -> None:
    packet = scene.senders[PurposeTag.MUSIK](TAKEN)
    assert scene.dropped(packet, Traffic.MBMS_FLOOR, OTHER_GROUP) == "keyring.wrong-scope"


def test_the_key_of_another_bearer(scene: Scene) -> None:
    packet = scene.senders[PurposeTag.MSCCK](MAP)
    assert scene.dropped(packet, Traffic.SUBCHANNEL_CONTROL, "000009@001/01") == "keyring.wrong-scope"


def test_a_key_that_is_not_held(scene: Scene) -> None:
    assert scene.dropped(Sender(key(PurposeTag.MUSIK))(TAKEN), Traffic.MBMS_FLOOR) == "keyring.unknown"


def test_a_revoked_key(scene: Scene) -> None:
    packet = scene.senders[PurposeTag.MUSIK]
    scene.take(packet(TAKEN), Traffic.MBMS_FLOOR)
    hand_out(scene.keys[PurposeTag.MUSIK], scene.one, SERVER_A, revoked=True)
    assert scene.dropped(packet(TAKEN), Traffic.MBMS_FLOOR) == "keyring.revoked"


def test_an_expired_key() -> None:
    one, made = client(), key(PurposeTag.MUSIK, lifetime=60.0)
    hand_out(made, one, SERVER_A)
    scene, say = Scene(one, {}, {}), Sender(made)
    assert scene.take(say(TAKEN), Traffic.MBMS_FLOOR, now=NOW + 59)
    assert scene.dropped(say(TAKEN), Traffic.MBMS_FLOOR, now=NOW + 60) == "keyring.expired"
    one.poll(NOW + 60)
    assert scene.dropped(say(TAKEN), Traffic.MBMS_FLOOR, now=NOW + 61) == "keyring.expired"


@pytest.mark.parametrize("traffic", [traffic for traffic in NAMES if traffic is not Traffic.GROUP_MEDIA])
def test_clear_text_is_never_obeyed(scene: Scene, traffic: Traffic) -> None:
    messages = (MAP, UNMAP) if traffic is Traffic.SUBCHANNEL_CONTROL else (TAKEN,)
    for message in messages:
        assert scene.dropped(rtcp.encode(message), traffic).startswith(("keyring.", "peer."))


@pytest.mark.parametrize("octets", [b"", b"\x80", b"\x80\xcc", bytes(11), bytes(2000)])
def test_what_is_no_packet(scene: Scene, octets: bytes) -> None:
    for traffic in (Traffic.MBMS_FLOOR, Traffic.SUBCHANNEL_CONTROL, Traffic.UNICAST_FLOOR):
        scene.dropped(octets, traffic)
    (event,) = scene.one.media_packet(octets, GROUP, NOW)
    assert isinstance(event, PacketDropped)


# --- C.4 item 3: no downgrade


@pytest.mark.parametrize("scope", [Scope.of(OTHER_GROUP), DEFAULT])
def test_no_mkfc_once_a_musik_is_associated(scene: Scene, scope: Scope) -> None:
    say = scene.senders[PurposeTag.MKFC]
    assert isinstance(scene.take(say(TAKEN), Traffic.MBMS_FLOOR, OTHER_GROUP)[-1], FloorHeard)
    made = key(PurposeTag.MUSIK, scope)
    hand_out(made, scene.one, SERVER_A)
    assert scene.dropped(say(TAKEN), Traffic.MBMS_FLOOR, OTHER_GROUP) == "keyring.downgrade"
    # Nor when the MuSiK is gone: whoever was locked out of it may hold the MKFC.
    hand_out(made, scene.one, SERVER_A, revoked=True)
    assert scene.dropped(say(TAKEN), Traffic.MBMS_FLOOR, OTHER_GROUP) == "keyring.downgrade"


# --- C.4 item 4: authenticity


def test_replayed(scene: Scene) -> None:
    packet = scene.senders[PurposeTag.MUSIK](TAKEN)
    scene.take(packet, Traffic.MBMS_FLOOR)
    assert scene.dropped(packet, Traffic.MBMS_FLOOR) == "peer.replayed"


def test_replayed_on_the_socket_of_another_group_of_the_key() -> None:
    one, made = client(), key(PurposeTag.MUSIK, Scope.of(GROUP, OTHER_GROUP))
    hand_out(made, one, SERVER_A)
    scene, packet = Scene(one, {}, {}), Sender(made)(TAKEN)
    scene.take(packet, Traffic.MBMS_FLOOR, GROUP)
    assert scene.dropped(packet, Traffic.MBMS_FLOOR, OTHER_GROUP) == "peer.replayed"


@pytest.mark.parametrize("at", [0, 4, 10, -5, -8, -20])
def test_tampered(scene: Scene, at: int) -> None:
    packet = bytearray(scene.senders[PurposeTag.MUSIK](TAKEN))
    packet[at] ^= 1
    assert scene.dropped(bytes(packet), Traffic.MBMS_FLOOR) in ("peer.check-failed", "peer.decode")
    # The window moves for authentic packets only: the genuine one is still welcome.
    packet[at] ^= 1
    assert scene.take(bytes(packet), Traffic.MBMS_FLOOR)


def test_the_right_name_for_the_wrong_key(scene: Scene) -> None:
    forged = key(PurposeTag.MUSIK)
    held = scene.keys[PurposeTag.MUSIK]
    imitation = Key(held.key_id, forged.secret, forged.rand, held.scope, held.maker, NOW, NOW)
    assert scene.dropped(Sender(imitation)(TAKEN), Traffic.MBMS_FLOOR) == "peer.check-failed"


# --- C.4 item 5, and what must not be obeyed although it is authentic


@pytest.mark.parametrize("length", [1, 0xFF])
def test_authentic_and_malformed(scene: Scene, length: int) -> None:
    clear = bytearray(rtcp.encode(FloorIdle(ssrc=SSRC, sequence_number=1)))
    clear[13] = length
    code = scene.dropped(scene.senders[PurposeTag.MUSIK].octets(bytes(clear)), Traffic.MBMS_FLOOR)
    assert code.startswith("rtcp.")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (FloorIdle(ssrc=SSRC, ack_requested=True, sequence_number=1), "rtcp.multicast.ack"),
        (FloorGranted(ssrc=SSRC, duration=30, priority=1), "rtcp.multicast.unicast-only"),
        (FloorDeny(ssrc=SSRC, cause=RejectCause(1)), "rtcp.multicast.unicast-only"),
        (FloorRequest(ssrc=SSRC, priority=1), "client.wrong-socket"),
        (MAP, "client.wrong-socket"),
        (Disconnect(ssrc=SSRC), "client.wrong-socket"),
    ],
)
def test_not_on_a_bearers_floor_socket(scene: Scene, message: rtcp.Message, code: str) -> None:
    assert scene.dropped(scene.senders[PurposeTag.MUSIK](message), Traffic.MBMS_FLOOR) == code


def test_one_bad_message_spoils_its_packet(scene: Scene) -> None:
    packet = scene.senders[PurposeTag.MUSIK](TAKEN, FloorGranted(ssrc=SSRC, duration=30, priority=1))
    assert scene.dropped(packet, Traffic.MBMS_FLOOR) == "rtcp.multicast.unicast-only"


def test_floor_control_does_not_come_by_the_general_purpose_subchannel(scene: Scene) -> None:
    packet = scene.senders[PurposeTag.MSCCK](TAKEN)
    assert scene.dropped(packet, Traffic.SUBCHANNEL_CONTROL) == "client.wrong-socket"


@pytest.mark.parametrize("message", [FloorRequest(ssrc=SSRC, priority=1), MAP])
def test_nor_does_everything_by_unicast(scene: Scene, message: rtcp.Message) -> None:
    packet = scene.senders[PurposeTag.CSK](message)
    assert scene.dropped(packet, Traffic.UNICAST_FLOOR) == "client.wrong-socket"


# --- media


def test_media_of_every_talker_is_heard(scene: Scene) -> None:
    for name in ("ann", "bob"):
        rtp, packet = MediaSender(scene.keys[PurposeTag.GMK], user(name, B), 0).packet(bytes(20), 0)
        heard = scene.one.media_packet(packet.octets, GROUP, NOW)[-1]
        assert isinstance(heard, MediaHeard)
        assert (heard.rtp, heard.group) == (rtp, GROUP)


@pytest.mark.parametrize("at", [1, 20, -1, -4, -8, -12])
def test_tampered_media(scene: Scene, at: int) -> None:
    packet = bytearray(
        MediaSender(scene.keys[PurposeTag.GMK], user("ann", B), 0).packet(bytes(20), 0)[1].octets
    )
    packet[at] ^= 1
    (event,) = scene.one.media_packet(bytes(packet), GROUP, NOW)
    assert isinstance(event, PacketDropped)


def test_replayed_media(scene: Scene) -> None:
    packet = MediaSender(scene.keys[PurposeTag.GMK], user("ann", B), 0).packet(bytes(20), 0)[1].octets
    scene.one.media_packet(packet, GROUP, NOW)
    (event,) = scene.one.media_packet(packet, GROUP, NOW)
    assert isinstance(event, PacketDropped)
    assert event.code == "peer.replayed"


def test_a_made_up_guk_id_is_no_reason_to_stop(scene: Scene) -> None:
    """The purpose tag 15 is not defined, and anyone can write it."""
    gmk_id = scene.keys[PurposeTag.GMK].key_id.encode()
    (event,) = scene.one.media_packet(bytes((0x80,)) + bytes(40) + gmk_id + b"\xf0\0\0\1", GROUP, NOW)
    assert isinstance(event, PacketDropped)


def test_made_up_guk_ids_leave_nothing_behind(scene: Scene) -> None:
    genuine = MediaSender(scene.keys[PurposeTag.GMK], user("ann", B), 0)
    packet = genuine.packet(bytes(20), 0)[1].octets
    scene.one.media_packet(packet, GROUP, NOW)
    fed = set(scene.one._contexts._fed)
    for _ in range(300):
        made_up = bytes((secrets.randbits(4),)) + secrets.token_bytes(3)
        scene.one.media_packet(packet[:-4] + made_up, GROUP, NOW)
    assert scene.one._contexts._fed == fed
    assert scene.one.dropped.total() == 300
    assert isinstance(
        scene.one.media_packet(genuine.packet(bytes(20), 160)[1].octets, GROUP, NOW)[-1], MediaHeard
    )


# --- the end


def test_after_log_off_nothing_opens(scene: Scene) -> None:
    packets = {
        Traffic.MBMS_FLOOR: scene.senders[PurposeTag.MUSIK](TAKEN),
        Traffic.SUBCHANNEL_CONTROL: scene.senders[PurposeTag.MSCCK](MAP),
        Traffic.UNICAST_FLOOR: scene.senders[PurposeTag.CSK](TAKEN),
    }
    for traffic, packet in packets.items():
        scene.take(packet, traffic)
    media = MediaSender(scene.keys[PurposeTag.GMK], user("ann", B), 0)
    scene.one.media_packet(media.packet(bytes(20), 0)[1].octets, GROUP, NOW)
    scene.one.log_off(NOW)
    assert scene.one._contexts._fed == set()
    assert scene.dropped(scene.senders[PurposeTag.MUSIK](TAKEN), Traffic.MBMS_FLOOR) == "keyring.unknown"
    assert (
        scene.dropped(scene.senders[PurposeTag.MSCCK](MAP), Traffic.SUBCHANNEL_CONTROL) == "keyring.unknown"
    )
    assert scene.dropped(scene.senders[PurposeTag.CSK](TAKEN), Traffic.UNICAST_FLOOR) == "keyring.unknown"
    (event,) = scene.one.media_packet(media.packet(bytes(20), 160)[1].octets, GROUP, NOW)
    assert isinstance(event, PacketDropped)


def test_a_group_that_was_mapped_is_forgotten_at_log_off(scene: Scene) -> None:
    say = scene.senders[PurposeTag.MSCCK]
    scene.take(say(MAP), Traffic.SUBCHANNEL_CONTROL)
    scene.one.log_off(NOW)
    hand_out(scene.keys[PurposeTag.MSCCK], scene.one, SERVER_A, NOW + 1)
    assert any(isinstance(event, GroupMapped) for event in scene.take(say(MAP), Traffic.SUBCHANNEL_CONTROL))
