"""SAKKE: published vectors, refusals, and agreement with a reference in plain integers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.crypto.sakke import SED_OCTETS, SakkeMasterSecret, SakkePublicKey, SakkeReceiver
from mcsec.crypto.secret import Secret
from mcsec.errors import CheckFailed, InvalidValue
from support import reference_sakke as reference
from support.published import Streamwide

P, Q = int(reference.P), int(reference.Q)
IDENTITY = b"\x5a" * 32
SSV = bytes(range(16))
VECTORS = {
    case["name"].removeprefix("RFC 6508 A: "): {
        name: bytes.fromhex(value)
        for name, value in (case | case.get("output", {})).items()
        if name in {"Z", "identity", "rsk", "ssv", "R", "H"}
    }
    for case in json.loads((Path(__file__).parents[2] / "vectors" / "sakke.json").read_text())["cases"]
}
#: z of RFC 6508 appendix A.
RFC_MASTER = bytes.fromhex("aff429d35f84b110d094803b3595a6e2998bc99f")


@cache
def master() -> SakkeMasterSecret:
    return SakkeMasterSecret(Secret(RFC_MASTER))


@cache
def public() -> SakkePublicKey:
    return SakkePublicKey(master().public_octets())


@cache
def receiver(identity: bytes = IDENTITY) -> SakkeReceiver:
    return SakkeReceiver(public(), identity, master().extract(identity))


@cache
def sed() -> bytes:
    return public().encapsulate(IDENTITY, Secret(SSV))


# Published vectors


def test_rfc_6508_appendix_a() -> None:
    case = VECTORS["encapsulate"]
    identity, ssv = case["identity"], Secret(case["ssv"])
    assert master().public_octets() == case["Z"] == public().octets()
    assert master().export() == Secret(RFC_MASTER.rjust(128, b"\0"))
    rsk = master().extract(identity)
    assert rsk == Secret(VECTORS["RSK"]["rsk"])
    assert public().encapsulate(identity, ssv) == case["R"] + case["H"]
    for compact in (False, True):
        opened = SakkeReceiver(public(), identity, rsk, compact=compact)
        assert opened.decapsulate(case["R"] + case["H"]) == ssv


def test_streamwide_key_and_message() -> None:
    z = SakkePublicKey(Streamwide.z)
    z.validate_rsk(Streamwide.receiver_uid, Secret(Streamwide.rsk))
    opened = SakkeReceiver(z, Streamwide.receiver_uid, Secret(Streamwide.rsk))
    assert opened.decapsulate(Streamwide.sed) == Secret(Streamwide.csk)
    assert z.encapsulate(Streamwide.receiver_uid, Secret(Streamwide.csk)) == Streamwide.sed


@pytest.mark.parametrize("bits", [5, 6, 7, 8])
def test_every_table_width_gives_the_same(bits: int) -> None:
    other = SakkePublicKey(public().octets(), table_bits=bits)
    assert other.encapsulate(IDENTITY, Secret(SSV)) == sed()


@pytest.mark.parametrize("bits", [0, 1, 4, 9, 64])
def test_a_width_that_is_not_offered_is_refused(bits: int) -> None:
    with pytest.raises(InvalidValue):
        SakkePublicKey(public().octets(), table_bits=bits)


# Refusals of encapsulated data


@pytest.mark.parametrize("size", [0, 1, 16, 257, SED_OCTETS - 1, SED_OCTETS + 1, 2 * SED_OCTETS])
def test_another_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidValue):
        receiver().decapsulate((sed() * 2)[:size], trimmed_g=True)


@pytest.mark.parametrize("bit", range(0, 8 * SED_OCTETS, 61))
def test_every_changed_bit_is_refused(bit: int) -> None:
    changed = (int.from_bytes(sed()) ^ 1 << bit).to_bytes(SED_OCTETS)
    with pytest.raises((CheckFailed, InvalidValue)):
        receiver().decapsulate(changed, trimmed_g=bit % 2 == 0)


def octets_of(x: int, y: int, first: int = 4) -> bytes:
    return bytes([first]) + x.to_bytes(128) + y.to_bytes(128)


BASE = (int(reference.BASE[0]), int(reference.BASE[1]))
NO_POINTS = {
    "first octet 02": octets_of(*BASE, first=2),
    "first octet 00": octets_of(*BASE, first=0),
    "first octet 06": octets_of(*BASE, first=6),
    "zeros": bytes(257),
    "04 and zeros": octets_of(0, 0),
    "ones": octets_of(2**1024 - 1, 2**1024 - 1),
    "x not reduced": octets_of(BASE[0] + P, BASE[1]),
    "y not reduced": octets_of(BASE[0], BASE[1] + P),
    "x is p": octets_of(P, 0),
    "off the curve": octets_of(BASE[0], BASE[1] + 1),
    "coordinates exchanged": octets_of(BASE[1], BASE[0]),
    "compressed": octets_of(*BASE, first=2 + BASE[1] % 2)[:129],
    "infinity as one octet": b"\0",
    "no octets": b"",
    "an octet too many": octets_of(*BASE) + b"\0",
}


def point_of_order_4() -> reference.Point:
    """Its tangent has a vertical double, (0, 0): x^2 = -3."""
    root = pow(P - 3, (P + 1) // 4, P)
    for x in (root, P - root):
        square = (x**3 - 3 * x) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            return reference.decode(octets_of(x, y))
    raise AssertionError


ORDER_2 = reference.decode(octets_of(0, 0))
ORDER_4 = point_of_order_4()


@pytest.mark.parametrize("octets", NO_POINTS.values(), ids=NO_POINTS)
def test_what_is_no_point_is_refused_everywhere(octets: bytes) -> None:
    with pytest.raises(InvalidValue):
        receiver().decapsulate(octets + sed()[257:], trimmed_g=True)
    with pytest.raises(InvalidValue):
        SakkePublicKey(octets)
    with pytest.raises(InvalidValue):
        public().validate_rsk(IDENTITY, Secret(octets))
    with pytest.raises(InvalidValue):
        SakkeReceiver(public(), IDENTITY, Secret(octets))


@pytest.mark.parametrize("extra", [ORDER_2, ORDER_4], ids=["order 2", "order 4"])
def test_points_of_another_order_are_refused(extra: reference.Point) -> None:
    """The pairing alone would not see a part of small order: RSK and Z are checked for it, R by the R check."""
    assert reference.add(extra, reference.add(extra, reference.add(extra, extra))) is None
    rsk = reference.decode(master().extract(IDENTITY).reveal())
    with pytest.raises(InvalidValue):
        public().validate_rsk(IDENTITY, Secret(reference.encode(reference.add(rsk, extra))))
    z = reference.decode(public().octets())
    for point in (extra, reference.add(z, extra)):
        with pytest.raises(InvalidValue):
            SakkePublicKey(reference.encode(point))
    r = reference.decode(sed()[:257])
    for point in (extra, reference.add(r, extra)):
        with pytest.raises((CheckFailed, InvalidValue)):
            receiver().decapsulate(reference.encode(point) + sed()[257:], trimmed_g=True)


def test_another_point_of_the_group_is_refused() -> None:
    r = reference.decode(sed()[:257])
    for point in (reference.add(r, reference.BASE), (r[0], P - r[1]), reference.BASE):
        with pytest.raises(CheckFailed):
            receiver().decapsulate(reference.encode(point) + sed()[257:], trimmed_g=True)


def test_a_receiver_is_refused_what_its_own_key_makes_degenerate() -> None:
    """Functions of the RSK vanish at multiples of it that Miller's loop meets."""
    rsk = reference.decode(master().extract(IDENTITY).reveal())
    for multiple in (1, 2, 3, 4, Q - 1, Q - 2):
        point = reference.encode(reference.multiply(multiple, rsk))
        with pytest.raises(CheckFailed):
            receiver().decapsulate(point + sed()[257:], trimmed_g=True)


