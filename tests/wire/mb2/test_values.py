"""Encodings of TMGI, areas, durations, flows and cells, with the octets of the specifications."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.ids import Tmgi
from mcsec.wire.mb2.values import CellList, Ecgi, FlowId, ServiceArea, SessionDuration
from support.diameter import cell_lists, durations, ecgis, flow_ids, service_areas, tmgis


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (Tmgi(0x123456, "310", "410"), "123456130014"),
        (Tmgi(0xB00001, "001", "01"), "b0000100f110"),
        (ServiceArea((1, 2, 300)), "0200010002012c"),
        (ServiceArea((65535,)), "00ffff"),
        (SessionDuration.of(3600), "070800"),
        (SessionDuration.of(None), "000000"),
        (SessionDuration.of(86400), "000001"),
        (SessionDuration(86400), "a8c000"),
        (SessionDuration.of(19 * 86400), "a8c012"),
        (FlowId(1), "0001"),
        (Ecgi("001", "01", 0xABCDE1), "00f11000abcde1"),
        (CellList((Ecgi("310", "410", 0xFFFFFFF),)), "00001300140fffffff"),
    ],
    ids=str,
)
def test_octets(value: Any, octets: str) -> None:
    assert value.encode().hex() == octets
    assert type(value).decode(bytes.fromhex(octets)) == value


@given(st.one_of(tmgis, service_areas, durations, flow_ids, ecgis, cell_lists))
def test_round_trip(value: Any) -> None:
    assert type(value).decode(value.encode()) == value


@pytest.mark.parametrize("kind", [Tmgi, ServiceArea, SessionDuration, FlowId, Ecgi, CellList])
@given(octets=st.binary(max_size=24))
def test_arbitrary_octets(kind: Any, octets: bytes) -> None:
    try:
        value = kind.decode(octets)
    except DecodeError:
        return
    if kind in (Ecgi, CellList):  # their spare bits are not kept
        assert kind.decode(value.encode()) == value
    else:
        assert value.encode() == octets


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (ServiceArea, ""),
        (ServiceArea, "00"),
        (ServiceArea, "01000100020003"),
        (ServiceArea, "0100010001"),
        (SessionDuration, "0000"),
        (SessionDuration, "a8c080"),
        (SessionDuration, "000013"),
        (FlowId, "00"),
        (Ecgi, "00f110"),
        (Ecgi, "0af11000000000"),
        (CellList, ""),
        (CellList, "0000"),
        (CellList, "000100f11000abcde1"),
        (CellList, "1000" + "00f11000abcde1" * 4097),
    ],
)
def test_bad_octets(kind: Any, octets: str) -> None:
    with pytest.raises(DecodeError):
        kind.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ServiceArea(()),
        lambda: ServiceArea((1, 1)),
        lambda: ServiceArea((0x10000,)),
        lambda: ServiceArea(tuple(range(257))),
        lambda: SessionDuration.of(0),
        lambda: SessionDuration.of(19 * 86400 + 1),
        lambda: SessionDuration(86401),
        lambda: SessionDuration(0, 19),
        lambda: FlowId(0x10000),
        lambda: Ecgi("001", "1", 0),
        lambda: Ecgi("001", "01", 1 << 28),
        lambda: CellList(()),
    ],
)
def test_bad_values(make: Any) -> None:
    with pytest.raises(InvalidValue):
        make()


@given(st.integers(1, 19 * 86400))
def test_a_duration_keeps_its_seconds(seconds: int) -> None:
    assert SessionDuration.decode(SessionDuration.of(seconds).encode()).total == seconds


def test_indefinite_has_no_total() -> None:
    assert SessionDuration.of(None).total is None


def test_areas_overlap() -> None:
    assert ServiceArea((1, 2)).overlaps(ServiceArea((2, 3)))
    assert not ServiceArea((1,)).overlaps(ServiceArea((2,)))
