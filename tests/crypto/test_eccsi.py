"""ECCSI: published vectors, refusals, and agreement with a reference in plain integers."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.crypto import hazmat
from mcsec.crypto.eccsi import EccsiMasterSecret, EccsiPublicKey, EccsiSigner
from mcsec.crypto.secret import Secret
from mcsec.errors import CheckFailed, InvalidValue
from support import reference_eccsi as reference
from support.published import Rfc6507, Streamwide

Q, P = reference.Q, reference.P


def scalar(number: int) -> Secret:
    return Secret(number.to_bytes(32))


def public() -> EccsiPublicKey:
    return EccsiPublicKey(Rfc6507.kpak)


def signer() -> EccsiSigner:
    return EccsiSigner(public(), Rfc6507.identity, Secret(Rfc6507.ssk), Rfc6507.pvt)


# Published vectors


def test_rfc_6507_appendix_a() -> None:
    master = EccsiMasterSecret(Secret(Rfc6507.ksak))
    assert master.public_octets() == Rfc6507.kpak
    assert master.export() == Secret(Rfc6507.ksak)
    ssk, pvt = hazmat.eccsi_extract(master, Rfc6507.identity, Secret(Rfc6507.v))
    assert (ssk, pvt) == (Secret(Rfc6507.ssk), Rfc6507.pvt)
    assert hazmat.eccsi_sign(signer(), Rfc6507.message, Secret(Rfc6507.j)) == Rfc6507.signature
    public().verify(Rfc6507.identity, Rfc6507.message, Rfc6507.signature)
    public().validate_ssk(Rfc6507.identity, ssk, pvt)
    assert public().octets() == Rfc6507.kpak


def test_streamwide_message_and_user_key() -> None:
    key = EccsiPublicKey(Streamwide.kpak)
    key.verify(Streamwide.sender_uid, Streamwide.signed, Streamwide.signature)
    key.validate_ssk(Streamwide.receiver_uid, Secret(Streamwide.ssk), Streamwide.pvt)
    with pytest.raises(CheckFailed):
        key.verify(Streamwide.receiver_uid, Streamwide.signed, Streamwide.signature)
    with pytest.raises(CheckFailed):
        key.verify(Streamwide.sender_uid, Streamwide.signed[:-1], Streamwide.signature)


# Refusals of a signature


def refused(signature: bytes, message: bytes = Rfc6507.message, identity: bytes = Rfc6507.identity) -> None:
    with pytest.raises(CheckFailed):
        public().verify(identity, message, signature)


def test_a_changed_message_or_identity_is_refused() -> None:
    refused(Rfc6507.signature, message=Rfc6507.message + b"x")
    refused(Rfc6507.signature, identity=Rfc6507.identity[:-1])


def test_every_changed_bit_is_refused() -> None:
    for bit in range(0, 8 * len(Rfc6507.signature), 7):
        number = int.from_bytes(Rfc6507.signature) ^ 1 << bit
        refused(number.to_bytes(len(Rfc6507.signature)))


@pytest.mark.parametrize("size", [0, 1, 64, 128, 130, 258])
def test_another_size_is_refused(size: int) -> None:
    refused((Rfc6507.signature * 2)[:size])


@pytest.mark.parametrize("r", [0, Q, P, P + 5, 2**256 - 1])
def test_r_out_of_range_is_refused(r: int) -> None:
    refused(r.to_bytes(32) + Rfc6507.signature[32:])


@pytest.mark.parametrize("s", [0, Q, Q + 1, 2**256 - 1])
def test_s_out_of_range_is_refused(s: int) -> None:
    refused(Rfc6507.signature[:32] + s.to_bytes(32) + Rfc6507.pvt)


#: A point whose x is so small that x + p has 256 bits too.
SMALL_X = (5, 0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC)

NO_POINTS = [
    pytest.param(b"\x02" + Rfc6507.pvt[1:], id="first octet 02"),
    pytest.param(b"\x00" + Rfc6507.pvt[1:], id="first octet 00"),
    pytest.param(bytes(65), id="zeros"),
    pytest.param(b"\x04" + bytes(64), id="infinity as (0, 0)"),
    pytest.param(Rfc6507.pvt[:-1] + b"\x78", id="off the curve"),
    pytest.param(b"\x04" + (SMALL_X[0] + P).to_bytes(32) + SMALL_X[1].to_bytes(32), id="x not reduced"),
    pytest.param(Rfc6507.pvt[:33] + P.to_bytes(32), id="y is p"),
    pytest.param(b"\x04" + b"\xff" * 64, id="ones"),
]


@pytest.mark.parametrize("octets", NO_POINTS)
def test_what_is_no_point_is_refused_everywhere(octets: bytes) -> None:
    refused(Rfc6507.signature[:64] + octets)
    with pytest.raises(CheckFailed):
        public().validate_ssk(Rfc6507.identity, Secret(Rfc6507.ssk), octets)
    with pytest.raises(CheckFailed):
        EccsiSigner(public(), Rfc6507.identity, Secret(Rfc6507.ssk), octets)
    with pytest.raises(InvalidValue):
        EccsiPublicKey(octets)


def test_a_small_coordinate_is_accepted() -> None:
    assert EccsiPublicKey(reference.encode(SMALL_X)).octets() == reference.encode(SMALL_X)


def test_the_opposite_s_stays_valid() -> None:
    """So a signature's octets name no message."""
    s = Q - int.from_bytes(Rfc6507.signature[32:64])
    public().verify(Rfc6507.identity, Rfc6507.message, Rfc6507.signature[:32] + s.to_bytes(32) + Rfc6507.pvt)


# Refusals of keys


