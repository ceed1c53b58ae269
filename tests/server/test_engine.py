"""The server as a whole: listeners, Release 13 mode, media that passes unread, and the record of every key."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from mcsec.client.events import FloorHeard, GroupMapped
from mcsec.errors import Forbidden, InvalidValue, Refused
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys import events
from mcsec.keys.key import DEFAULT
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import GroupRules
from mcsec.keys.provenance import Happening, verify
from mcsec.server.engine import ServerEngine
from mcsec.server.signalling import OnBearer, Sent, ToClient
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel
from mcsec.wire.rtp import RtpHeader
from support.domains import NOW
from support.engines import (
    BEARER_SCOPE,
    GROUP,
    MUSIK_SCOPE,
    OTHER_GROUP,
    TMGI,
    A,
    answer,
    broadcasting,
    client,
    deliver,
    idle,
    mdsi,
    server,
    user,
)

ANN, BOB, EVE = user("ann"), user("bob"), user("eve")
REL13 = "sip:rel13@b.example"


def say(at: ServerEngine, group: str = GROUP, now: float = NOW) -> list[Sent]:
    return at.floor(TMGI, group, idle(ssrc=at.ssrc(Traffic.MBMS_FLOOR, TMGI)), now)


def served(sent: list[Sent]) -> list[str]:
    return [one.client for one in sent if isinstance(one, ToClient)]


# --- broadcast and listeners


def test_from_upload_to_broadcast() -> None:
    at, (ann, bob) = broadcasting("ann", "bob")
    (sent,) = say(at)
    assert isinstance(sent, OnBearer)
    for one in (ann, bob):
        heard = one.control_packet(sent.packet.octets, Traffic.MBMS_FLOOR, GROUP, NOW)
        assert [event.message for event in heard if isinstance(event, FloorHeard)] == [
            idle(ssrc=at.ssrc(Traffic.MBMS_FLOOR, TMGI))
        ]


def test_the_map_reaches_who_was_told_of_the_bearer() -> None:
    at, (ann,) = broadcasting("ann")
    mapping = MapGroupToBearer(
        ssrc=at.ssrc(Traffic.SUBCHANNEL_CONTROL, TMGI),
        group_id=GROUP,
        tmgi=TMGI,
        subchannel=MbmsSubchannel(2, 0, ip_address("239.192.0.1"), 40000),
    )
    sent = at.subchannel(TMGI, mapping, NOW)
    assert isinstance(sent, OnBearer)
    heard = ann.control_packet(sent.packet.octets, Traffic.SUBCHANNEL_CONTROL, str(TMGI), NOW)
    assert any(isinstance(event, GroupMapped) for event in heard)


def test_who_refused_the_key_is_served_by_unicast() -> None:
    at, (ann,) = broadcasting("ann")
    bob = client("bob")
    at.csk_uploaded(BOB, bob.make_csk(NOW)[1], NOW)
    for scope, tag in ((MUSIK_SCOPE, PurposeTag.MUSIK), (BEARER_SCOPE, PurposeTag.MSCCK)):
        at.keydown.rotation(tag, scope).admit(BOB)
    for download in at.downloads(NOW):
        octets = bytearray(download.message)
        octets[-300] ^= 1
        happened = answer(at, bob, replace(download, message=bytes(octets)))
        assert [type(event) for event in happened] == [events.KeyDeliveryRefused]
    at.listens(BOB, TMGI, GROUP, NOW)
    on_bearer, to_bob = say(at)
    assert isinstance(on_bearer, OnBearer)
    assert isinstance(to_bob, ToClient)
    assert bob.control_packet(to_bob.packet.octets, Traffic.UNICAST_FLOOR, BOB, NOW)
    assert ann.control_packet(on_bearer.packet.octets, Traffic.MBMS_FLOOR, GROUP, NOW)


def test_a_report_for_a_bearer_that_is_not_there() -> None:
    at, _ = broadcasting("ann")
    with pytest.raises(Refused) as caught:
        at.listens(ANN, Tmgi(9, "001", "01"), OTHER_GROUP, NOW)
    assert caught.value.code == "server.unknown-bearer"
    assert OTHER_GROUP not in at.listeners.everywhere()


def test_a_report_of_somebody_who_is_not_entitled_changes_nothing() -> None:
    at, _ = broadcasting("ann")
    eve = client("eve")
    at.csk_uploaded(EVE, eve.make_csk(NOW)[1], NOW)
    at.keydown.rotation(PurposeTag.MSCCK, BEARER_SCOPE).admit(EVE)
    with pytest.raises(Refused) as caught:
        at.listens(EVE, TMGI, GROUP, NOW)
    assert caught.value.code == "server.not-entitled"
    assert at.listeners.everywhere() == {GROUP: {ANN}}
    assert EVE not in at.keydown.msccks[str(TMGI)].audience.listeners
    assert served(say(at)) == []


def test_who_listened_before_the_group_had_its_own_key_listens_still() -> None:
    at, ann, bob = server(), client("ann"), client("bob")
    for one in (ann, bob):
        at.csk_uploaded(one.uri, one.make_csk(NOW)[1], NOW)
    at.activate_bearer(TMGI, [ANN, BOB], NOW)
    deliver(at, [ann, bob])
    for uri in (ANN, BOB):
        at.listens(uri, TMGI, GROUP, NOW)
    assert served(say(at)) == [ANN, BOB]
    at.make_musik(MUSIK_SCOPE, [ANN, BOB], NOW)
    assert served(say(at)) == [ANN, BOB]
    deliver(at, [ann, bob], but=[BOB])
    assert served(say(at)) == [BOB]


def test_who_is_no_member_of_the_new_key_is_served_no_more() -> None:
    at, ann, eve = server(), client("ann"), client("eve")
    for one in (ann, eve):
        at.csk_uploaded(one.uri, one.make_csk(NOW)[1], NOW)
    at.activate_bearer(TMGI, [ANN, EVE], NOW)
    for uri in (ANN, EVE):
        at.listens(uri, TMGI, GROUP, NOW)
    assert events.MemberRemoved(NOW, EVE) in at.make_musik(MUSIK_SCOPE, [ANN], NOW)
    assert served(say(at)) == [ANN]


def test_a_default_key_leaves_groups_alone_that_have_their_own() -> None:
    at, _ = broadcasting("ann")
    assert not any(isinstance(event, events.MemberRemoved) for event in at.make_musik(DEFAULT, [BOB], NOW))
    assert at.listeners.everywhere() == {GROUP: {ANN}}
    assert at.keydown.musiks[None].audience.listeners == set()


def test_who_is_removed_is_served_by_nothing_any_more() -> None:
    at, (ann, eve) = broadcasting("ann", "eve")
    happened = at.remove(PurposeTag.MUSIK, MUSIK_SCOPE, [EVE], NOW)
    assert events.MemberRemoved(NOW, EVE) in happened
    on_bearer, *others = say(at)
    assert isinstance(on_bearer, OnBearer)
    assert served(others) == [ANN]
    (dropped,) = eve.control_packet(on_bearer.packet.octets, Traffic.MBMS_FLOOR, GROUP, NOW)
    assert dropped.code == "keyring.unknown"
    deliver(at, [ann])
    (sent,) = say(at)
    assert isinstance(sent, OnBearer)
    assert ann.control_packet(sent.packet.octets, Traffic.MBMS_FLOOR, GROUP, NOW)


def test_not_by_unicast_either_when_nothing_can_be_broadcast() -> None:
    at, _ = broadcasting("ann", "eve")
    at.remove(PurposeTag.MUSIK, MUSIK_SCOPE, [EVE], NOW)
    rotation = at.keydown.musiks[GROUP]
    assert rotation.sending is not None
    rotation.revoke(rotation.sending.key_id, "lost device", NOW)
    refused, *others = say(at)
    assert not isinstance(refused, OnBearer)
    assert served(others) == [ANN]


# --- media


def rtp(mki: bytes) -> bytes:
    return RtpHeader(payload_type=0, sequence=1, timestamp=0, ssrc=1).encode() + bytes(30) + mki


def test_media_passes_as_it_came() -> None:
    packet = rtp(bytes.fromhex("0123456701234567"))
    assert server().forward(GROUP, packet, 8, NOW).octets == packet


@pytest.mark.parametrize("mki", [b"", bytes.fromhex("61234567"), bytes.fromhex("6123456761234567")])
def test_media_under_no_key_of_the_group_does_not(mki: bytes) -> None:
    with pytest.raises(Forbidden) as caught:
        server().forward(GROUP, rtp(mki), len(mki), NOW)
    assert caught.value.code == "policy.media-clear"


def test_media_in_clear_only_where_the_group_asks_for_no_protection() -> None:
    packet = rtp(b"")
    assert server().forward(GROUP, packet, 0, NOW, GroupRules(protect_media=False)).octets == packet


def test_control_does_not_pass_as_media() -> None:
    packet = bytes.fromhex("80cc0005") + bytes(20) + bytes.fromhex("0123456701234567")
    with pytest.raises(InvalidValue):
        server().forward(GROUP, packet, 8, NOW)


# --- provenance


def happened(at: ServerEngine, tag: PurposeTag) -> list[Happening]:
    return [record.happening for record in at.records if record.key_id.tag is tag]


def test_the_whole_life_of_a_musik_is_on_record() -> None:
    at, (ann,) = broadcasting("ann")
    say(at)
    first = at.keydown.musiks[GROUP].sending
    at.make_musik(MUSIK_SCOPE, [], NOW + 1)
    deliver(at, [ann], NOW + 1)
    at.poll(NOW + 1000)
    verify(at.records, A)
    assert first is not None
    assert [record.happening for record in at.records if record.key_id == first.key_id] == [
        Happening.MADE,
        Happening.OFFERED,
        Happening.SWITCHED,
        Happening.HELD,
        Happening.FIRST_USED,
        Happening.RETIRED,
        Happening.DESTROYED,
    ]
    assert {record.signer for record in at.records if record.key_id == first.key_id} == {mdsi(A)}
    assert at.notebook.holds == at.keydown.live


def test_first_use_is_noted_once_for_each_bearer() -> None:
    at, _ = broadcasting("ann")
    say(at)
    say(at)
    assert happened(at, PurposeTag.MUSIK).count(Happening.FIRST_USED) == 1


def test_a_csk_that_was_replaced_is_on_record_as_destroyed() -> None:
    at, ann = server(), client("ann")
    for _ in range(2):
        at.csk_uploaded(ANN, ann.make_csk(NOW)[1], NOW)
    assert happened(at, PurposeTag.CSK) == [Happening.RECEIVED, Happening.RECEIVED, Happening.DESTROYED]
    verify(at.records, A)


def test_records_hold_no_key_octets() -> None:
    at, _ = broadcasting("ann")
    key = at.keydown.musiks[GROUP].sending
    assert key is not None
    assert key.secret.reveal().hex() not in repr(at.records)


def test_kinds_held_never_has_media_keys() -> None:
    at, _ = broadcasting("ann")
    assert at.kinds_held == {PurposeTag.MUSIK, PurposeTag.MSCCK, PurposeTag.CSK}
