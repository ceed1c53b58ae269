"""What becomes of a request while somebody talks: denial, queue, pre-emption, broadcast group calls."""

from __future__ import annotations

import pytest

from mcsec.errors import Refused
from mcsec.server.floor import ArbitrationState, Member, Urgency
from mcsec.server.floor import events as happened
from mcsec.wire.rtcp.floor import (
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorQueuePositionInfo,
    FloorRevoke,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import DenyCause, FloorIndicator, RevokeCause
from support.floor import Call, announced, forwarded, of_kind, told

URGENT = Urgency.EMERGENCY


def chief(user: str = "x") -> Member:
    return Member(user=user, urgency=URGENT, may_revoke=True, may_cancel=True)


def position(outputs: list[happened.Output], user: str) -> int:
    (info,) = told(outputs, user, FloorQueuePositionInfo)
    return info.queue_info.position


def test_without_queueing_a_second_request_is_denied() -> None:
    call = Call("a", "b", queue_limit=0)
    (granted,) = told(call.ask("a"), "a", FloorGranted)
    assert granted.queue_size is None
    (deny,) = told(call.ask("b"), "b", FloorDeny)
    assert deny.cause.code is DenyCause.ANOTHER_CLIENT_HAS_PERMISSION


def test_who_cannot_queue_is_denied() -> None:
    call = Call("a", Member(user="b", queueing=False))
    call.ask("a")
    (deny,) = told(call.ask("b"), "b", FloorDeny)
    assert deny.cause.code is DenyCause.ANOTHER_CLIENT_HAS_PERMISSION


def test_requests_wait_in_order_of_priority() -> None:
    call = Call("a", "b", "c", "d", c7=1)
    call.ask("a")
    assert position(call.ask("b", priority=1), "b") == 1
    assert position(call.ask("c", priority=3), "c") == 1
    assert position(call.ask("d", priority=1), "d") == 3
    assert position(call.place("b"), "b") == 2
    assert call.floor.queue == ("c", "b", "d")
    outputs = call.free("a")
    assert told(outputs, "c", FloorGranted)[0].queue_size == 2
    assert announced(outputs, FloorIdle) == []
    assert announced(outputs, FloorTaken)[0].granted_party == "c"
    call.free("c")
    call.free("b")
    assert call.floor.talkers == ("d",)


def test_a_priority_above_the_negotiated_one_counts_as_that() -> None:
    call = Call("a", Member(user="b", priority=2), Member(user="c", default_priority=5))
    call.ask("a")
    call.ask("b", priority=200)
    call.ask("c")
    assert call.floor.queue == ("c", "b")


def test_a_full_queue() -> None:
    call = Call("a", "b", "c", queue_limit=1)
    call.ask("a")
    call.ask("b")
    (deny,) = told(call.ask("c"), "c", FloorDeny)
    assert deny.cause.code is DenyCause.QUEUE_FULL
    assert position(call.ask("b"), "b") == 1


def test_places_need_not_be_disclosed() -> None:
    call = Call("a", "b", disclose_positions=False)
    call.ask("a")
    assert position(call.ask("b"), "b") == 255
    assert position(call.place("b"), "b") == 255


def test_who_does_not_wait_has_no_place() -> None:
    call = Call("a", "b")
    assert position(call.place("b"), "b") == 254
    call.ask("a")
    assert len(told(call.place("a"), "a", FloorGranted)) == 1


def test_a_release_takes_a_request_out_of_the_queue() -> None:
    call = Call("a", "b")
    call.ask("a")
    call.ask("b")
    outputs = call.free("b")
    assert of_kind(outputs, happened.RequestCancelled) == [happened.RequestCancelled(100.0, "b", "b")]
    assert len(told(outputs, "b", FloorTaken)) == 1
    assert call.floor.queue == ()


def test_who_leaves_waits_no_longer() -> None:
    call = Call("a", "b", "c")
    call.ask("a")
    call.ask("b")
    call.leave("b")
    assert call.floor.queue == ()


def test_receive_only_members_and_listeners_of_a_broadcast_group_call_are_denied() -> None:
    call = Call("a", Member(user="b", receive_only=True))
    assert told(call.ask("b"), "b", FloorDeny)[0].cause.code is DenyCause.RECEIVE_ONLY
    call.ask("a")
    assert told(call.ask("b"), "b", FloorDeny)[0].cause.code is DenyCause.RECEIVE_ONLY

    call = Call("a", chief("b"), broadcast_by="a")
    (taken,) = announced(call.ask("a"), FloorTaken)
    assert not taken.permission
    assert taken.indicator is not None
    assert FloorIndicator.BROADCAST_GROUP in taken.indicator
    assert told(call.ask("b", urgency=URGENT), "b", FloorDeny)[0].cause.code is DenyCause.RECEIVE_ONLY


@pytest.mark.parametrize("urgency", [Urgency.EMERGENCY, Urgency.IMMINENT_PERIL])
def test_an_urgent_request_pre_empts_at_a_full_queue(urgency: Urgency) -> None:
    call = Call("a", "b", chief(), queue_limit=1)
    call.ask("a", priority=254)
    call.ask("b", priority=254)
    outputs = call.ask("x", urgency=urgency)
    (revoke,) = told(outputs, "a", FloorRevoke)
    assert revoke.cause.code is RevokeCause.MEDIA_BURST_PRE_EMPTED
    assert call.floor.queue == ("x", "b")
    assert call.floor.state is ArbitrationState.PENDING_REVOKE
    assert forwarded(call.media("a")) == ["a"]
    assert call.ask("x", urgency=urgency) == []
    outputs = call.free("a")
    assert len(told(outputs, "x", FloorGranted)) == 1
    (taken,) = announced(outputs, FloorTaken)
    assert taken.indicator is not None
    assert urgency.indicator in taken.indicator


def test_a_talker_who_does_not_stop_is_stopped_after_t3() -> None:
    call = Call("a", "b", chief(), t3=3.0)
    call.ask("a")
    call.ask("x", urgency=URGENT)
    assert told(call.wait(2.9, "a"), "x", FloorGranted) == []
    outputs = call.wait(0.2, "a")
    assert len(told(outputs, "x", FloorGranted)) == 1
    assert forwarded(call.media("a")) == []


def test_urgency_needs_a_right() -> None:
    call = Call("a", "b", "c")
    call.ask("a")
    assert told(call.ask("b", urgency=URGENT), "a", FloorRevoke) == []
    call.floor.entitle("b", Urgency.IMMINENT_PERIL)
    call.floor.entitle("c", Urgency.EMERGENCY)
    assert len(told(call.ask("b", urgency=URGENT), "a", FloorRevoke)) == 1
    call.ask("c", urgency=URGENT)
    assert call.floor.queue == ("c", "b")
    with pytest.raises(Refused):
        call.floor.entitle("nobody", Urgency.EMERGENCY)


def test_an_equal_does_not_pre_empt() -> None:
    call = Call(chief("x"), chief("y"), "a")
    call.ask("x", urgency=URGENT)
    assert told(call.ask("y", urgency=URGENT), "x", FloorRevoke) == []
    assert call.floor.queue == ("y",)


def test_the_highest_priorities_pre_empt_where_the_policy_says_so() -> None:
    call = Call("a", "b", "c", pre_emptive_priority=200)
    call.ask("a", priority=201)
    assert told(call.ask("b", priority=201), "a", FloorRevoke) == []
    assert len(told(call.ask("c", priority=202), "a", FloorRevoke)) == 1
    call = Call("a", "b", pre_emptive_priority=None)
    call.ask("a", priority=1)
    assert told(call.ask("b", priority=255), "a", FloorRevoke) == []


def test_a_more_urgent_request_comes_before_one_that_pre_empted() -> None:
    call = Call("a", Member(user="p", urgency=Urgency.IMMINENT_PERIL), chief())
    call.ask("a")
    call.ask("p", urgency=Urgency.IMMINENT_PERIL)
    assert call.ask("x", urgency=URGENT) == []
    assert call.floor.queue == ("x", "p")
