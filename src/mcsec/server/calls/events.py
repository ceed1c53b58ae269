"""What happens in group calls: frozen, named for what it is. No key octets, and no octets of media."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.keys.events import Event


@dataclass(frozen=True, slots=True)
class CallEvent(Event):
    """Something happened in the call of a group."""

    group: str


@dataclass(frozen=True, slots=True)
class CallStarted(CallEvent):
    """The controlling function has a call."""

    caller: str
    kind: str
    urgency: str


@dataclass(frozen=True, slots=True)
class CallEstablished(CallEvent):
    """Enough members are there: the floor is open."""

    members: int


@dataclass(frozen=True, slots=True)
class MemberJoined(CallEvent):
    """A member takes part."""

    user: str


@dataclass(frozen=True, slots=True)
class MemberLeft(CallEvent):
    """A member takes part no more, or was not reached."""

    user: str
    reason: str


@dataclass(frozen=True, slots=True)
class MemberRemoved(CallEvent):
    """The group's home domain says that one of our users is no member any more; what it holds is replaced."""

    user: str
    home: str


@dataclass(frozen=True, slots=True)
class UrgencyChanged(CallEvent):
    """The call is about something more, or less, urgent."""

    user: str
    urgency: str


@dataclass(frozen=True, slots=True)
class CallEnded(CallEvent):
    """The controlling function released the call."""

    reason: str


@dataclass(frozen=True, slots=True)
class CallServed(CallEvent):
    """A user of this domain is in a call."""

    user: str
    controlling: str


@dataclass(frozen=True, slots=True)
class CallLeft(CallEvent):
    """A user of this domain is in the call no more."""

    user: str
    reason: str


@dataclass(frozen=True, slots=True)
class ControllingLost(CallEvent):
    """The controlling function does not answer any more; its call is over for the users of this domain."""

    controlling: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroupMapped(CallEvent):
    """Floor control and media of the call go on a bearer."""

    bearer: str
    tmgi: str


@dataclass(frozen=True, slots=True)
class GroupUnmapped(CallEvent):
    """They go there no more."""

    bearer: str
    tmgi: str
    reason: str


@dataclass(frozen=True, slots=True)
class ListenerSwitched(CallEvent):
    """A user is served by a bearer, or with an empty ``bearer`` by unicast, from now on."""

    user: str
    bearer: str


@dataclass(frozen=True, slots=True)
class BearerWanted(CallEvent):
    """So many users of the call are served by unicast that a bearer would pay."""

    listeners: int


@dataclass(frozen=True, slots=True)
class BearerUnwanted(CallEvent):
    """The bearer that was wanted for the call is not any more."""


@dataclass(frozen=True, slots=True)
class PacketRefused(CallEvent):
    """A packet changed nothing. ``sender`` is whom the leg is for, or its source; told once a second for each code."""

    sender: str
    what: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class PartnerRefused(Event):
    """A request of another MC domain, or of who says that it is one, changed nothing."""

    peer: str
    code: str
    reason: str