# Refusals of keys and identities


def test_an_rsk_of_another_identity_or_kms_is_refused() -> None:
    rsk = master().extract(IDENTITY)
    public().validate_rsk(IDENTITY, rsk)
    with pytest.raises(CheckFailed):
        public().validate_rsk(IDENTITY[1:], rsk)
    with pytest.raises(CheckFailed):
        SakkePublicKey(Streamwide.z).validate_rsk(IDENTITY, rsk)
    point = reference.decode(rsk.reveal())
    opposite = Secret(reference.encode((point[0], P - point[1])))
    for compact in (False, True):
        with pytest.raises(CheckFailed):
            SakkeReceiver(public(), IDENTITY, opposite, compact=compact)


def test_data_for_somebody_else_is_refused() -> None:
    with pytest.raises(CheckFailed):
        receiver(b"someone else").decapsulate(sed(), trimmed_g=True)


def test_an_identity_that_cancels_the_kms_key_is_refused() -> None:
    """b = -z modulo q: [b]P + Z is infinity and no RSK exists."""
    z = int.from_bytes(RFC_MASTER)
    for b in (Q - z, 2 * Q - z):
        identity = b.to_bytes(128)
        with pytest.raises(InvalidValue):
            master().extract(identity)
        with pytest.raises(InvalidValue):
            master().extract_many([IDENTITY, identity])
        with pytest.raises(InvalidValue):
            public().encapsulate(identity, Secret(SSV))
        with pytest.raises(InvalidValue):
            public().encapsulate_many([IDENTITY] * 9 + [identity] + [IDENTITY] * 9, Secret(SSV))
        with pytest.raises(InvalidValue):
            public().validate_rsk(identity, master().extract(IDENTITY))


