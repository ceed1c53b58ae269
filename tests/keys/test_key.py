"""One key: what it may be, what it derives, and what it shows of itself."""

from __future__ import annotations

import pickle

import pytest

from mcsec.crypto.kdf import guk_id
from mcsec.crypto.secret import Secret
from mcsec.crypto.srtp import SrtpProfile
from mcsec.errors import InvalidValue, LocalError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.keys.kinds import KINDS, Bound, Service
from support.keys import GMS_B, SERVER_A, musik

GROUP = "sip:g1@b.example"


def given(key_id: int, octets: str, rand: str, scope: Scope = DEFAULT) -> Key:
    return Key(
        KeyId(key_id), Secret(bytes.fromhex(octets)), bytes.fromhex(rand), scope, SERVER_A, 0.0, 0.0, None
    )


@pytest.mark.parametrize("tag", list(PurposeTag))
def test_a_made_key_is_as_its_kind_demands(tag: PurposeTag) -> None:
    scope = DEFAULT if KINDS[tag].bound is Bound.GROUPS_OR_DEFAULT else Scope.of("x")
    key = make(tag, scope=scope, maker=SERVER_A, now=5.0, lifetime=10.0)
    assert (key.key_id.tag, len(key.secret), len(key.rand)) == (tag, 16, 16)
    assert (key.created, key.activation, key.expiry) == (5.0, 5.0, 15.0)
    assert [key.active(now) for now in (4.9, 5.0, 14.9, 15.0)] == [False, True, True, False]


def test_two_made_keys_share_nothing() -> None:
    first, second = musik(), musik()
    assert first.key_id != second.key_id
    assert first.secret != second.secret
    assert first.rand != second.rand


@pytest.mark.parametrize(
    "tag", [tag for tag in PurposeTag if KINDS[tag].bound is not Bound.GROUPS_OR_DEFAULT]
)
def test_only_a_musik_can_be_a_default(tag: PurposeTag) -> None:
    with pytest.raises(InvalidValue):
        make(tag, maker=SERVER_A, now=0.0)


@pytest.mark.parametrize("tag", list(PurposeTag))
def test_only_keys_bound_to_groups_have_several_names(tag: PurposeTag) -> None:
    scope = Scope.of("a", "b")
    if KINDS[tag].bound.to_groups:
        assert make(tag, scope=scope, maker=GMS_B, now=0.0).groups == ("a", "b")
    else:
        with pytest.raises(InvalidValue):
            make(tag, scope=scope, maker=GMS_B, now=0.0)


def test_a_key_that_is_not_bound_to_groups_names_none() -> None:
    assert make(PurposeTag.CSK, scope=Scope.of("sip:alice"), maker=SERVER_A, now=0.0).groups == ()
    assert musik().groups == ()


def test_a_scope_covers_its_names_or_everything() -> None:
    assert Scope.of("a", "b").covers("a")
    assert not Scope.of("a", "b").covers("c")
    assert DEFAULT.covers("c")
    assert (str(DEFAULT), str(Scope.of("b", "a"))) == ("default", "a b")
    for names in ((), ("",), ("a", "")):
        with pytest.raises(InvalidValue):
            Scope.of(*names)


def test_wrong_sizes_and_times_are_refused() -> None:
    good = {"octets": "00" * 16, "rand": "11" * 16}
    for bad in ({"octets": "00" * 15}, {"octets": "00" * 32}, {"rand": "11" * 8}):
        with pytest.raises(InvalidValue):
            given(0x60000001, **(good | bad))
    with pytest.raises(InvalidValue):
        make(PurposeTag.MUSIK, maker=SERVER_A, now=0.0, lifetime=0.0)


def test_a_live_id_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([7, 7, 8])
    monkeypatch.setattr("mcsec.ids.secrets.randbits", lambda bits: next(drawn))
    key = make(PurposeTag.MUSIK, maker=SERVER_A, now=0.0, live={KeyId(0x60000007)})
    assert key.key_id == KeyId(0x60000008)