@pytest.mark.parametrize("size", [0, 64, 66])
def test_a_kpak_or_pvt_of_another_size_is_refused(size: int) -> None:
    octets = (Rfc6507.kpak * 2)[:size]
    with pytest.raises(InvalidValue):
        EccsiPublicKey(octets)
    with pytest.raises(CheckFailed):
        public().validate_ssk(Rfc6507.identity, Secret(Rfc6507.ssk), octets)


@pytest.mark.parametrize("octets", [b"", bytes(31), bytes(32), Q.to_bytes(32), b"\xff" * 32, b"\1" * 33])
def test_a_scalar_out_of_range_is_refused(octets: bytes) -> None:
    with pytest.raises(InvalidValue):
        EccsiMasterSecret(Secret(octets))
    with pytest.raises(CheckFailed):
        public().validate_ssk(Rfc6507.identity, Secret(octets), Rfc6507.pvt)
    with pytest.raises(InvalidValue):
        hazmat.eccsi_sign(signer(), b"", Secret(octets))
    with pytest.raises(InvalidValue):
        hazmat.eccsi_extract(EccsiMasterSecret(Secret(Rfc6507.ksak)), b"", Secret(octets))


def test_a_key_of_another_identity_kms_or_ssk_is_refused() -> None:
    other = EccsiPublicKey(EccsiMasterSecret.generate().public_octets())
    ssk = Secret(Rfc6507.ssk)
    wrong = scalar(int.from_bytes(Rfc6507.ssk) ^ 1)
    opposite = scalar(Q - int.from_bytes(Rfc6507.ssk))
    for key, identity, candidate in (
        (other, Rfc6507.identity, ssk),
        (public(), b"mallory", ssk),
        (public(), Rfc6507.identity, wrong),
        (public(), Rfc6507.identity, opposite),
    ):
        with pytest.raises(CheckFailed):
            key.validate_ssk(identity, candidate, Rfc6507.pvt)
        with pytest.raises(CheckFailed):
            EccsiSigner(key, identity, candidate, Rfc6507.pvt)


# What objects may not do


def test_holders_of_secrets_are_never_copied() -> None:
    for holder in (EccsiMasterSecret.generate(), signer()):
        for leave in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="never pickled or copied"):
                leave(holder)
        assert "object at" in repr(holder)


def test_signatures_of_one_message_differ() -> None:
    assert len({signer().sign(Rfc6507.message)[:32] for _ in range(20)}) == 20


def test_one_signer_serves_many_threads() -> None:
    shared, key = signer(), public()
    with ThreadPoolExecutor(4) as pool:
        messages = [bytes([i]) * i for i in range(64)]
        for message, signature in zip(messages, pool.map(shared.sign, messages), strict=True):
            key.verify(Rfc6507.identity, message, signature)


# Agreement with the reference

scalars = st.integers(1, Q - 1)

#: Where windows, signs and the last addition of a table could go wrong.
EDGES = sorted(
    {1, 2, 3, 31, 32, 33, 63, 64, 65, Q // 2, Q // 2 + 1}
    | {Q - k for k in (1, 2, 16, 17, 18, 33, 34, 35, 64)}
    | {2**k + d for k in (60, 126, 192, 251, 252, 255) for d in (-1, 0, 1)}
)


@pytest.mark.parametrize("k", EDGES)
def test_multiples_at_the_edges(k: int) -> None:
    assert EccsiMasterSecret(scalar(k)).public_octets() == reference.encode(
        reference.multiply(k, reference.G)
    )


@pytest.mark.parametrize("ksak", [1, 2, Q - 1])
@pytest.mark.parametrize("v", [1, 2, Q - 1, Q - 2])
def test_points_that_coincide(ksak: int, v: int) -> None:
    """PVT, KPAK and G may be equal or opposite: additions then double or cancel."""
    agree(ksak, v, b"alice", b"hello", 3)


def agree(ksak: int, v: int, identity: bytes, message: bytes, j: int) -> None:
    master = EccsiMasterSecret(scalar(ksak))
    key = EccsiPublicKey(master.public_octets())
    ssk, pvt = hazmat.eccsi_extract(master, identity, scalar(v))
    assert (ssk.reveal(), pvt) == reference.extract(ksak, identity, v)
    made = EccsiSigner(key, identity, ssk, pvt)
    signature = hazmat.eccsi_sign(made, message, scalar(j))
    assert signature == reference.sign(key.octets(), identity, ssk.reveal(), pvt, message, j)
    key.verify(identity, message, signature)
    key.verify(identity, message, made.sign(message))


@settings(max_examples=50, deadline=None)
@given(scalars, scalars, st.binary(max_size=40), st.binary(max_size=200), scalars)
def test_agrees_with_the_reference(ksak: int, v: int, identity: bytes, message: bytes, j: int) -> None:
    agree(ksak, v, identity, message, j)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=2000, deadline=None)
@given(scalars, scalars, st.binary(max_size=40), st.binary(max_size=200), scalars)
def test_agrees_with_the_reference_at_length(
    ksak: int, v: int, identity: bytes, message: bytes, j: int
) -> None:
    agree(ksak, v, identity, message, j)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 128), st.integers(1, 255))
def test_tampering_gets_the_verdict_of_the_reference(place: int, change: int) -> None:
    octets = bytearray(Rfc6507.signature)
    octets[place] ^= change
    assert not reference.verifies(Rfc6507.kpak, Rfc6507.identity, Rfc6507.message, bytes(octets))
    refused(bytes(octets))


def test_the_reference_verifies_what_we_sign() -> None:
    signature = signer().sign(b"hello")
    assert reference.verifies(Rfc6507.kpak, Rfc6507.identity, b"hello", signature)
    assert not reference.verifies(Rfc6507.kpak, Rfc6507.identity, b"hullo", signature)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_octets_are_refused_in_one_way(octets: bytes) -> None:
    refused(octets)
