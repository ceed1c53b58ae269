"""What happens in a client's calls: frozen, named for what happened. ``group`` says in which call."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.client.floor import events as floor
from mcsec.keys.events import Event


@dataclass(frozen=True, slots=True)
class CallEvent(Event):
    """Something happened in the call of ``group``."""

    group: str


@dataclass(frozen=True, slots=True)
class CallStarted(CallEvent):
    """We are in the call. ``inviter``: who called, where we were invited. ``session_id``: URI of the session."""

    inviter: str = ""
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class CallRefused(CallEvent):
    """We called, and the server did not take us in. ``status`` is its answer, 0 where none came."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class CallEnded(CallEvent):
    """We are in the call no longer."""

    reason: str


@dataclass(frozen=True, slots=True)
class CallRejoined(CallEvent):
    """The server had lost our call, and we are in the group's call again, ``after`` so many seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class CallNotRejoined(CallEvent):
    """The server had lost our call, and we are in no call of the group now."""

    reason: str


@dataclass(frozen=True, slots=True)
class InviteRefused(Event):
    """An INVITE changed nothing. ``sender`` is what it claimed or what was asserted; ``status`` our answer."""

    sender: str
    status: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class FloorGranted(CallEvent):
    """Talk, for ``duration`` seconds at most. ``beside``: another talks too."""

    duration: int | None
    priority: int | None
    beside: bool


@dataclass(frozen=True, slots=True)
class FloorEnded(CallEvent):
    """The floor is ours no longer. ``cause`` is a ``RevokeCause`` when the server revoked it."""

    cause: int | None


@dataclass(frozen=True, slots=True)
class TurnCame(CallEvent):
    """Who waited may talk, after acting within ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class FloorDenied(CallEvent):
    """The floor was denied. ``cause`` is a ``DenyCause``."""

    cause: int
    phrase: str


@dataclass(frozen=True, slots=True)
class FloorQueued(CallEvent):
    """Our request waits. ``position`` None: the server does not tell."""

    position: int | None
    priority: int


@dataclass(frozen=True, slots=True)
class RequestCancelled(CallEvent):
    """Our request waits no longer."""


@dataclass(frozen=True, slots=True)
class RequestUnanswered(CallEvent):
    """The server did not answer our request."""


@dataclass(frozen=True, slots=True)
class RequestForbidden(CallEvent):
    """Nobody may ask for the floor now."""


@dataclass(frozen=True, slots=True)
class FloorTaken(CallEvent):
    """``talker`` talks (None: the name is withheld). ``beside``: beside another."""

    talker: str | None
    ssrc: int | None
    beside: bool


@dataclass(frozen=True, slots=True)
class FloorIdle(CallEvent):
    """Nobody talks. ``beside``: the second talker stopped."""

    beside: bool


@dataclass(frozen=True, slots=True)
class BurstOver(CallEvent):
    """Nothing was heard of the talker for T103."""


@dataclass(frozen=True, slots=True)
class UplinkFailed(CallEvent):
    """A floor message could not be protected, so it was not sent."""

    code: str
    reason: str


def of_call(group: str, told: Event) -> CallEvent:
    """What the floor participant of the call of ``group`` tells, with the call's name."""
    match told:
        case floor.MayTalk(now, duration, priority, beside):
            return FloorGranted(now, group, duration, priority, beside)
        case floor.MustStop(now, cause):
            return FloorEnded(now, group, cause)
        case floor.YourTurn(now, seconds):
            return TurnCame(now, group, seconds)
        case floor.Denied(now, cause, phrase):
            return FloorDenied(now, group, cause, phrase)
        case floor.Queued(now, position, priority):
            return FloorQueued(now, group, position, priority)
        case floor.Cancelled(now):
            return RequestCancelled(now, group)
        case floor.Unanswered(now):
            return RequestUnanswered(now, group)
        case floor.Forbidden(now):
            return RequestForbidden(now, group)
        case floor.SomebodyTalks(now, talker, ssrc, beside):
            return FloorTaken(now, group, talker, ssrc, beside)
        case floor.NobodyTalks(now, beside):
            return FloorIdle(now, group, beside)
        case floor.BurstOver(now):
            return BurstOver(now, group)
    raise TypeError(f"a floor participant tells no {told.name}")
