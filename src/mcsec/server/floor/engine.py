"""The floor control server of one call (TS 24.380 6.3).

Sans-I/O. Members, floor messages that are decrypted and authenticated, media packets' senders and ``now`` go in;
messages, packets to forward and events come out; :meth:`FloorControl.next_timer` says when to call
:meth:`FloorControl.poll`. The call's set-up, keys and bearers are elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from mcsec.errors import InvalidValue, Refused, WrongState
from mcsec.server.floor import arbitration, extras
from mcsec.server.floor.arbiter import Arbiter
from mcsec.server.floor.arbitration import ArbitrationState
from mcsec.server.floor.desk import RequestDesk
from mcsec.server.floor.events import (
    Forward,
    MediaRefused,
    Output,
    RequestCancelled,
    ToOne,
)
from mcsec.server.floor.members import Member, Urgency
from mcsec.server.floor.messages import Writer
from mcsec.server.floor.participants import Act, ParticipantState, Step
from mcsec.server.floor.policy import STANDARD, FloorPolicy
from mcsec.server.floor.roster import Revoking, Roster
from mcsec.wire.rtcp import row_of
from mcsec.wire.rtcp.floor import (
    FloorMessage,
    FloorQueuePositionRequest,
    FloorRelease,
    FloorRequest,
    FloorRevoke,
)
from mcsec.wire.rtcp.floor_values import RevokeCause
from mcsec.wire.rtcp.table import Direction

_STEPS: dict[type[FloorMessage], Step] = {
    FloorRequest: Step.REQUEST,
    FloorRelease: Step.RELEASE,
    FloorQueuePositionRequest: Step.POSITION,
}

_TALKER_STEPS = {
    Act.FORWARD: arbitration.Step.MEDIA,
    Act.END_BURST: arbitration.Step.RELEASE,
    Act.TELL_GRANTED: arbitration.Step.ASKED_AGAIN,
}


class FloorControl:
    """The floor of one call.

    :param ssrc: the server's own, in every message.
    :param sequence_number: of the first Floor Taken or Floor Idle.
    """

    def __init__(self, policy: FloorPolicy = STANDARD, *, ssrc: int, sequence_number: int = 0) -> None:
        self.policy = policy
        self._out: list[Output] = []
        self._writer = Writer(policy, ssrc, sequence_number)
        self._roster = Roster(self._do)
        self._arbiter = Arbiter(policy, self._writer, self._roster, self._out)
        self._desk = RequestDesk(policy, self._writer, self._arbiter, self._roster, self._out)

    # --- what is so

    @property
    def state(self) -> ArbitrationState:
        """Where the floor is."""
        return self._arbiter.main.state

    @property
    def talkers(self) -> tuple[str, ...]:
        """Who has the floor: nobody, one, or with dual floor two, the overriding one last."""
        return tuple(track.talker.user for track in self._arbiter.tracks if track.talker is not None)

    @property
    def queue(self) -> tuple[str, ...]:
        """Who waits, first to last."""
        return self._arbiter.queue.users

    @property
    def members(self) -> tuple[str, ...]:
        """Who is in the call."""
        return tuple(self._roster)

    def has(self, user: str) -> bool:
        """Whether ``user`` is in the call."""
        return user in self._roster

    def participant(self, user: str) -> ParticipantState:
        """What ``user`` may do."""
        return self._roster.state(user)

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        times = [time for time, _, _ in self._arbiter.due()]
        for revoking in self._roster.revoking.values():
            times.append(revoking.t8 if revoking.quiet_at is None else min(revoking.t8, revoking.quiet_at))
        return min(times, default=None)

    # --- what call control does

    def join(self, member: Member, now: float) -> list[Output]:
        """``member`` takes part; in a call that is going on it is told who talks.

        :raises InvalidValue: it does already.
        :raises WrongState: the call is being released.
        """
        if member.user in self._roster:
            raise InvalidValue(f"{member.user} is in the call already", code="floor.joined")
        if self.state is ArbitrationState.RELEASING:
            raise WrongState("the call is being released", code="floor.releasing")
        self._roster.add(member, now)
        if self.state.held or self.state is ArbitrationState.IDLE:
            self._roster.step(member.user, Step.TO_TAKEN if self.state.held else Step.TO_IDLE, now)
            self._arbiter.state_for(member.user)
        return self.poll(now)

    def leave(self, user: str, now: float, *, returns: bool = False) -> list[Output]:
        """``user`` takes part no more; with ``returns`` it joins again at once, and who talks is not left alone.

        :raises Refused: it does not.
        """
        self._roster.member(user)
        track = self._arbiter.of(user)
        self._roster.remove(user, now)
        if track is not None:
            self._arbiter.step(track, arbitration.Step.LEFT, now)
        if self._arbiter.alone and not returns:
            for each in self._arbiter.tracks:
                if each.state is ArbitrationState.TAKEN:
                    self._arbiter.step(each, arbitration.Step.ALONE, now)
        return self.poll(now)

    def entitle(self, user: str, urgency: Urgency) -> None:
        """From now on ``user`` may claim ``urgency``, and nothing more urgent. A burst that goes on keeps its rank."""
        self._roster.know(replace(self._roster.member(user), urgency=urgency))

    def initialise(self, now: float) -> list[Output]:
        """The call waits for other servers before its floor opens (temporary groups)."""
        self._arbiter.step(self._arbiter.main, arbitration.Step.INITIALISE, now)
        return self.poll(now)

    def start(self, now: float) -> list[Output]:
        """The call is set up. The most urgent of the requests that came before is granted."""
        self._arbiter.step(self._arbiter.main, arbitration.Step.START, now)
        self._desk.seat(now)
        return self.poll(now)

    def release(self, now: float) -> list[Output]:
        """The call is being released: nobody talks any more."""
        for track in self._arbiter.tracks:
            self._arbiter.step(track, arbitration.Step.RELEASE_CALL, now)
        self._roster.everyone(Step.RELEASE_CALL, (), now)
        return self.poll(now)

    def released(self, now: float) -> list[Output]:
        """The call is released: nobody is in it any more."""
        for track in self._arbiter.tracks:
            self._arbiter.step(track, arbitration.Step.CALL_RELEASED, now)
        self._roster.clear()
        return self.poll(now)

    # --- what participants send

    def receive(self, user: str, message: FloorMessage, now: float) -> list[Output]:
        """A floor message of ``user``.

        :raises Refused: it is not in the call, the message is none that a participant sends, or it has somebody else's
            SSRC or user ID. Nothing follows from it.
        """
        member = self._admit(user, message)
        if message.ack_requested:
            self._out.append(ToOne(user, self._writer.ack(message)))
        step = _STEPS.get(type(message))
        if step is None:
            self._out += extras.receive(self._arbiter, self._writer, member, message, now)
        else:
            self._roster.heard(user, step, now, message)
        return self.poll(now)

    def media(self, user: str, ssrc: int, now: float) -> list[Output]:
        """A media packet of ``user``: :class:`Forward` is among the outputs when it may be passed on.

        :raises Refused: the sender is not in the call, or the SSRC is not its own.
        """
        expected = self._roster.member(user).media_ssrc
        if expected not in (None, ssrc):
            raise Refused(f"media of {user} has another's SSRC", code="floor.media-ssrc")
        self._roster.heard(user, Step.MEDIA, now)
        return self.poll(now)

    def poll(self, now: float) -> list[Output]:
        """Everything that is due, in the order of time."""
        while (timer := self.next_timer()) is not None and timer <= now:
            self._expire(timer, now)
        out = self._out.copy()
        self._out.clear()
        return out

    # --- inside

    def _admit(self, user: str, message: FloorMessage) -> Member:
        member = self._roster.member(user)
        row = row_of(message)
        if row.direction is Direction.TO_PARTICIPANT:
            raise Refused(
                f"{row.name} comes from servers only", code="floor.direction", clause="TS 24.380 8.2.2"
            )
        if member.ssrc not in (None, message.ssrc):
            raise Refused(f"a floor message of {user} has another's SSRC", code="floor.ssrc")
        if getattr(message, "user_id", None) not in (None, user):
            raise Refused(f"a floor message of {user} names another user", code="floor.user-id")
        member = member.bound(message.ssrc)
        self._roster.know(member)
        return member

    def _expire(self, timer: float, now: float) -> None:
        for time, track, step in list(self._arbiter.due()):
            if time == timer:
                return self._arbiter.expire(track, step, now)
        for user, revoking in list(self._roster.revoking.items()):
            if revoking.quiet_at == timer:
                return self._roster.step(user, Step.QUIET, now)
            if revoking.t8 == timer:
                return self._roster.step(user, Step.T8, now)
        return None

    def _do(self, act: Act, user: str, now: float, message: FloorMessage | None) -> None:
        match act:
            case Act.ASK:
                assert isinstance(message, FloorRequest), "the table asks for requests only"
                self._desk.request(self._roster.member(user), message, now)
            case Act.CANCEL:
                if self._arbiter.queue.remove(user):
                    self._out.append(RequestCancelled(now, user, user))
            case Act.TELL_STATE:
                self._arbiter.state_for(user)
            case Act.TELL_POSITION:
                self._desk.tell_position(user)
            case Act.FORWARD | Act.END_BURST | Act.TELL_GRANTED:
                track = self._arbiter.of(user)
                assert track is not None, "who is permitted has the floor"
                if act is Act.FORWARD:
                    self._out.append(Forward(user))
                self._arbiter.step(track, _TALKER_STEPS[act], now)
            case Act.REFUSE_MEDIA:
                revoke = self._writer.revoke(RevokeCause.NO_PERMISSION_TO_SEND)
                self._roster.revoking[user] = Revoking(revoke, now + self.policy.t8, now + self.policy.t1)
                self._out += [ToOne(user, revoke), MediaRefused(now, user)]
            case Act.DROP_MEDIA:
                if user in self._roster.revoking:
                    self._roster.revoking[user].quiet_at = now + self.policy.t1
            case Act.START_T8:
                assert isinstance(message, FloorRevoke), "the arbiter says what is repeated"
                self._roster.revoking[user] = Revoking(message, now + self.policy.t8)
            case Act.REPEAT_REVOKE:
                self._roster.revoking[user].t8 = now + self.policy.t8
                self._out.append(ToOne(user, self._roster.revoking[user].message))
            case Act.CALM:
                self._roster.step(user, Step.CALM_TAKEN if self.state.held else Step.CALM_IDLE, now)
            case Act.STOP_T8:
                self._roster.revoking.pop(user, None)
            case _:
                assert_never(act)
