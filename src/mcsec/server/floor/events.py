"""What floor control sends and what happens to the floor: frozen, named for what it is."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.keys.events import Event
from mcsec.wire.rtcp.floor import FloorMessage
from mcsec.wire.rtcp.floor_values import DenyCause, ResponseState, RevokeCause


@dataclass(frozen=True, slots=True)
class ToOne:
    """``message`` for one participant, by unicast."""

    participant: str
    message: FloorMessage


@dataclass(frozen=True, slots=True)
class ToAll:
    """``message`` for every participant but ``but``: once on a bearer, and by unicast to whom no bearer reaches.

    Always a message that may be multicast. Whoever is left out may hear it on the bearer all the same.
    """

    message: FloorMessage
    but: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Forward:
    """The media packet that ``participant`` just sent goes to everyone else. Any other is dropped."""

    participant: str


@dataclass(frozen=True, slots=True)
class TalkerStarted(Event):
    """``talker`` has the floor. ``overriding``: beside another (dual floor)."""

    talker: str
    priority: int
    urgency: str
    overriding: bool


@dataclass(frozen=True, slots=True)
class TalkerStopped(Event):
    """``talker`` has the floor no longer."""

    talker: str
    why: str


@dataclass(frozen=True, slots=True)
class TalkerRevoked(Event):
    """``talker`` was told to stop."""

    talker: str
    cause: RevokeCause


@dataclass(frozen=True, slots=True)
class FloorFree(Event):
    """Nobody has the floor or waits for it."""


@dataclass(frozen=True, slots=True)
class RequestDenied(Event):
    """``participant`` was denied the floor."""

    participant: str
    cause: DenyCause


@dataclass(frozen=True, slots=True)
class RequestQueued(Event):
    """``participant`` waits, at ``position`` counted from 1."""

    participant: str
    position: int


@dataclass(frozen=True, slots=True)
class RequestCancelled(Event):
    """``participant`` does not wait any more; ``by`` is who had it so."""

    participant: str
    by: str


@dataclass(frozen=True, slots=True)
class CancelAnswered(Event):
    """``participant`` asked that requests be taken out of the queue."""

    participant: str
    state: ResponseState


@dataclass(frozen=True, slots=True)
class MediaRefused(Event):
    """``participant`` sends media without having the floor. Told once, not for each packet."""

    participant: str


@dataclass(frozen=True, slots=True)
class MediaFlowWanted(Event):
    """``participant`` wants unicast media resumed or stopped."""

    participant: str
    resume: bool


@dataclass(frozen=True, slots=True)
class CallInactive(Event):
    """The floor was idle for T4. Call control releases the call, or lets it be."""


Output = ToOne | ToAll | Forward | Event
