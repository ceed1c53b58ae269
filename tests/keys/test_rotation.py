"""Make before break: what is sent under which key, and who is served how."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mcsec.errors import Forbidden, InvalidValue
from mcsec.ids import PurposeTag
from mcsec.keys import events
from mcsec.keys.audience import Audience
from mcsec.keys.events import Event
from mcsec.keys.key import Scope
from mcsec.keys.lifecycle import KeyState
from mcsec.keys.rotation import OnRemoval, Rotation, RotationPolicy
from support.keys import musik, rotation

POLICY = RotationPolicy(switch_after=30.0, grace=60.0, renew_before=600.0)
PAUSE = RotationPolicy(switch_after=30.0, grace=60.0, on_removal=OnRemoval.PAUSE)


def names(happened: Sequence[Event]) -> list[str]:
    return [event.name for event in happened]


def test_the_first_key_is_sent_under_at_once_to_those_who_hold_it() -> None:
    line, first = rotation("alice", "bob", policy=POLICY), musik()
    assert names(line.offer(first, 1.0)) == ["MuSiKOffered", "MuSiKSwitched"]
    assert line.sending == first
    assert not line.holds("alice")
    assert names(line.held("alice", first.key_id, 2.0)) == ["MuSiKHeld", "ListenerMovedToBroadcast"]
    assert line.holds("alice")
    assert line.audience.unicast == {"bob"}


def test_the_switch_waits_until_every_listener_holds_the_new_key() -> None:
    line, old, new = rotation("alice", "bob", policy=POLICY), musik(), musik()
    line.offer(old, 0.0)
    for member in ("alice", "bob"):
        line.held(member, old.key_id, 1.0)
    line.offer(new, 10.0)
    assert line.sending == old
    assert line.next_timer() == 40.0
    line.held("alice", new.key_id, 11.0)
    assert line.sending == old
    assert line.audience.broadcast == {"alice", "bob"}
    happened = line.held("bob", new.key_id, 12.0)
    assert names(happened) == ["MuSiKHeld", "MuSiKRetired", "MuSiKSwitched"]
    assert line.sending == new
    assert line.audience.broadcast == {"alice", "bob"}
    assert [epoch.state for epoch in line.epochs] == [KeyState.RETIRING, KeyState.ACTIVE]


def test_at_the_deadline_the_slow_go_to_unicast_and_come_back_when_they_hold_the_key() -> None:
    line, old, new = rotation("alice", "bob", policy=POLICY), musik(), musik()
    line.offer(old, 0.0)
    for member in ("alice", "bob"):
        line.held(member, old.key_id, 1.0)
    line.offer(new, 10.0)
    line.held("alice", new.key_id, 11.0)
    assert line.poll(39.9) == []
    happened = line.poll(40.0)
    assert (
        events.ListenerMovedToUnicast(40.0, "bob", "it does not hold the key that is sent under now")
        in happened
    )
    assert [event.lagging for event in happened if isinstance(event, events.KeySwitched)] == [1]
    assert (line.audience.broadcast, line.audience.unicast) == ({"alice"}, {"bob"})
    assert line.deliverable("bob") == (new,)
    assert names(line.held("bob", new.key_id, 50.0)) == ["MuSiKHeld", "ListenerMovedToBroadcast"]
    assert names(line.poll(100.0)) == ["MuSiKDestroyed"]
    assert [epoch.key for epoch in line.epochs] == [new]


def test_who_refuses_is_not_waited_for() -> None:
    line, old, new = rotation("alice", policy=POLICY), musik(), musik()
    line.offer(old, 0.0)
    line.held("alice", old.key_id, 1.0)
    line.offer(new, 10.0)
    assert "MuSiKSwitched" in names(line.refused("alice", new.key_id, "488", 11.0))
    assert line.audience.unicast == {"alice"}


def test_who_leaves_the_bearer_is_not_waited_for() -> None:
    line, old, new = rotation("alice", "bob", policy=POLICY), musik(), musik()
    line.offer(old, 0.0)
    line.held("alice", old.key_id, 1.0)
    line.offer(new, 10.0)
    line.held("alice", new.key_id, 11.0)
    assert "MuSiKSwitched" in names(line.leave("bob", 12.0))
    assert line.audience.listeners == {"alice"}


def test_a_late_joiner_is_waited_for_and_given_both_keys() -> None:
    line, old, new = rotation("alice", policy=POLICY), musik(), musik()
    line.offer(old, 0.0)
    line.held("alice", old.key_id, 1.0)
    line.admit("carol")
    line.offer(new, 10.0)
    line.listen("carol", 11.0)
    assert line.deliverable("carol") == (old, new)
    assert line.holds("carol") is False
    line.held("alice", new.key_id, 12.0)
    assert line.sending == old
    line.held("carol", new.key_id, 13.0)
    assert line.sending == new
    assert line.holds("carol")


@pytest.mark.parametrize("policy", [POLICY, PAUSE])
def test_from_the_removal_on_nothing_is_sent_under_what_the_removed_may_hold(policy: RotationPolicy) -> None:
    line, old, pending, new = rotation("alice", "bob", "mallory", policy=policy), musik(), musik(), musik()
    line.offer(old, 0.0)
    for member in ("alice", "bob", "mallory"):
        line.held(member, old.key_id, 1.0)
    line.offer(pending, 2.0)
    line.held("mallory", pending.key_id, 3.0)
    happened = line.remove(["mallory"], new, 10.0)
    assert {"MemberRemoved", "MuSiKRetired", "MuSiKDestroyed", "MuSiKOffered"} <= set(names(happened))
    assert line.sending in (None, new)
    assert line.deliverable("mallory") == ()
    assert not line.holds("mallory")
    assert not line.holds("alice")
    assert line.held("mallory", new.key_id, 11.0) == []
    assert not line.holds("mallory")
    with pytest.raises(Forbidden) as caught:
        line.listen("mallory", 12.0)
    assert caught.value.code == "keys.not-entitled"


def test_after_a_removal_each_joins_the_broadcast_as_soon_as_it_holds_the_new_key() -> None:
    line, old, new = rotation("alice", "bob", "mallory", policy=POLICY), musik(), musik()
    line.offer(old, 0.0)
    for member in ("alice", "bob", "mallory"):
        line.held(member, old.key_id, 1.0)
    line.remove(["mallory"], new, 10.0)
    assert (line.sending, line.paused, line.audience.unicast) == (new, False, {"alice", "bob"})
    line.held("alice", new.key_id, 11.0)
    assert (line.audience.broadcast, line.audience.unicast) == ({"alice"}, {"bob"})


def test_a_pause_lasts_until_all_answered_or_the_deadline() -> None:
    line, old, new = rotation("alice", "bob", "mallory", policy=PAUSE), musik(), musik()
    line.offer(old, 0.0)
    happened = line.remove(["mallory"], new, 10.0)
    assert events.SendingPaused(10.0, "default", 40.0) in happened
    assert (line.sending, line.paused) == (None, True)
    line.held("alice", new.key_id, 11.0)
    assert line.paused
    newer = musik()
    line.offer(newer, 12.0)
    assert (line.sending, line.paused) == (None, True)
    line.poll(42.0)
    assert (line.sending, line.paused) == (newer, False)


def test_revoking_what_is_sent_under_leaves_unicast_and_tells_the_holders() -> None:
    line, only = rotation("alice", policy=POLICY), musik()
    line.offer(only, 0.0)
    line.held("alice", only.key_id, 1.0)
    happened = line.revoke(only.key_id, "laptop lost", 5.0)
    assert names(happened) == ["MuSiKRevoked", "ListenerMovedToUnicast"]
    assert line.sending is None
    assert line.deliverable("alice") == ()
    assert line.withdrawable("alice") == (only,)
    line.withdrawn("alice", only.key_id)
    assert line.withdrawable("alice") == ()
    assert names(line.poll(65.0)) == ["MuSiKDestroyed"]


def test_revoking_what_is_sent_under_lets_the_pending_key_follow_at_once() -> None:
    line, old, new = rotation("alice", "bob", policy=POLICY), musik(), musik()
    line.offer(old, 0.0)
    line.held("alice", old.key_id, 1.0)
    line.offer(new, 2.0)
    line.revoke(old.key_id, "suspected", 3.0)
    assert line.sending == new
    assert line.audience.unicast == {"alice", "bob"}


def test_an_expired_key_is_not_sent_under_and_a_successor_is_asked_for_before() -> None:
    line, short = rotation("alice", policy=POLICY), musik(lifetime=1000.0)
    line.offer(short, 0.0)
    line.held("alice", short.key_id, 1.0)
    assert line.next_timer() == 400.0
    assert names(line.poll(400.0)) == ["MuSiKRenewalDue"]
    assert line.poll(401.0) == []
    assert line.next_timer() == 1000.0
    assert names(line.poll(1000.0)) == ["MuSiKDestroyed", "ListenerMovedToUnicast"]
    assert (line.sending, line.epochs, line.next_timer()) == (None, (), None)


def test_a_key_is_not_sent_under_before_its_activation() -> None:
    line, late = rotation("alice", policy=POLICY), musik(activation=100.0)
    line.offer(late, 0.0)
    line.held("alice", late.key_id, 1.0)
    assert (line.sending, line.next_timer()) == (None, 100.0)
    line.poll(100.0)
    assert line.sending == late


def test_late_answers_of_destroyed_keys_change_nothing() -> None:
    line, old, new = rotation("alice", policy=POLICY), musik(), musik()
    line.offer(old, 0.0)
    line.offer(new, 1.0)
    line.held("alice", new.key_id, 2.0)
    line.poll(500.0)
    assert line.held("alice", old.key_id, 501.0) == []
    assert line.refused("alice", old.key_id, "488", 501.0) == []


def test_only_its_own_keys_and_each_once() -> None:
    line, first = rotation(), musik()
    line.offer(first, 0.0)
    for wrong in (first, musik(Scope.of("sip:g1@a.example"))):
        with pytest.raises(InvalidValue):
            line.offer(wrong, 1.0)
    with pytest.raises(InvalidValue):
        line.revoke(musik().key_id, "?", 1.0)


def test_removing_a_stranger_changes_nothing() -> None:
    line, first = rotation("alice"), musik()
    line.offer(first, 0.0)
    with pytest.raises(InvalidValue):
        line.remove(["alice", "nobody"], musik(), 1.0)
    assert line.sending == first
    assert line.audience.members == {"alice"}


def test_a_restart_resumes_from_what_was_written_down() -> None:
    line, old, new = rotation("alice", "bob", policy=POLICY), musik(), musik()
    line.offer(old, 0.0)
    for member in ("alice", "bob"):
        line.held(member, old.key_id, 1.0)
    line.offer(new, 10.0)
    line.held("alice", new.key_id, 11.0)
    holders = {old.key_id: ["alice", "bob"], new.key_id: ["alice"]}
    again = Rotation(
        PurposeTag.MUSIK,
        policy=POLICY,
        epochs=line.epochs,
        audience=Audience(["alice", "bob"], ["alice", "bob"], holders),
    )
    assert not again.holds("alice")  # not before it is told so
    assert names(again.poll(12.0)) == ["ListenerMovedToBroadcast"] * 2
    assert (again.sending, again.pending, again.next_timer()) == (old, new, 40.0)
    again.held("bob", new.key_id, 13.0)
    assert again.sending == new


def test_two_active_keys_are_no_state_to_resume_from() -> None:
    lines = [rotation(), rotation()]
    for line in lines:
        line.offer(musik(), 0.0)
    with pytest.raises(InvalidValue):
        Rotation(PurposeTag.MUSIK, epochs=lines[0].epochs + lines[1].epochs)
