"""Every received key is checked against what its KMS publishes before anything is kept (TS 33.180 5.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcsec._core import Secret
from mcsec.errors import PeerError
from mcsec.net.kms.exchange import check_key_set
from mcsec.wire.kms.model import ClearContent, KeySet
from mcsec.wire.kms.protect import ProtectionKeys, seal
from support.domains import KMS_URI, NOW, USER, kms

OTHER = "sip:other@example.org"
PUBLIC = kms().public
PERIOD_NO = PUBLIC.period_at(NOW)
PERIODS = (PERIOD_NO, PERIOD_NO + 1)
KEYS = ProtectionKeys.fresh(USER, 1)


def key_set(user: str = USER, period: int = PERIOD_NO, **changes: object) -> KeySet:
    uid = PUBLIC.uid_in(user, period)
    made = kms().master.extract(uid)
    plain = KeySet(
        KMS_URI, user, uid, period, seal(made.rsk, KEYS), seal(made.ssk, KEYS), seal(Secret(made.pvt), KEYS)
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def test_a_good_one() -> None:
    keys, _ = check_key_set(key_set(), PUBLIC, KEYS, PERIODS)
    assert (keys.uri, keys.period_no) == (USER, PERIOD_NO)
    PUBLIC.authentication.verify(keys.uid, b"hello", keys.signer.sign(b"hello"))


THEIRS = key_set(OTHER)
LATER = key_set(USER, PERIOD_NO + 1)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (key_set(decrypt_key=THEIRS.decrypt_key), "kms.key-validation"),
        (key_set(signing_key=THEIRS.signing_key), "kms.key-validation"),
        (key_set(pub_token=THEIRS.pub_token), "kms.key-validation"),
        (key_set(decrypt_key=LATER.decrypt_key), "kms.key-validation"),
        (key_set(signing_key=LATER.signing_key, pub_token=LATER.pub_token), "kms.key-validation"),
        (key_set(decrypt_key=seal(Secret(b"\4" * 257), KEYS)), "kms.key-validation"),
        (key_set(signing_key=seal(Secret(bytes(32)), KEYS)), "kms.key-validation"),
        (key_set(pub_token=seal(Secret(b"\4" * 64), KEYS)), "kms.key-validation"),
        (key_set(user_id=THEIRS.user_id), "kms.uid"),
        (key_set(user_id=LATER.user_id), "kms.uid"),
        (key_set(user_uri=OTHER), "kms.uid"),
        (key_set(kms_uri="kms.other.example"), "kms.key-set"),
        (key_set(period_no=PERIOD_NO + 9), "kms.key-set"),
        (key_set(revoked=True), "kms.revoked"),
        (key_set(decrypt_key=ClearContent(Secret(bytes(257)))), "kms.unsealed"),
        (
            key_set(signing_key=seal(Secret(bytes(32)), ProtectionKeys.fresh(USER, 2))),
            "kms.protection-key",
        ),
    ],
)
def test_what_is_not_kept(wrong: KeySet, code: str) -> None:
    with pytest.raises(PeerError) as caught:
        check_key_set(wrong, PUBLIC, KEYS, PERIODS)
    assert caught.value.code == code
