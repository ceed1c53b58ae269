"""Release 13 mode at the server: only by the operator's word, only from the group's GMS, never instead of a MuSiK."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcsec.errors import Forbidden, PeerError, Refused
from mcsec.ids import PurposeTag
from mcsec.keys import events
from mcsec.keys.audit import state_control
from mcsec.keys.key import Key, Scope
from mcsec.keys.kinds import Traffic
from mcsec.keys.provenance import verify
from mcsec.keys.transport import write
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.server.engine import ServerEngine
from mcsec.server.signalling import OnBearer, Sent, ToClient
from support.domains import NOW, kms
from support.engines import (
    GROUP,
    MUSIK_SCOPE,
    OTHER_GROUP,
    TMGI,
    A,
    B,
    broadcasting,
    client,
    gms,
    gms_uri,
    idle,
    initiator,
    kms_of,
    mdsi,
    partner,
    server,
    user,
)

ANN = user("ann")
REL13 = "sip:rel13@b.example"


def say(at: ServerEngine, group: str = GROUP, now: float = NOW) -> list[Sent]:
    return at.floor(TMGI, group, idle(ssrc=at.ssrc(Traffic.MBMS_FLOOR, TMGI)), now)


def released(at: ServerEngine, group: str = REL13) -> None:
    at.release_13_mode(group, partner())


def mkfc(group: str, *, scope: str | None = None, revoked: bool = False) -> bytes:
    home = gms()
    key = home.make(PurposeTag.MKFC, scope or group, NOW)
    to = Recipient(mdsi(A), kms(kms_of(A)).public)
    return write(key, initiator(gms_uri(B), B), [to], NOW, revoked=revoked)[0]


def test_no_mkfc_is_taken_unless_the_operator_says_so() -> None:
    at = server()
    with pytest.raises(Forbidden) as caught:
        at.mkfc_message(REL13, mkfc(REL13), NOW)
    assert caught.value.code == "server.release-13-off"
    assert at.kinds_held == frozenset()


def test_with_release_13_mode_the_mkfc_is_sent_under() -> None:
    at = server()
    released(at)
    (received,) = at.mkfc_message(REL13, mkfc(REL13), NOW)
    assert isinstance(received, events.KeyReceived)
    (sent,) = say(at, REL13)
    assert isinstance(sent, OnBearer)
    assert sent.reason.code == "policy.mkfc"


def test_a_musik_is_never_given_up_for_an_mkfc() -> None:
    at, (ann,) = broadcasting("ann")
    released(at, GROUP)
    at.mkfc_message(GROUP, mkfc(GROUP), NOW)
    (sent,) = say(at)
    assert isinstance(sent, OnBearer)
    assert sent.key.key_id.tag is PurposeTag.MUSIK
    rotation = at.keydown.musiks[GROUP]
    rotation.revoke(sent.key.key_id, "lost device", NOW)
    refused, to_ann = say(at)
    assert not isinstance(refused, OnBearer)
    assert isinstance(to_ann, ToClient)
    assert ann.control_packet(to_ann.packet.octets, Traffic.UNICAST_FLOOR, ANN, NOW)


def test_an_mkfc_for_another_group_is_refused() -> None:
    at = server()
    released(at)
    with pytest.raises(Refused) as caught:
        at.mkfc_message(REL13, mkfc(REL13, scope=OTHER_GROUP), NOW)
    assert caught.value.code == "server.mkfc-scope"
    # It would stand where a key for the group should, and stop every message of the group.
    assert [type(one) for one in say(at, REL13)] == [events.BroadcastRefused]


def test_an_mkfc_of_another_gms_is_refused() -> None:
    at = server()
    at.release_13_mode(REL13, replace(partner(), uri="gms.c.example"))
    with pytest.raises(PeerError) as caught:
        at.mkfc_message(REL13, mkfc(REL13), NOW)
    assert caught.value.code == "mikey.wrong-sender"


def test_a_gms_gives_no_musik() -> None:
    at = server()
    released(at)
    at.make_musik(Scope.of(REL13), [ANN], NOW)
    theirs = at.keydown.musiks[REL13].pending or at.keydown.musiks[REL13].sending
    assert theirs is not None
    to = Recipient(mdsi(A), kms(kms_of(A)).public)
    (octets,) = write(theirs, initiator(gms_uri(B), B), [to], NOW)
    with pytest.raises(PeerError) as caught:
        at.mkfc_message(REL13, octets, NOW)
    assert caught.value.code == "mikey.purpose"


def test_a_revoked_mkfc_is_sent_under_no_more() -> None:
    at, home = server(), gms()
    released(at)
    key = home.make(PurposeTag.MKFC, REL13, NOW)
    to = Recipient(mdsi(A), kms(kms_of(A)).public)
    by = initiator(gms_uri(B), B)
    at.mkfc_message(REL13, write(key, by, [to], NOW)[0], NOW)
    happened = at.mkfc_message(REL13, write(key, by, [to], NOW, revoked=True)[0], NOW)
    assert [type(event) for event in happened] == [events.KeyRevoked, events.KeyDestroyed]
    (refused,) = say(at, REL13)
    assert isinstance(refused, events.BroadcastRefused)
    assert refused.code == "policy.no-sending-key"
    assert at.kinds_held == frozenset()


def given(at: ServerEngine, key: Key, *, revoked: bool = False, now: float = NOW) -> list[events.Event]:
    """The MKFC comes from B's GMS."""
    to = Recipient(mdsi(A), kms(kms_of(A)).public)
    return at.mkfc_message(REL13, write(key, initiator(gms_uri(B), B), [to], now, revoked=revoked)[0], now)


