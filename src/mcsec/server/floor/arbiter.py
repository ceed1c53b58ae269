"""General floor arbitration at work: one or two talkers, the queue, and the timers of both (TS 24.380 6.3.4, 6.3.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import assert_never

from mcsec.errors import WrongState
from mcsec.server.floor import participants
from mcsec.server.floor.arbitration import CAUSES, DUAL, GENERAL, Act, ArbitrationState, Step, Table
from mcsec.server.floor.events import (
    CallInactive,
    FloorFree,
    Output,
    RequestDenied,
    TalkerRevoked,
    TalkerStarted,
    TalkerStopped,
    ToAll,
    ToOne,
)
from mcsec.server.floor.members import Waiting
from mcsec.server.floor.messages import Writer
from mcsec.server.floor.policy import FloorPolicy
from mcsec.server.floor.queue import FloorQueue
from mcsec.server.floor.requests import outranks
from mcsec.server.floor.roster import Roster
from mcsec.wire.rtcp.floor_values import DenyCause


@dataclass(slots=True)
class Track:
    """One talker's place. ``timers`` maps the step that an expiry is to its time, ``sent`` is C7 or C20."""

    table: Table
    dual: bool
    state: ArbitrationState
    talker: Waiting | None = None
    timers: dict[Step, float] = field(default_factory=dict)
    sent: int = 0


