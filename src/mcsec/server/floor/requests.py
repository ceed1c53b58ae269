"""What becomes of a Floor Request, as a list of rules (TS 24.380 6.3.4 and 6.3.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mcsec.server.floor.arbitration import ArbitrationState
from mcsec.server.floor.members import Member, Rank
from mcsec.server.floor.policy import FloorPolicy
from mcsec.wire.rtcp.floor_values import DenyCause


class Verdict(Enum):
    """What becomes of a request."""

    GRANT = "granted"
    REPEAT = "it has the floor: told again"
    HOLD = "kept until the call is set up"
    WAIT_FIRST = "first in the queue, without an answer"
    QUEUE = "queued, and its place told"
    PRE_EMPT = "first in the queue; the talker is revoked"
    PRE_EMPT_OVERRIDING = "first in the queue; the overriding talker is revoked"
    OVERRIDE = "granted beside the talker"


@dataclass(frozen=True, slots=True)
class Situation:
    """All that counts. ``talker`` and ``overriding`` are the ranks of those who have the floor."""

    policy: FloorPolicy
    state: ArbitrationState
    asker: Member
    rank: Rank
    has_floor: bool
    alone: bool
    waits: bool
    pre_empts_already: bool
    queue_full: bool
    talker: Rank | None
    overriding: Rank | None

    def beats(self, talker: Rank | None) -> bool:
        """Whether the request may take the floor from a talker of that rank."""
        return talker is not None and outranks(self.rank, talker, self.policy)


def outranks(rank: Rank, talker: Rank, policy: FloorPolicy) -> bool:
    """Whether a request of ``rank`` may take the floor from ``talker``."""
    if rank.urgency != talker.urgency:
        return rank.urgency > talker.urgency
    if policy.audio_cut_in:
        return True
    lowest = policy.pre_emptive_priority
    return lowest is not None and rank.priority >= lowest and rank.priority > talker.priority


@dataclass(frozen=True, slots=True)
class Rule:
    """``then`` when ``holds``."""

    when: str
    then: Verdict | DenyCause
    holds: Callable[[Situation], bool]


_NOT_YET = (ArbitrationState.START_STOP, ArbitrationState.INITIALISING)


def _not_its_call(now: Situation) -> bool:
    return now.policy.broadcast_by not in (None, now.asker.user)


RULES: tuple[Rule, ...] = (
    Rule("it has the floor", Verdict.REPEAT, lambda now: now.has_floor),
    Rule("it only receives", DenyCause.RECEIVE_ONLY, lambda now: now.asker.receive_only),
    Rule("another made this broadcast group call", DenyCause.RECEIVE_ONLY, _not_its_call),
    Rule("the call is not set up", Verdict.HOLD, lambda now: now.state in _NOT_YET),
    Rule("nobody else is in the call", DenyCause.ONLY_ONE_PARTICIPANT, lambda now: now.alone),
    Rule("nobody has the floor", Verdict.GRANT, lambda now: now.state is ArbitrationState.IDLE),
    Rule("a talker was revoked for it already", Verdict.WAIT_FIRST, lambda now: now.pre_empts_already),
    Rule(
        "it beats the talker, who is being revoked",
        Verdict.WAIT_FIRST,
        lambda now: now.state is ArbitrationState.PENDING_REVOKE and now.beats(now.talker),
    ),
    Rule(
        "it beats the talker, and both may talk",
        Verdict.OVERRIDE,
        lambda now: now.policy.dual_floor and now.overriding is None and now.beats(now.talker),
    ),
    Rule(
        "it beats both talkers",
        Verdict.PRE_EMPT_OVERRIDING,
        lambda now: now.beats(now.talker) and now.beats(now.overriding),
    ),
    Rule(
        "it beats the only talker",
        Verdict.PRE_EMPT,
        lambda now: now.overriding is None and now.beats(now.talker),
    ),
    Rule("it waits already", Verdict.QUEUE, lambda now: now.waits),
    Rule(
        "it cannot wait",
        DenyCause.ANOTHER_CLIENT_HAS_PERMISSION,
        lambda now: not (now.policy.queueing and now.asker.queueing),
    ),
    Rule("the queue is full", DenyCause.QUEUE_FULL, lambda now: now.queue_full),
    Rule("otherwise", Verdict.QUEUE, lambda now: True),
)
"""The first rule that holds counts."""


def judge(situation: Situation) -> Verdict | DenyCause:
    """What becomes of the request: a verdict, or the cause of its denial."""
    return next(rule.then for rule in RULES if rule.holds(situation))
