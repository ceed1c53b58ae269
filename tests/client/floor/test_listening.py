"""What a participant hears of others, by unicast and on a bearer: copies, its own echo, two talkers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.client.floor import Path, Render, State
from mcsec.client.floor import events as told
from mcsec.client.floor.sequence import Sequence
from mcsec.errors import Refused
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorIdle,
    FloorRelease,
    FloorRequest,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import (
    FloorIndicator,
    FloorMessageType,
    Source,
)
from support.floor_user import (
    DENY,
    GRANTED,
    GRANTED_DUAL,
    ME,
    MINE,
    REVOKE,
    THEIRS,
    User,
    idle,
    place,
    sent,
    taken,
)


def test_media_of_another_ends_a_release_and_our_own_from_a_bearer_does_not() -> None:
    user = User()
    user.talks()
    user.lets_go()
    assert user.floor.media(MINE, 0.0) == []
    assert user.floor.state is State.PENDING_RELEASE
    assert user.floor.media(THEIRS, 0.0) == [Render(THEIRS)]
    assert user.floor.state is State.NO_PERMISSION


def test_the_dual_floor_bit() -> None:
    user = User()
    user.talks()
    assert user.hears(taken(1, dual=True)) == [told.SomebodyTalks(0.0, "sip:them@example.org", THEIRS, True)]
    assert user.hears(idle(2, dual=True)) == [told.NobodyTalks(0.0, True)]
    assert user.floor.may_talk
    user.lets_go()
    user.hears(idle(3))

    user.presses()
    assert user.hears(GRANTED_DUAL) == [told.MayTalk(0.0, 30, 5, True)]
    user.hears(idle(4), taken(5))
    assert user.floor.may_talk
    (release,) = sent(user.hears(REVOKE))
    assert isinstance(release, FloorRelease)
    assert release.indicator is FloorIndicator.DUAL_FLOOR
    user.hears(idle(6, dual=True))
    user.talks()
    user.hears(idle(7))
    assert not user.floor.may_talk


def test_a_burst_of_another_and_its_end() -> None:
    user = User(t103=4.0)
    assert user.hears(taken(1)) == [told.SomebodyTalks(0.0, "sip:them@example.org", THEIRS, False)]
    assert user.waits(3) == []
    assert user.floor.media(THEIRS, 3.0) == [Render(THEIRS)]
    assert user.waits(3.9) == []
    assert user.waits(0.2) == [told.BurstOver(7.0)]
    user.floor.media(THEIRS, user.now)
    assert user.hears(idle(2)) == [told.NobodyTalks(user.now, False)]
    assert user.waits(10) == []


def test_nobody_asks_in_a_broadcast_group_call() -> None:
    user = User()
    user.hears(taken(1, permission=False))
    assert not user.floor.may_request
    assert user.presses() == [told.Forbidden(0.0)]
    user.hears(idle(2))
    assert len(sent(user.presses())) == 1


def test_a_message_that_asks_for_it_is_acknowledged_also_as_a_copy() -> None:
    user = User()
    message = FloorIdle(ssrc=1, sequence_number=5, ack_requested=True)
    ack = FloorAck(ssrc=MINE, source=Source.FLOOR_PARTICIPANT, acked=FloorMessageType.IDLE)
    assert sent(user.hears(message)) == sent(user.hears(message)) == [ack]


def test_a_copy_from_the_bearer_is_no_news() -> None:
    user = User()
    assert user.hears(taken(65535)) != []
    assert user.hears(taken(65535), over=Path.MBMS) == []
    assert user.hears(idle(0), over=Path.MBMS) == [told.NobodyTalks(0.0, False)]
    assert user.hears(idle(0), taken(65535)) == []


def test_a_talker_on_a_bearer_hears_of_itself_and_goes_on() -> None:
    user = User()
    user.presses()
    assert user.hears(taken(1, by=MINE), over=Path.MBMS) == []
    assert user.floor.state is State.PENDING_REQUEST
    user.hears(GRANTED)
    unnumbered = FloorTaken(ssrc=1, permission=True, sequence_number=2, granted_party=ME)
    assert user.hears(unnumbered, over=Path.MBMS) == []
    assert user.floor.may_talk


def test_a_talker_is_not_stopped_by_a_bearer_that_is_late() -> None:
    user = User()
    user.presses()
    user.hears(GRANTED)
    assert user.hears(idle(1), taken(2), over=Path.MBMS) == []
    assert user.floor.may_talk
    # By unicast nothing overtakes the grant: there the server thinks otherwise.
    user.hears(idle(1))
    assert user.floor.state is State.PENDING_RELEASE


def test_only_what_is_for_all_is_obeyed_on_a_bearer() -> None:
    user = User()
    user.presses()
    for message in (
        GRANTED,
        DENY,
        REVOKE,
        place(1),
        FloorIdle(ssrc=1, sequence_number=1, ack_requested=True),
    ):
        with pytest.raises(Refused):
            user.hears(message, over=Path.MBMS)
    with pytest.raises(Refused):
        user.hears(FloorRequest(ssrc=1))
    assert user.floor.state is State.PENDING_REQUEST


@given(st.integers(0, 65535), st.lists(st.integers(-40, 40), max_size=30))
def test_a_number_is_news_once_and_never_after_a_later_one(start: int, offsets: list[int]) -> None:
    sequence, newest = Sequence(), None
    for offset in offsets:
        expected = newest is None or offset > newest
        assert sequence.news((start + offset) % 65536) is expected
        newest = offset if expected else newest


def test_a_server_that_counts_anew_is_heard() -> None:
    sequence = Sequence()
    assert sequence.news(40000)
    assert sequence.news(0)
