"""Result and event bits, and what an operator reads of them."""

from __future__ import annotations

import pytest

from mcsec.wire.mb2.masks import (
    BearerEvent,
    BearerResult,
    FecResult,
    Mask,
    RohcResult,
    TmgiAllocationResult,
    TmgiDeallocationResult,
)

ALL = (BearerEvent, BearerResult, FecResult, RohcResult, TmgiAllocationResult, TmgiDeallocationResult)


@pytest.mark.parametrize("kind", ALL)
def test_bits_are_consecutive_and_explained(kind: type[Mask]) -> None:
    assert [member.value for member in kind] == [1 << bit for bit in range(len(kind))]
    for member in kind:
        assert member.reasons == (member.reason,)
        assert len(member.reason) > 3


def test_numbers_of_the_specification() -> None:
    assert BearerResult.INVALID_AVP_COMBINATION == 0x800
    assert BearerResult.ACTIVATION_ONGOING == 0x2000
    assert TmgiAllocationResult.TOO_MANY_TMGIS == 0x10
    assert TmgiDeallocationResult.UNKNOWN_TMGI == 4
    assert BearerEvent.ACTIVATION_FAILED == 8


def test_several_bits_give_several_reasons() -> None:
    mask = BearerResult.SUCCESS | BearerResult.ACTIVATION_ONGOING
    assert mask.reasons == ("done", "the bearer is being set up; a notification will follow")


def test_an_unknown_bit_is_kept_and_told() -> None:
    mask = BearerResult(1 << 20 | 1 << 3)
    assert int(mask) == 1 << 20 | 1 << 3
    assert mask.reasons == (BearerResult.UNKNOWN_TMGI.reason, "bit 20")
