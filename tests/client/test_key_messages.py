"""What a client checks on every key that it is sent (signalling E.4): carrier, sender, time, groups, fate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcsec.client.engine import Carrier, ClientEngine
from mcsec.errors import PeerError, WrongState
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import events
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.keys.kinds import Traffic
from mcsec.keys.transport import write
from mcsec.mikey.build import Form, Initiator, build
from mcsec.mikey.distribution import KeyDistribution
from mcsec.mikey.parameters import KeyParameters
from support.domains import NOW, PERIOD, kms
from support.engines import (
    GROUP,
    OTHER_GROUP,
    TMGI,
    A,
    B,
    carrier_of,
    client,
    gms_uri,
    hand_out,
    initiator,
    kms_of,
    mdsi,
    recipient,
    user,
)

OWN_GROUP = "sip:police@a.example"
SERVER_A, GMS_A, GMS_B = initiator(mdsi(A)), initiator(gms_uri(A)), initiator(gms_uri(B), B)
SCOPES = {
    PurposeTag.MUSIK: Scope.of(GROUP),
    PurposeTag.CSK: Scope.of(user("user")),
    PurposeTag.MSCCK: Scope.of(str(TMGI)),
    PurposeTag.GMK: Scope.of(GROUP),
    PurposeTag.MKFC: Scope.of(GROUP),
}
BY = {tag: GMS_B if tag in (PurposeTag.GMK, PurposeTag.MKFC) else SERVER_A for tag in SCOPES}


@pytest.fixture
def one() -> ClientEngine:
    return client(groups={GROUP: B, OTHER_GROUP: B, OWN_GROUP: A})


def key(tag: PurposeTag, scope: Scope | None = None, **times: float) -> Key:
    return make(tag, scope=scope or SCOPES[tag], maker=Maker(A, mdsi(A)), now=NOW, **times)


def message(made: Key, by: Initiator | None = None, now: float = NOW, *, revoked: bool = False) -> bytes:
    to = [recipient(user("user"))]
    return write(made, by or BY[made.key_id.tag], to, now, revoked=revoked)[0]


def refused(one: ClientEngine, octets: bytes, carrier: Carrier, now: float = NOW) -> str:
    before = one.keyring.keys
    with pytest.raises(PeerError) as caught:
        one.key_message(octets, carrier, now, bearer=TMGI if carrier is Carrier.ANNOUNCEMENT else None)
    assert one.keyring.keys == before
    refusal = one.refusal(caught.value, now)
    assert refusal.code == caught.value.code
    return caught.value.code


# --- carriers


@pytest.mark.parametrize("tag", SCOPES)
def test_each_kind_comes_by_its_carrier(one: ClientEngine, tag: PurposeTag) -> None:
    made = key(tag)
    (installed,) = hand_out(made, one, BY[tag])
    assert isinstance(installed, events.KeyInstalled)
    (held,) = one.keyring.keys
    assert held.same_octets(made)
    assert held.scope == SCOPES[tag]
    assert held.maker == Maker(B if BY[tag] is GMS_B else A, BY[tag].keys.uri)


@pytest.mark.parametrize("tag", SCOPES)
@pytest.mark.parametrize("carrier", Carrier)
def test_and_by_no_other(one: ClientEngine, tag: PurposeTag, carrier: Carrier) -> None:
    """Whoever is expected on a carrier signs; the kind is what does not belong there."""
    if carrier is carrier_of(tag):
        return
    by = GMS_B if carrier is Carrier.GROUP_KEYS else SERVER_A
    assert refused(one, message(key(tag), by), carrier) == "mikey.purpose"


@pytest.mark.parametrize("tag", [PurposeTag.PCK, PurposeTag.SPK])
@pytest.mark.parametrize("carrier", Carrier)
def test_keys_of_other_parties_come_by_none(one: ClientEngine, tag: PurposeTag, carrier: Carrier) -> None:
    by = GMS_B if carrier is Carrier.GROUP_KEYS else SERVER_A
    octets = message(key(tag, Scope.of("call")), by)
    assert refused(one, octets, carrier) == "mikey.purpose"


def test_an_mscck_needs_the_bearer_that_is_announced(one: ClientEngine) -> None:
    with pytest.raises(PeerError) as caught:
        one.key_message(message(key(PurposeTag.MSCCK)), Carrier.ANNOUNCEMENT, NOW)
    assert caught.value.code == "keys.no-scope"


def test_a_musik_without_groups_is_the_default(one: ClientEngine) -> None:
    hand_out(key(PurposeTag.MUSIK, DEFAULT), one, SERVER_A)
    assert one.keyring.keys[0].scope == DEFAULT


def test_a_csk_update_is_for_the_user_whatever_it_says(one: ClientEngine) -> None:
    hand_out(key(PurposeTag.CSK, Scope.of("sip:eve@a.example")), one, SERVER_A)
    assert one.keyring.keys[0].scope == Scope.of(one.uri)


# --- senders


def test_another_server_of_the_domain(one: ClientEngine) -> None:
    octets = message(key(PurposeTag.MUSIK), initiator("mcx2.a.example"))
    assert refused(one, octets, Carrier.KEY_DOWNLOAD) == "mikey.wrong-sender"


def test_another_user(one: ClientEngine) -> None:
    octets = message(key(PurposeTag.MUSIK), initiator(user("eve")))
    assert refused(one, octets, Carrier.KEY_DOWNLOAD) == "mikey.wrong-sender"


def test_the_gms_sends_no_musik(one: ClientEngine) -> None:
    assert refused(one, message(key(PurposeTag.MUSIK), GMS_B), Carrier.KEY_DOWNLOAD) == "mikey.wrong-sender"


def test_the_server_sends_no_gmk(one: ClientEngine) -> None:
    assert refused(one, message(key(PurposeTag.GMK), SERVER_A), Carrier.GROUP_KEYS) == "mikey.wrong-sender"


def test_the_servers_name_under_another_kms(one: ClientEngine) -> None:
    octets = message(key(PurposeTag.MUSIK), initiator(mdsi(A), B))
    assert refused(one, octets, Carrier.KEY_DOWNLOAD) == "mikey.wrong-kms"


def test_a_server_that_its_kms_revoked(one: ClientEngine) -> None:
    octets = message(key(PurposeTag.MUSIK))
    public = kms(kms_of(A)).public
    revoked = replace(public, revoked_users=frozenset([public.uid_of(mdsi(A), NOW)]))
    one.provision([kms(kms_of(A)).identity(user("user"))], [revoked])
    assert refused(one, octets, Carrier.KEY_DOWNLOAD) == "mikey.revoked-sender"


def test_a_kms_that_nobody_knows(one: ClientEngine) -> None:
    octets = message(key(PurposeTag.MUSIK), initiator(mdsi(A), "c.example"))
    assert refused(one, octets, Carrier.KEY_DOWNLOAD) == "mikey.unknown-kms"


def test_for_somebody_else(one: ClientEngine) -> None:
    (octets,) = write(key(PurposeTag.MUSIK), SERVER_A, [recipient(user("ann"))], NOW)
    assert refused(one, octets, Carrier.KEY_DOWNLOAD) == "mikey.wrong-receiver"


def test_a_hidden_server_is_found_by_its_uid(one: ClientEngine) -> None:
    made = key(PurposeTag.MUSIK)
    hand_out(made, one, SERVER_A, form=Form(hide_initiator=True, hide_responder=True))
    assert one.keyring.keys[0].maker == Maker(A, mdsi(A))


# --- groups are at home with one GMS


@pytest.mark.parametrize("tag", [PurposeTag.GMK, PurposeTag.MKFC])
@pytest.mark.parametrize("groups", [[OWN_GROUP], [GROUP, OWN_GROUP], ["sip:unheard.of@b.example"]])
def test_a_gms_sends_no_keys_of_groups_that_are_not_at_home_with_it(
    one: ClientEngine, tag: PurposeTag, groups: list[str]
) -> None:
    octets = message(key(tag, Scope.of(*groups)), GMS_B)
    assert refused(one, octets, Carrier.GROUP_KEYS) == "client.not-its-group"


def test_one_gmk_for_two_groups_of_its_gms(one: ClientEngine) -> None:
    hand_out(key(PurposeTag.GMK, Scope.of(GROUP, OTHER_GROUP)), one, GMS_B)
    for group in (GROUP, OTHER_GROUP):
        assert one.keyring.current(Traffic.GROUP_MEDIA, group, NOW)


def test_a_gms_takes_over_no_key_of_another(one: ClientEngine) -> None:
    """Not even who knows the key, as every domain with a member of the group does, may say what it is for."""
    made = key(PurposeTag.MKFC, Scope.of(OWN_GROUP))
    hand_out(made, one, GMS_A)
    renamed = Key(made.key_id, made.secret, made.rand, Scope.of(GROUP), made.maker, NOW, NOW)
    assert refused(one, message(renamed, GMS_B), Carrier.GROUP_KEYS) == "client.not-its-group"


def test_a_group_that_moves_has_its_keys_from_its_new_home(one: ClientEngine) -> None:
    one.groups[OWN_GROUP] = one.groups[GROUP]
    hand_out(key(PurposeTag.GMK, Scope.of(OWN_GROUP)), one, GMS_B)
    octets = message(key(PurposeTag.GMK, Scope.of(OWN_GROUP)), GMS_A)
    assert refused(one, octets, Carrier.GROUP_KEYS) == "mikey.wrong-sender"


# --- freshness, damage


def test_tampered(one: ClientEngine) -> None:
    octets = bytearray(message(key(PurposeTag.MUSIK)))
    octets[-300] ^= 1
    assert refused(one, bytes(octets), Carrier.KEY_DOWNLOAD) == "mikey.signature"


def test_no_message(one: ClientEngine) -> None:
    assert refused(one, b"\x01\x1a", Carrier.KEY_DOWNLOAD) == "mikey.malformed"


def test_replayed(one: ClientEngine) -> None:
    octets = message(key(PurposeTag.MUSIK))
    one.key_message(octets, Carrier.KEY_DOWNLOAD, NOW)
    assert refused(one, octets, Carrier.KEY_DOWNLOAD) == "mikey.replayed"


@pytest.mark.parametrize(("later", "code"), [(3601, "mikey.stale"), (-301, "mikey.early")])
def test_out_of_time(one: ClientEngine, later: float, code: str) -> None:
    octets = message(key(PurposeTag.MUSIK))
    assert refused(one, octets, Carrier.KEY_DOWNLOAD, NOW + later) == code


def test_made_in_another_key_period(one: ClientEngine) -> None:
    long_ago = NOW - PERIOD
    octets = message(key(PurposeTag.MUSIK), initiator_at(long_ago), long_ago)
    assert refused(one, octets, Carrier.KEY_DOWNLOAD, long_ago) == "mikey.key-period"


def initiator_at(time: float) -> Initiator:
    return Initiator(kms(kms_of(A)).identity(mdsi(A), time), kms(kms_of(A)).public)


# --- times and fate


def test_expired(one: ClientEngine) -> None:
    octets = message(key(PurposeTag.MUSIK, lifetime=60.0))
    assert refused(one, octets, Carrier.KEY_DOWNLOAD, NOW + 60) == "mikey.expired"


def test_times_that_cannot_be_are_the_senders_fault(one: ClientEngine) -> None:
    made = key(PurposeTag.MUSIK)
    octets = build(
        KeyDistribution(made.key_id, made.secret, made.rand),
        SERVER_A,
        recipient(user("user")),
        NOW,
        parameters=KeyParameters(
            PurposeTag.MUSIK, activation=int(NOW) + 900, expiry=int(NOW) + 800, groups=(GROUP,)
        ),
    )
    assert refused(one, octets, Carrier.KEY_DOWNLOAD) == "keys.no-key"


def test_not_active_yet(one: ClientEngine) -> None:
    hand_out(key(PurposeTag.MUSIK, activation=NOW + 60), one, SERVER_A)
    with pytest.raises(PeerError) as caught:
        one.keyring.look_up(one.keyring.keys[0].key_id.encode(), Traffic.MBMS_FLOOR, GROUP, NOW)
    assert caught.value.code == "keyring.not-active"


def test_sent_again_in_a_new_message_changes_nothing(one: ClientEngine) -> None:
    made = key(PurposeTag.MUSIK)
    hand_out(made, one, SERVER_A)
    assert hand_out(made, one, SERVER_A, NOW + 30) == []


def test_another_key_under_an_id_that_is_held(one: ClientEngine) -> None:
    made = key(PurposeTag.MUSIK)
    hand_out(made, one, SERVER_A)
    other = key(PurposeTag.MUSIK)
    imitation = Key(made.key_id, other.secret, other.rand, made.scope, made.maker, NOW, NOW)
    assert refused(one, message(imitation), Carrier.KEY_DOWNLOAD) == "keys.id-reused"


@pytest.mark.parametrize("tag", SCOPES)
def test_revoked_by_its_maker(one: ClientEngine, tag: PurposeTag) -> None:
    made = key(tag)
    hand_out(made, one, BY[tag])
    happened = hand_out(made, one, BY[tag], NOW + 1, revoked=True)
    assert [type(event) for event in happened] == [events.KeyRevoked, events.KeyDestroyed]
    assert len(one.keyring) == 0
    assert refused(one, message(made, now=NOW + 2), carrier_of(tag), NOW + 2) == "keys.revoked"


def test_a_revocation_that_comes_before_its_key(one: ClientEngine) -> None:
    made = key(PurposeTag.MUSIK)
    assert [type(event) for event in hand_out(made, one, SERVER_A, revoked=True)] == [events.KeyRevoked]
    assert refused(one, message(made, now=NOW + 1), Carrier.KEY_DOWNLOAD, NOW + 1) == "keys.revoked"


def revocation(key_id: KeyId, *groups: str, by: Initiator = GMS_B) -> bytes:
    """Somebody who may send here revokes a key of which it knows no more than the ID."""
    fresh = KeyDistribution.fresh(key_id.tag)
    return build(
        KeyDistribution(key_id, fresh.key, fresh.rand),
        by,
        recipient(user("user")),
        NOW,
        parameters=KeyParameters(key_id.tag, status=0, groups=groups),
    )


@pytest.mark.parametrize("named", [[], [GROUP], [OWN_GROUP]])
def test_a_gms_revokes_no_key_of_another(one: ClientEngine, named: list[str]) -> None:
    made = key(PurposeTag.MKFC, Scope.of(OWN_GROUP))
    hand_out(made, one, GMS_A)
    assert refused(one, revocation(made.key_id, *named), Carrier.GROUP_KEYS) == "client.not-its-group"
    assert one.keyring.keys[0].same_octets(made)


def test_a_revocation_that_says_not_whose_key_it_is(one: ClientEngine) -> None:
    octets = revocation(KeyId.random(PurposeTag.MKFC))
    assert refused(one, octets, Carrier.GROUP_KEYS) == "keys.no-scope"


# --- what a client makes, and its end


def test_the_csk_that_a_client_makes(one: ClientEngine) -> None:
    made, octets = one.make_csk(NOW)
    assert made.key_id.tag is PurposeTag.CSK
    assert one.keyring.current(Traffic.UNICAST_FLOOR, one.uri, NOW) is made
    assert made.secret.reveal() not in octets


def test_no_csk_without_keys_of_the_period(one: ClientEngine) -> None:
    with pytest.raises(WrongState) as caught:
        one.make_csk(NOW + 2 * PERIOD)
    assert caught.value.code == "client.key-period"


def test_log_off_wipes(one: ClientEngine) -> None:
    for tag in SCOPES:
        hand_out(key(tag), one, BY[tag])
    happened = one.log_off(NOW)
    assert [event.keys for event in happened if isinstance(event, events.KeyringWiped)] == [len(SCOPES)]
    assert sum(isinstance(event, events.KeyDestroyed) for event in happened) == len(SCOPES)
    assert one.keyring.keys == ()
    assert one.next_timer() is None


def test_keys_that_end_are_destroyed_in_time(one: ClientEngine) -> None:
    hand_out(key(PurposeTag.MUSIK, lifetime=60.0), one, SERVER_A)
    assert one.next_timer() == NOW + 60
    assert one.poll(NOW + 59) == []
    assert [type(event) for event in one.poll(NOW + 60)] == [events.KeyDestroyed]
    assert one.keyring.keys == ()
