"""How operators write faults, and what they are told of bearers, TMGIs and events: plain values, ready for JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from mcsec.bmsc.bearer import Bearer
from mcsec.bmsc.events import Event
from mcsec.bmsc.faults import (
    Delay,
    FailActivation,
    FailWith,
    Fault,
    Operation,
    Outcome,
    Refuse,
    Silence,
)
from mcsec.bmsc.tmgis import Holding
from mcsec.errors import InvalidValue
from mcsec.net.diameter import effects
from mcsec.wire.mb2.masks import (
    BearerResult,
    DiagnosticInfo,
    Mask,
    TmgiAllocationResult,
    TmgiDeallocationResult,
)

_RESULTS: dict[Operation, type[Mask]] = {
    Operation.ALLOCATE: TmgiAllocationResult,
    Operation.DEALLOCATE: TmgiDeallocationResult,
}
Seconds = Annotated[float, Field(ge=0, le=3600)]


class OutcomeName(StrEnum):
    """What happens instead of the right thing."""

    REFUSE = "refuse"
    FAIL = "fail"
    DELAY = "delay"
    SILENCE = "silence"
    FAIL_ACTIVATION = "fail-activation"


class FaultBody(BaseModel):
    """A fault as an operator writes it.

    ``bits``: names of result bits, for ``refuse``. ``result_code``: of Diameter, for ``fail``. ``seconds``: for
    ``delay`` and ``fail-activation``. ``times`` 0: always.
    """

    model_config = ConfigDict(extra="forbid")

    operation: Operation
    outcome: OutcomeName
    bits: list[str] = []
    result_code: Annotated[int, Field(ge=3000, le=5999)] = 5012
    seconds: Seconds = 1.0
    diagnostic: str = DiagnosticInfo.MBMS_GW_NOT_ESTABLISHMENT.name
    host: str | None = None
    times: Annotated[int, Field(ge=0)] = 1
    after: Annotated[int, Field(ge=0)] = 0

    def fault(self) -> Fault:
        """The row of the table.

        :raises InvalidValue: a name is not known, or nothing says with what to refuse.
        """
        return Fault(self.operation, self._outcome(), self.host, self.times or None, self.after)

    def _outcome(self) -> Outcome:
        makers: dict[OutcomeName, Callable[[], Outcome]] = {
            OutcomeName.REFUSE: lambda: Refuse(self._mask()),
            OutcomeName.FAIL: lambda: FailWith(self.result_code),
            OutcomeName.DELAY: lambda: Delay(self.seconds),
            OutcomeName.SILENCE: Silence,
            OutcomeName.FAIL_ACTIVATION: lambda: FailActivation(
                self.seconds, named(DiagnosticInfo, self.diagnostic)
            ),
        }
        return makers[self.outcome]()

    def _mask(self) -> Mask:
        kind = _RESULTS.get(self.operation, BearerResult)
        result = kind(0)
        for name in self.bits:
            result |= named(kind, name)
        if not result:
            known = ", ".join(member.name for member in kind if member.name)
            raise InvalidValue(f"refuse with which bits? {known}", code="bmsc.fault")
        return result


def fault_row(fault: Fault, left: int | None) -> dict[str, Any]:
    """A row of the fault table; ``left`` None: always."""
    row: dict[str, Any] = {
        "operation": fault.operation.value,
        "outcome": _name(fault.outcome).value,
        "host": fault.host,
        "after": fault.after,
        "left": left,
    }
    match fault.outcome:
        case Refuse(result=result):
            row["bits"] = [member.name for member in type(result) if member & result]
        case FailWith(result_code=code):
            row["result_code"] = code
        case Delay(seconds=seconds):
            row["seconds"] = seconds
        case FailActivation(seconds=seconds, diagnostic=diagnostic):
            row |= {"seconds": seconds, "diagnostic": diagnostic.name}
    return row


def bearer_row(bearer: Bearer) -> dict[str, Any]:
    """A bearer for operators."""
    return {
        "tmgi": str(bearer.tmgi),
        "flow": bearer.flow.value,
        "host": bearer.host,
        "state": bearer.state.value,
        "port": bearer.port,
        "areas": sorted(bearer.areas),
        "reserved": bearer.reserved,
    }


def holding_row(holding: Holding) -> dict[str, Any]:
    """A TMGI in use for operators."""
    return {"tmgi": str(holding.tmgi), "host": holding.host, "expiry": holding.expiry}


def event_row(event: Event) -> dict[str, Any]:
    """An event, with its name, for a log."""
    values = {field.name: _plain(getattr(event, field.name)) for field in fields(event)}
    return {"event": type(event).__name__, **values}


def diameter_row(event: effects.Event, now: float) -> dict[str, Any]:
    """What happened to a Diameter peer, for the same log."""
    return {"event": type(event).__name__, "time": now} | {
        field.name: _plain(getattr(event, field.name))
        for field in fields(event)
        if field.name != "applications"
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (int, float, str)) else str(value)


def _name(outcome: Outcome) -> OutcomeName:
    return {
        Refuse: OutcomeName.REFUSE,
        FailWith: OutcomeName.FAIL,
        Delay: OutcomeName.DELAY,
        Silence: OutcomeName.SILENCE,
        FailActivation: OutcomeName.FAIL_ACTIVATION,
    }[type(outcome)]


def named(kind: Any, name: str) -> Any:
    """A member of an enumeration by its name, as operators may write it.

    :raises InvalidValue: it has none of that name; the text lists them.
    """
    try:
        return kind[name.upper().replace("-", "_")]
    except KeyError:
        known = ", ".join(member.name for member in kind)
        raise InvalidValue(f"{name} is none of {known}", code="bmsc.fault") from None
