"""What a KMS publishes, hands out and keeps: made, validated, refused."""

from __future__ import annotations

import pytest

from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys, KmsPublicKeys, MasterSecrets
from mcsec.crypto.secret import Secret
from mcsec.crypto.uid import unix_seconds
from mcsec.errors import CheckFailed, InvalidValue, McsecError
from support.published import Streamwide

ALICE = "sip:alice@example.org"
WEEK = 604_800


@pytest.fixture(scope="module")
def streamwide() -> KmsPublicKeys:
    return KmsPublicKeys.from_octets(Streamwide.kms_uri, Streamwide.z, Streamwide.kpak, Streamwide.period)


@pytest.fixture(scope="module")
def master() -> KmsMasterKeys:
    return KmsMasterKeys.generate()


@pytest.fixture(scope="module")
def public(master: KmsMasterKeys) -> KmsPublicKeys:
    return master.public("kms.example.org", WEEK, 3600)


def test_a_published_upload_opens(streamwide: KmsPublicKeys) -> None:
    """Signature, identity keys and encapsulated key of somebody else's message."""
    time = unix_seconds(Streamwide.ntp_time)
    assert streamwide.period_at(time) == Streamwide.period_no
    assert streamwide.uid_of(Streamwide.receiver, time + 0.5) == Streamwide.receiver_uid
    streamwide.authentication.verify(
        streamwide.uid_of(Streamwide.sender, time), Streamwide.signed, Streamwide.signature
    )
    keys = IdentityKeys.validate(
        streamwide,
        Streamwide.receiver,
        Streamwide.period_no,
        Secret(Streamwide.rsk),
        Secret(Streamwide.ssk),
        Streamwide.pvt,
    )
    assert (keys.uri, keys.kms_uri) == (Streamwide.receiver, Streamwide.kms_uri)
    assert (keys.period_no, keys.uid) == (Streamwide.period_no, Streamwide.receiver_uid)
    assert keys.decryption.decapsulate(Streamwide.sed) == Secret(Streamwide.csk)
    streamwide.authentication.verify(keys.uid, b"hello", keys.signer.sign(b"hello"))


def test_from_generation_to_use(master: KmsMasterKeys, public: KmsPublicKeys) -> None:
    number = public.period_at(1.7e9)
    material = master.extract(public.uid_in(ALICE, number))
    keys = IdentityKeys.validate(public, ALICE, number, material.rsk, material.ssk, material.pvt)
    key = Secret.random(16)
    assert keys.decryption.decapsulate(public.encryption.encapsulate(keys.uid, key)) == key
    public.authentication.verify(keys.uid, b"hello", keys.signer.sign(b"hello"))


def test_keys_come_back_from_storage(master: KmsMasterKeys) -> None:
    again = KmsMasterKeys.from_secrets(MasterSecrets(*master.export()))
    assert again.authentication.public_octets() == master.authentication.public_octets()
    assert again.encryption.public_octets() == master.encryption.public_octets()
    uid = bytes(range(32))
    assert again.extract(uid).rsk == master.extract(uid).rsk
    assert again.extract(uid).ssk != master.extract(uid).ssk


def test_keys_of_somebody_else_or_another_period_are_refused(
    master: KmsMasterKeys, public: KmsPublicKeys
) -> None:
    good = master.extract(public.uid_in(ALICE, 7))
    bob = master.extract(public.uid_in("sip:bob@example.org", 7))
    later = master.extract(public.uid_in(ALICE, 8))
    for rsk, ssk, pvt in (
        (bob.rsk, good.ssk, good.pvt),
        (good.rsk, bob.ssk, good.pvt),
        (good.rsk, good.ssk, bob.pvt),
        (good.rsk, bob.ssk, bob.pvt),
        (later.rsk, good.ssk, good.pvt),
        (good.rsk, later.ssk, later.pvt),
        (good.rsk, good.ssk, good.pvt[:-1]),
    ):
        with pytest.raises(CheckFailed):
            IdentityKeys.validate(public, ALICE, 7, rsk, ssk, pvt)
    IdentityKeys.validate(public, ALICE, 7, good.rsk, good.ssk, good.pvt)


@pytest.mark.parametrize("rsk", [b"", bytes(257), b"\x04" + b"\xff" * 256])
def test_an_rsk_that_is_none_is_refused(master: KmsMasterKeys, public: KmsPublicKeys, rsk: bytes) -> None:
    good = master.extract(public.uid_in(ALICE, 7))
    with pytest.raises(McsecError):
        IdentityKeys.validate(public, ALICE, 7, Secret(rsk), good.ssk, good.pvt)


def test_the_period_of_a_kms_is_checked(public: KmsPublicKeys) -> None:
    for period, offset in ((0, 0), (10, 10), (10, -1)):
        with pytest.raises(InvalidValue):
            KmsPublicKeys("kms.example.org", public.encryption, public.authentication, period, offset)


def test_the_offset_moves_the_boundary(public: KmsPublicKeys) -> None:
    # 1900-01-01 plus one hour begins period 0; the boundaries follow every week.
    start = unix_seconds(3600 + 5000 * WEEK)
    assert public.period_at(start) == 5000
    assert public.period_at(start - 0.001) == 4999
    assert public.uid_of(ALICE, start) == public.uid_in(ALICE, 5000)
    assert public.uid_of(ALICE, start - 1) == public.uid_in(ALICE, 4999)
