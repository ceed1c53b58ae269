"""What happens to bearers, and what is asked of the BM-SC: frozen, named for what it is."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.errors import Refused
from mcsec.ids import Tmgi
from mcsec.keys.events import Event
from mcsec.net.mb2u import Place
from mcsec.wire.mb2.groups import MbmsBearerRequest, TmgiAllocationRequest, TmgiDeallocationRequest
from mcsec.wire.mb2.values import FlowId


@dataclass(frozen=True, slots=True)
class Ask:
    """A GAR to be sent; ``number`` comes back with its answer. Without any part it is a heartbeat.

    One bearer request in each GAR: answers can be told apart only by order (TS 29.468 6.6.3). ``drmp``: RFC 7944,
    0 is the highest priority.
    """

    number: int
    bearer: MbmsBearerRequest | None = None
    allocation: TmgiAllocationRequest | None = None
    deallocation: TmgiDeallocationRequest | None = None
    destination: str | None = None
    drmp: int | None = None


@dataclass(frozen=True, slots=True)
class BearerEvent(Event):
    """Something happened to the bearer ``bearer``."""

    bearer: str


@dataclass(frozen=True, slots=True)
class TmgiAllocated(BearerEvent):
    """The BM-SC gave a TMGI; ``expiry`` is Unix seconds, None: it does not expire."""

    tmgi: Tmgi
    expiry: float | None


@dataclass(frozen=True, slots=True)
class TmgiRefreshed(BearerEvent):
    """The TMGI lives on until ``expiry``."""

    tmgi: Tmgi
    expiry: float | None


@dataclass(frozen=True, slots=True)
class BearerActive(BearerEvent):
    """The bearer is on the air. A new MSCCK is due, and an announcement to everyone concerned."""

    tmgi: Tmgi
    flow: FlowId
    mb2u: Place
    areas: tuple[int, ...]

    def describe(self) -> dict[str, str | float]:
        """As plain values."""
        # Not super(): a slotted dataclass is another class than the one that its methods were written in.
        return BearerEvent.describe(self) | {
            "mb2u": f"{self.mb2u[0]} {self.mb2u[1]}",
            "areas": _areas(self.areas),
        }


@dataclass(frozen=True, slots=True)
class BearerModified(BearerEvent):
    """The bearer has other areas or another priority. It is to be announced again."""

    tmgi: Tmgi
    areas: tuple[int, ...]

    def describe(self) -> dict[str, str | float]:
        """As plain values."""
        return BearerEvent.describe(self) | {"areas": _areas(self.areas)}


@dataclass(frozen=True, slots=True)
class ListenersToUnicast(BearerEvent):
    """Whoever listens to the bearer is to be served by unicast, at once.

    With ``then_release`` the bearer is still on the air and is given up when that is done.
    """

    tmgi: Tmgi
    reason: str
    then_release: bool


@dataclass(frozen=True, slots=True)
class BearerLost(BearerEvent):
    """The network or the BM-SC ended the bearer."""

    tmgi: Tmgi
    reason: str


@dataclass(frozen=True, slots=True)
class BearerRefused(BearerEvent):
    """The BM-SC refused what was asked; ``retry_at`` None: not before the operator changes something."""

    reason: str
    retry_at: float | None


@dataclass(frozen=True, slots=True)
class BearerReleased(BearerEvent):
    """The bearer is given up. It is to be announced as cancelled."""

    tmgi: Tmgi | None


@dataclass(frozen=True, slots=True)
class BmscRestarted(Event):
    """The BM-SC lost its state: every TMGI and bearer there is gone."""

    host: str
    counter: int


@dataclass(frozen=True, slots=True)
class PathUp(Event):
    """MB2-C is open to the BM-SC, or to an agent on the way there."""

    host: str


@dataclass(frozen=True, slots=True)
class PathDown(Event):
    """MB2-C to the BM-SC or an agent is closed, or could not be opened."""

    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class MessageRefused(Event):
    """A Diameter peer sent what it must not; ``code`` is stable. Nothing has changed."""

    host: str
    code: str
    reason: str


Output = Ask | Event


class UnknownBearer(Refused):
    """A notification spoke of what is not ours. ``happened`` is what followed from the rest of it."""

    code = "bearer.not-ours"
    clause = "TS 29.468 5.3"

    def __init__(self, tmgis: list[str], happened: list[Output]) -> None:
        super().__init__(f"no bearer of ours has TMGI {', '.join(tmgis)}")
        self.happened = happened


def _areas(areas: tuple[int, ...]) -> str:
    return ", ".join(map(str, areas))
