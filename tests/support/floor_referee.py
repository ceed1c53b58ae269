"""A referee who knows the rules of the floor, and nothing of how the server keeps them.

It sees what goes in and what comes out, and keeps its own book: who has the floor, who waits, why somebody may lose it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mcsec.server.floor import FloorPolicy, Forward, Member, Output, ToAll, ToOne
from mcsec.wire.rtcp.floor import (
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorMessage,
    FloorQueuePositionInfo,
    FloorRevoke,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import DenyCause, FloorIndicator, RevokeCause


@dataclass
class Talker:
    """Who has the floor. ``heard`` is the last media or the grant, ``talks_since`` the first media."""

    user: str
    rank: tuple[int, int]
    heard: float
    talks_since: float | None = None
    revoked_at: float | None = None
    granted: int = 0


@dataclass
class Referee:
    """The book. Place False is the floor, True is beside it (dual floor)."""

    policy: FloorPolicy
    members: dict[str, Member] = field(default_factory=dict)
    places: dict[bool, Talker] = field(default_factory=dict)
    waiting: dict[str, tuple[bool, int, int, int]] = field(default_factory=dict)
    excused: set[str] = field(default_factory=set)
    asking: tuple[str, tuple[int, int]] | None = None
    number: int | None = None
    idles: int = 0
    turn: int = 0
    now: float = 0.0
    #: Who sends media without permission, and when it did last; when somebody was told last to stop.
    offenders: dict[str, float] = field(default_factory=dict)
    told_to_stop: dict[str, float] = field(default_factory=dict)

    def sees(self, outputs: list[Output], now: float) -> None:
        """Everything that one input led to."""
        self.now = now
        for output in outputs:
            if isinstance(output, ToOne):
                self._one(output.participant, output.message)
            elif isinstance(output, ToAll):
                self._all(output)
            elif isinstance(output, Forward):
                assert self.holds(output.participant), "media passed on without permission"
        for user in self.excused:
            assert not self.holds(user), f"{user} gave the floor back and has it"
        self.excused.clear()
        self._nothing_overdue()
        assert len(self.places) <= (2 if self.policy.dual_floor else 1), "too many talkers"

    def holds(self, user: str) -> bool:
        """Whether ``user`` has the floor, also while being revoked."""
        return any(talker.user == user for talker in self.places.values())

    def talker(self, user: str) -> Talker | None:
        """The talker of that name."""
        return next((talker for talker in self.places.values() if talker.user == user), None)

    def beats(self, rank: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether a request may take the floor from a talker."""
        if rank[0] != other[0]:
            return rank[0] > other[0]
        lowest = self.policy.pre_emptive_priority
        high = lowest is not None and rank[1] >= lowest and rank[1] > other[1]
        return self.policy.audio_cut_in or high

    def waits(self, user: str, rank: tuple[int, int], *, first: bool) -> None:
        """A request is put into the book, unless it stands there with the same worth."""
        known = self.waiting.get(user)
        key = (not (first or (known is not None and not known[0])), -rank[0], -rank[1])
        if known is None or known[:3] != key:
            self.turn += 1
            self.waiting[user] = (*key, self.turn)

    def calms(self, user: str) -> None:
        """Somebody does not send without permission any more."""
        self.offenders.pop(user, None)
        self.told_to_stop.pop(user, None)

    def next_in_line(self) -> str | None:
        """Who is next."""
        return min(self.waiting, key=self.waiting.__getitem__, default=None)

    def may_lose(self, talker: Talker, beside: bool) -> bool:
        """Whether there is a reason to take the floor from a talker."""
        silence = self.policy.t11 if beside else self.policy.t1
        grace = 0.0 if self.policy.audio_cut_in else self.policy.t3
        return (
            talker.user in self.excused
            or talker.user not in self.members
            or self.now >= talker.heard + silence
            or (talker.revoked_at is not None and self.now >= talker.revoked_at + grace)
        )

    def _one(self, user: str, message: FloorMessage) -> None:
        assert user in self.members, "a message for somebody who is not in the call"
        match message:
            case FloorGranted():
                self._granted(user, message)
            case FloorRevoke():
                self._revoked(user, message)
            case FloorDeny():
                self._denied(user, message)
            case FloorQueuePositionInfo() if message.queue_info.position not in (254, 255):
                order = sorted(self.waiting, key=self.waiting.__getitem__)
                assert order.index(user) + 1 == message.queue_info.position
            case FloorTaken() | FloorIdle():
                self._count(message.sequence_number)

    def _granted(self, user: str, message: FloorGranted) -> None:
        beside = bool((message.indicator or 0) & FloorIndicator.DUAL_FLOOR)
        member, before = self.members[user], self.places.get(beside)
        if before is not None and before.user == user:
            before.granted += 1
            return
        assert len(self.members) > 1, "nobody would hear"
        assert not member.receive_only
        assert self.policy.broadcast_by in (None, user)
        if before is not None:
            assert self.may_lose(before, beside), f"{before.user} lost the floor to {user} for no reason"
        if user in self.waiting:
            assert user == self.next_in_line(), "somebody else was next"
            key = self.waiting.pop(user)
            rank = (-key[1], -key[2])
        else:
            assert self.asking is not None
            assert self.asking[0] == user, "granted to somebody who neither asks nor waits"
            rank = self.asking[1]
        if beside:
            assert self.beats(rank, self.places[False].rank), "beside a talker only who beats that one"
        self.calms(user)
        self.places[beside] = Talker(user, rank, self.now, granted=1)
        self.idles = 0

    def _revoked(self, user: str, message: FloorRevoke) -> None:
        talker = self.talker(user)
        last = self.told_to_stop.get(user)
        assert last is None or self.now >= last + self.policy.t8 - 1e-9, "told again before T8"
        self.told_to_stop[user] = self.now
        if message.cause.code == RevokeCause.NO_PERMISSION_TO_SEND:
            assert talker is None, "a talker has permission to send"
            assert user in self.offenders, "it sends nothing"
            return
        assert talker is not None, "revoked what it has not"
        if talker.revoked_at is None:
            talker.revoked_at = self.now
        if message.cause.code == RevokeCause.MEDIA_BURST_TOO_LONG:
            assert talker.talks_since is not None
            assert self.now >= talker.talks_since + min(self.policy.t2, self.policy.t12)
        if message.cause.code == RevokeCause.MEDIA_BURST_PRE_EMPTED and talker.revoked_at == self.now:
            assert self.asking is not None
            assert self.beats(self.asking[1], talker.rank)

    def _denied(self, user: str, message: FloorDeny) -> None:
        self.waiting.pop(user, None)
        member, policy = self.members[user], self.policy
        queueing = policy.queue_limit > 0 and not policy.audio_cut_in and member.queueing
        match message.cause.code:
            case DenyCause.ONLY_ONE_PARTICIPANT:
                assert len(self.members) == 1
            case DenyCause.RECEIVE_ONLY:
                assert member.receive_only or policy.broadcast_by not in (None, user)
            case DenyCause.ANOTHER_CLIENT_HAS_PERMISSION:
                assert self.places
                assert not queueing
            case DenyCause.QUEUE_FULL:
                assert queueing
                assert len(self.waiting) >= policy.queue_limit
            case cause:
                raise AssertionError(f"denied for {cause!r}")

    def _all(self, output: ToAll) -> None:
        message = output.message
        assert isinstance(message, FloorTaken | FloorIdle)
        self._count(message.sequence_number)
        beside = bool((message.indicator or 0) & FloorIndicator.DUAL_FLOOR)
        if isinstance(message, FloorTaken):
            assert message.granted_party == self.places[beside].user, "announced somebody who was not granted"
            assert output.but == {message.granted_party}
            return
        talker = self.places.get(beside)
        if talker is not None:
            assert self.may_lose(talker, beside), f"{talker.user} lost the floor for no reason"
            del self.places[beside]
        if not beside:
            assert not self.waiting, "idle while somebody waits"
            self.idles += 1
            assert self.idles <= self.policy.c7

    def _count(self, number: int) -> None:
        assert self.number is None or number == (self.number + 1) % 65536
        self.number = number

    def _nothing_overdue(self) -> None:
        for user, last in list(self.told_to_stop.items()):
            talker, media = self.talker(user), self.offenders.get(user)
            revoked = talker is not None and talker.revoked_at is not None
            if revoked or (media is not None and self.now < media + self.policy.t1):
                assert self.now < last + self.policy.t8 + 1e-9, f"{user} goes on and is not told again"
            else:
                self.calms(user)
        for beside, talker in self.places.items():
            silence = self.policy.t11 if beside else self.policy.t1
            longest = self.policy.t12 if beside else self.policy.t2
            grace = 0.0 if self.policy.audio_cut_in else self.policy.t3
            assert talker.user in self.members
            assert self.now < talker.heard + silence, "a silent talker keeps the floor"
            assert talker.revoked_at is None or self.now < talker.revoked_at + grace, (
                "a revoked talker goes on"
            )
            if talker.talks_since is not None and talker.revoked_at is None:
                assert self.now < talker.talks_since + longest, "a talker goes on for ever"
        if self.waiting:
            assert False in self.places, "somebody waits for a free floor"