def test_an_identity_that_doubles_the_kms_key_works() -> None:
    """b = z: [b]P and Z are one point, which no formula for different points may be used on."""
    identity = RFC_MASTER
    point = reference.decode(public().octets())
    made = reference.encapsulate(identity, SSV, point).sed()
    assert public().encapsulate(identity, Secret(SSV)) == made
    assert public().encapsulate_many([identity] * 5, Secret(SSV)) == [made] * 5
    assert receiver(identity).decapsulate(made) == Secret(SSV)


@pytest.mark.parametrize(
    "z",
    [1, 2, 3, Q - 1, Q - 2, 2**64, (Q - 1) // 2],
    ids=["1", "2", "3", "q-1", "q-2", "2^64", "(q-1)/2"],
)
def test_a_kms_with_a_curious_secret_works(z: int) -> None:
    """Z is the base point itself, close to it, or opposite to it: sums of table entries meet by chance nowhere else."""
    kms = SakkeMasterSecret(Secret(z.to_bytes(128)))
    point = reference.public_key(z)
    assert kms.public_octets() == reference.encode(point)
    key = SakkePublicKey(kms.public_octets(), table_bits=5)
    for identity in (b"", b"\0", b"\x05", IDENTITY):
        made = reference.encapsulate(identity, SSV, point).sed()
        assert key.encapsulate(identity, Secret(SSV)) == made
        assert key.encapsulate_many([identity] * 8, Secret(SSV)) == [made] * 8
        rsk = kms.extract(identity)
        assert rsk == Secret(reference.encode(reference.extract(z, identity)))
        assert SakkeReceiver(key, identity, rsk).decapsulate(made) == Secret(SSV)


@pytest.mark.parametrize(
    "z", [b"", bytes(128), Q.to_bytes(128), (Q + 1).to_bytes(128), b"\xff" * 128, b"\1" * 129]
)
def test_a_master_secret_out_of_range_is_refused(z: bytes) -> None:
    with pytest.raises(InvalidValue):
        SakkeMasterSecret(Secret(z))


def test_a_short_master_secret_is_padded() -> None:
    assert SakkeMasterSecret(Secret(b"\7")).export() == Secret(b"\7".rjust(128, b"\0"))


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_an_ssv_of_another_size_is_refused(size: int) -> None:
    for identities in ([IDENTITY], [IDENTITY] * 20, []):
        with pytest.raises(InvalidValue):
            public().encapsulate_many(identities, Secret(bytes(size)))
    with pytest.raises(InvalidValue):
        public().encapsulate(IDENTITY, Secret(bytes(size)))


def test_generated_secrets_differ_and_are_in_range() -> None:
    drawn = [SakkeMasterSecret.generate().export() for _ in range(4)]
    assert len({secret.reveal() for secret in drawn}) == 4
    assert all(0 < int.from_bytes(secret.reveal()) < Q for secret in drawn)


# Senders that hash g^r without its leading zero octets


@cache
def trimmed() -> reference.Encapsulation:
    """An SSV for IDENTITY whose g^r begins with a zero octet."""
    point = reference.decode(public().octets())
    for n in range(10_000):
        ssv = n.to_bytes(16)
        if reference.power_of_g(reference.r_of(IDENTITY, ssv)) >> 1016 == 0:
            return reference.encapsulate(IDENTITY, ssv, point)
    raise AssertionError


def test_a_trimmed_g_is_accepted_only_on_demand() -> None:
    whole, cut = trimmed().sed(), trimmed().sed(trimmed=True)
    ssv = Secret(trimmed().ssv)
    assert whole != cut
    assert public().encapsulate(IDENTITY, ssv) == whole
    assert receiver().decapsulate(whole) == ssv
    assert receiver().decapsulate(whole, trimmed_g=True) == ssv
    assert receiver().decapsulate(cut, trimmed_g=True) == ssv
    with pytest.raises(CheckFailed):
        receiver().decapsulate(cut)
    with pytest.raises(CheckFailed):
        receiver().decapsulate(cut[:-1] + bytes([cut[-1] ^ 1]), trimmed_g=True)


# Agreement with the reference


def compare(random: Random, kms: SakkeMasterSecret, key: SakkePublicKey) -> None:
    """One identity of any length, one SSV: the RSK and the data are the reference's, and open."""
    z, point = int.from_bytes(kms.export().reveal()), reference.decode(kms.public_octets())
    identity = random.randbytes(random.choice([0, 1, 26, 32, 32, 32, 127, 128, 129, 300]))
    ssv = random.randbytes(16)
    rsk = reference.extract(z, identity)
    assert kms.extract(identity) == Secret(reference.encode(rsk))
    made = reference.encapsulate(identity, ssv, point).sed()
    assert key.encapsulate(identity, Secret(ssv)) == made
    assert SakkeReceiver(key, identity, Secret(reference.encode(rsk))).decapsulate(made) == Secret(ssv)


def random_kms(random: Random) -> SakkeMasterSecret:
    return SakkeMasterSecret(Secret(random.randrange(1, Q).to_bytes(128)))


@given(seed=st.integers(0, 2**64))
@settings(max_examples=50, deadline=None)
def test_agrees_with_the_reference(seed: int) -> None:
    random = Random(seed)
    kms = random_kms(random)
    assert (
        reference.encode(reference.public_key(int.from_bytes(kms.export().reveal()))) == kms.public_octets()
    )
    compare(random, kms, SakkePublicKey(kms.public_octets(), table_bits=5))


def test_the_reference_opens_what_we_make() -> None:
    random = Random(7)
    point = reference.decode(public().octets())
    for _ in range(3):
        identity, ssv = random.randbytes(32), random.randbytes(16)
        rsk = reference.decode(master().extract(identity).reveal())
        made = public().encapsulate(identity, Secret(ssv))
        assert reference.decapsulate(made, identity, rsk, point) == ssv


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_agrees_with_the_reference_for_thousands_of_cases() -> None:
    random = Random(6508)
    for n in range(40):
        kms = random_kms(random)
        key = SakkePublicKey(kms.public_octets(), table_bits=5 + n % 4)
        for _ in range(50):
            compare(random, kms, key)
