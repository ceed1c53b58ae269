"""UIDs and key periods: the specification's example, boundaries, refusals."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.crypto import uid as module
from mcsec.crypto.uid import (
    ntp_seconds,
    period_number,
    period_start,
    shortest,
    uid,
    unix_seconds,
)
from mcsec.errors import InvalidValue
from support.published import Streamwide

MONTH = 2_592_000
#: TS 33.180 F.2.1.2.
EXAMPLE_TIME = 3_599_719_634
EXAMPLE_UID = "3a81fb14c3b1d0fe43c9c577104d55a6d81788bfd2f09743c4557746a5a0353b"


def test_the_example_of_the_specification() -> None:
    number = period_number(EXAMPLE_TIME, MONTH, 0)
    assert number == 1388
    assert uid("sip:user@example.org", "kms.example.org", MONTH, 0, number).hex() == EXAMPLE_UID


def test_the_hash_input_of_the_example() -> None:
    octets = bytes.fromhex(
        "004d494b45592d53414b4b452d554944000f7369703a75736572406578616d706c652e6f72670014"
        "6b6d732e6578616d706c652e6f7267000f278d000003000001056c0002"
    )
    assert hashlib.sha256(octets).hexdigest() == EXAMPLE_UID


def test_streamwide() -> None:
    first = uid("sip:user@example.org", "kms.example.org", MONTH, 0, 1)
    assert first.hex() == "74e2af803ab5d72841bbced0ce319ffe64f6fe23c88a2d258aabcf6ac5658ef4"
    number = period_number(Streamwide.ntp_time, Streamwide.period, 0)
    assert number == Streamwide.period_no
    for uri, expected in (
        (Streamwide.sender, Streamwide.sender_uid),
        (Streamwide.receiver, Streamwide.receiver_uid),
    ):
        assert uid(uri, Streamwide.kms_uri, Streamwide.period, 0, number) == expected


def test_the_clock() -> None:
    assert unix_seconds(EXAMPLE_TIME) == 1_390_730_834  # 2014-01-26T10:07:14Z
    assert ntp_seconds(1_390_730_834.999) == EXAMPLE_TIME
    assert ntp_seconds(0) == 2_208_988_800
    # NTP's 32 bits end on 2036-02-07T06:28:16Z; key periods count on.
    assert ntp_seconds(2_085_978_496) == 1 << 32


@given(st.integers(1, 1 << 40), st.data())
def test_a_period_begins_where_the_one_before_ends(period: int, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, period - 1))
    number = data.draw(st.integers(0, 10_000))
    start = ntp_seconds(period_start(number, period, offset))
    assert period_number(start, period, offset) == number
    assert period_number(start + period - 1, period, offset) == number
    assert period_number(start + period, period, offset) == number + 1


@pytest.mark.parametrize(("period", "offset"), [(0, 0), (-1, 0), (10, 10), (10, 11), (10, -1)])
def test_a_period_that_is_none_is_refused(period: int, offset: int) -> None:
    with pytest.raises(InvalidValue):
        period_number(EXAMPLE_TIME, period, offset)
    with pytest.raises(InvalidValue):
        uid("sip:a@example.org", "kms", period, offset, 1)


def test_a_time_before_the_first_period_is_refused() -> None:
    with pytest.raises(InvalidValue, match="before the first key period"):
        period_number(4, 10, 5)
    assert period_number(5, 10, 5) == 0


@pytest.mark.parametrize(
    ("number", "octets"),
    [(0, "00"), (1, "01"), (255, "ff"), (256, "0100"), (1388, "056c"), (MONTH, "278d00")],
)
def test_numbers_are_as_short_as_can_be(number: int, octets: str) -> None:
    assert shortest(number).hex() == octets


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(InvalidValue):
        shortest(-1)
    with pytest.raises(InvalidValue):
        uid("sip:a@example.org", "kms", 10, 0, -1)


@pytest.mark.parametrize("uri", ["", "x" * 65_536, "\ud800"])
def test_a_uri_that_cannot_be_hashed_is_refused(uri: str) -> None:
    for pair in ((uri, "kms"), ("sip:a@example.org", uri)):
        with pytest.raises(InvalidValue):
            uid(*pair, MONTH, 0, 1)


def test_uris_are_hashed_as_they_are_written() -> None:
    variants = ("sip:a@example.org", "sip:A@example.org", "sip:a@example.org:5060", "sip:a@ex\u00e4mple.org")
    assert len({uid(uri, "kms", MONTH, 0, 1) for uri in variants}) == len(variants)


def test_what_is_remembered_is_bounded() -> None:
    assert module._uid.cache_parameters()["maxsize"] == 16_384
