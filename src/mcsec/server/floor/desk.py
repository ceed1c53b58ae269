"""Where requests are judged and wait: the queue's side of floor control (TS 24.380 4.1.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mcsec.server.floor.arbiter import Arbiter
from mcsec.server.floor.arbitration import Step
from mcsec.server.floor.events import Output, RequestDenied, RequestQueued, ToOne
from mcsec.server.floor.members import Member, waiting
from mcsec.server.floor.messages import Writer
from mcsec.server.floor.policy import FloorPolicy
from mcsec.server.floor.requests import Situation, Verdict, judge
from mcsec.server.floor.roster import Roster
from mcsec.wire.rtcp.floor import FloorRequest
from mcsec.wire.rtcp.floor_values import DenyCause

_FOLLOWS: Mapping[Verdict, tuple[bool, Step | None]] = MappingProxyType(
    {
        Verdict.GRANT: (False, Step.NEXT),
        Verdict.HOLD: (False, None),
        Verdict.WAIT_FIRST: (True, None),
        Verdict.QUEUE: (False, None),
        Verdict.PRE_EMPT: (True, Step.PRE_EMPT),
        Verdict.PRE_EMPT_OVERRIDING: (True, Step.PRE_EMPT),
        Verdict.OVERRIDE: (True, Step.NEXT),
    }
)
"""Whether the request goes before all others, and what happens to the floor."""


class RequestDesk:
    """Judges requests. Outputs go to ``out``."""

    def __init__(
        self, policy: FloorPolicy, writer: Writer, arbiter: Arbiter, roster: Roster, out: list[Output]
    ) -> None:
        self._policy = policy
        self._writer = writer
        self._arbiter = arbiter
        self._roster = roster
        self._out = out

    def request(self, member: Member, request: FloorRequest, now: float) -> None:
        """A Floor Request of ``member``."""
        arbiter, user = self._arbiter, member.user
        own = arbiter.of(user)
        situation = self._situation(member, request)
        verdict = judge(situation)
        if isinstance(verdict, DenyCause):
            message = self._writer.for_one(self._writer.deny(verdict, request))
            self._out += [ToOne(user, message), RequestDenied(now, user, verdict)]
        elif own is not None:
            arbiter.step(own, Step.ASKED_AGAIN, now)
        else:
            first, step = _FOLLOWS[verdict]
            arbiter.queue.put(waiting(member, request, situation.rank, pre_emptive=first))
            overriding = verdict in (Verdict.OVERRIDE, Verdict.PRE_EMPT_OVERRIDING)
            track = arbiter.override if overriding else arbiter.main
            if verdict is Verdict.QUEUE:
                self._tell_queued(user, now)
            elif step is not None and step in track.table[track.state]:
                # An overriding talker that is being revoked already needs no second step.
                arbiter.step(track, step, now)

    def seat(self, now: float) -> None:
        """The call is set up: who asked before and is not the first waits like others, or is denied."""
        for place, user in enumerate(self._arbiter.queue.users, 1):
            if not self._can_wait(user):
                self._arbiter.deny(user, DenyCause.ANOTHER_CLIENT_HAS_PERMISSION, now)
            elif place > self._policy.queue_limit:
                self._arbiter.deny(user, DenyCause.QUEUE_FULL, now)
            else:
                self._tell_queued(user, now)

    def tell_position(self, user: str) -> None:
        """The place of ``user`` in the queue, or that it has none."""
        queue = self._arbiter.queue
        message = self._writer.position(queue.position(user), queue.find(user))
        self._out.append(ToOne(user, self._writer.for_one(message)))

    def _tell_queued(self, user: str, now: float) -> None:
        self.tell_position(user)
        self._out.append(RequestQueued(now, user, self._arbiter.queue.position(user) or 0))

    def _can_wait(self, user: str) -> bool:
        return self._policy.queueing and self._roster.member(user).queueing

    def _situation(self, member: Member, request: FloorRequest) -> Situation:
        arbiter = self._arbiter
        known = arbiter.queue.find(member.user)
        talker, overriding = (None if track.talker is None else track.talker.rank for track in arbiter.tracks)
        return Situation(
            policy=self._policy,
            state=arbiter.main.state,
            asker=member,
            rank=member.rank(request, self._policy),
            has_floor=arbiter.of(member.user) is not None,
            alone=arbiter.alone,
            waits=known is not None,
            pre_empts_already=known is not None and known.pre_emptive,
            queue_full=arbiter.queue.full,
            talker=talker,
            overriding=overriding,
        )
