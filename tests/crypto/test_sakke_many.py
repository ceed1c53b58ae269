"""SAKKE for many recipients at once, and objects that show nothing of what they hold."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from mcsec.crypto.sakke import SakkeMasterSecret, SakkePublicKey, SakkeReceiver
from mcsec.crypto.secret import Secret
from mcsec.errors import CheckFailed

IDENTITY = b"\x5a" * 32
SSV = bytes(range(16))
#: z of RFC 6508 appendix A.
RFC_MASTER = bytes.fromhex("aff429d35f84b110d094803b3595a6e2998bc99f")


@cache
def master() -> SakkeMasterSecret:
    return SakkeMasterSecret(Secret(RFC_MASTER))


@cache
def public() -> SakkePublicKey:
    return SakkePublicKey(master().public_octets())


@cache
def receiver() -> SakkeReceiver:
    return SakkeReceiver(public(), IDENTITY, master().extract(IDENTITY))


@cache
def sed() -> bytes:
    return public().encapsulate(IDENTITY, Secret(SSV))


@pytest.mark.parametrize("threads", [0, 1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 8, 9, 33, 70])
def test_many_are_as_one_by_one(count: int, threads: int) -> None:
    identities = [n.to_bytes(1 + n % 40) for n in range(count)]
    many = public().encapsulate_many(identities, Secret(SSV), threads=threads)
    assert many == [public().encapsulate(identity, Secret(SSV)) for identity in identities]


def test_keys_of_many_identities_are_as_one_by_one() -> None:
    identities = [n.to_bytes(32) for n in range(20)]
    assert master().extract_many(identities) == [master().extract(identity) for identity in identities]
    assert master().extract_many([]) == []


def test_threads_share_a_key_and_a_receiver() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: public().encapsulate(IDENTITY, Secret(SSV)), range(16)))
        opened = list(pool.map(receiver().decapsulate, made))
    assert set(made) == {sed()}
    assert all(ssv == Secret(SSV) for ssv in opened)


def test_objects_with_secrets_are_not_copied_or_shown() -> None:
    for thing in (master(), receiver()):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
        with pytest.raises(TypeError):
            copy.copy(thing)
        shown = repr(thing) + str(thing)
        assert RFC_MASTER.hex() not in shown
        assert master().extract(IDENTITY).reveal().hex()[2:40] not in shown


def test_errors_do_not_show_octets() -> None:
    with pytest.raises(CheckFailed) as caught:
        receiver().decapsulate(sed()[:-1] + b"\0")
    assert str(caught.value) == "R: check failed"
