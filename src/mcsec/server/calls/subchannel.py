"""One call on one bearer: when it is mapped there, told again, and taken off (TS 24.380 10.2). Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mcsec.ids import Tmgi
from mcsec.keys.events import Event
from mcsec.server.calls import events
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.subchannel_states import TABLE, Act, Step, SubchannelState
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel, UnmapGroupToBearer


@dataclass(frozen=True, slots=True)
class Control:
    """Subchannel control for everybody on a bearer, to its general purpose subchannel."""

    bearer: str
    message: MapGroupToBearer | UnmapGroupToBearer


@dataclass(frozen=True, slots=True)
class Freed:
    """A subchannel is given back."""

    bearer: str
    channel: MbmsSubchannel


class Subchannel:
    """The call of ``group`` on one bearer.

    :ivar channel: where it goes there; None: nowhere.
    """

    def __init__(
        self,
        group: str,
        bearer: str,
        tmgi: Tmgi,
        policy: CallPolicy,
        assign: Callable[[str], MbmsSubchannel | None],
        deserted: Callable[[str, float], None],
    ) -> None:
        """:param assign: gives a free subchannel of the bearer, or None. :param deserted: called with the bearer when
        nobody is served by it any more.
        """
        self.group, self.bearer, self.tmgi = group, bearer, tmgi
        self.state = SubchannelState.NOT_ASSIGNED
        self.channel: MbmsSubchannel | None = None
        self._policy, self._assign, self._deserted = policy, assign, deserted
        self._timers: dict[Step, float] = {}
        self._unmaps = 0
        self._out: list[Control | Freed | Event] = []

    @property
    def active(self) -> bool:
        """Whether floor control and media go on the bearer."""
        return self.state is SubchannelState.ACTIVE

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        return min(self._timers.values(), default=None)

    def step(self, step: Step, now: float) -> list[Control | Freed | Event]:
        """Something happened; what follows. A step without a row changes nothing."""
        rule = TABLE[self.state].get(step)
        if rule is None:
            return []
        was = self.active
        if Act.ASSIGN in rule.acts and self.channel is None:
            self.channel = self._assign(self.bearer)
            if self.channel is None:
                return []
        self.state = rule.to
        for act in rule.acts:
            self._do(act, now)
        if self.active != was:
            self._out.append(
                events.GroupMapped(now, self.group, self.bearer, str(self.tmgi))
                if self.active
                else events.GroupUnmapped(now, self.group, self.bearer, str(self.tmgi), step.value)
            )
        out, self._out = self._out, []
        return out

    def poll(self, now: float) -> Iterable[Control | Freed | Event]:
        """Everything that is due."""
        out: list[Control | Freed | Event] = []
        while (timer := self.next_timer()) is not None and timer <= now:
            step = min(self._timers, key=lambda one: self._timers[one])
            del self._timers[step]
            if step is Step.T17 and self._unmaps >= self._policy.c17:
                step = Step.C17
            out += self.step(step, now)
        return out

    def _do(self, act: Act, now: float) -> None:
        policy = self._policy
        match act:
            case Act.ASSIGN:
                # Done before, because there may be none left.
                return
            case Act.MAP:
                assert self.channel is not None, "a subchannel is assigned first"
                # The SSRC is set where it is sent.
                told = MapGroupToBearer(ssrc=0, group_id=self.group, tmgi=self.tmgi, subchannel=self.channel)
                self._out.append(Control(self.bearer, told))
                self._timers[Step.T16] = now + policy.t16
            case Act.FORWARD:
                self._timers[Step.T15] = now + policy.t15
            case Act.UNMAP:
                self._out.append(
                    Control(
                        self.bearer, UnmapGroupToBearer(ssrc=0, group_id=self.group, subchannel=self.channel)
                    )
                )
                self._unmaps += 1
                self._timers[Step.T17] = now + policy.t17
            case Act.FREE:
                if self.channel is not None:
                    self._out.append(Freed(self.bearer, self.channel))
                    self.channel = None
            case Act.STOP:
                self._timers.clear()
                self._unmaps = 0
            case Act.TO_UNICAST:
                self._deserted(self.bearer, now)
