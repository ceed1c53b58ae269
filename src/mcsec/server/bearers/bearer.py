"""What the GCS AS wants of a bearer, and what it knows of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Self

from mcsec.ids import Tmgi
from mcsec.server.bearers.states import BearerState, Step, after
from mcsec.wire.mb2.groups import AllocationRetentionPriority, Preemption, Qci, QosInformation
from mcsec.wire.mb2.values import FlowId, ServiceArea


@dataclass(frozen=True, slots=True)
class Wish:
    """A bearer as it is wanted.

    ``areas`` are service area identities. Bit rates are bit/s, IP and UDP headers included. ``priority`` is the
    ARP priority level, 1 (highest) to 15. ``dynamic``: for one call, and given up after it; otherwise pre-established
    (TS 23.280 10.7.3).
    """

    areas: tuple[int, ...]
    qci: int = Qci.MC_PTT_VOICE
    max_bit_rate: int = 256_000
    guaranteed_bit_rate: int = 128_000
    priority: int = 2
    may_pre_empt: bool = True
    may_be_pre_empted: bool = False
    dynamic: bool = False

    @property
    def service_area(self) -> ServiceArea:
        """The areas as MB2 writes them."""
        return ServiceArea(self.areas)

    @property
    def qos(self) -> QosInformation:
        """QCI, bit rates and ARP as MB2 writes them."""
        return QosInformation(
            qos_class_identifier=self.qci,
            max_requested_bandwidth_dl=self.max_bit_rate,
            guaranteed_bitrate_dl=self.guaranteed_bit_rate,
            allocation_retention_priority=AllocationRetentionPriority(
                priority_level=self.priority,
                pre_emption_capability=Preemption.ENABLED if self.may_pre_empt else Preemption.DISABLED,
                pre_emption_vulnerability=Preemption.ENABLED
                if self.may_be_pre_empted
                else Preemption.DISABLED,
            ),
        )


@dataclass(frozen=True, slots=True)
class Bearer:
    """One bearer: what is wanted, where it is in its life, and what the BM-SC gave.

    ``tmgi_expiry`` is Unix seconds; None: the TMGI does not expire. ``mb2u`` is where its packets go.
    ``attempts`` counts failures in a row, ``retry_at`` says when the next attempt is due. ``change`` is what was asked
    of the BM-SC and not answered yet. ``reason`` tells the operator what went wrong last.
    """

    name: str
    wish: Wish
    state: BearerState = BearerState.WANTED
    tmgi: Tmgi | None = None
    tmgi_expiry: float | None = None
    flow: FlowId | None = None
    mb2u: tuple[IPv4Address | IPv6Address, int] | None = None
    bmsc: str | None = None
    attempts: int = 0
    retry_at: float | None = None
    change: Wish | None = None
    refreshing: bool = False
    reason: str = ""

    def after(self, step: Step, **changes: Any) -> Self:
        """The bearer after ``step``.

        :raises WrongState: the step is not in the table.
        """
        return replace(self, state=after(self.state, step), **changes)

    def times(self, refresh_before: float) -> list[float]:
        """When something is due for it, in no order."""
        waits_for_time = not self.state.waiting or self.state is BearerState.STARTING
        times = (
            self.retry_at if waits_for_time else None,
            self.tmgi_expiry,
            self.refresh_time(refresh_before),
        )
        return [time for time in times if time is not None]

    def refresh_time(self, refresh_before: float) -> float | None:
        """When its TMGI is to be refreshed, ``refresh_before`` seconds before the expiry; None: not, or not again."""
        if self.tmgi_expiry is None or self.refreshing or self.tmgi is None:
            return None
        due = self.tmgi_expiry - refresh_before
        return due if self.retry_at is None else max(due, self.retry_at)

    def describe(self) -> dict[str, Any]:
        """For operators and ``--json``."""
        return {
            "name": self.name,
            "state": self.state.name.lower(),
            "meaning": self.state.value,
            "tmgi": None if self.tmgi is None else str(self.tmgi),
            "tmgi_expiry": self.tmgi_expiry,
            "flow": None if self.flow is None else self.flow.value,
            "areas": list(self.wish.areas),
            "qci": int(self.wish.qci),
            "priority": self.wish.priority,
            "mb2u": None if self.mb2u is None else f"{self.mb2u[0]} {self.mb2u[1]}",
            "bmsc": self.bmsc,
            "kind": "dynamic" if self.wish.dynamic else "pre-established",
            "reason": self.reason,
        }