def test_no_free_id_is_an_error_of_ours() -> None:
    class Everything:
        def __contains__(self, key_id: object) -> bool:
            return True

    with pytest.raises(LocalError) as caught:
        make(PurposeTag.MUSIK, maker=SERVER_A, now=0.0, live=Everything())
    assert caught.value.code == "keys.id-live"


def test_nothing_shows_key_octets() -> None:
    key = musik()
    hidden = (key.secret.reveal().hex(), str(key.secret.reveal()), key.rand.hex())
    material = key.srtp_material()
    hidden += (material.master_key.reveal().hex(), material.master_salt.reveal().hex())
    for shown in (repr(key), str(key), repr([key]), repr(material), f"{key}"):
        assert not [octets for octets in hidden if octets in shown]
    assert repr(key) == f"<MuSiK {key.key_id} for default, made by sip:mcx.a.example of a.example>"
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_equality_is_of_everything_and_the_cache_is_nothing() -> None:
    first = given(0x60000001, "00" * 16, "11" * 16)
    same = given(0x60000001, "00" * 16, "11" * 16)
    first.srtp_material()
    assert first == same
    assert hash(first) == hash(same)
    assert first != given(0x60000001, "01" + "00" * 15, "11" * 16)
    assert first != given(0x60000001, "00" * 16, "11" * 16, Scope.of(GROUP))
    assert first.same_octets(given(0x60000001, "00" * 16, "11" * 16, Scope.of(GROUP)))
    assert not first.same_octets(given(0x60000001, "00" * 16, "12" * 16))


def test_the_derivation_of_a_third_partys_csk() -> None:
    """Octets of a message of another vendor; the outputs were computed by an independent script."""
    csk = given(
        0x2DDD5BF0,
        "e06e65106183547342d3e8a6ce2540a8",
        "4d13c41798b82de13b701a9697328edd",
        Scope.of("sip:alice"),
    )
    material = csk.srtp_material()
    assert material.mki.hex() == "2ddd5bf0"
    assert material.master_key.reveal().hex() == "1ea4fa6630d5f87aa62dbcb7074734a9"
    assert material.master_salt.reveal().hex() == "b9ffaf7574efa2a286289109"


def test_the_derivation_of_a_musik() -> None:
    """Made by an independent script from this project's own reading; third parties have published none."""
    material = given(0x6ABCDEF0, "00112233445566778899aabbccddeeff", bytes(range(16)).hex()).srtp_material()
    assert material.mki.hex() == "6abcdef0"
    assert material.master_key.reveal().hex() == "90a2a228736c90e9234f6cd9f18dc081"
    assert material.master_salt.reveal().hex() == "4ab12e2c97de214696cea544"


def test_material_is_derived_once_for_each_service() -> None:
    key = musik()
    mcptt, mcvideo = key.srtp_material(), key.srtp_material(Service.MCVIDEO)
    assert key.srtp_material() is mcptt
    assert key.srtp_material(Service.MCVIDEO) is mcvideo
    assert mcptt.master_key != mcvideo.master_key
    assert key.srtp_material(cs_id=9).master_key == mcvideo.master_key
    assert key.srtp_material(cs_id=9) is mcvideo
    older = key.srtp_material(profile=SrtpProfile.AES_CM_128_HMAC_SHA1_80)
    assert (len(mcptt.master_salt), len(older.master_salt)) == (12, 14)


def test_a_gmk_derives_for_one_sender() -> None:
    gmk = make(PurposeTag.GMK, scope=Scope.of(GROUP), maker=GMS_B, now=0.0)
    alice, bob = (guk_id(gmk.secret, gmk.key_id, uri) for uri in ("sip:alice", "sip:bob"))
    material = gmk.srtp_material(guk_id=alice)
    assert material.mki == gmk.key_id.encode() + alice.encode()
    assert material.master_key != gmk.srtp_material(guk_id=bob).master_key
    with pytest.raises(InvalidValue):
        gmk.srtp_material()
    with pytest.raises(InvalidValue):
        musik().srtp_material(guk_id=alice)


def test_makers_name_domain_and_entity() -> None:
    assert str(Maker("a.example", "sip:mcx.a.example")) == "sip:mcx.a.example of a.example"
