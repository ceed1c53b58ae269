"""Protecting and routing: once on the bearer, by unicast to whom that does not reach, never in clear."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.crypto.srtp import OpenedPacket, ProtectedPacket, SrtcpReceiver, SrtpProfile
from mcsec.errors import Forbidden
from mcsec.ids import PurposeTag
from mcsec.keys.events import BroadcastRefused
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import GivenKey, GroupRules, SenderKeys
from mcsec.keys.rotation import Rotation
from mcsec.server import signalling as module
from mcsec.server.channel import Channel
from mcsec.server.indexes import IndexesWanted, MemoryIndexes, StoredIndexes
from mcsec.server.signalling import OnBearer, Sent, Signalling, ToClient
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorGranted, FloorIdle
from mcsec.wire.rtcp.subchannel import UnmapGroupToBearer
from support.domains import NOW
from support.engines import GROUP, OTHER_GROUP, TMGI, A, B, idle, user

BEARER = str(TMGI)
MAKER = Maker(A, "mcx.a.example")


def key(tag: PurposeTag, scope: Scope = DEFAULT, maker: Maker = MAKER) -> Key:
    return make(tag, scope=scope, maker=maker, now=NOW)


def csks(*names: str) -> dict[str, Key]:
    return {name: key(PurposeTag.CSK, Scope.of(name)) for name in names}


def holding(made: Key, held_by: list[str], listeners: list[str]) -> Rotation:
    """A rotation that sends under ``made``; all of ``listeners`` listen, some of them hold the key."""
    rotation = Rotation(made.key_id.tag, made.scope)
    for name in listeners:
        rotation.admit(name)
        rotation.listen(name, NOW)
    rotation.offer(made, NOW)
    for name in held_by:
        rotation.held(name, made.key_id, NOW)
    rotation.poll(NOW + 1000)
    return rotation


def opened(packet: ProtectedPacket, under: Key) -> OpenedPacket:
    context = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
    context.add_key(*under.srtp_material())
    return context.unprotect(packet.octets)


def signalling_with(keys: SenderKeys) -> Signalling:
    return Signalling(keys, MemoryIndexes())


def say(signalling: Signalling, *listeners: str, group: str = GROUP, **options: object) -> list[Sent]:
    message = idle(ssrc=signalling.ssrc(Traffic.MBMS_FLOOR, BEARER))
    return signalling.floor(BEARER, group, message, listeners, NOW, **options)  # type: ignore[arg-type]


ANN, BOB, CAT = names = [user(name) for name in ("ann", "bob", "cat")]


def test_once_for_everyone_who_holds_the_key() -> None:
    musik = key(PurposeTag.MUSIK)
    signalling = signalling_with(
        SenderKeys(A, musiks={None: holding(musik, names, names)}, csks=csks(*names))
    )
    (sent,) = say(signalling, *names)
    assert isinstance(sent, OnBearer)
    assert sent.key is musik
    assert rtcp.decode(opened(sent.packet, musik).octets) == (
        FloorIdle(ssrc=signalling.ssrc(Traffic.MBMS_FLOOR, BEARER), sequence_number=1),
    )


def test_unicast_under_the_csk_for_whom_the_bearer_does_not_reach() -> None:
    musik, own = key(PurposeTag.MUSIK), csks(*names)
    signalling = signalling_with(SenderKeys(A, musiks={None: holding(musik, [ANN], names)}, csks=own))
    on_bearer, *others = say(signalling, *names)
    assert isinstance(on_bearer, OnBearer)
    assert [one.client for one in others if isinstance(one, ToClient)] == [BOB, CAT]
    for one in others:
        assert isinstance(one, ToClient)
        assert one.key is own[one.client]
        (message,) = rtcp.decode(opened(one.packet, own[one.client]).octets)
        # Each client has a channel of its own, so the message says another SSRC of ours.
        assert message == FloorIdle(ssrc=message.ssrc, sequence_number=1)
        assert message.ssrc != signalling.ssrc(Traffic.MBMS_FLOOR, BEARER)


def test_refused_by_name_where_there_is_no_csk_either() -> None:
    signalling = signalling_with(SenderKeys(A, csks=csks(ANN)))
    on_bearer, to_ann, to_bob = say(signalling, ANN, BOB)
    assert isinstance(on_bearer, BroadcastRefused)
    assert on_bearer.code == "policy.no-key"
    assert isinstance(to_ann, ToClient)
    assert isinstance(to_bob, BroadcastRefused)
    assert to_bob.code == "policy.no-key"


def test_an_mkfc_of_the_group_changes_nothing_unless_the_operator_says_so() -> None:
    mkfc = GivenKey(key(PurposeTag.MKFC, Scope.of(GROUP), Maker(B, "gms.b.example")))
    own = csks(ANN)
    refused, to_ann = say(signalling_with(SenderKeys(A, mkfcs={GROUP: mkfc}, csks=own)), ANN)
    assert isinstance(refused, BroadcastRefused)
    assert refused.code == "policy.release-13-off"
    assert isinstance(to_ann, ToClient)
    (allowed,) = say(signalling_with(SenderKeys(A, mkfcs={GROUP: mkfc}, csks=own, release_13={GROUP})), ANN)
    assert isinstance(allowed, OnBearer)


def test_a_paused_scope_is_served_by_nothing() -> None:
    paused = GivenKey(key(PurposeTag.MUSIK), paused=True)
    sent = say(signalling_with(SenderKeys(A, musiks={None: paused}, csks=csks(*names))), *names)
    assert {type(one) for one in sent} == {BroadcastRefused}
    assert {one.code for one in sent if isinstance(one, BroadcastRefused)} == {"policy.paused"}


@given(
    held=st.sets(st.sampled_from(names)),
    with_csk=st.sets(st.sampled_from(names)),
    has_musik=st.booleans(),
    wants=st.sampled_from([None, True, False]),
)
def test_nothing_is_ever_sent_in_clear(
    held: set[str], with_csk: set[str], has_musik: bool, wants: bool | None
) -> None:
    """Whatever is held and whatever the group document says: protected, or not sent."""
    musik = key(PurposeTag.MUSIK)
    musiks = {None: holding(musik, sorted(held), names)} if has_musik else {}
    own = csks(*with_csk)
    rules = GroupRules(protect_floor_control=wants)
    on_bearer, *others = say(signalling_with(SenderKeys(A, musiks=musiks, csks=own)), *names, rules=rules)
    assert isinstance(on_bearer, OnBearer) == has_musik
    told = {one.client for one in others if isinstance(one, ToClient)}
    assert told == with_csk - (held if has_musik else set())
    for one in [on_bearer, *others]:
        if isinstance(one, OnBearer | ToClient):
            assert type(one.packet) is ProtectedPacket
            assert b"MCPT" not in one.packet.octets
            assert opened(one.packet, one.key)


def test_what_asks_for_an_answer_is_kept_off_the_bearer() -> None:
    signalling = signalling_with(SenderKeys(A, musiks={None: holding(key(PurposeTag.MUSIK), names, names)}))
    ssrc = signalling.ssrc(Traffic.MBMS_FLOOR, BEARER)
    with pytest.raises(Forbidden) as caught:
        signalling.floor(
            BEARER, GROUP, FloorIdle(ssrc=ssrc, ack_requested=True, sequence_number=1), names, NOW
        )
    assert caught.value.code == "rtcp.multicast.ack"
    with pytest.raises(Forbidden) as caught:
        signalling.floor(BEARER, GROUP, FloorGranted(ssrc=ssrc, duration=1, priority=1), names, NOW)
    assert caught.value.code == "rtcp.multicast.unicast-only"


def test_what_is_for_one_client_goes_to_one_client() -> None:
    own = csks(ANN)
    signalling = signalling_with(SenderKeys(A, csks=own))
    sent = signalling.to_client(ANN, FloorGranted(ssrc=1, ack_requested=True, duration=1, priority=1), NOW)
    assert isinstance(sent, ToClient)
    assert opened(sent.packet, own[ANN])
    assert isinstance(signalling.to_client(BOB, idle(), NOW), BroadcastRefused)


def test_subchannel_control_has_the_key_of_its_bearer_and_no_other_way() -> None:
    mscck = key(PurposeTag.MSCCK, Scope.of(BEARER))
    keys = SenderKeys(A, msccks={BEARER: holding(mscck, names, names)}, csks=csks(*names))
    signalling = signalling_with(keys)
    message = UnmapGroupToBearer(ssrc=signalling.ssrc(Traffic.SUBCHANNEL_CONTROL, BEARER), group_id=GROUP)
    sent = signalling.subchannel(BEARER, message, NOW)
    assert isinstance(sent, OnBearer)
    assert sent.key is mscck
    assert isinstance(signalling.subchannel("000001@001/01", message, NOW), BroadcastRefused)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a server does for a packet: decisions, and packets protected."""
    done: list[str] = []
    decide, protect = module.decide, Channel.protect
    monkeypatch.setattr(module, "decide", lambda *question: done.append("decide") or decide(*question))
    monkeypatch.setattr(
        Channel, "protect", lambda channel, *packet: done.append("protect") or protect(channel, *packet)
    )
    return done


