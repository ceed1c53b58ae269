"""The receiver's keyring: what may be read on which socket, and how long."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec._core import Secret
from mcsec.errors import McsecError, Refused, UnknownKey
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.events import Event, KeyringWiped
from mcsec.keys.key import DEFAULT, Key, Scope, make
from mcsec.keys.keyring import AddKey, Keyring, KeyringPolicy, Output, RemoveKey
from mcsec.keys.kinds import KINDS, Traffic, kind_of
from support.keys import GMS_B, SERVER_A, musik

GROUP, OTHER, ALICE, TMGI = "sip:g1@b.example", "sip:g2@b.example", "sip:alice@a.example", "000001@001/01"
FLOOR = Traffic.MBMS_FLOOR
SIGNER = SERVER_A.entity


def mkfc(*groups: str) -> Key:
    return make(PurposeTag.MKFC, scope=Scope.of(*groups), maker=GMS_B, now=0.0)


def ring(*keys: Key, policy: KeyringPolicy | None = None) -> Keyring:
    made = Keyring(policy) if policy else Keyring()
    for key in keys:
        made.install(key, signer=SIGNER, now=0.0)
    return made


def names(outputs: Sequence[Output]) -> list[str]:
    return [output.name if isinstance(output, Event) else type(output).__name__ for output in outputs]


def opens(held: Keyring, key: Key, name: str = GROUP, now: float = 1.0, traffic: Traffic = FLOOR) -> str:
    """How the ring answers for a packet under ``key``: "" or the code of the refusal."""
    try:
        assert held.look_up(key.key_id.encode(), traffic, name, now) == key
    except McsecError as error:
        return error.code
    return ""


def changed(key: Key, **fields: object) -> Key:
    values = {name: getattr(key, name) for name in ("key_id", "secret", "rand", "scope", "maker", "created")}
    return Key(**(values | {"activation": key.activation, "expiry": key.expiry} | fields))


def test_installing_adds_a_context_once() -> None:
    key, held = musik(), Keyring()
    assert names(held.install(key, signer=SIGNER, now=0.0)) == ["MuSiKInstalled", "AddKey"]
    assert held.install(key, signer=SIGNER, now=1.0) == []
    assert held.keys == (key,)
    assert AddKey(key, kind_of(PurposeTag.MUSIK).protects) in ring().install(key, signer=SIGNER, now=0.0)


@pytest.mark.parametrize("change", [{"secret": Secret(bytes(16))}, {"rand": bytes(16)}])
def test_another_key_under_the_same_id_is_refused(change: dict[str, object]) -> None:
    key = musik()
    held = ring(key)
    with pytest.raises(Refused) as caught:
        held.install(changed(key, **change), signer=SIGNER, now=1.0)
    assert caught.value.code == "keys.id-reused"
    assert held.keys == (key,)


def test_the_same_key_with_other_groups_is_an_update() -> None:
    key = musik(Scope.of(GROUP))
    held, wider = ring(key), changed(key, scope=Scope.of(GROUP, OTHER))
    assert opens(held, key, OTHER) == "keyring.wrong-scope"
    assert names(held.install(wider, signer=SIGNER, now=1.0)) == ["MuSiKUpdated"]
    assert opens(held, wider, OTHER) == ""
    narrower = changed(key, scope=Scope.of(OTHER))
    held.install(narrower, signer=SIGNER, now=2.0)
    assert opens(held, narrower, GROUP) == "keyring.wrong-scope"
    with pytest.raises(UnknownKey):
        held.current(FLOOR, GROUP, 3.0)


@pytest.mark.parametrize("traffic", list(Traffic))
@pytest.mark.parametrize("tag", list(PurposeTag))
def test_each_socket_takes_its_own_kinds_only(tag: PurposeTag, traffic: Traffic) -> None:
    name = "x"
    key = make(tag, scope=Scope.of(name), maker=SERVER_A, now=0.0)
    mki = key.key_id.encode() + (key.key_id.encode() if tag is PurposeTag.GMK else b"")
    held = ring(key)
    if traffic in KINDS[tag].protects:
        assert held.look_up(mki, traffic, name, 1.0) == key
    else:
        with pytest.raises(Refused) as caught:
            held.look_up(mki, traffic, name, 1.0)
        assert caught.value.code == "keyring.wrong-kind"


@given(st.binary(max_size=12), st.sampled_from(Traffic))
def test_any_mki_gets_an_answer(mki: bytes, traffic: Traffic) -> None:
    with pytest.raises((Refused, UnknownKey)):
        ring(musik()).look_up(mki, traffic, GROUP, 1.0)


def test_time_and_scope_and_revocation_shut_a_key() -> None:
    key = musik(Scope.of(GROUP), activation=10.0, lifetime=100.0)
    held = ring(key)
    assert opens(held, key, now=9.0) == "keyring.not-active"
    assert opens(held, key, now=10.0) == ""
    assert opens(held, key, OTHER, now=10.0) == "keyring.wrong-scope"
    assert opens(held, key, now=110.0) == "keyring.expired"
    assert opens(held, musik(Scope.of(GROUP)), now=10.0) == "keyring.unknown"
    outputs = held.revoke(key.key_id, "lost", 20.0)
    assert names(outputs) == ["MuSiKRevoked", "RemoveKey", "MuSiKDestroyed"]
    assert RemoveKey(key.key_id, key.kind.protects) in outputs
    assert opens(held, key, now=20.0) == "keyring.revoked"
    with pytest.raises(Refused) as caught:
        held.install(key, signer=SIGNER, now=21.0)
    assert caught.value.code == "keys.revoked"


def test_a_revocation_may_come_before_its_key() -> None:
    key, held = musik(), Keyring()
    assert names(held.revoke(key.key_id, "lost", 0.0)) == ["MuSiKRevoked"]
    with pytest.raises(Refused):
        held.install(key, signer=SIGNER, now=1.0)


def test_an_expired_download_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        Keyring().install(musik(lifetime=5.0), signer=SIGNER, now=5.0)
    assert caught.value.code == "keys.expired"


def test_no_way_back_from_a_musik_to_an_mkfc() -> None:
    release_13, default = mkfc(GROUP, OTHER), musik()
    held = ring(release_13)
    assert opens(held, release_13) == ""
    held.install(default, signer=SIGNER, now=5.0)
    assert opens(held, release_13, now=5.0) == "keyring.downgrade"
    assert opens(held, default, now=5.0) == ""
    held.revoke(default.key_id, "lost", 6.0)
    assert opens(held, release_13, now=7.0) == "keyring.downgrade"
    with pytest.raises(UnknownKey):
        held.current(FLOOR, GROUP, 7.0)
    held.wipe(8.0)
    held.install(release_13, signer=SIGNER, now=9.0)
    assert opens(held, release_13, now=9.0) == ""


def test_a_musik_of_one_group_does_not_shut_the_mkfc_of_another() -> None:
    release_13 = mkfc(GROUP, OTHER)
    held = ring(release_13, musik(Scope.of(GROUP)))
    assert opens(held, release_13, GROUP) == "keyring.downgrade"
    assert opens(held, release_13, OTHER) == ""


def test_explicit_goes_before_default() -> None:
    default, explicit = musik(), musik(Scope.of(GROUP))
    held = ring(default, explicit)
    assert opens(held, default, GROUP) == "keyring.downgrade"
    assert opens(held, default, OTHER) == ""
    assert held.current(FLOOR, GROUP, 1.0) == explicit
    assert held.current(FLOOR, OTHER, 1.0) == default


def test_an_overlap_may_be_allowed_for_packets_on_their_way() -> None:
    release_13, default = mkfc(GROUP), musik()
    held = ring(release_13, policy=KeyringPolicy(downgrade_overlap=2.0))
    held.install(default, signer=SIGNER, now=10.0)
    assert opens(held, release_13, now=11.9) == ""
    assert opens(held, release_13, now=12.0) == "keyring.downgrade"


def test_the_old_key_stays_readable_until_the_new_one_was_used_and_a_grace_passed() -> None:
    old, new = musik(), musik()
    held = ring(old, new, policy=KeyringPolicy(grace=60.0, overlap=3600.0))
    assert held.current(FLOOR, GROUP, 1.0) == new
    assert opens(held, old, now=100.0) == ""
    assert names(held.used(new.key_id, FLOOR, GROUP, 100.0)) == ["MuSiKFirstUsed"]
    assert held.used(new.key_id, FLOOR, GROUP, 101.0) == []
    assert held.next_timer() == 160.0
    assert opens(held, old, now=159.0) == ""
    assert opens(held, old, now=160.0) == "keyring.expired"
    assert names(held.poll(160.0)) == ["RemoveKey", "MuSiKDestroyed"]
    assert held.keys == (new,)
    assert opens(held, old, now=161.0) == "keyring.expired"
    with pytest.raises(Refused) as caught:
        held.install(old, signer=SIGNER, now=161.0)
    assert caught.value.code == "keys.destroyed"


def test_the_first_use_of_the_old_key_does_not_end_the_new_one() -> None:
    old, new = musik(), musik()
    held = ring(old, new)
    held.used(old.key_id, FLOOR, GROUP, 1.0)
    assert held.next_timer() == held.policy.overlap
    assert opens(held, new, now=1e6) == ""


def test_the_overlap_ends_even_if_the_new_key_is_never_used() -> None:
    old, new = musik(), musik()
    held = ring(old, new, policy=KeyringPolicy(overlap=3600.0))
    assert held.poll(3599.0) == []
    assert names(held.poll(3600.0)) == ["RemoveKey", "MuSiKDestroyed"]


def test_keys_of_different_scopes_do_not_follow_one_another() -> None:
    held = ring(musik(), musik(Scope.of(GROUP)), musik(Scope.of(OTHER)))
    assert held.next_timer() is None


def test_several_gmks_of_a_group_live_side_by_side() -> None:
    held = ring(*(make(PurposeTag.GMK, scope=Scope.of(GROUP), maker=GMS_B, now=0.0) for _ in range(3)))
    assert held.next_timer() is None
    assert len(held) == 3


def test_a_server_reads_a_client_under_that_clients_key_only() -> None:
    alices, bobs = (
        make(PurposeTag.CSK, scope=Scope.of(who), maker=SERVER_A, now=0.0) for who in (ALICE, "sip:bob")
    )
    held = ring(alices, bobs)
    assert opens(held, alices, ALICE, traffic=Traffic.UNICAST_FLOOR) == ""
    assert opens(held, bobs, ALICE, traffic=Traffic.UNICAST_FLOOR) == "keyring.wrong-scope"
    assert opens(held, musik(), ALICE, traffic=Traffic.UNICAST_FLOOR) == "keyring.wrong-kind"


def test_an_mscck_reads_its_own_bearer_only() -> None:
    key = make(PurposeTag.MSCCK, scope=Scope.of(TMGI), maker=SERVER_A, now=0.0)
    held = ring(key)
    assert opens(held, key, TMGI, traffic=Traffic.SUBCHANNEL_CONTROL) == ""
    assert opens(held, key, "000002@001/01", traffic=Traffic.SUBCHANNEL_CONTROL) == "keyring.wrong-scope"


def test_the_ring_is_bounded() -> None:
    keys = [musik(Scope.of(f"sip:g{number}")) for number in range(5)]
    held = ring(*keys[:3], policy=KeyringPolicy(capacity=3, tombstones=2))
    with pytest.raises(Refused) as caught:
        held.install(keys[3], signer=SIGNER, now=0.0)
    assert caught.value.code == "keys.ring-full"
    held.install(keys[0], signer=SIGNER, now=0.0)
    for key in keys[:3]:
        held.revoke(key.key_id, "lost", 1.0)
    held.install(keys[0], signer=SIGNER, now=2.0)  # its tombstone made room for two later ones
    assert len(held) == 1


def test_associations_are_bounded_and_refused_as_a_whole() -> None:
    held = ring(policy=KeyringPolicy(associations=2))
    with pytest.raises(Refused):
        held.install(musik(Scope.of("a", "b", "c")), signer=SIGNER, now=0.0)
    assert len(held) == 0
    held.install(musik(Scope.of("a", "b")), signer=SIGNER, now=0.0)


def test_log_off_wipes_everything() -> None:
    keys = [musik(), musik(Scope.of(GROUP)), mkfc(GROUP)]
    held = ring(*keys)
    outputs = held.wipe(9.0)
    assert KeyringWiped(9.0, 3) in outputs
    assert [output.key_id for output in outputs if isinstance(output, RemoveKey)] == [
        key.key_id for key in keys
    ]
    assert (len(held), held.next_timer()) == (0, None)
    assert keys[0].key_id not in held


class Reference:
    """The rules of media plane C.4 again, in the shortest way, for one group and MBMS floor control."""

    def __init__(self) -> None:
        self.held: dict[KeyId, Key] = {}
        self.revoked: set[KeyId] = set()
        self.best = 3

    @staticmethod
    def rank(key: Key) -> int:
        return 2 if key.key_id.tag is PurposeTag.MKFC else 1 if key.scope.is_default else 0

    def opens(self, key: Key, now: float) -> bool:
        return key.key_id in self.held and self.rank(key) <= self.best and key.active(now)


@given(st.lists(st.tuples(st.sampled_from(["install", "revoke", "look"]), st.integers(0, 5)), max_size=30))
def test_any_order_of_events_gives_what_the_rules_say(steps: list[tuple[str, int]]) -> None:
    pool = [
        mkfc(GROUP),
        mkfc(GROUP, OTHER),
        musik(),
        musik(DEFAULT, lifetime=9.0),
        musik(Scope.of(GROUP)),
        musik(),
    ]
    held, reference = Keyring(KeyringPolicy(overlap=1e9)), Reference()
    for now, (what, index) in enumerate(steps):
        key = pool[index]
        if what == "revoke":
            held.revoke(key.key_id, "", float(now))
            reference.held.pop(key.key_id, None)
            reference.revoked.add(key.key_id)
        elif what == "install" and key.key_id not in reference.revoked and not key.expired(now):
            held.install(key, signer=SIGNER, now=float(now))
            reference.held[key.key_id] = key
            reference.best = min(reference.best, reference.rank(key))
        for candidate in pool:
            assert (opens(held, candidate, now=float(now)) == "") is reference.opens(candidate, now)


def test_keys_that_nobody_answered_do_not_fill_the_ring() -> None:
    """A client makes a CSK for each attempt to register; a server that is away for long must not lock it out."""
    policy = KeyringPolicy(capacity=6, generations=3)
    proven = make(PurposeTag.CSK, scope=Scope.of(ALICE), maker=SERVER_A, now=0.0)
    held = ring(musik(), proven, policy=policy)
    held.used(proven.key_id, Traffic.UNICAST_FLOOR, ALICE, 0.0)
    for number in range(100):
        attempt = make(PurposeTag.CSK, scope=Scope.of(ALICE), maker=SERVER_A, now=0.0)
        gone = [
            output for output in held.install(attempt, signer=ALICE, now=0.0) if type(output) is RemoveKey
        ]
        assert len(gone) == (number > 1)
    # The group's key, the one that is in use, the present attempt and the one before.
    assert len(held) == 4
    assert held.current(Traffic.UNICAST_FLOOR, ALICE, 1.0) == attempt
    assert opens(held, proven, ALICE, traffic=Traffic.UNICAST_FLOOR) == ""
