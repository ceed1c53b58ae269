"""Key download: who gets which key, with which RAND, how often, and who gets none any more."""

from __future__ import annotations

import pytest

from mcsec.client.engine import Carrier
from mcsec.errors import InvalidValue, PeerError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.events import KeyMade, MemberRemoved
from mcsec.keys.key import DEFAULT, Scope
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import Broadcast, Question, SenderKeys, decide
from mcsec.mikey.message import IMessage
from mcsec.server.keydown import Download, KeyDownload
from support.domains import NOW
from support.engines import (
    BEARER_SCOPE,
    GROUP,
    MUSIK_SCOPE,
    OTHER_GROUP,
    A,
    client,
    give,
    initiator,
    mdsi,
    recipient,
    user,
)

ANN, BOB, EVE = user("ann"), user("bob"), user("eve")
MUSIK = PurposeTag.MUSIK


@pytest.fixture
def keydown() -> KeyDownload:
    return KeyDownload(A, initiator(mdsi(A)), recipient(""))


def make(keydown: KeyDownload, *members: str, scope: Scope = MUSIK_SCOPE, now: float = NOW) -> KeyId:
    made = keydown.make(MUSIK, scope, members, now)
    return next(event.key_id for event in made if isinstance(event, KeyMade))


def rands(downloads: list[Download]) -> set[bytes]:
    return {IMessage.decode(download.message).rand for download in downloads}


def test_one_message_for_each_member_with_one_rand(keydown: KeyDownload) -> None:
    key_id = make(keydown, BOB, ANN)
    due = keydown.due(NOW)
    assert [(download.client, download.key_id) for download in due] == [(ANN, key_id), (BOB, key_id)]
    assert len(rands(due)) == 1
    assert len({download.message for download in due}) == 2


def test_a_late_joiner_gets_the_same_key_and_rand(keydown: KeyDownload) -> None:
    key_id = make(keydown, ANN)
    first = keydown.due(NOW)
    rotation = keydown.rotation(MUSIK, MUSIK_SCOPE)
    rotation.admit(BOB)
    (late,) = keydown.due(NOW + 600)
    assert (late.client, late.key_id) == (BOB, key_id)
    assert rands([*first, late]) == rands(first)
    ann, bob = client("ann"), client("bob")
    give(ann, first[0].message, MUSIK)
    give(bob, late.message, MUSIK, NOW + 600)
    assert ann.keyring.keys[0].same_octets(bob.keyring.keys[0])
    assert ann.keyring.keys[0].srtp_material().master_key == bob.keyring.keys[0].srtp_material().master_key


def test_what_was_sent_is_not_sent_again_before_it_counts_as_lost(keydown: KeyDownload) -> None:
    key_id = make(keydown, ANN)
    (first,) = keydown.due(NOW)
    assert keydown.due(NOW + 1) == []
    keydown.lost(ANN, key_id)
    (again,) = keydown.due(NOW + 2)
    assert (again.client, again.key_id) == (ANN, key_id)
    assert again.message != first.message
    assert keydown.due(NOW + 3) == []


def test_who_gets_it_twice_notices_nothing(keydown: KeyDownload) -> None:
    key_id = make(keydown, ANN)
    (first,) = keydown.due(NOW)
    keydown.lost(ANN, key_id)
    (again,) = keydown.due(NOW + 2)
    ann = client("ann")
    assert give(ann, first.message, MUSIK) != []
    assert give(ann, again.message, MUSIK, NOW + 2) == []
    assert len(ann.keyring) == 1


def test_who_holds_a_key_is_not_given_it_though_its_answer_seemed_lost(keydown: KeyDownload) -> None:
    key_id = make(keydown, ANN)
    keydown.due(NOW)
    keydown.answered(ANN, key_id, NOW)
    keydown.lost(ANN, key_id)
    assert keydown.due(NOW + 1) == []


def test_a_refusal_is_not_answered_by_the_same_key_again(keydown: KeyDownload) -> None:
    key_id = make(keydown, ANN)
    keydown.due(NOW)
    assert keydown.refused(ANN, key_id, "mikey.sakke", NOW) != []
    assert keydown.due(NOW + 1) == []


def test_removal_rekeys_and_the_removed_member_is_offered_nothing(keydown: KeyDownload) -> None:
    old = make(keydown, ANN, EVE)
    for download in keydown.due(NOW):
        keydown.answered(download.client, old, NOW)
    happened = keydown.remove(MUSIK, MUSIK_SCOPE, [EVE], NOW + 1)
    assert MemberRemoved(NOW + 1, EVE) in happened
    new = next(event.key_id for event in happened if isinstance(event, KeyMade))
    sending = keydown.musiks[GROUP].sending
    assert sending is not None
    assert sending.key_id == new
    assert [(download.client, download.key_id) for download in keydown.due(NOW + 1)] == [(ANN, new)]
    assert not keydown.musiks[GROUP].holds(EVE)


