"""Who is in the call, and the machine of each participant.

Nearly everybody is in one and the same state: they listen. That state is kept once, and only who differs has one of
its own, so what happens to the floor costs the same for ten listeners and for a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from mcsec.errors import Refused, WrongState
from mcsec.server.floor.members import Member
from mcsec.server.floor.participants import TABLE, Act, ParticipantState, Step
from mcsec.wire.rtcp.floor import FloorMessage, FloorRevoke

Doer = Callable[[Act, str, float, FloorMessage | None], None]
"""Does what a rule of the table says, for a user, now, with the message that the step came with."""


@dataclass(slots=True)
class Revoking:
    """A Floor Revoke that is repeated: ``t8`` is when, ``quiet_at`` when its reason is gone (None: not by silence)."""

    message: FloorRevoke
    t8: float
    quiet_at: float | None = None


class Roster:
    """The participants of one call."""

    def __init__(self, do: Doer) -> None:
        self._do = do
        self._members: dict[str, Member] = {}
        self._common = ParticipantState.INITIATING
        self._own: dict[str, ParticipantState] = {}
        self.revoking: dict[str, Revoking] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, user: str) -> bool:
        return user in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def member(self, user: str) -> Member:
        """What is known of ``user``.

        :raises Refused: it is not in the call.
        """
        if user not in self._members:
            raise Refused(f"{user} is not in the call", code="floor.not-a-member", clause="TS 24.380 6.3.5.1")
        return self._members[user]

    def know(self, member: Member) -> None:
        """``member`` is what is known of its user."""
        self._members[member.user] = member

    def state(self, user: str) -> ParticipantState:
        """What ``user`` may do."""
        return self._own.get(user, self._common) if user in self._members else ParticipantState.START_STOP

    def add(self, member: Member, now: float) -> None:
        """A participant joins."""
        self._own[member.user] = ParticipantState.START_STOP
        self.know(member)
        self.step(member.user, Step.JOIN, now)

    def remove(self, user: str, now: float) -> None:
        """A participant leaves."""
        self.step(user, Step.LEAVE, now)
        self._own.pop(user, None)
        self._members.pop(user)

    def clear(self) -> None:
        """Everybody left."""
        self._members.clear()
        self._own.clear()
        self.revoking.clear()
        self._common = ParticipantState.INITIATING

    def heard(self, user: str, step: Step, now: float, message: FloorMessage | None = None) -> None:
        """What a participant sent; discarded where its state has no row for it."""
        if step in TABLE[self.state(user)]:
            self.step(user, step, now, message)

    def step(self, user: str, step: Step, now: float, message: FloorMessage | None = None) -> None:
        """``step`` happens to one participant.

        :raises WrongState: the step is not in the table.
        """
        state = self.state(user)
        rule = TABLE[state].get(step)
        if rule is None:
            raise WrongState(
                f"a participant in {state.value!r} has no step {step.name.lower()}", code="floor.no-such-step"
            )
        if rule.to is self._common:
            self._own.pop(user, None)
        else:
            self._own[user] = rule.to
        for act in rule.acts:
            self._do(act, user, now, message)

    def everyone(self, step: Step, but: Collection[str], now: float) -> None:
        """``step`` happens to all participants but some, each of whom has a state of its own."""
        self._common = TABLE[self._common][step].to
        for user in list(self._own):
            if user not in but:
                self.step(user, step, now)
