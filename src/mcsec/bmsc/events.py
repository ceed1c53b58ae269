"""What happens at a BM-SC: frozen, named for what it is. ``time`` is Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import MbmsBearerEventNotification, TmgiExpiry
from mcsec.wire.mb2.values import FlowId


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened that concerns the GCS AS ``host``."""

    time: float
    host: str


@dataclass(frozen=True, slots=True)
class TmgisGranted(Event):
    """New or refreshed TMGIs; ``expiry`` None: they do not expire."""

    tmgis: tuple[Tmgi, ...]
    expiry: float | None


@dataclass(frozen=True, slots=True)
class TmgisReleased(Event):
    """The GCS AS gave TMGIs back, or lost them."""

    tmgis: tuple[Tmgi, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class TmgisExpired(Event):
    """Their time is over."""

    tmgis: tuple[Tmgi, ...]


@dataclass(frozen=True, slots=True)
class BearerEvent(Event):
    """Something happened to one bearer."""

    tmgi: Tmgi
    flow: FlowId


@dataclass(frozen=True, slots=True)
class BearerAccepted(BearerEvent):
    """A bearer is to be activated at ``begins``."""

    port: int
    areas: tuple[int, ...]
    begins: float


@dataclass(frozen=True, slots=True)
class BearerActive(BearerEvent):
    """The bearer carries packets."""

    port: int
    areas: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BearerModified(BearerEvent):
    """Its areas or its priority changed."""

    areas: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BearerEnded(BearerEvent):
    """The bearer is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class RequestRefused(Event):
    """Part of a GAR was refused; ``operation`` is what it asked for."""

    operation: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerRestarted(Event):
    """The Restart-Counter of a GCS AS grew: what it held is freed (TS 23.007 29)."""

    counter: int


@dataclass(frozen=True, slots=True)
class ServerLost(Event):
    """A GCS AS was unreachable for too long: what it held is freed."""


@dataclass(frozen=True, slots=True)
class FaultPlayed(Event):
    """A fault of the table came true."""

    operation: str
    outcome: str


@dataclass(frozen=True, slots=True)
class DatagramsDropped(Event):
    """Datagrams of MB2-U at ``port`` are dropped; told once for each reason and port, then again after a while.

    ``host`` is the GCS AS of the bearer there, empty where there is none. ``reason`` is a name among the counters.
    """

    port: int
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class NotificationLost(Event):
    """A GCS AS did not take a notification."""

    reason: str


@dataclass(frozen=True, slots=True)
class Notify:
    """A GNR for the shell to send; ``number`` comes back with its outcome. Without content it is a heartbeat."""

    number: int
    host: str
    realm: str
    expiry: TmgiExpiry | None
    bearers: tuple[MbmsBearerEventNotification, ...]


Output = Event | Notify
