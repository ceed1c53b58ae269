"""Whatever participants do in whatever order, the server keeps the rules of the floor, as an independent referee sees
them.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mcsec.server.floor import FloorControl, FloorPolicy, Forward, Member, Output, Urgency
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorQueuePositionInfo,
    FloorQueuePositionRequest,
    FloorRelease,
    FloorRequest,
    FloorRevoke,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import FloorMessageType, RevokeCause, Source
from support.floor import SERVER_SSRC, URGENT, announced, check, of_kind, ssrc_of, told
from support.floor_referee import Referee

USERS = st.sampled_from("abcde")
POLICIES = st.builds(
    FloorPolicy,
    t1=st.sampled_from((2.0, 4.0)),
    t2=st.sampled_from((5.0, 30.0)),
    t3=st.sampled_from((0.0, 3.0)),
    t11=st.sampled_from((1.0, 4.0)),
    t12=st.sampled_from((5.0, 30.0)),
    c7=st.integers(1, 4),
    c20=st.integers(1, 4),
    queue_limit=st.sampled_from((0, 2, 10, 10)),
    pre_emptive_priority=st.sampled_from((None, 200, 255)),
    dual_floor=st.booleans(),
    audio_cut_in=st.sampled_from((False, False, False, True)),
    broadcast_by=st.sampled_from((None, None, None, None, "a")),
    ask_ack=st.sampled_from((frozenset(), frozenset({FloorMessageType.GRANTED, FloorMessageType.DENY}))),
)


class AnyOrder(RuleBasedStateMachine):
    """A call, and a referee beside it."""

    @initialize(
        policy=POLICIES,
        number=st.sampled_from((0, 65530)),
        limits=st.lists(st.sampled_from(Urgency), min_size=2, max_size=4),
    )
    def begin(self, policy: FloorPolicy, number: int, limits: list[Urgency]) -> None:
        self.policy = policy
        self.now = 0.0
        self.floor = FloorControl(policy, ssrc=SERVER_SSRC, sequence_number=number)
        self.referee = Referee(policy)
        self.seen(self.floor.start(self.now))
        for user, urgency in zip("abcd", limits, strict=False):
            self.join(user, urgency=urgency)

    def seen(self, outputs: list[Output]) -> list[Output]:
        check(outputs)
        self.referee.sees(outputs, self.now)
        self.referee.asking = None
        return outputs

    def inside(self, user: str) -> bool:
        return user in self.referee.members

    @rule(
        user=USERS,
        queueing=st.booleans(),
        receive_only=st.sampled_from((False, False, False, True)),
        urgency=st.sampled_from(Urgency),
        priority=st.sampled_from((10, 255)),
    )
    def another_joins(self, user: str, **about: Any) -> None:
        self.join(user, **about)

    def join(self, user: str, **about: Any) -> None:
        if not self.inside(user):
            member = self.referee.members[user] = Member(user=user, ssrc=ssrc_of(user), **about)
            outputs = self.seen(self.floor.join(member, self.now))
            for talker in self.referee.places.values():
                assert talker.user in {taken.granted_party for taken in told(outputs, user, FloorTaken)}

    @rule(user=USERS, really=st.sampled_from((False, False, True)))
    def leave(self, user: str, really: bool) -> None:
        if really and self.inside(user):
            del self.referee.members[user]
            self.referee.waiting.pop(user, None)
            self.referee.calms(user)
            outputs = self.seen(self.floor.leave(user, self.now))
            if len(self.referee.members) == 1:
                for talker in self.referee.places.values():
                    assert talker.revoked_at is not None, (outputs, "talks to nobody")

    @rule(user=USERS, priority=st.sampled_from((None, 0, 9, 199, 200, 255)), urgency=st.sampled_from(Urgency))
    def asks(self, user: str, priority: int | None, urgency: Urgency) -> None:
        self.ask(user, priority, urgency)

    def ask(self, user: str, priority: int | None, urgency: Urgency) -> None:
        if not self.inside(user):
            return
        book, member = self.referee, self.referee.members[user]
        number = 0 if self.policy.audio_cut_in else min(priority or 0, member.priority)
        rank = (min(urgency, member.urgency).value, number)
        book.asking = (user, rank)
        before = book.talker(user)
        main, beside = book.places.get(False), book.places.get(True)
        allowed = not member.receive_only and self.policy.broadcast_by in (None, user)
        request = FloorRequest(ssrc=ssrc_of(user), priority=priority, indicator=URGENT[urgency])
        if before is None and allowed and main is not None and len(book.members) > 1:
            known = book.waiting.get(user)
            first = book.beats(rank, main.rank) and (
                beside is None or main.revoked_at is not None or book.beats(rank, beside.rank)
            )
            first |= known is not None and not known[0]
            queueing = self.policy.queue_limit > 0 and not self.policy.audio_cut_in and member.queueing
            room = len(book.waiting) < self.policy.queue_limit or known is not None
            if first or known is not None or (queueing and room):
                book.waits(user, rank, first=first)
        outputs = self.seen(self.floor.receive(user, request, self.now))
        if before is not None:
            repeats = len(told(outputs, user, FloorGranted))
            assert repeats == (before.revoked_at is None)
        elif not allowed:
            assert len(told(outputs, user, FloorDeny)) == 1
        elif main is None and len(book.members) > 1:
            assert len(told(outputs, user, FloorGranted)) == 1
            assert announced(outputs, FloorTaken)[0].granted_party == user
        elif main is not None and main.revoked_at is None and book.beats(rank, main.rank):
            if self.policy.dual_floor and beside is None and (known is None or known[0]):
                assert book.talker(user) is book.places[True]
            elif beside is None and (known is None or known[0]):
                assert main.revoked_at is not None or not book.holds(main.user), "a better request must wait"

    @rule(
        users=st.permutations("abcd"), priorities=st.lists(st.sampled_from((0, 5, 9)), min_size=4, max_size=4)
    )
    def all_ask(self, users: list[str], priorities: list[int]) -> None:
        for user, priority in zip(users, priorities, strict=True):
            self.ask(user, priority, Urgency.NORMAL)

    @rule(users=st.permutations("abcd"))
    def all_urgent(self, users: list[str]) -> None:
        for user in users:
            self.ask(user, 0, Urgency.EMERGENCY)

    @rule(user=USERS, ack=st.booleans())
    def free(self, user: str, ack: bool) -> None:
        if self.inside(user):
            held = self.referee.holds(user)
            if held:
                self.referee.excused.add(user)
            self.referee.waiting.pop(user, None)
            self.referee.calms(user)
            outputs = self.seen(
                self.floor.receive(user, FloorRelease(ssrc=ssrc_of(user), ack_requested=ack), self.now)
            )
            assert len(told(outputs, user, FloorAck)) == ack
            if not held:
                # Who gives back what it has not is told how things are (6.3.5.3.4, 6.3.5.4.5).
                talking = sorted(talker.user for talker in self.referee.places.values())
                assert sorted(taken.granted_party for taken in told(outputs, user, FloorTaken)) == talking
                assert len(told(outputs, user, FloorIdle)) == (False not in self.referee.places)

    @rule(seconds=st.sampled_from((0.5, 2.0, 6.0, 40.0)))
    def talkers_go_on(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.5)):
            for talker in list(self.referee.places.values()):
                if self.referee.holds(talker.user):
                    self.packet(talker.user)
            self.pass_time(0.5)

    @rule(user=USERS, packets=st.integers(1, 12), apart=st.sampled_from((0.02, 0.5, 1.0)))
    def talk(self, user: str, packets: int, apart: float) -> None:
        for _ in range(packets):
            if self.inside(user):
                self.packet(user)
            self.pass_time(apart)

    def packet(self, user: str) -> None:
        talker = self.referee.talker(user)
        was_refused = self.floor.participant(user).name == "SENDS_MEDIA"
        if talker is None:
            self.referee.offenders[user] = self.now
        else:
            talker.heard = self.now
            if talker.talks_since is None and talker.revoked_at is None:
                talker.talks_since = self.now
        outputs = self.seen(self.floor.media(user, ssrc_of(user), self.now))
        assert len(of_kind(outputs, Forward)) == (talker is not None)
        if talker is None and not was_refused:
            (revoke,) = told(outputs, user, FloorRevoke)
            assert revoke.cause.code is RevokeCause.NO_PERMISSION_TO_SEND

    @rule(user=USERS)
    def place(self, user: str) -> None:
        if self.inside(user):
            message, talker = FloorQueuePositionRequest(ssrc=ssrc_of(user)), self.referee.talker(user)
            outputs = self.seen(self.floor.receive(user, message, self.now))
            # Who has the floor missed the grant; who is being revoked has nothing to wait for.
            assert len(told(outputs, user, FloorQueuePositionInfo)) == (talker is None)
            assert len(told(outputs, user, FloorGranted)) == (
                talker is not None and talker.revoked_at is None
            )

    @rule(user=USERS)
    def acknowledge(self, user: str) -> None:
        if self.inside(user):
            ack = FloorAck(
                ssrc=ssrc_of(user), source=Source.FLOOR_PARTICIPANT, acked=FloorMessageType.GRANTED
            )
            assert self.seen(self.floor.receive(user, ack, self.now)) == []

    @rule(seconds=st.sampled_from((0.1, 1.0, 3.0, 10.0)))
    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (timer := self.floor.next_timer()) is not None and timer <= end:
            self.now = max(self.now, timer)
            granted = {talker.user: talker.granted for talker in self.referee.places.values()}
            self.seen(self.floor.poll(self.now))
            for user, before in granted.items():
                talker = self.referee.talker(user)
                if talker is not None and talker.granted > before:
                    assert talker.talks_since is None, "granted again to one who talks"
        self.now = end
        self.seen(self.floor.poll(self.now))

    @precondition(lambda self: hasattr(self, "floor"))
    @invariant()
    def the_books_agree(self) -> None:
        places = self.referee.places
        assert self.floor.talkers == tuple(
            places[beside].user for beside in (False, True) if beside in places
        )
        order = sorted(self.referee.waiting, key=self.referee.waiting.__getitem__)
        assert self.floor.queue == tuple(order)
        timer = self.floor.next_timer()
        assert timer is None or timer > self.now


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestAnyOrder = AnyOrder.TestCase
