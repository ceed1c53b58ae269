"""Packets in any order come out in the one order, once; what is missing is waited for and then given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.client.audio.arrival import Arrival
from mcsec.errors import InvalidValue
from mcsec.wire.rtp import RtpHeader, RtpPacket


def packet(sequence: int, ssrc: int = 1, *, marker: bool = False) -> RtpPacket:
    header = RtpHeader(
        payload_type=0,
        sequence=sequence & 0xFFFF,
        timestamp=sequence * 160 & 0xFFFFFFFF,
        ssrc=ssrc,
        marker=marker,
    )
    return RtpPacket(header, (sequence & 0xFFFF).to_bytes(2))


def numbers(frames: list) -> list[int]:
    return [int.from_bytes(frame.payload) for frame in frames]


def test_in_order_nothing_waits() -> None:
    arrival = Arrival()
    assert numbers([f for n in range(65530, 65545) for f in arrival.packet(packet(n), 0.0)]) == [
        n & 0xFFFF for n in range(65530, 65545)
    ]
    assert arrival.next_timer() is None


def test_a_missing_packet_is_waited_for_and_then_given_up() -> None:
    arrival = Arrival(wait=0.06)
    arrival.packet(packet(1), 0.0)
    assert arrival.packet(packet(3), 0.02) == []
    assert arrival.next_timer() == pytest.approx(0.08)
    assert arrival.poll(0.05) == []
    (frame,) = arrival.poll(0.08)
    assert (frame.lost, arrival.lost) == (1, 1)
    assert arrival.packet(packet(2), 0.09) == []
    assert arrival.late == 1


def test_a_late_packet_takes_its_place() -> None:
    arrival = Arrival()
    arrival.packet(packet(1), 0.0)
    arrival.packet(packet(3), 0.02)
    assert numbers(arrival.packet(packet(2), 0.03)) == [2, 3]
    assert arrival.packet(packet(2), 0.04) == []


def test_a_copy_is_heard_once() -> None:
    arrival = Arrival()
    arrival.packet(packet(1), 0.0)
    arrival.packet(packet(3), 0.0)
    assert arrival.packet(packet(3), 0.01) == []
    assert arrival.copies == 1


def test_talkers_do_not_wait_for_one_another() -> None:
    arrival = Arrival()
    arrival.packet(packet(1, 1), 0.0)
    arrival.packet(packet(3, 1), 0.0)
    assert numbers(arrival.packet(packet(9, 2), 0.0)) == [9]


def test_a_talker_that_counts_anew_is_heard_at_once() -> None:
    arrival = Arrival()
    arrival.packet(packet(1), 0.0)
    arrival.packet(packet(3), 0.0)
    assert numbers(arrival.packet(packet(30_000), 0.01)) == [3, 30_000]


def test_no_more_wait_than_fit() -> None:
    arrival = Arrival(wait=10, depth=3)
    arrival.packet(packet(0), 0.0)
    out = [frame for n in range(2, 6) for frame in arrival.packet(packet(n), 0.0)]
    assert numbers(out) == [2, 3, 4, 5]


def test_streams_are_bounded() -> None:
    arrival = Arrival()
    for ssrc in range(1000):
        arrival.packet(packet(1, ssrc), float(ssrc))
    assert len(arrival._streams) == 32


def test_what_waits_can_be_had_at_the_end() -> None:
    arrival = Arrival()
    for number in (1, 4, 3):
        arrival.packet(packet(number), 0.0)
    assert numbers(arrival.flush()) == [3, 4]
    assert arrival.flush() == []


def test_no_time_before_now() -> None:
    with pytest.raises(InvalidValue):
        Arrival(wait=-1)


@given(st.permutations(range(20)), st.integers(0, 0xFFFF))
def test_any_order_within_the_wait_is_put_right(order: list[int], start: int) -> None:
    arrival = Arrival(wait=1.0)
    heard = arrival.packet(packet(start), 0.0)
    for number in order:
        heard += arrival.packet(packet(start + 1 + number), 0.1)
    assert numbers(heard) == [start + number & 0xFFFF for number in range(21)]
