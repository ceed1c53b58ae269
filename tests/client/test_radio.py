"""The radio side: joins by area and map, and "listening" only for what is really received."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.client.radio import Join, Leave, RadioSide, Report
from mcsec.ids import Tmgi
from mcsec.keys.kinds import Traffic
from mcsec.wire.rtcp.subchannel import MbmsSubchannel

TMGI = Tmgi(1, "001", "01")
OTHER = Tmgi(2, "001", "01")
GENERAL = (ip_address("239.0.0.1"), 4000)
ADDRESS = ip_address("239.0.0.2")
CHANNEL = MbmsSubchannel(2, 3, ADDRESS, 5000, 5002)
GROUP = "sip:group@b"


@pytest.fixture
def side() -> RadioSide:
    return RadioSide(area=7, silence=10.0)


def listening(side: RadioSide) -> RadioSide:
    side.announced(TMGI, (7,), GENERAL, 0.0)
    side.heard(TMGI, 1.0)
    return side


def test_nothing_is_reported_before_something_is_received(side: RadioSide) -> None:
    assert side.announced(TMGI, (6, 7), GENERAL, 0.0) == [
        Join(GENERAL, Traffic.SUBCHANNEL_CONTROL, str(TMGI), TMGI)
    ]
    assert side.listening == frozenset()
    assert side.heard(TMGI, 1.0) == [Report(True, TMGI)]
    assert side.heard(TMGI, 2.0) == [], "once is enough"
    assert side.listening == {TMGI}


def test_out_of_the_area_nothing_is_joined(side: RadioSide) -> None:
    assert side.announced(TMGI, (8,), GENERAL, 0.0) == []
    assert side.heard(TMGI, 1.0) == []
    assert side.moved(8, 2.0) == [Join(GENERAL, Traffic.SUBCHANNEL_CONTROL, str(TMGI), TMGI)]


def test_a_client_that_does_not_know_its_area_joins_nothing() -> None:
    assert RadioSide().announced(TMGI, (7,), GENERAL, 0.0) == []


def test_silence_takes_the_report_back(side: RadioSide) -> None:
    listening(side)
    assert side.next_timer() == 11.0
    assert side.poll(10.9) == []
    assert side.poll(11.0) == [Report(False, TMGI)]
    assert side.next_timer() is None
    assert side.heard(TMGI, 12.0) == [Report(True, TMGI)], "and it may come back"


def test_map_joins_floor_and_media_and_unmap_leaves_them(side: RadioSide) -> None:
    listening(side)
    assert side.mapped(GROUP, TMGI, CHANNEL) == [
        Join((ADDRESS, 5000), Traffic.GROUP_MEDIA, GROUP, TMGI),
        Join((ADDRESS, 5002), Traffic.MBMS_FLOOR, GROUP, TMGI),
        Report(True, TMGI, GROUP),
    ]
    assert side.mapped(GROUP, TMGI, CHANNEL) == [], "a repetition"
    assert side.unmapped(GROUP) == [
        Leave((ADDRESS, 5000), Traffic.GROUP_MEDIA, GROUP),
        Leave((ADDRESS, 5002), Traffic.MBMS_FLOOR, GROUP),
        Report(False, TMGI, GROUP),
    ]
    assert side.unmapped(GROUP) == []


def test_a_call_on_two_bearers_is_heard_on_one_until_that_is_lost(side: RadioSide) -> None:
    listening(side)
    side.announced(OTHER, (7,), (ADDRESS, 4100), 0.0)
    side.heard(OTHER, 1.0)
    there = MbmsSubchannel(2, 3, ADDRESS, 5100, 5102)
    assert side.mapped(GROUP, TMGI, CHANNEL)
    for _ in range(3):
        assert side.mapped(GROUP, OTHER, there) == [], "no flapping, however often both repeat"
        assert side.mapped(GROUP, TMGI, CHANNEL) == []
    assert side.unmapped(GROUP, OTHER) == [], "that is about the other one"
    assert Report(False, TMGI, GROUP) in side.unmapped(GROUP, TMGI)
    assert side.mapped(GROUP, OTHER, there)[-1] == Report(True, OTHER, GROUP)
    assert Report(False, OTHER, GROUP) in side.cancelled(OTHER)
    assert side.mapped(GROUP, TMGI, CHANNEL)[-1] == Report(True, TMGI, GROUP)
    # Who maps it may also map it anew.
    assert side.mapped(GROUP, TMGI, there)[-1] == Report(True, TMGI, GROUP)


def test_a_map_on_a_bearer_that_is_not_received_is_not_obeyed(side: RadioSide) -> None:
    side.announced(TMGI, (7,), GENERAL, 0.0)
    assert side.mapped(GROUP, TMGI, CHANNEL) == []
    assert side.mapped(GROUP, OTHER, CHANNEL) == []


def test_floor_without_a_port_of_its_own(side: RadioSide) -> None:
    listening(side)
    assert side.mapped(GROUP, TMGI, MbmsSubchannel(2, 0, ADDRESS, 5000)) == [
        Join((ADDRESS, 5000), Traffic.GROUP_MEDIA, GROUP, TMGI),
        Report(True, TMGI, GROUP),
    ]


@pytest.mark.parametrize("how", ["cancelled", "moved", "silence"])
def test_losing_the_bearer_leaves_everything(side: RadioSide, how: str) -> None:
    listening(side)
    side.mapped(GROUP, TMGI, CHANNEL)
    happened = {
        "cancelled": lambda: side.cancelled(TMGI),
        "moved": lambda: side.moved(99, 5.0),
        "silence": lambda: side.poll(20.0),
    }[how]()
    assert Leave((ADDRESS, 5000), Traffic.GROUP_MEDIA, GROUP) in happened
    assert Leave((ADDRESS, 5002), Traffic.MBMS_FLOOR, GROUP) in happened
    assert Report(False, TMGI, GROUP) in happened
    assert Report(False, TMGI) in happened
    assert (Leave(GENERAL, Traffic.SUBCHANNEL_CONTROL, str(TMGI)) in happened) == (how != "silence"), (
        "a silent bearer may speak again"
    )


def test_a_new_place_of_the_general_purpose_subchannel(side: RadioSide) -> None:
    listening(side)
    place = (GENERAL[0], 4444)
    assert side.announced(TMGI, (7,), place, 5.0) == [
        Leave(GENERAL, Traffic.SUBCHANNEL_CONTROL, str(TMGI)),
        Report(False, TMGI),
        Join(place, Traffic.SUBCHANNEL_CONTROL, str(TMGI), TMGI),
    ]


def test_announcements_are_bounded() -> None:
    side = RadioSide(area=7, capacity=2)
    for number in range(5):
        side.announced(Tmgi(number, "001", "01"), (7,), GENERAL, 0.0)
    assert side.heard(Tmgi(1, "001", "01"), 1.0) == [Report(True, Tmgi(1, "001", "01"))]
    assert side.heard(Tmgi(3, "001", "01"), 1.0) == []


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("announced"), st.sampled_from((TMGI, OTHER)), st.sampled_from(((7,), (8,), (7, 8)))
        ),
        st.tuples(st.just("cancelled"), st.sampled_from((TMGI, OTHER))),
        st.tuples(st.just("moved"), st.sampled_from((7, 8, None))),
        st.tuples(st.just("heard"), st.sampled_from((TMGI, OTHER))),
        st.tuples(st.just("mapped"), st.sampled_from(("sip:1@b", "sip:2@b")), st.sampled_from((TMGI, OTHER))),
        st.tuples(st.just("unmapped"), st.sampled_from(("sip:1@b", "sip:2@b"))),
        st.tuples(st.just("wait"), st.sampled_from((1.0, 20.0))),
    ),
    max_size=40,
)


@given(steps)
def test_in_any_order_joins_and_leaves_balance_and_reports_alternate(story: list[tuple[object, ...]]) -> None:
    side, now = RadioSide(area=7), 0.0
    joined: list[object] = []
    reported: dict[tuple[Tmgi, str | None], bool] = {}
    for what, *details in story:
        if what == "wait":
            now += details[0]  # type: ignore[operator]
            happened = side.poll(now)
        elif what == "announced":
            tmgi, areas = details
            happened = side.announced(tmgi, areas, (GENERAL[0], 4000 + tmgi.service_id), now)  # type: ignore[union-attr,arg-type]
        elif what == "mapped":
            group, tmgi = details
            channel = MbmsSubchannel(
                2, 3, ADDRESS, 5000 + 10 * int(str(group)[4]), 5001 + 10 * int(str(group)[4])
            )
            happened = side.mapped(group, tmgi, channel)  # type: ignore[arg-type]
        elif what in ("moved", "heard"):
            happened = getattr(side, str(what))(details[0], now)
        else:
            happened = getattr(side, str(what))(details[0])
        for one in happened:
            if isinstance(one, Join):
                assert one.place not in joined
                joined.append(one.place)
            elif isinstance(one, Leave):
                joined.remove(one.place)
            else:
                key = (one.tmgi, one.group)
                assert reported.get(key, False) != one.listening, "a report says something new"
                reported[key] = one.listening
        assert {tmgi for (tmgi, group), so in reported.items() if so and group is None} == side.listening
