"""A call at its controlling function in whatever order things happen, against TS 24.379 10.1.1.4 and 10.1.2.4.

The rules are written down a second time: who is invited, when the floor opens, when the call is released, who is told.
The floor has rules and a referee of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.errors import Refused, WrongState
from mcsec.server.calls import events
from mcsec.server.calls.controlling import End, GroupCall, Invite, Output
from mcsec.server.calls.groups import CallKind
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.states import CallState
from mcsec.server.floor import FloorPolicy, Forward, ToOne
from mcsec.wire.rtcp.floor import FloorRelease, FloorRequest
from support.calls import ANN, BOB, CEM, DAN, EVERYBODY, entry, group, of_kind, ssrc_of

STRANGER = "sip:eve@b.example"
TNG1, HANG, LONGEST = 5.0, 9.0, 40.0
#: T1 and T2 are far away: a talker keeps the floor until it gives it back, or nobody is left to hear it.
FLOOR = FloorPolicy(t1=1000.0, t2=1000.0, t3=0.0)


@dataclass
class Rules:
    """What has to become of the call. ``quiet_at``: when nobody has talked for the hang time."""

    kind: CallKind
    minimum: int
    go_on: bool
    inside: set[str] = field(default_factory=lambda: {ANN})
    asked: set[str] = field(default_factory=set)
    open: bool = False
    over: bool = False
    talker: str | None = None
    quiet_at: float = float("inf")
    patience: float = TNG1

    def __post_init__(self) -> None:
        if self.kind is CallKind.CHAT:
            self.opens(0.0)
        else:
            self.asked = set(EVERYBODY) - {ANN}

    def opens(self, now: float) -> None:
        self.open, self.quiet_at = True, now + HANG

    def ends(self) -> None:
        self.over, self.talker = True, None
        self.asked.clear()

    def weigh(self, now: float) -> None:
        """What follows from who is in and who is expected."""
        if self.over:
            return
        if not self.inside:
            self.ends()
        elif self.kind is CallKind.PREARRANGED:
            if not self.open and len(self.inside) > max(1, self.minimum):
                self.opens(now)
            elif not self.open and not self.asked:
                self.no_more_answers(now)
            elif self.open and len(self.inside) < 2:
                self.ends()

    def no_more_answers(self, now: float) -> None:
        """Everybody answered, or TNG1 expired."""
        if len(self.inside) > 1 and self.go_on:
            self.opens(now)
        else:
            self.ends()

    def until(self, now: float) -> None:
        """Time passes. Whatever is due first happens first."""
        while not self.over:
            due = [(LONGEST, "longest")]
            if not self.open:
                due.append((self.patience, "patience"))
            elif self.talker is None:
                due.append((self.quiet_at, "quiet"))
            when, what = min(due)
            if when > now:
                return
            if what == "patience":
                self.patience = float("inf")
                self.no_more_answers(when)
            else:
                self.ends()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("join", "join", "join", "refuse", "leave", "leave", "ask", "give", "media", "order", "wait")
        ),
        st.sampled_from((ANN, BOB, CEM, DAN, STRANGER)),
        st.sampled_from((0.0, 0.25, 1.0, 4.1)),
    ),
    min_size=5,
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CallKind), st.sampled_from((0, 1, 2)), st.booleans(), STEPS)
def test_a_call_keeps_the_rules(
    kind: CallKind, minimum: int, go_on: bool, steps: list[tuple[str, str, float]]
) -> None:
    made = group(kind=kind, hang_time=HANG, maximum=LONGEST, minimum=minimum, floor=FLOOR)
    call = GroupCall(made, ANN, entry(ANN), CallPolicy(tng1=TNG1, go_on=go_on))
    rules, now = Rules(kind, minimum, go_on), 0.0
    invited: list[str] = []
    ended: list[str] = []
    opened = closed = 0

    def seen(outputs: list[Output]) -> list[Output]:
        nonlocal opened, closed
        invited.extend(one.user for one in of_kind(outputs, Invite))
        ended.extend(one.user for one in of_kind(outputs, End))
        opened += len(of_kind(outputs, events.CallEstablished))
        closed += len(of_kind(outputs, events.CallEnded))
        for one in of_kind(outputs, ToOne):
            assert one.participant in rules.inside, "a floor message for somebody who is not in the call"
        return outputs

    seen(call.begin(now))
    assert invited == ([] if kind is CallKind.CHAT else [BOB, CEM, DAN])
    for what, user, seconds in steps:
        now += seconds
        while (timer := call.next_timer()) is not None and timer <= now:
            rules.until(timer)
            seen(call.poll(timer))
        rules.until(now)
        inside = user in rules.inside
        match what:
            case "join" if rules.over:
                with pytest.raises(WrongState):
                    call.join(user, entry(user), now)
            case "join" if user == STRANGER:
                with pytest.raises(Refused):
                    call.join(user, entry(user), now)
            case "join":
                if rules.talker == user:
                    # It began again: what it had is gone.
                    rules.talker, rules.quiet_at = None, now + HANG
                rules.inside.add(user)
                rules.asked.discard(user)
                rules.weigh(now)
                seen(call.join(user, entry(user), now))
            case "refuse":
                expected = user in rules.asked
                rules.asked.discard(user)
                if expected:
                    rules.weigh(now)
                seen(call.refused(user, "480", now))
            case "leave":
                if rules.talker == user:
                    rules.talker, rules.quiet_at = None, now + HANG
                rules.inside.discard(user)
                if rules.talker is not None and rules.inside == {rules.talker}:
                    rules.talker, rules.quiet_at = None, now + HANG
                rules.weigh(now)
                if inside:
                    seen(call.left(user, "", now))
            case "order":
                if not rules.over:
                    rules.ends()
                seen(call.release("ordered", now))
            case "ask" | "give" | "media" if not inside:
                with pytest.raises(Refused):
                    call.receive(user, FloorRequest(ssrc=ssrc_of(user)), now)
            case "ask" if rules.open and not rules.over:
                if rules.talker is None and len(rules.inside) > 1:
                    rules.talker = user
                seen(call.receive(user, FloorRequest(ssrc=ssrc_of(user)), now))
                # Who waits would make the rules longer; it waits no more.
                if rules.talker not in (None, user):
                    seen(call.receive(user, FloorRelease(ssrc=ssrc_of(user)), now))
            case "give" if rules.open:
                if rules.talker == user:
                    rules.talker, rules.quiet_at = None, now + HANG
                seen(call.receive(user, FloorRelease(ssrc=ssrc_of(user)), now))
            case "media":
                passed = of_kind(seen(call.media(user, ssrc_of(user), now)), Forward)
                assert len(passed) == (rules.talker == user)
        assert set(call.members) == rules.inside
        assert set(call.invited) == rules.asked
        assert call.state.alive == (not rules.over)
        assert (call.state is CallState.ESTABLISHED) == (rules.open and not rules.over)
        assert (opened, closed) == (rules.open, rules.over)
        assert len(ended) == len(set(ended))
        if rules.over:
            assert rules.inside <= set(ended), "everybody is told"
        else:
            assert ended == []