def test_an_mkfc_that_is_not_active_yet_waits_and_the_one_before_is_sent_under() -> None:
    at, home = server(), gms()
    released(at)
    old = home.make(PurposeTag.MKFC, REL13, NOW)
    new = home.make(PurposeTag.MKFC, REL13, NOW, activation=NOW + 300)
    assert [type(one) for one in given(at, old) + given(at, new)] == [events.KeyReceived] * 2
    assert given(at, new) == [], "told again, it is no news"
    assert at.next_timer() == NOW + 300
    (sent,) = say(at, REL13)
    assert isinstance(sent, OnBearer)
    assert sent.key.key_id == old.key_id
    assert at.poll(NOW + 300) == [events.KeyDestroyed(NOW + 300, old.key_id, "superseded")]
    (sent,) = say(at, REL13, NOW + 300)
    assert isinstance(sent, OnBearer)
    assert sent.key.key_id == new.key_id
    verify(at.records, A)


def test_one_that_waits_is_revoked_or_replaced_like_any_other() -> None:
    at, home = server(), gms()
    released(at)
    old, first, second = (
        home.make(PurposeTag.MKFC, REL13, NOW, activation=NOW + later) for later in (0, 300, 300)
    )
    given(at, old)
    given(at, first)
    assert events.KeyDestroyed(NOW, first.key_id, "superseded") in given(at, second)
    assert [type(one) for one in given(at, second, revoked=True)] == [
        events.KeyRevoked,
        events.KeyDestroyed,
    ]
    assert given(at, first, revoked=True) == [], "it is gone"
    assert at.next_timer() is None
    (sent,) = say(at, REL13)
    assert isinstance(sent, OnBearer)
    assert sent.key.key_id == old.key_id


def test_what_the_gms_gives_no_more_is_dropped_and_nothing_takes_its_place() -> None:
    at, home = server(), gms()
    released(at)
    given(at, home.make(PurposeTag.MKFC, REL13, NOW))
    given(at, home.make(PurposeTag.MKFC, REL13, NOW, activation=NOW + 300))
    gone = at.drop_mkfcs(REL13, "its GMS refused", NOW)
    assert [type(one) for one in gone] == [events.KeyDestroyed] * 2
    assert at.drop_mkfcs(REL13, "its GMS refused", NOW) == []
    assert at.kinds_held == frozenset()
    refusal = at.refusal(REL13, NOW)
    assert refusal is not None
    assert refusal.code == "policy.no-sending-key"
    verify(at.records, A)


def test_in_another_key_period_mkfcs_are_opened_with_the_keys_of_then() -> None:
    at, home = server(), gms()
    released(at)
    public = kms(kms_of(A)).public
    later = NOW + public.period
    keys = kms(kms_of(A)).identity(mdsi(A), later)
    at.renew(Initiator(keys, public), Receiver([keys], [public], ReplayCache()))
    by = Initiator(kms(kms_of(B)).identity(gms_uri(B), later), kms(kms_of(B)).public)
    key = home.make(PurposeTag.MKFC, REL13, later)
    (octets,) = write(key, by, [Recipient(mdsi(A), public)], later)
    assert [type(one) for one in at.mkfc_message(REL13, octets, later)] == [events.KeyReceived]


def test_a_partner_of_a_kms_with_our_name_does_not_replace_ours() -> None:
    """What a partner's KMS publishes counts for its GMS's messages, never for our own clients."""
    at, ann = server(), client("ann")
    foreign = replace(kms(kms_of(B)).public, kms_uri=kms_of(A))
    at.release_13_mode(REL13, replace(partner(), kms=foreign))
    assert at.csk_uploaded(ANN, ann.make_csk(NOW)[1], NOW)


def test_control_is_stated_without_and_not_with_a_foreign_key() -> None:
    at, _ = broadcasting("ann")
    say(at)
    assert state_control(at.records, A).holds
    at.remove(PurposeTag.MUSIK, MUSIK_SCOPE, [ANN], NOW)
    say(at)
    assert state_control(at.records, A).holds
    released(at)
    at.mkfc_message(REL13, mkfc(REL13), NOW)
    say(at, REL13)
    statement = state_control(at.records, A)
    assert not statement.holds
    assert [use.maker.domain for use in statement.foreign] == [B]


def test_a_gmk_that_comes_to_the_server_is_not_taken() -> None:
    at, home = server(), gms()
    released(at)
    key = home.make(PurposeTag.GMK, REL13, NOW)
    to = Recipient(mdsi(A), kms(kms_of(A)).public)
    (octets,) = write(key, initiator(gms_uri(B), B), [to], NOW)
    with pytest.raises(PeerError):
        at.mkfc_message(REL13, octets, NOW)
    assert PurposeTag.GMK not in at.kinds_held
