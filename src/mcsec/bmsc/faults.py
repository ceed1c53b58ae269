"""Faults to play, as a table: which request of whom, how often, and what happens instead of the right thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mcsec.wire.mb2.groups import MbmsBearerRequest, StartStop
from mcsec.wire.mb2.masks import DiagnosticInfo, Mask


class Operation(StrEnum):
    """What a GAR, or a part of it, asks for."""

    ALLOCATE = "allocate"
    DEALLOCATE = "deallocate"
    START = "start"
    UPDATE = "update"
    STOP = "stop"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer this part with these bits, and do nothing."""

    result: Mask


@dataclass(frozen=True, slots=True)
class FailWith:
    """Answer the whole GAR with this Result-Code, and do nothing."""

    result_code: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Do it, and answer after this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Silence:
    """Do it, and answer never."""


@dataclass(frozen=True, slots=True)
class FailActivation:
    """Accept the bearer as being activated, then notify that it failed."""

    seconds: float
    diagnostic: DiagnosticInfo = DiagnosticInfo.MBMS_GW_NOT_ESTABLISHMENT


Outcome = Refuse | FailWith | Delay | Silence | FailActivation


@dataclass(frozen=True, slots=True)
class Fault:
    """One row. ``host`` None is anybody. It spares ``after`` requests, then hits ``times``; None for all."""

    operation: Operation
    outcome: Outcome
    host: str | None = None
    times: int | None = 1
    after: int = 0


@dataclass(slots=True)
class _Row:
    fault: Fault
    spared: int
    left: int | None


class FaultTable:
    """Rows in order; the first that fits comes true."""

    def __init__(self, *faults: Fault) -> None:
        self._rows: list[_Row] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """One more row, the last."""
        self._rows.append(_Row(fault, fault.after, fault.times))

    @property
    def rows(self) -> tuple[tuple[Fault, int | None], ...]:
        """Each fault with how often it is still to be played; None: always."""
        return tuple((row.fault, row.left) for row in self._rows)

    def clear(self) -> None:
        """No more faults."""
        self._rows.clear()

    def take(self, operation: Operation, host: str) -> Outcome | None:
        """What is to happen to this request, if anything."""
        for row in self._rows:
            fault = row.fault
            if fault.operation is not operation or fault.host not in (None, host) or row.left == 0:
                continue
            if row.spared:
                row.spared -= 1
                continue
            if row.left is not None:
                row.left -= 1
            return fault.outcome
        return None


_OPERATIONS = {
    StartStop.START: Operation.START,
    StartStop.UPDATE: Operation.UPDATE,
    StartStop.STOP: Operation.STOP,
    StartStop.HEARTBEAT: Operation.HEARTBEAT,
}


def operation_of(part: MbmsBearerRequest) -> Operation:
    """What a bearer request asks for."""
    return _OPERATIONS[part.mbms_startstop_indication]


def refusal_of(outcome: Outcome | None) -> Mask | None:
    """The bits to refuse with, if that is the outcome."""
    return outcome.result if isinstance(outcome, Refuse) else None
