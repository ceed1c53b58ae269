"""The formats of AVP data, at their edges."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import InvalidValue
from mcsec.wire.diameter import datatypes as dt
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.violation import Violation


@pytest.mark.parametrize(
    ("datatype", "value", "octets"),
    [
        (dt.UNSIGNED32, 0xFFFFFFFF, "ffffffff"),
        (dt.UNSIGNED64, 1, "0000000000000001"),
        (dt.ENUMERATED, -1, "ffffffff"),
        (dt.FLOAT32, 1.5, "3fc00000"),
        (dt.OCTET_STRING, b"", ""),
        (dt.octet_string(3), b"abc", "616263"),
        (dt.UTF8_STRING, "ä", "c3a4"),
        (dt.DIAMETER_IDENTITY, "a.example", "612e6578616d706c65"),
        (dt.DIAMETER_URI, "aaa://a", "6161613a2f2f61"),
        (dt.IP_FILTER_RULE, "permit", "7065726d6974"),
        (dt.ADDRESS, ip_address("127.0.0.1"), "00017f000001"),
        (dt.ADDRESS, ip_address("::1"), "000200000000000000000000000000000001"),
        (dt.TIME, 0, "83aa7e80"),
        (dt.TIME, 1795450024, "eeaee328"),
        (dt.TIME, 2085978495, "ffffffff"),
        (dt.TIME, 2085978496, "00000000"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_value_and_octets(datatype: dt.DataType, value: Any, octets: str) -> None:
    data = bytes.fromhex(octets)
    assert datatype.encode(value) == data
    assert datatype.decode(b"\xee" + data + b"\xee", 1, 1 + len(data)) == value


@pytest.mark.parametrize(
    ("datatype", "octets", "result"),
    [
        (dt.UNSIGNED32, "000000", ResultCode.INVALID_AVP_LENGTH),
        (dt.UNSIGNED64, "00000000", ResultCode.INVALID_AVP_LENGTH),
        (dt.octet_string(6), "0000000000", ResultCode.INVALID_AVP_LENGTH),
        (dt.TIME, "00", ResultCode.INVALID_AVP_LENGTH),
        (dt.ADDRESS, "00", ResultCode.INVALID_AVP_LENGTH),
        (dt.ADDRESS, "00017f0000", ResultCode.INVALID_AVP_LENGTH),
        (dt.ADDRESS, "000200", ResultCode.INVALID_AVP_LENGTH),
        (dt.ADDRESS, "00087f000001", ResultCode.INVALID_AVP_VALUE),
        (dt.UTF8_STRING, "ff", ResultCode.INVALID_AVP_VALUE),
        (dt.DIAMETER_IDENTITY, "", ResultCode.INVALID_AVP_VALUE),
        (dt.DIAMETER_IDENTITY, "612062", ResultCode.INVALID_AVP_VALUE),
        (dt.DIAMETER_IDENTITY, "610a", ResultCode.INVALID_AVP_VALUE),
        (dt.DIAMETER_IDENTITY, "c3a4", ResultCode.INVALID_AVP_VALUE),
        (dt.DIAMETER_URI, "687474703a2f2f61", ResultCode.INVALID_AVP_VALUE),
    ],
)
def test_bad_octets_name_their_result(datatype: dt.DataType, octets: str, result: ResultCode) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(Violation) as caught:
        datatype.decode(data, 0, len(data))
    assert caught.value.result_code is result
    assert caught.value.code == f"diameter.{result.label}"


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (dt.UNSIGNED32, -1),
        (dt.UNSIGNED32, 1 << 32),
        (dt.FLOAT32, 1e300),
        (dt.octet_string(3), b"ab"),
        (dt.DIAMETER_IDENTITY, "a b"),
        (dt.DIAMETER_IDENTITY, ""),
        (dt.IP_FILTER_RULE, "ä"),
        (dt.UTF8_STRING, "\udc80"),
        (dt.TIME, 1 << 33),
    ],
)
def test_bad_values_are_ours(datatype: dt.DataType, value: Any) -> None:
    with pytest.raises(InvalidValue):
        datatype.encode(value)


_ALL = (
    dt.UNSIGNED32,
    dt.UNSIGNED64,
    dt.ENUMERATED,
    dt.OCTET_STRING,
    dt.UTF8_STRING,
    dt.DIAMETER_IDENTITY,
    dt.DIAMETER_URI,
    dt.IP_FILTER_RULE,
    dt.ADDRESS,
    dt.TIME,
)


@given(st.sampled_from(_ALL), st.binary(max_size=20))
def test_arbitrary_octets_round_trip_or_are_a_violation(datatype: dt.DataType, octets: bytes) -> None:
    try:
        value = datatype.decode(octets, 0, len(octets))
    except Violation:
        return
    assert datatype.encode(value) == octets
