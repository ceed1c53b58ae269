"""What a floor participant sends, and what it tells its user: frozen, named for what it is."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.keys.events import Event
from mcsec.wire.rtcp.floor import FloorMessage


@dataclass(frozen=True, slots=True)
class Send:
    """``message`` for the server, by unicast."""

    message: FloorMessage


@dataclass(frozen=True, slots=True)
class Render:
    """The media packet of ``ssrc`` that just came is for the user's ears. Any other is not."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class MayTalk(Event):
    """Talk, for ``duration`` seconds at most (None: the server said nothing). ``beside``: another talks too."""

    duration: int | None
    priority: int | None
    beside: bool


@dataclass(frozen=True, slots=True)
class MustStop(Event):
    """Talk no longer. ``cause`` is a ``RevokeCause`` when the server revoked the floor."""

    cause: int | None


@dataclass(frozen=True, slots=True)
class YourTurn(Event):
    """Who waited may talk, after acting within ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Denied(Event):
    """The floor was denied. ``cause`` is a ``DenyCause``."""

    cause: int
    phrase: str


@dataclass(frozen=True, slots=True)
class Queued(Event):
    """The request waits. ``position`` None: the server does not tell."""

    position: int | None
    priority: int


@dataclass(frozen=True, slots=True)
class Cancelled(Event):
    """The request waits no longer."""


@dataclass(frozen=True, slots=True)
class Unanswered(Event):
    """The server did not answer a Floor Request."""


@dataclass(frozen=True, slots=True)
class Forbidden(Event):
    """Nobody may ask for the floor now (broadcast group call)."""


@dataclass(frozen=True, slots=True)
class SomebodyTalks(Event):
    """``talker`` talks (None: the name is withheld). ``beside``: beside another (dual floor)."""

    talker: str | None
    ssrc: int | None
    beside: bool


@dataclass(frozen=True, slots=True)
class NobodyTalks(Event):
    """The floor is idle. ``beside``: the second talker stopped."""

    beside: bool


@dataclass(frozen=True, slots=True)
class BurstOver(Event):
    """Nothing was heard of the talker for T103."""


Output = Send | Render | Event
