"""The table of refusals: stable codes, each with a clause, a meaning and a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.errors import DecodeError, InvalidValue, PeerError
from mcsec.mikey import refusals
from mcsec.mikey.profiles import NAMES, STRICT, Profile
from mcsec.mikey.refusals import REFUSALS, Refusal


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_every_row_is_complete(refusal: Refusal) -> None:
    assert refusal.code.startswith("mikey.")
    assert refusal.meaning
    assert refusal.clause
    assert refusal.hint
    error = refusal.because("the detail")
    assert isinstance(error, PeerError)
    assert type(error) is refusal.error
    assert error.describe().startswith(f"{refusal.code}: the detail")


def test_codes_are_unique_and_none_is_left_out() -> None:
    named = {value.code for value in vars(refusals).values() if isinstance(value, Refusal)}
    assert {refusal.code for refusal in REFUSALS} == named
    assert len(REFUSALS) == len(named)


def test_no_code_is_made_up_elsewhere() -> None:
    room = Path(refusals.__file__).parent
    for path in room.glob("*.py"):
        if path.name != "refusals.py":
            assert 'code="mikey.' not in path.read_text(), path.name


def test_decode_errors_take_an_offset() -> None:
    error = refusals.MALFORMED.because("broken")
    assert isinstance(error, DecodeError)
    assert error.offset == 0


def test_profiles_have_names_and_tolerate_nothing_by_default() -> None:
    assert Profile.named("strict") == STRICT == Profile()
    assert Profile.named("trimmed-g") == Profile(trimmed_g=True)
    assert Profile.named("short-sign-range, trimmed-g") == Profile(trimmed_g=True, short_sign_range=True)
    assert Profile.named(",".join(NAMES)) == Profile(True, True)
    with pytest.raises(InvalidValue) as caught:
        Profile.named("anything-goes")
    assert "trimmed-g" in caught.value.hint