@pytest.mark.parametrize("listeners", [1, 10, 3000])
def test_the_work_does_not_grow_with_the_listeners(work: list[str], listeners: int) -> None:
    crowd = [f"sip:u{number}@a.example" for number in range(listeners)]
    signalling = signalling_with(SenderKeys(A, musiks={None: holding(key(PurposeTag.MUSIK), crowd, crowd)}))
    say(signalling, *crowd)
    assert sorted(work) == ["decide", "protect"]


def test_the_work_grows_with_whom_the_bearer_does_not_reach(work: list[str]) -> None:
    crowd = [f"sip:u{number}@a.example" for number in range(30)]
    musiks = {None: holding(key(PurposeTag.MUSIK), crowd[:20], crowd)}
    say(signalling_with(SenderKeys(A, musiks=musiks, csks=csks(*crowd))), *crowd)
    assert (work.count("decide"), work.count("protect")) == (11, 11)


def test_a_channel_counts_on_over_a_new_key() -> None:
    old, new = key(PurposeTag.MUSIK), key(PurposeTag.MUSIK)
    channel = Channel(7, MemoryIndexes())

    def index(under: Key) -> int:
        assert channel.prepare(under) is None
        return opened(channel.protect(idle(ssrc=7), under), under).index

    assert [index(under) for under in (old, old, new, new)] == [1, 2, 3, 4]
    # Back under an old key, it goes on above everything that was ever reserved for that one.
    assert index(old) > 4


