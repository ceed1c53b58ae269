"""What a GAA says about one bearer, read into a value or into the reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import MbmsBearerResponse, TmgiAllocationResponse
from mcsec.wire.mb2.masks import BearerResult, TmgiAllocationResult
from mcsec.wire.mb2.messages import Gaa
from mcsec.wire.mb2.values import FlowId

#: Refusals that no second attempt changes.
_FINAL = (
    BearerResult.AUTHORIZATION_REJECTED
    | BearerResult.QOS_AUTHORIZATION_REJECTED
    | BearerResult.UNKNOWN_SERVICE_AREA
    | BearerResult.SERVICE_AREA_AUTHORIZATION_REJECTED
    | BearerResult.OVERLAPPING_SERVICE_AREA
    | BearerResult.INVALID_AVP_COMBINATION
)


@dataclass(frozen=True, slots=True)
class Allocated:
    """TMGIs given or refreshed; ``expiry`` is Unix seconds, None: they do not expire."""

    tmgis: tuple[Tmgi, ...]
    expiry: float | None


@dataclass(frozen=True, slots=True)
class Started:
    """An activation was accepted; ``ongoing``: the outcome follows in a notification."""

    flow: FlowId
    mb2u: tuple[IPv4Address | IPv6Address, int]
    ongoing: bool


@dataclass(frozen=True, slots=True)
class NotDone:
    """The BM-SC refused. ``final``: no second attempt changes that. ``no_tmgi``: the TMGI is gone."""

    reason: str
    final: bool = False
    no_tmgi: bool = False


def allocation(gaa: Gaa, now: float) -> Allocated | NotDone:
    """The answer to a request for TMGIs. Partial success counts as what it gave."""
    answer = gaa.tmgi_allocation_response or TmgiAllocationResponse()
    if not answer.tmgi:
        reasons = (answer.tmgi_allocation_result or TmgiAllocationResult(0)).reasons
        return NotDone("; ".join(reasons) or "the answer has no TMGI")
    duration = answer.mbms_session_duration
    total = None if duration is None else duration.total
    return Allocated(answer.tmgi, None if total is None else now + total)


def activation(gaa: Gaa) -> Started | NotDone:
    """The answer to an activation."""
    answer = _bearer(gaa)
    refused = _refusal(answer)
    if refused is not None:
        return refused
    if answer.mbms_flow_identifier is None or not answer.bmsc_address or answer.bmsc_port is None:
        return NotDone("the answer names no flow or no address for MB2-U")
    result = answer.mbms_bearer_result or BearerResult(0)
    return Started(
        answer.mbms_flow_identifier,
        (answer.bmsc_address[0], answer.bmsc_port),
        bool(result & BearerResult.ACTIVATION_ONGOING),
    )


def change(gaa: Gaa) -> NotDone | None:
    """The answer to a modification; None: done."""
    return _refusal(_bearer(gaa))


def _refusal(answer: MbmsBearerResponse) -> NotDone | None:
    result = answer.mbms_bearer_result
    if result is None or result & BearerResult.SUCCESS:
        return None
    return NotDone("; ".join(result.reasons), bool(result & _FINAL), bool(result & BearerResult.UNKNOWN_TMGI))


def _bearer(gaa: Gaa) -> MbmsBearerResponse:
    return gaa.mbms_bearer_response[0] if gaa.mbms_bearer_response else MbmsBearerResponse()