def test_a_removed_member_cannot_read_the_new_key_of_another(keydown: KeyDownload) -> None:
    make(keydown, ANN, EVE)
    keydown.remove(MUSIK, MUSIK_SCOPE, [EVE], NOW + 1)
    (download,) = keydown.due(NOW + 1)
    with pytest.raises(PeerError) as caught:
        client("eve").key_message(download.message, Carrier.KEY_DOWNLOAD, NOW + 1)
    assert caught.value.code == "mikey.wrong-receiver"


def test_removal_where_nothing_was_made_changes_nothing(keydown: KeyDownload) -> None:
    with pytest.raises(InvalidValue):
        keydown.remove(MUSIK, MUSIK_SCOPE, [EVE], NOW)
    # Association is what policy looks at: an empty one would cut the group off.
    assert keydown.musiks == {}


def test_removal_of_a_stranger_changes_nothing(keydown: KeyDownload) -> None:
    key_id = make(keydown, ANN)
    with pytest.raises(InvalidValue):
        keydown.remove(MUSIK, MUSIK_SCOPE, [EVE], NOW)
    assert keydown.live == {key_id}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Scope.of(GROUP), Scope.of(GROUP, OTHER_GROUP)),
        (Scope.of(GROUP, OTHER_GROUP), Scope.of(GROUP)),
    ],
)
def test_overlapping_scopes_are_refused(keydown: KeyDownload, first: Scope, second: Scope) -> None:
    key_id = make(keydown, ANN, scope=first)
    with pytest.raises(InvalidValue) as caught:
        make(keydown, ANN, scope=second)
    assert caught.value.code == "keys.scope-overlap"
    assert keydown.live == {key_id}


def test_two_keys_may_not_be_joined_by_a_third(keydown: KeyDownload) -> None:
    make(keydown, ANN, scope=Scope.of(GROUP))
    make(keydown, ANN, scope=Scope.of(OTHER_GROUP))
    with pytest.raises(InvalidValue):
        make(keydown, ANN, scope=Scope.of(GROUP, OTHER_GROUP))


def test_a_default_key_stands_beside_one_of_a_groups_own(keydown: KeyDownload) -> None:
    default, own = make(keydown, ANN, scope=DEFAULT), make(keydown, ANN, scope=MUSIK_SCOPE)
    keys = SenderKeys(A, musiks=keydown.musiks)

    def sent_under(group: str) -> KeyId:
        decision = decide(Question(Traffic.MBMS_FLOOR, group), keys, NOW)
        assert isinstance(decision, Broadcast)
        return decision.key.key_id

    assert (sent_under(GROUP), sent_under(OTHER_GROUP)) == (own, default)


def test_one_key_for_two_groups_is_delivered_once(keydown: KeyDownload) -> None:
    make(keydown, ANN, scope=Scope.of(GROUP, OTHER_GROUP))
    assert len(keydown.due(NOW)) == 1
    assert keydown.musiks[GROUP] is keydown.musiks[OTHER_GROUP]


@pytest.mark.parametrize(
    "tag", [PurposeTag.GMK, PurposeTag.MKFC, PurposeTag.CSK, PurposeTag.SPK, PurposeTag.PCK]
)
def test_a_server_makes_no_key_of_another_kind(keydown: KeyDownload, tag: PurposeTag) -> None:
    with pytest.raises(InvalidValue):
        keydown.make(tag, MUSIK_SCOPE, [ANN], NOW)
    assert keydown.live == frozenset()


@pytest.mark.parametrize("scope", [DEFAULT, Scope.of("a", "b")])
def test_an_mscck_is_for_one_bearer(keydown: KeyDownload, scope: Scope) -> None:
    with pytest.raises(InvalidValue):
        keydown.make(PurposeTag.MSCCK, scope, [ANN], NOW)
    assert keydown.msccks == {}


def test_key_ids_carry_the_purpose_tag(keydown: KeyDownload) -> None:
    make(keydown, ANN)
    keydown.make(PurposeTag.MSCCK, BEARER_SCOPE, [ANN], NOW)
    assert {key_id.tag for key_id in keydown.live} == {MUSIK, PurposeTag.MSCCK}


def test_memory_of_what_was_asked_ends_with_the_key(keydown: KeyDownload) -> None:
    for number in range(20):
        key_id = make(keydown, ANN, now=NOW + 1000 * number)
        keydown.due(NOW + 1000 * number)
        keydown.refused(ANN, key_id, "busy", NOW + 1000 * number)
        keydown.poll(NOW + 1000 * number + 999)
    keydown.due(NOW + 20_000)
    assert len(keydown._asked) == len(keydown.live) == 1


def test_timers_of_all_rotations(keydown: KeyDownload) -> None:
    assert keydown.next_timer() is None
    keydown.make(MUSIK, DEFAULT, [ANN], NOW, lifetime=5000.0)
    keydown.make(MUSIK, MUSIK_SCOPE, [ANN], NOW, lifetime=4000.0)
    assert keydown.next_timer() == NOW + 4000.0 - 600.0
