"""What a participant does when its table says so: messages, timers and counters, words to the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mcsec.client.floor import events
from mcsec.client.floor.events import Output, Send
from mcsec.client.floor.policy import ParticipantPolicy
from mcsec.client.floor.states import Act, Step
from mcsec.wire.rtcp.floor import (
    FloorDeny,
    FloorGranted,
    FloorMessage,
    FloorQueuePositionInfo,
    FloorQueuePositionRequest,
    FloorRelease,
    FloorRequest,
    FloorRevoke,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import FloorIndicator, QueueInfo

LAST: Mapping[Step, Step] = MappingProxyType(
    {Step.T100: Step.T100_LAST, Step.T101: Step.T101_LAST, Step.T104: Step.T104_LAST}
)
"""What an expiry is when its counter is used up."""


class Hands:
    """``timers`` maps the step that an expiry is to its time, ``sent`` to the counter beside it.

    ``asked``: a request went out and neither an answer nor a release ended it. ``dual``: the floor is or was ours
    beside another talker.
    """

    def __init__(self, policy: ParticipantPolicy, ssrc: int) -> None:
        self._policy = policy
        self._ssrc = ssrc
        self.out: list[Output] = []
        self.timers: dict[Step, float] = {}
        self.sent: dict[Step, int] = {}
        self.priority: int | None = None
        self.indicator: FloorIndicator | None = None
        self.asked = False
        self.dual = False
        self.heard = 0
        self._grant: FloorGranted | None = None
        self._lasts = {Step.T100: policy.c100, Step.T101: policy.c101, Step.T104: policy.c104}
        self._periods = {Step.T100: policy.t100, Step.T101: policy.t101, Step.T104: policy.t104}

    @property
    def turn(self) -> bool:
        """Whether the floor is granted to a user who waited and has not acted yet."""
        return Step.T132 in self.timers

    def beside(self, indicator: FloorIndicator | None) -> bool:
        """Whether a message is about the other talker of dual floor, seen from our place."""
        return bool((indicator or FloorIndicator(0)) & FloorIndicator.DUAL_FLOOR) is not self.dual

    def taken(self) -> list[Output]:
        """The outputs since the last time."""
        out = self.out.copy()
        self.out.clear()
        return out

    def expired(self, now: float) -> Step | None:
        """The first timer that is due, which no longer runs."""
        step = min(self.timers, key=self.timers.__getitem__, default=None)
        if step is None or self.timers[step] > now:
            return None
        del self.timers[step]
        return LAST[step] if step in LAST and self.sent[step] >= self._lasts[step] else step

    def do(self, act: Act, now: float, message: FloorMessage | None) -> None:
        """Does ``act``; ``message`` is what led to it."""
        match act:
            case Act.REQUEST | Act.AWAIT_ANSWER:
                self.asked, self.dual, self._grant = True, False, None
                self._first(Step.T101, now, self._request if act is Act.REQUEST else None)
            case Act.REPEAT_REQUEST:
                self._again(Step.T101, now, self._request)
            case Act.STOP_ASKING:
                self._stop(Step.T101, Step.T104, Step.T132)
            case Act.RELEASE:
                self.asked = False
                self._first(Step.T100, now, self._release)
            case Act.REPEAT_RELEASE:
                self._again(Step.T100, now, self._release)
            case Act.GIVE_BACK:
                self.asked = False
                self.out.append(Send(self._release()))
            case Act.STOP_RELEASING:
                self._stop(Step.T100)
                self.dual = False
            case Act.ASK_POSITION:
                self._first(Step.T104, now, self._position)
            case Act.REPEAT_POSITION:
                self._again(Step.T104, now, self._position)
            case Act.STOP_POSITION:
                self._stop(Step.T104)
            case Act.STOP:
                self._stop(*tuple(self.timers))
                self.asked = self.dual = False
            case Act.AWAIT_USER:
                self._granted(message)
                if not self.turn:
                    self.timers[Step.T132] = now + self._policy.t132
                    self.out.append(events.YourTurn(now, self._policy.t132))
            case Act.TALK:
                self._talk(now, message)
            case Act.LISTEN | Act.HEAR:
                self.timers[Step.T103] = now + self._policy.t103
                self._hear(act, now, message)
            case Act.QUIET:
                self._stop(Step.T103)
                self.out.append(events.NobodyTalks(now, False))
            case _:
                self._tell(act, now, message)

    def _tell(self, act: Act, now: float, message: FloorMessage | None) -> None:
        match act:
            case Act.STOP_TALKING:
                cause = int(message.cause.code) if isinstance(message, FloorRevoke) else None
                self.out.append(events.MustStop(now, cause))
            case Act.TELL_DENIED:
                self.asked = False
                assert isinstance(message, FloorDeny), "only a denial is told as one"
                self.out.append(events.Denied(now, int(message.cause.code), message.cause.phrase))
            case Act.TELL_QUEUED:
                assert isinstance(message, FloorQueuePositionInfo), "only a place is told as one"
                place = message.queue_info
                told = None if place.position == QueueInfo.UNDISCLOSED else place.position
                self.out.append(events.Queued(now, told, place.priority))
            case Act.TELL_CANCELLED:
                self.asked = False
                self.out.append(events.Cancelled(now))
            case Act.TELL_UNANSWERED:
                self.out.append(events.Unanswered(now))
            case Act.TELL_FORBIDDEN:
                self.out.append(events.Forbidden(now))
            case Act.QUIET_BESIDE:
                self.out.append(events.NobodyTalks(now, True))
            case Act.BURST_OVER:
                self.out.append(events.BurstOver(now))
            case _:
                raise AssertionError(f"nobody does {act.name}")

    def _hear(self, act: Act, now: float, message: FloorMessage | None) -> None:
        if act is Act.HEAR:
            self.out.append(events.Render(self.heard))
        elif isinstance(message, FloorTaken):
            beside = bool((message.indicator or FloorIndicator(0)) & FloorIndicator.DUAL_FLOOR)
            self.out.append(events.SomebodyTalks(now, message.granted_party, message.audio_ssrc, beside))

    def _talk(self, now: float, message: FloorMessage | None) -> None:
        self._granted(message)
        self.asked = False
        grant = self._grant
        self.dual = bool(grant and (grant.indicator or FloorIndicator(0)) & FloorIndicator.DUAL_FLOOR)
        duration, priority = (None, None) if grant is None else (grant.duration, grant.priority)
        self.out.append(events.MayTalk(now, duration, priority, self.dual))

    def _granted(self, message: FloorMessage | None) -> None:
        if isinstance(message, FloorGranted):
            self._grant = message

    def _first(self, timer: Step, now: float, message: Callable[[], FloorMessage] | None) -> None:
        self.sent[timer] = 0
        self._again(timer, now, message)

    def _again(self, timer: Step, now: float, message: Callable[[], FloorMessage] | None) -> None:
        self.sent[timer] += 1
        self.timers[timer] = now + self._periods[timer]
        if message is not None:
            self.out.append(Send(message()))

    def _stop(self, *timers: Step) -> None:
        for timer in timers:
            self.timers.pop(timer, None)

    def _request(self) -> FloorRequest:
        return FloorRequest(ssrc=self._ssrc, priority=self.priority, indicator=self.indicator)

    def _release(self) -> FloorRelease:
        return FloorRelease(
            ssrc=self._ssrc,
            ack_requested=self._policy.ack_release,
            indicator=FloorIndicator.DUAL_FLOOR if self.dual else None,
        )

    def _position(self) -> FloorQueuePositionRequest:
        return FloorQueuePositionRequest(ssrc=self._ssrc)
