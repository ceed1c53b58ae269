"""One MBMS bearer: what it is, and the table of what can become of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import AllocationRetentionPriority, Preemption, QosInformation
from mcsec.wire.mb2.masks import BearerEvent, DiagnosticInfo
from mcsec.wire.mb2.values import FlowId

Key = tuple[Tmgi, FlowId]


class State(StrEnum):
    """States of a bearer."""

    WAITING = "waiting"
    ACTIVE = "active"
    ENDED = "ended"


class Occurrence(StrEnum):
    """What can happen to a bearer, apart from being modified."""

    BEGUN = "begun"
    FAILED = "activation failed"
    STOPPED = "stopped by its server"
    RELEASED = "its TMGI was given back"
    EXPIRED = "its TMGI expired"
    PREEMPTED = "a bearer of higher priority took its place"
    BROKEN = "the network lost it"
    ORPHANED = "its server restarted or is lost"


S, O = State, Occurrence  # noqa: E741  # one-letter names keep the table readable as a table

_ENDED, _TOLD = (State.ENDED, BearerEvent(0)), (State.ENDED, BearerEvent.TERMINATED)

#: In a state, when something happens: the new state, and the event that the server is told, if any.
BEARER: Final[dict[State, dict[Occurrence, tuple[State, BearerEvent]]]] = {
    S.WAITING: {
        O.BEGUN: (S.ACTIVE, BearerEvent.ACTIVATED),
        O.FAILED: (S.ENDED, BearerEvent.ACTIVATION_FAILED),
        O.STOPPED: _ENDED,
        O.RELEASED: _ENDED,
        O.EXPIRED: _TOLD,
        O.PREEMPTED: (S.ENDED, BearerEvent.ACTIVATION_FAILED),
        O.BROKEN: (S.ENDED, BearerEvent.ACTIVATION_FAILED),
        O.ORPHANED: _ENDED,
    },
    S.ACTIVE: {
        O.STOPPED: _ENDED,
        O.RELEASED: _ENDED,
        O.EXPIRED: _TOLD,
        O.PREEMPTED: _TOLD,
        O.BROKEN: _TOLD,
        O.ORPHANED: _ENDED,
    },
    S.ENDED: {},
}


@dataclass(frozen=True, slots=True)
class Bearer:
    """A bearer. ``begins`` is when it is to be active; ``failure`` is why it will not be, if a fault says so."""

    tmgi: Tmgi
    flow: FlowId
    host: str
    port: int
    areas: frozenset[int]
    qos: QosInformation
    state: State
    begins: float
    failure: DiagnosticInfo | None = None

    @property
    def key(self) -> Key:
        """TMGI and flow identifier name a bearer."""
        return self.tmgi, self.flow

    @property
    def reserved(self) -> int:
        """Bits per second that it takes of an area's capacity."""
        return self.qos.guaranteed_bitrate_dl or self.qos.max_requested_bandwidth_dl or 0


def arp_of(qos: QosInformation) -> AllocationRetentionPriority:
    """The ARP, with what is meant where it is absent (TS 29.212 5.3.45 to 5.3.47)."""
    arp = qos.allocation_retention_priority or AllocationRetentionPriority(priority_level=15)
    capability, vulnerability = arp.pre_emption_capability, arp.pre_emption_vulnerability
    return AllocationRetentionPriority(
        priority_level=arp.priority_level,
        pre_emption_capability=Preemption.DISABLED if capability is None else capability,
        pre_emption_vulnerability=Preemption.ENABLED if vulnerability is None else vulnerability,
    )