def test_nothing_is_sent_before_its_index_is_reserved_and_then_everything() -> None:
    musik, own, wanted = key(PurposeTag.MUSIK), csks(*names), StoredIndexes()
    signalling = Signalling(SenderKeys(A, musiks={None: holding(musik, [ANN], names)}, csks=own), wanted)
    with pytest.raises(IndexesWanted) as caught:
        say(signalling, *names)
    assert [wish.key_id for wish in caught.value.wishes] == [musik.key_id, own[BOB].key_id, own[CAT].key_id]
    granted = MemoryIndexes()
    for wish in wanted.take():
        signalling.grant(granted.ask(wish))
    assert [type(one) for one in say(signalling, *names)] == [OnBearer, ToClient, ToClient]


def test_a_key_that_follows_is_sent_under_from_the_next_packet_on() -> None:
    first, second = key(PurposeTag.MUSIK), key(PurposeTag.MUSIK)
    rotation = holding(first, names, names)
    signalling = signalling_with(SenderKeys(A, musiks={None: rotation}))
    (before,) = say(signalling, *names)
    rotation.offer(second, NOW)
    for name in names:
        rotation.held(name, second.key_id, NOW)
    (after,) = say(signalling, *names)
    assert isinstance(before, OnBearer)
    assert isinstance(after, OnBearer)
    assert (before.key, after.key) == (first, second)
    assert opened(before.packet, first).ssrc == opened(after.packet, second).ssrc
    assert (opened(before.packet, first).index, opened(after.packet, second).index) == (1, 2)


def test_every_channel_has_an_ssrc_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([5, 5, 5, 6, 6, 7])
    monkeypatch.setattr("mcsec.keys.reservation.secrets.randbits", lambda _bits: next(drawn))
    signalling = signalling_with(SenderKeys(A))
    places = [(Traffic.MBMS_FLOOR, "1"), (Traffic.MBMS_FLOOR, "2"), (Traffic.SUBCHANNEL_CONTROL, "1")]
    assert [signalling.ssrc(*place) for place in places] == [5, 6, 7]
    assert signalling.ssrc(*places[0]) == 5


def test_a_temporary_groups_listeners_are_asked_about_with_their_own_group() -> None:
    """The MuSiK of the constituent serves the temporary group, on the bearer and for whom it does not reach."""
    musik, own = key(PurposeTag.MUSIK, Scope.of(GROUP)), csks(ANN, BOB)
    keys = SenderKeys(A, musiks={GROUP: holding(musik, [ANN], [ANN, BOB])}, csks=own)
    on_bearer, to_bob = say(signalling_with(keys), ANN, BOB, group=OTHER_GROUP, constituent=GROUP)
    assert isinstance(on_bearer, OnBearer)
    assert on_bearer.key is musik
    assert isinstance(to_bob, ToClient)
    assert (to_bob.client, to_bob.reason.code) == (BOB, "policy.key-not-held")
