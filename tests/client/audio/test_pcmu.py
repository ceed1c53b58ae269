"""PCMU against the published curve: every sample and every code, as CPython's audioop and sox compute them."""

from __future__ import annotations

import hashlib
from array import array

import pytest

from mcsec.client.audio import pcmu
from mcsec.errors import InvalidValue

ALL = array("h", range(-32768, 32768))
#: SHA-256 of ``audioop.lin2ulaw`` over every sample, and of ``audioop.ulaw2lin`` over every code (CPython 3.11).
ENCODED = "81d633c9e6972a18c74a58720b96cb8ca0bdd096d4060b646dd708c3b846019a"
DECODED = "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827"


def test_every_sample_is_encoded_as_the_referee_does() -> None:
    assert hashlib.sha256(pcmu.encode(ALL)).hexdigest() == ENCODED


def test_every_code_is_decoded_as_the_referee_does() -> None:
    samples = pcmu.decode(bytes(range(256)))
    assert hashlib.sha256(pcmu.to_octets(samples)).hexdigest() == DECODED


def test_a_code_that_was_decoded_is_encoded_to_itself() -> None:
    codes = bytes(range(256))
    again = pcmu.encode(pcmu.decode(codes))
    # Positive and negative zero are one sample.
    assert [a for a, b in zip(codes, again, strict=True) if a != b] == [0x7F]


def test_the_error_is_at_most_half_a_step_of_the_segment() -> None:
    for sample, heard in zip(ALL, pcmu.decode(pcmu.encode(ALL)), strict=True):
        assert abs(sample - heard) <= max(8, abs(sample) // 16 + 4, abs(sample) - 32124)


def test_silence() -> None:
    assert pcmu.encode(array("h", [0])) == pcmu.SILENCE
    assert pcmu.decode(pcmu.SILENCE)[0] == 0


def test_other_samples_are_refused() -> None:
    with pytest.raises(InvalidValue):
        pcmu.encode(array("i", [0]))


def test_octets_are_little_endian() -> None:
    assert pcmu.to_octets(array("h", [1, -2])) == b"\x01\x00\xfe\xff"
    assert pcmu.from_octets(b"\x01\x00\xfe\xff\x07") == array("h", [1, -2])
