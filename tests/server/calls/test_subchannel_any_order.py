"""MBMS subchannel control of a call in whatever order things happen, against the rules of TS 24.380 10.2 as read here.

The rules are written down a second time, by times and without states or a table: when Map is due, when Unmap, and when
the subchannel is free.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.server.calls import events
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.subchannel import Control, Freed, Subchannel
from mcsec.server.calls.subchannel_states import Step
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, UnmapGroupToBearer
from support.calls import CHANNEL, GROUP, TMGI

#: No two timers ever expire together: which comes first would be anybody's guess.
POLICY = CallPolicy(t15=2.003, t16=0.507, t17=0.211, c17=3)
BEARER = "north"


@dataclass
class Rules:
    """What has to be said, by the clock. ``silent_at``: when T15 ends it; ``unmaps``: copies still to be sent."""

    free: bool = True
    mapped: bool = False
    silent_at: float = 0.0
    map_at: float = 0.0
    unmap_at: float = 0.0
    unmaps: int = 0
    said: list[tuple[float, str]] = field(default_factory=list)

    def say(self, now: float, what: str) -> None:
        self.said.append((round(now, 6), what))

    def traffic(self, now: float, room: bool) -> None:
        if not self.mapped:
            if self.free and not room:
                return
            self.free, self.mapped, self.unmaps = False, True, 0
            self.say(now, "map")
            self.map_at = now + POLICY.t16
        self.silent_at = now + POLICY.t15

    def leave(self, now: float) -> None:
        if self.mapped:
            self.mapped = False
            self.say(now, "deserted")
            self.say(now, "unmap")
            self.unmaps, self.unmap_at = POLICY.c17 - 1, now + POLICY.t17

    def lost(self, now: float) -> None:
        if not self.free:
            self.say(now, "deserted")
            self.say(now, "freed")
        self.free, self.mapped = True, False

    def until(self, now: float) -> None:
        while True:
            due: list[tuple[float, str]] = []
            if self.mapped:
                due = [(self.silent_at, "silence"), (self.map_at, "map")]
            elif not self.free:
                due = [(self.unmap_at, "unmap" if self.unmaps else "freed")]
            when, what = min(due, default=(float("inf"), ""))
            if when > now:
                return
            match what:
                case "silence":
                    self.leave(when)
                case "map":
                    self.say(when, "map")
                    self.map_at = when + POLICY.t16
                case "unmap":
                    self.say(when, "unmap")
                    self.unmaps, self.unmap_at = self.unmaps - 1, when + POLICY.t17
                case "freed":
                    self.say(when, "freed")
                    self.free = True


INPUTS = st.lists(
    st.tuples(
        st.sampled_from(("traffic", "traffic", "traffic", "deserted", "over", "lost", "full", "wait")),
        st.sampled_from((0.0, 0.05, 0.3, 1.0, 5.0)),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(INPUTS)
def test_what_is_said_about_a_call_on_a_bearer(inputs: list[tuple[str, float]]) -> None:
    room, now, rules = True, 0.0, Rules()
    said: list[tuple[float, str]] = []

    def deserted(bearer: str, when: float) -> None:
        assert bearer == BEARER
        said.append((round(when, 6), "deserted"))

    call = Subchannel(GROUP, BEARER, TMGI, POLICY, lambda bearer: CHANNEL if room else None, deserted)

    def seen(outputs: object, when: float) -> None:
        for output in outputs:  # type: ignore[attr-defined]  # a list
            match output:
                case Control(bearer=bearer, message=MapGroupToBearer() as message):
                    assert (bearer, message.group_id, message.tmgi) == (BEARER, GROUP, TMGI)
                    assert message.subchannel == CHANNEL
                    said.append((round(when, 6), "map"))
                case Control(bearer=bearer, message=UnmapGroupToBearer() as message):
                    assert (bearer, message.group_id, message.subchannel) == (BEARER, GROUP, CHANNEL)
                    said.append((round(when, 6), "unmap"))
                case Freed(bearer=bearer, channel=channel):
                    assert (bearer, channel) == (BEARER, CHANNEL)
                    said.append((round(when, 6), "freed"))
                case events.GroupMapped():
                    assert call.active
                case events.GroupUnmapped():
                    assert not call.active
                case _:
                    raise AssertionError(f"nobody expects {output!r}")

    def wait(until: float) -> None:
        while (timer := call.next_timer()) is not None and timer <= until:
            seen(call.poll(timer), timer)

    for what, seconds in inputs:
        now += seconds
        wait(now)
        rules.until(now)
        room = what != "full"
        match what:
            case "traffic" | "full":
                seen(call.step(Step.TRAFFIC, now), now)
                rules.traffic(now, room)
            case "deserted":
                seen(call.step(Step.DESERTED, now), now)
                rules.leave(now)
            case "over":
                seen(call.step(Step.CALL_OVER, now), now)
                rules.leave(now)
            case "lost":
                seen(call.step(Step.BEARER_LOST, now), now)
                rules.lost(now)
        assert said == rules.said
        assert call.active == rules.mapped
        assert (call.channel is None) == rules.free
    wait(now + 10)
    rules.until(now + 10)
    assert said == rules.said
    assert (call.active, call.channel, call.next_timer()) == (False, None, None), "silence ends everything"
