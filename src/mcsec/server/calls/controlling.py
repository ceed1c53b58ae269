"""One group call at the controlling function of its group's home domain (TS 24.379 10.1.1.4, 10.1.2.4; TS 24.380 6.3).

Sans-I/O. Members that come and go, what they send (decrypted and authenticated) and ``now`` go in; whom to invite and
whom to end, floor messages, packets to forward and events come out; :meth:`GroupCall.next_timer` says when to call
:meth:`GroupCall.poll`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mcsec.errors import Refused, WrongState
from mcsec.keys.events import Event
from mcsec.server.calls import events
from mcsec.server.calls.groups import CallKind, Group, GroupMember
from mcsec.server.calls.policy import STANDARD, CallPolicy
from mcsec.server.calls.states import TABLE, Act, CallState, Step
from mcsec.server.floor import FloorControl, Forward, Member, ToAll, ToOne, Urgency
from mcsec.server.floor.events import CallInactive
from mcsec.wire.rtcp.floor import FloorMessage, FloorRequest
from mcsec.wire.rtcp.floor_values import FloorIndicator

NO_MEMBER = 403
"""The status that refuses who is no member (TS 24.379 10.1.1.4.2), and that a BYE gives to who is none any more."""


@dataclass(frozen=True, slots=True)
class Invite:
    """A member is to be invited."""

    user: str
    home: str
    inviter: str


@dataclass(frozen=True, slots=True)
class End:
    """The leg of a member ends: BYE, or CANCEL where it was not answered yet. ``status``: what would refuse it now."""

    user: str
    reason: str
    status: int | None = None


Output = Invite | End | ToOne | ToAll | Forward | Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How a member comes into the call, as its INVITE or its answer says.

    ``ssrc``: of its floor messages on its leg. ``audio_ssrc``: of its media. ``priority``: the most that it wants.
    ``asks``: the INVITE is a request for the floor too (``mc_implicit_request``).
    """

    ssrc: int | None = None
    audio_ssrc: int | None = None
    priority: int | None = None
    queueing: bool = False
    asks: bool = False
    urgency: Urgency = Urgency.NORMAL
    broadcast: bool = False