class Arbiter:
    """Decides who talks. Outputs go to ``out``."""

    def __init__(self, policy: FloorPolicy, writer: Writer, roster: Roster, out: list[Output]) -> None:
        self._policy = policy
        self._writer = writer
        self._roster = roster
        self._out = out
        self.queue = FloorQueue(policy.queue_limit)
        self.main = Track(GENERAL, False, ArbitrationState.START_STOP)
        self.override = Track(DUAL, True, ArbitrationState.IDLE)

    @property
    def tracks(self) -> tuple[Track, Track]:
        """Both places."""
        return self.main, self.override

    @property
    def alone(self) -> bool:
        """Whether nobody could hear a talker."""
        return len(self._roster) < 2

    def of(self, user: str) -> Track | None:
        """Where ``user`` talks."""
        return next((t for t in self.tracks if t.talker is not None and t.talker.user == user), None)

    def due(self) -> Iterator[tuple[float, Track, Step]]:
        """Every timer that runs."""
        for track in self.tracks:
            for step, time in track.timers.items():
                yield time, track, step

    def expire(self, track: Track, step: Step, now: float) -> None:
        """A timer expires."""
        del track.timers[step]
        self.step(track, step, now)

    def step(self, track: Track, step: Step, now: float) -> None:
        """``step`` happens to the floor.

        :raises WrongState: the step is not in the table.
        """
        rule = track.table[track.state].get(step)
        if rule is None:
            raise WrongState(
                f"a floor in {track.state.value!r} has no step {step.name.lower()}",
                code="floor.no-such-step",
            )
        track.state = rule.to
        for act in rule.acts:
            self._do(act, track, step, now)

    def state_for(self, user: str) -> None:
        """Floor Idle or Floor Taken to one participant, as it is; and who overrides."""
        self._out += [
            ToOne(user, self._writer.for_one(self._writer.taken(track.talker, dual=track.dual)))
            for track in self.tracks
            if track.talker is not None and track.talker.user != user
        ]
        if self.main.state is ArbitrationState.IDLE:
            self._out.append(ToOne(user, self._writer.for_one(self._writer.idle())))

    def deny(self, user: str, cause: DenyCause, now: float) -> None:
        """A request that waited is denied after all."""
        waiting = self.queue.find(user)
        assert waiting is not None, "only who waits is denied here"
        self.queue.remove(user)
        message = self._writer.for_one(self._writer.deny(cause, waiting))
        self._out += [ToOne(user, message), RequestDenied(now, user, cause)]

    def _do(self, act: Act, track: Track, step: Step, now: float) -> None:
        match act:
            case Act.CHOOSE:
                self.step(track, Step.NEXT if self._somebody(track, now) else Step.NOBODY, now)
            case Act.GRANT:
                self._grant(track, now)
            case Act.REPEAT_GRANTED:
                self._tell_granted(track)
            case Act.COUNT_GRANTED:
                if track.sent < self._policy.c20:
                    track.sent += 1
                    track.timers[Step.T20] = now + self._policy.t20
                    self._tell_granted(track)
            case Act.HEARD | Act.HEARD_LAST:
                self._heard(track, now, last=act is Act.HEARD_LAST)
            case Act.REVOKE:
                self._revoke(track, step, now)
            case Act.END:
                self._end(track, step.value, now)
            case Act.FREE:
                self._free(track, now)
            case Act.REPEAT_IDLE:
                self._repeat_idle(track, now)
            case Act.TELL_INACTIVE:
                track.timers[Step.T4] = now + self._policy.t4
                self._out.append(CallInactive(now))
            case Act.END_OVERRIDE:
                self._out.append(ToAll(self._writer.idle(dual=True)))
            case Act.STOP:
                self.queue.clear()
                self._end(track, step.value, now)
            case _:
                assert_never(act)

    def _somebody(self, track: Track, now: float) -> bool:
        if self.alone:
            for user in self.queue.users:
                self.deny(user, DenyCause.ONLY_ONE_PARTICIPANT, now)
        head = self.queue.head
        if head is None or not track.dual:
            return head is not None
        # Beside another talker only who would have taken the floor from that one.
        first = self.main.talker
        return (
            head.pre_emptive
            and self.main.state is ArbitrationState.TAKEN
            and first is not None
            and outranks(head.rank, first.rank, self._policy)
        )

    def _grant(self, track: Track, now: float) -> None:
        talker = track.talker = self.queue.take()
        silence = self._policy.t11 if track.dual else self._policy.t1
        track.sent = 1
        track.timers = {Step.T1: now + silence, Step.T20: now + self._policy.t20}
        self._roster.step(talker.user, participants.Step.TO_GRANTED, now)
        self._tell_granted(track)
        if not track.dual:
            self._roster.everyone(participants.Step.TO_TAKEN, self._talkers(), now)
        self._out += [
            ToAll(self._writer.taken(talker, dual=track.dual), frozenset({talker.user})),
            TalkerStarted(now, talker.user, talker.rank.priority, talker.rank.urgency.name, track.dual),
        ]

    def _tell_granted(self, track: Track) -> None:
        assert track.talker is not None, "the table grants before it repeats"
        message = self._writer.granted(track.talker, len(self.queue), dual=track.dual)
        self._out.append(ToOne(track.talker.user, self._writer.for_one(message)))

    def _heard(self, track: Track, now: float, *, last: bool) -> None:
        policy = self._policy
        track.timers[Step.T1] = now + (policy.t11 if track.dual else policy.t1)
        track.timers.pop(Step.T20, None)
        if not last:
            track.timers.setdefault(Step.T2, now + (policy.t12 if track.dual else policy.t2))

    def _revoke(self, track: Track, step: Step, now: float) -> None:
        assert track.talker is not None, "the table revokes only talkers"
        user, cause = track.talker.user, CAUSES[step]
        track.timers.pop(Step.T2, None)
        track.timers.pop(Step.T20, None)
        track.timers[Step.T3] = now + self._policy.grace
        message = self._writer.revoke(cause, dual=track.dual)
        self._roster.step(user, participants.Step.TO_REVOKED, now, message)
        self._out += [ToOne(user, message), TalkerRevoked(now, user, cause)]

    def _end(self, track: Track, why: str, now: float) -> None:
        talker, track.talker = track.talker, None
        track.timers.clear()
        if talker is None:
            return
        self._out.append(TalkerStopped(now, talker.user, why))
        if track.dual and talker.user in self._roster and self.main.state is not ArbitrationState.RELEASING:
            # What happens on the first talker's place is told to everyone; this one goes back to where they are.
            held = self.main.state.held
            back = participants.Step.TO_TAKEN if held else participants.Step.TO_IDLE
            self._roster.step(talker.user, back, now)

    def _free(self, track: Track, now: float) -> None:
        policy = self._policy
        track.sent = 1
        track.timers = {Step.T7: now + policy.t7, Step.T4: now + policy.t4}
        self._roster.everyone(participants.Step.TO_IDLE, self._talkers(), now)
        self._out += [ToAll(self._writer.idle()), FloorFree(now)]

    def _repeat_idle(self, track: Track, now: float) -> None:
        if track.sent < self._policy.c7:
            track.sent += 1
            track.timers[Step.T7] = now + self._policy.t7
            self._out.append(ToAll(self._writer.idle()))

    def _talkers(self) -> frozenset[str]:
        return frozenset(track.talker.user for track in self.tracks if track.talker is not None)
