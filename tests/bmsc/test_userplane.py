"""MB2-U and the air: what passes, unchanged; what is dropped, counted; what the weather does, repeatable."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.bmsc.bearer import Bearer, State
from mcsec.bmsc.config import Cell, GcsAs
from mcsec.bmsc.radio import Radio
from mcsec.bmsc.userplane import Broadcast, UserPlane
from mcsec.errors import InvalidValue
from mcsec.ids import Tmgi
from mcsec.wire.mb2.userplane import Encapsulation, InnerPacket
from mcsec.wire.mb2.values import FlowId
from support.bmsc import config, qos
from support.nodes import GCS, MCX

SOURCE = ip_address("127.0.0.1")
GROUP = ip_address("239.1.2.3")
BEARER = Bearer(Tmgi(1, "001", "01"), FlowId(1), GCS, 9001, frozenset({1}), qos(400_000), State.ACTIVE, 0.0)
octets = st.binary(max_size=1200)


def packet(payload: bytes, group: Any = GROUP) -> bytes:
    source = ip_address("10.0.0.1") if group.version == 4 else ip_address("fd00::1")
    return InnerPacket(source, group, 40000, 5004, payload).encode()


@given(octets, st.sampled_from([GROUP, ip_address("ff15::7")]))
def test_payloads_pass_unchanged(payload: bytes, group: Any) -> None:
    plane = UserPlane(config())
    broadcast = plane.arrived(BEARER, packet(payload, group), SOURCE, 0.0)
    assert broadcast == Broadcast(group, 5004, payload, frozenset({1}))
    assert plane.counters == {"passed": 1}


@given(octets)
def test_bare_payloads_pass_unchanged(payload: bytes) -> None:
    plane = UserPlane(config(encapsulation=Encapsulation.BARE))
    broadcast = plane.arrived(BEARER, payload, SOURCE, 0.0)
    assert broadcast == Broadcast(ip_address("239.255.77.1"), 9001, payload, frozenset({1}))


@given(octets, st.integers(0, 2**32))
def test_through_the_air_unchanged(payload: bytes, seed: int) -> None:
    weather = {"loss": 0.2, "duplicate": 0.2, "reorder": 0.2, "delay": 0.1, "jitter": 0.1}
    cell = Cell(name="bad", areas=frozenset({1}), interface=None, **weather)
    radio = Radio([cell], seed)
    for number in range(10):
        radio.broadcast(Broadcast(GROUP, 5004, payload, frozenset({1})), float(number))
    emissions = radio.due(100.0)
    assert {emission.broadcast.payload for emission in emissions} <= {payload}
    assert len(emissions) == 10 - radio.counters["lost"] + radio.counters["duplicated"]


@pytest.mark.parametrize(
    ("bearer", "datagram", "reason"),
    [
        (None, packet(b"x"), "mb2u.no-bearer"),
        (replace(BEARER, state=State.WAITING), packet(b"x"), "mb2u.not-active"),
        (BEARER, b"", "mb2u.inner"),
        (BEARER, b"hello, this is no IP packet", "mb2u.inner"),
        (BEARER, packet(b"x")[:-1] + b"y", "mb2u.inner-checksum"),
        (BEARER, packet(b"x", ip_address("10.0.0.2")), "mb2u.not-multicast"),
        (replace(BEARER, host="only-from.example"), packet(b"x"), "mb2u.source"),
        (BEARER, packet(bytes(60_000)), "passed"),
        (replace(BEARER, qos=qos(1000)), packet(bytes(1500)), "mb2u.bitrate"),
    ],
)
def test_what_is_dropped_is_counted(bearer: Bearer | None, datagram: bytes, reason: str) -> None:
    picky = GcsAs(host="only-from.example", realm=MCX, sources=(ip_network("192.0.2.0/24"),))
    plane = UserPlane(config(gcs_as=(*config().gcs_as, picky)))
    found = plane.arrived(bearer, datagram, SOURCE, 0.0)
    assert isinstance(found, Broadcast) if reason == "passed" else found == reason
    assert plane.counters == {reason: 1}


def test_the_bit_rate_of_the_bearer_is_the_most() -> None:
    bearer = replace(BEARER, qos=qos(50_000))
    datagram = packet(bytes(972))  # 1000 octets with its headers
    plane = UserPlane(config())
    passed = sum(isinstance(plane.arrived(bearer, datagram, SOURCE, n / 100), Broadcast) for n in range(1000))
    # Ten seconds at 100 kbit/s, and the burst of a second.
    assert 135 <= passed <= 138
    plane.forget(frozenset())
    assert isinstance(plane.arrived(bearer, datagram, SOURCE, 0.0), Broadcast)
    free = UserPlane(config(enforce_bitrate=False))
    assert all(isinstance(free.arrived(bearer, datagram, SOURCE, 0.0), Broadcast) for _ in range(100))


# --- the air


def broadcast(number: int, *areas: int) -> Broadcast:
    return Broadcast(GROUP, 5004, number.to_bytes(4), frozenset(areas))


def cell(name: str, *areas: int, **options: Any) -> Cell:
    return Cell(name=name, areas=frozenset(areas), interface=None, **options)


def heard(radio: Radio, now: float) -> list[tuple[str, int]]:
    return [(sent.cell.name, int.from_bytes(sent.broadcast.payload)) for sent in radio.due(now)]


def test_cells_cover_their_areas() -> None:
    radio = Radio([cell("north", 1, 2), cell("south", 3)], 1)
    for number, areas in enumerate([(1,), (2, 3), (4,)]):
        radio.broadcast(broadcast(number, *areas), 0.0)
    assert heard(radio, 0.0) == [("north", 0), ("north", 1), ("south", 1)]
    radio.cover("north", covered=False)
    radio.broadcast(broadcast(5, 1, 3), 0.0)
    assert heard(radio, 0.0) == [("south", 5)]
    radio.cover("north", covered=True)
    radio.broadcast(broadcast(6, 1), 0.0)
    assert heard(radio, 0.0) == [("north", 6)]


def test_delay() -> None:
    radio = Radio([cell("far", 1, delay=0.5)], 1)
    radio.broadcast(broadcast(0, 1), 10.0)
    assert radio.next_timer() == 10.5
    assert heard(radio, 10.4) == []
    assert heard(radio, 10.5) == [("far", 0)]
    assert radio.next_timer() is None


@pytest.mark.parametrize(
    ("options", "counter", "expected"),
    [
        ({"loss": 0.3}, "lost", 300),
        ({"duplicate": 0.3}, "duplicated", 300),
        ({"reorder": 0.3}, "reordered", 300),
    ],
)
def test_chances_come_out(options: dict[str, float], counter: str, expected: int) -> None:
    radio = Radio([cell("one", 1, **options)], 1)
    for number in range(1000):
        radio.broadcast(broadcast(number, 1), number / 1000)
    numbers = [number for _, number in heard(radio, 100.0)]
    assert radio.counters[counter] == pytest.approx(expected, rel=0.2)
    assert len(numbers) == 1000 - radio.counters["lost"] + radio.counters["duplicated"]
    assert (numbers == sorted(numbers)) is (counter != "reordered")


def test_the_same_seed_gives_the_same_weather() -> None:
    def run(seed: int) -> list[tuple[str, int]]:
        radio = Radio([cell("one", 1, loss=0.3, jitter=0.1, duplicate=0.1), cell("two", 1, loss=0.3)], seed)
        for number in range(100):
            radio.broadcast(broadcast(number, 1), number / 100)
        return heard(radio, 100.0)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert {number for name, number in run(1) if name == "one"} != {n for name, n in run(1) if name == "two"}


def test_the_air_holds_no_more_than_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcsec.bmsc.radio._MOST", 3)
    radio = Radio([cell("one", 1, delay=1.0)], 1)
    for number in range(5):
        radio.broadcast(broadcast(number, 1), 0.0)
    assert (len(heard(radio, 2.0)), radio.counters["overflow"]) == (3, 2)


@pytest.mark.parametrize("options", [{"loss": 1.1}, {"duplicate": -0.1}, {"delay": -1.0}])
def test_impossible_weather(options: dict[str, float]) -> None:
    with pytest.raises(InvalidValue):
        cell("one", 1, **options)