class GroupCall:
    """One call.

    :ivar group: as it was when the call began, with the members that it has now.
    :ivar floor: who talks.
    """

    def __init__(self, group: Group, caller: str, entry: Entry, policy: CallPolicy = STANDARD) -> None:
        """:param caller: who makes the call, or enters the chat first; :meth:`begin` follows.

        :raises Refused: ``caller`` is no member, or only receives in a broadcast call, or may not call so urgently.
        """
        self.group, self.caller, self.policy = group, caller, policy
        self.state = CallState.START_STOP
        self.urgency = self._claimed(group.member(caller), entry)
        only = caller if group.broadcast or entry.broadcast else None
        if only is not None and group.member(caller).receive_only:
            raise Refused(f"{caller} only receives", code="call.may-not-call", clause="TS 24.379 10.1.1.4.2")
        floor = replace(group.floor, t4=group.hang_time, broadcast_by=only)
        self.floor = FloorControl(floor, ssrc=0)
        self._entry = entry
        self._invited: dict[str, GroupMember] = {}
        self._timers: dict[Step, float] = {}
        self._urgent_until: float | None = None
        self._reason = ""
        self._out: list[Output] = []

    # --- what is so

    @property
    def members(self) -> tuple[str, ...]:
        """Who is in the call."""
        return self.floor.members

    @property
    def invited(self) -> tuple[str, ...]:
        """Who was invited and has not answered."""
        return tuple(self._invited)

    def __contains__(self, user: str) -> bool:
        return self.floor.has(user)

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        times = [*self._timers.values()]
        times += [time for time in (self.floor.next_timer(), self._urgent_until) if time is not None]
        return min(times, default=None)

    # --- who comes and goes

    def begin(self, now: float) -> list[Output]:
        """The caller is in; a prearranged call invites the others."""
        kind = self.group.kind
        self._out.append(
            events.CallStarted(now, self.group.group_id, self.caller, kind.value, self.urgency.name.lower())
        )
        self._admit(self.caller, self._entry, now)
        if self.urgency is not Urgency.NORMAL and self.policy.tng2 is not None:
            self._urgent_until = now + self.policy.tng2
        self._step(Step.CALLED if kind is CallKind.PREARRANGED else Step.ENTERED, now)
        self._enough(now)
        return self.poll(now)

    def join(self, user: str, entry: Entry, now: float) -> list[Output]:
        """A member joins by an INVITE of its own, or by answering ours.

        :raises Refused: it is no member, or may not call so urgently. :raises WrongState: the call is being released.
        """
        if not self.state.alive:
            raise WrongState("the call is being released", code="call.releasing")
        urgency = self._claimed(self.group.member(user), entry)
        self._invited.pop(user, None)
        if user in self:
            # Its device began again: what it had is gone.
            self._out += self.floor.leave(user, now, returns=True)
        self._admit(user, entry, now)
        if urgency > self.urgency:
            self._urge(user, urgency, now)
        self._step(Step.JOINED, now)
        self._enough(now)
        return self.poll(now)

    def refused(self, user: str, reason: str, now: float) -> list[Output]:
        """An invited member does not come."""
        if self._invited.pop(user, None) is not None:
            self._out.append(events.MemberLeft(now, self.group.group_id, user, reason))
            self._enough(now)
            if self.state is CallState.GATHERING and not self._invited:
                self._step(Step.TNG1, now)
        return self.poll(now)

    def left(self, user: str, reason: str, now: float) -> list[Output]:
        """A member's leg is over."""
        if user in self:
            self._out += self.floor.leave(user, now)
            self._out.append(events.MemberLeft(now, self.group.group_id, user, reason))
        if not self.members and self.state is not CallState.RELEASED:
            self._reason = self._reason or "nobody is left"
            self._step(Step.LAST_LEFT, now)
        elif self._deserted():
            self._reason = "too few members are left"
            self._step(Step.ALONE, now)
        return self.poll(now)

    def follow(self, group: Group | None, now: float) -> list[Output]:
        """The group is another one now, or is no more: who is no member is out, and nobody is in what is disabled."""
        if group is None or group.disabled:
            return self.release("the group is no more" if group is None else "the group is disabled", now)
        self.group = replace(self.group, members=group.members, everybody=group.everybody)
        if self.state.alive and not group.everybody:
            gone = [user for user in (*self.members, *self._invited) if user not in group.members]
            for user in gone:
                self._invited.pop(user, None)
                self._out.append(End(user, "no member of the group any more", NO_MEMBER))
        # Nothing else is done before they are out: the group does not know them.
        out, self._out = self._out, []
        return out

    def urge(self, user: str, urgency: Urgency, now: float) -> list[Output]:
        """A member makes the call more urgent, or takes that back.

        :raises Refused: it is not in the call, or may not.
        """
        if user not in self:
            raise Refused(f"{user} is not in the call", code="floor.not-a-member")
        self._claimed(self.group.member(user), Entry(urgency=urgency))
        if urgency is not self.urgency:
            self._urge(user, urgency, now)
        return self.poll(now)

    def release(self, reason: str, now: float) -> list[Output]:
        """The call is released; nothing happens where it is over."""
        if self.state.alive:
            self._reason = reason
            self._step(Step.ORDERED, now)
        return self.poll(now)

    # --- what they send

    def receive(self, user: str, message: FloorMessage, now: float) -> list[Output]:
        """A floor message of a member.

        :raises Refused: see :meth:`FloorControl.receive`.
        """
        self._out += self.floor.receive(user, message, now)
        return self.poll(now)

    def media(self, user: str, ssrc: int, now: float) -> list[Output]:
        """A media packet of a member: :class:`Forward` is among the outputs when it may be passed on.

        :raises Refused: see :meth:`FloorControl.media`.
        """
        self._out += self.floor.media(user, ssrc, now)
        return self.poll(now)

    def poll(self, now: float) -> list[Output]:
        """Everything that is due."""
        self._out += self.floor.poll(now)
        for step, time in sorted(self._timers.items(), key=lambda item: item[1]):
            if time <= now and self._timers.pop(step, None) is not None:
                self._reason = "it has lasted as long as it may" if step is Step.TNG3 else self._reason
                self._step(step, now)
        if self._urgent_until is not None and self._urgent_until <= now:
            self._urge(self.caller, Urgency.NORMAL, now)
        out, self._out = self._out, []
        idle = any(isinstance(one, CallInactive) for one in out)
        if idle and self.state is CallState.ESTABLISHED:
            self._reason = "nobody talked"
            self._step(Step.INACTIVE, now)
            out += self.poll(now)
        return out

    # --- inside

    def _claimed(self, member: GroupMember, entry: Entry) -> Urgency:
        if entry.urgency is not Urgency.NORMAL and not member.urgent:
            raise Refused(
                f"{member.user} may not make such a call",
                code="call.may-not-call",
                clause="TS 24.379 6.3.3.1.13",
            )
        return entry.urgency

    def _admit(self, user: str, entry: Entry, now: float) -> None:
        known = self.group.member(user)
        wanted = known.default_priority if entry.priority is None else entry.priority
        member = Member(
            user=user,
            priority=min(wanted, known.priority),
            default_priority=min(known.default_priority, known.priority),
            queueing=entry.queueing,
            receive_only=known.receive_only,
            urgency=self.urgency if known.urgent else Urgency.NORMAL,
            ssrc=entry.ssrc,
            audio_ssrc=entry.audio_ssrc,
            may_revoke=known.may_revoke,
            may_cancel=known.may_cancel,
        )
        self._out += self.floor.join(member, now)
        self._out.append(events.MemberJoined(now, self.group.group_id, user))
        if entry.asks:
            # The INVITE counts as a Floor Request (TS 24.380 6.3.4.2.2, 12.1.2.2).
            request = FloorRequest(
                ssrc=entry.ssrc or 0, priority=entry.priority, indicator=_bits(entry.urgency)
            )
            self._out += self.floor.receive(user, request, now)

    def _urge(self, user: str, urgency: Urgency, now: float) -> None:
        self.urgency = urgency
        more = urgency is not Urgency.NORMAL
        self._urgent_until = now + self.policy.tng2 if more and self.policy.tng2 is not None else None
        for one in self.members:
            if self.group.member(one).urgent:
                self.floor.entitle(one, urgency)
        self._out.append(events.UrgencyChanged(now, self.group.group_id, user, urgency.name.lower()))

    def _deserted(self) -> bool:
        """Whether a prearranged call has nobody left to talk to, and nobody is expected."""
        if self.group.kind is not CallKind.PREARRANGED or not self.state.alive or len(self.members) > 1:
            return False
        return self.state is CallState.ESTABLISHED or not self._invited

    def _enough(self, now: float) -> None:
        """Opens the floor when as many have answered as are needed; at least one, or nobody can listen."""
        if self.state is CallState.GATHERING and len(self.members) > max(1, self.group.minimum):
            self._step(Step.ENOUGH, now)

    def _step(self, step: Step, now: float) -> None:
        rule = TABLE[self.state].get(step)
        if rule is None:
            raise WrongState(
                f"a call in {self.state.value!r} has no step {step.name.lower()}", code="call.step"
            )
        self.state = rule.to
        for act in rule.acts:
            self._do(act, now)

    def _do(self, act: Act, now: float) -> None:
        match act:
            case Act.INVITE:
                for member in self.group.members.values():
                    if member.user != self.caller:
                        self._invited[member.user] = member
                        self._out.append(Invite(member.user, member.domain, self.caller))
            case Act.START_TNG1:
                self._timers[Step.TNG1] = now + self.policy.tng1
            case Act.STOP_TNG1:
                self._timers.pop(Step.TNG1, None)
            case Act.START_TNG3:
                if self.group.maximum is not None:
                    self._timers[Step.TNG3] = now + self.group.maximum
            case Act.OPEN_FLOOR:
                self._out += self.floor.start(now)
                self._out.append(events.CallEstablished(now, self.group.group_id, len(self.members)))
            case Act.JUDGE:
                self._timers.pop(Step.TNG1, None)
                on = len(self.members) > 1 and self.policy.go_on
                self._reason = "" if on else "too few members answered"
                self._step(Step.ENOUGH if on else Step.ALONE, now)
            case Act.END_LEGS:
                self._out += self.floor.release(now)
                for user in (*self.members, *self._invited):
                    self._out.append(End(user, self._reason))
                self._invited.clear()
            case Act.TELL_ENDED:
                self._out.append(events.CallEnded(now, self.group.group_id, self._reason))
            case Act.CLOSE_FLOOR:
                self._out += self.floor.released(now)
            case Act.STOP_TIMERS:
                self._timers.clear()
                self._urgent_until = None


def _bits(urgency: Urgency) -> FloorIndicator | None:
    return None if urgency is Urgency.NORMAL else urgency.indicator
