"""AVPs as they stand in a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire.diameter.avp import Avp, decode_avps

avps = st.builds(
    Avp,
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=40),
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from([0, 0x40, 0x20, 0x60]),
)


@given(st.lists(avps, max_size=5))
def test_round_trip(chosen: list[Avp]) -> None:
    octets = b"".join(avp.encode() for avp in chosen)
    assert len(octets) % 4 == 0
    assert list(decode_avps(octets)) == chosen


@given(st.binary(max_size=200))
def test_arbitrary_octets_decode_or_raise_decode_error(octets: bytes) -> None:
    try:
        avps = decode_avps(octets)
    except DecodeError as error:
        assert 0 <= error.offset <= len(octets)
    else:
        assert sum(len(avp.encode()) for avp in avps) >= len(octets)


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        ("00000107", 0),
        ("0000010740000007", 0),
        ("000001074000000d61626364", 0),
        ("00000107c000000c", 0),
        ("00000107c000000b000028af", 0),
        ("000001074000000861", 8),
    ],
    ids=["half a header", "length in the header", "overrun", "no vendor", "vendor outside", "trailing octet"],
)
def test_what_does_not_fit_is_refused_where_it_begins(octets: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_avps(bytes.fromhex(octets))
    assert caught.value.offset == offset


def test_an_avp_has_a_24_bit_length() -> None:
    with pytest.raises(InvalidValue):
        Avp(1, bytes(1 << 24)).encode()
