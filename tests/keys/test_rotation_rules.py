"""Rotation under any order of facts: the rules that hold in every state."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.events import Event, KeyDestroyed, ListenerMovedToBroadcast, ListenerMovedToUnicast
from mcsec.keys.lifecycle import KeyState
from mcsec.keys.rotation import OnRemoval, Rotation, RotationPolicy
from support.keys import musik

PEOPLE = ("alice", "bob", "carol", "dave")


class RotationRules(RuleBasedStateMachine):
    """Facts come in any order; ``knows`` is which keys each person could ever have been given."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.knows: dict[str, set[KeyId]] = {person: set() for person in PEOPLE}
        self.removed: dict[str, set[KeyId]] = {}
        self.reached: set[str] = set()
        self.retired: set[KeyId] = set()
        self.line = Rotation(PurposeTag.MUSIK)

    @initialize(on_removal=st.sampled_from(OnRemoval))
    def begin(self, on_removal: OnRemoval) -> None:
        policy = RotationPolicy(switch_after=30.0, grace=60.0, renew_before=50.0, on_removal=on_removal)
        self.line = Rotation(PurposeTag.MUSIK, policy=policy)

    def take(self, happened: list[Event]) -> None:
        for event in happened:
            assert event.now == self.now
            if isinstance(event, ListenerMovedToBroadcast):
                assert event.listener not in self.reached
                self.reached.add(event.listener)
            elif isinstance(event, ListenerMovedToUnicast):
                assert event.listener in self.reached
                self.reached.discard(event.listener)
            elif isinstance(event, KeyDestroyed):
                self.retired.add(event.key_id)

    @rule(person=st.sampled_from(PEOPLE))
    def admit(self, person: str) -> None:
        self.line.admit(person)
        self.removed.pop(person, None)

    @rule(person=st.sampled_from(PEOPLE))
    def listen(self, person: str) -> None:
        if person in self.line.audience.members:
            self.take(self.line.listen(person, self.now))

    @rule(person=st.sampled_from(PEOPLE))
    def leave(self, person: str) -> None:
        self.reached.discard(person)
        self.take(self.line.leave(person, self.now))

    @rule(lifetime=st.sampled_from([None, 40.0, 500.0]), delay=st.sampled_from([0.0, 10.0]))
    def offer(self, lifetime: float | None, delay: float) -> None:
        key = musik(now=self.now, lifetime=lifetime, activation=self.now + delay)
        self.take(self.line.offer(key, self.now))

    @rule(person=st.sampled_from(PEOPLE), accepts=st.booleans())
    def deliver(self, person: str, accepts: bool) -> None:
        for key in self.line.deliverable(person):
            self.knows[person].add(key.key_id)
            if accepts:
                self.take(self.line.held(person, key.key_id, self.now))
            else:
                self.take(self.line.refused(person, key.key_id, "488", self.now))

    @precondition(lambda self: self.line.audience.members)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(sorted(self.line.audience.members)))
        self.reached.discard(person)
        self.removed[person] = set(self.knows[person])
        self.take(self.line.remove([person], musik(now=self.now), self.now))

    @precondition(lambda self: self.line.epochs)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        live = [epoch for epoch in self.line.epochs if epoch.state is not KeyState.REVOKED]
        if live:
            epoch = data.draw(st.sampled_from(live))
            self.take(self.line.revoke(epoch.key.key_id, "suspected", self.now))

    @rule(seconds=st.sampled_from([0.5, 29.0, 30.0, 61.0, 600.0]))
    def wait(self, seconds: float) -> None:
        """Timers are served when they are due."""
        end = self.now + seconds
        while (timer := self.line.next_timer()) is not None and timer <= end:
            assert timer >= self.now, "a timer is never left behind"
            self.now = timer
            self.take(self.line.poll(self.now))
            assert self.line.next_timer() != timer, "what was due is done"
        self.now = end
        assert self.line.poll(self.now) == []

    @invariant()
    def one_key_is_sent_under_and_one_follows(self) -> None:
        states = [epoch.state for epoch in self.line.epochs]
        assert states.count(KeyState.ACTIVE) == (self.line.sending is not None)
        assert states.count(KeyState.OFFERED) == (self.line.pending is not None)
        assert KeyState.DESTROYED not in states

    @invariant()
    def who_was_removed_can_read_nothing_that_is_sent_now(self) -> None:
        for person, knew in self.removed.items():
            assert self.line.sending is None or self.line.sending.key_id not in knew
            assert self.line.pending is None or self.line.pending.key_id not in knew
            assert not self.line.deliverable(person)

    @invariant()
    def the_broadcast_reaches_exactly_the_listeners_that_hold_its_key(self) -> None:
        audience, sending = self.line.audience, self.line.sending
        for person in audience.listeners:
            holds = sending is not None and audience.holds(person, sending.key_id)
            assert self.line.holds(person) is holds
        assert audience.broadcast == self.reached
        assert not audience.broadcast & audience.unicast
        assert audience.listeners <= audience.members

    @invariant()
    def nothing_destroyed_comes_back(self) -> None:
        assert not self.retired & {epoch.key.key_id for epoch in self.line.epochs}

    @invariant()
    def no_key_is_sent_under_outside_its_time(self) -> None:
        if self.line.sending is not None:
            assert self.line.sending.active(self.now)


RotationRules.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRotationRules = RotationRules.TestCase
