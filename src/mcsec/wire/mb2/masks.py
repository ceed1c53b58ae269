"""Result and event bits of MB2-C (TS 29.468 6.4), with what each means to an operator."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Self


class Mask(IntFlag):
    """A set of bits, each with its reason. Bits without a name may arrive and are kept."""

    reason: str

    def __new__(cls, value: int, reason: str = "") -> Self:
        """A named bit; combinations are made without coming here."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.reason = reason
        return member

    @property
    def reasons(self) -> tuple[str, ...]:
        """What each bit that is set means, lowest first; a bit without a name is told by its number."""
        known = {member.value: member.reason for member in type(self)}
        bits = (bit for bit in range(32) if self >> bit & 1)
        return tuple(known.get(1 << bit, f"bit {bit}") for bit in bits)


class BearerResult(Mask):
    """MBMS-Bearer-Result (6.4.8)."""

    SUCCESS = 1 << 0, "done"
    AUTHORIZATION_REJECTED = 1 << 1, "the BM-SC does not let this server control bearers"
    RESOURCES_EXCEEDED = 1 << 2, "the BM-SC or the network has no capacity left for this bearer"
    UNKNOWN_TMGI = 1 << 3, "the TMGI expired or was never allocated; allocate one again"
    TMGI_NOT_IN_USE = 1 << 4, "no bearer is active for the TMGI"
    OVERLAPPING_SERVICE_AREA = 1 << 5, "another bearer of the TMGI already covers part of the area"
    UNKNOWN_FLOW_IDENTIFIER = 1 << 6, "the TMGI has no bearer with this flow identifier"
    QOS_AUTHORIZATION_REJECTED = 1 << 7, "the QoS is not allowed for this server, or may not change"
    UNKNOWN_SERVICE_AREA = 1 << 8, "the BM-SC knows no such service area"
    SERVICE_AREA_AUTHORIZATION_REJECTED = 1 << 9, "this server may not use the service area"
    BAD_START_TIME = 1 << 10, "the start time is past or too far ahead"
    INVALID_AVP_COMBINATION = 1 << 11, "the request lacks an AVP or has one too many for what it asks"
    SYSTEM_ERROR = 1 << 12, "the BM-SC failed"
    ACTIVATION_ONGOING = 1 << 13, "the bearer is being set up; a notification will follow"


class TmgiAllocationResult(Mask):
    """TMGI-Allocation-Result (6.4.13). Success stands beside an error when some TMGIs were granted."""

    SUCCESS = 1 << 0, "done"
    AUTHORIZATION_REJECTED = 1 << 1, "the BM-SC does not give this server TMGIs"
    RESOURCES_EXCEEDED = 1 << 2, "the BM-SC has no TMGI left"
    UNKNOWN_TMGI = 1 << 3, "a TMGI to be refreshed expired or belongs to another server"
    TOO_MANY_TMGIS = 1 << 4, "more TMGIs than this server may hold"
    SYSTEM_ERROR = 1 << 5, "the BM-SC failed"


class TmgiDeallocationResult(Mask):
    """TMGI-Deallocation-Result (6.4.16)."""

    SUCCESS = 1 << 0, "done"
    AUTHORIZATION_REJECTED = 1 << 1, "the TMGI belongs to another server"
    UNKNOWN_TMGI = 1 << 2, "the TMGI expired or was never allocated"
    SYSTEM_ERROR = 1 << 3, "the BM-SC failed"


class BearerEvent(Mask):
    """MBMS-Bearer-Event (6.4.4)."""

    TERMINATED = 1 << 0, "the bearer ended; serve its listeners otherwise"
    ACTIVATED = 1 << 1, "the bearer is active"
    USER_PLANE = 1 << 2, "header compression or error correction of the bearer changed"
    ACTIVATION_FAILED = 1 << 3, "the bearer could not be activated at its start time"


class RohcResult(Mask):
    """ROHC-Result (6.4.32)."""

    SUCCESS = 1 << 0, "header compression runs"
    TRYING = 1 << 1, "header compression is being set up"
    AUTHORIZATION_REJECTED = 1 << 2, "header compression is not allowed for this server"
    RESOURCES_EXCEEDED = 1 << 3, "no capacity for header compression"
    UNKNOWN_PROFILE = 1 << 4, "the BM-SC knows no such compression profile"
    SYSTEM_ERROR = 1 << 5, "header compression failed in the BM-SC"
    NO_TRAFFIC = 1 << 6, "no packet of the flow arrived to be compressed"


class FecResult(Mask):
    """FEC-Result (6.4.33)."""

    SUCCESS = 1 << 0, "error correction runs"
    TRYING = 1 << 1, "error correction is being set up"
    AUTHORIZATION_REJECTED = 1 << 2, "error correction is not allowed for this server"
    RESOURCES_EXCEEDED = 1 << 3, "no capacity for error correction"
    UNKNOWN_CONFIGURATION = 1 << 4, "the BM-SC cannot do this error correction"
    INVALID_SDP = 1 << 5, "the error correction's SDP cannot be read"
    SYSTEM_ERROR = 1 << 6, "error correction failed in the BM-SC"
    NO_TRAFFIC = 1 << 7, "no packet of the flow arrived to be protected"


class Feature(IntFlag):
    """Feature-List of MB2-C, list 1. The number of IPV4V6 is believed, not read."""

    HEARTBEAT = 1 << 0
    CELL_LIST = 1 << 1
    V2X_LOCALIZED_USER_PLANE = 1 << 2
    FEC = 1 << 3
    ROHC = 1 << 4
    IPV4V6 = 1 << 5


class DiagnosticInfo(IntEnum):
    """MBMS-Bearer-Event-Diagnostic-Info (6.4.35): why a bearer ended or did not begin."""

    TMGI_EXPIRY = 0
    MBMS_GW_NOT_ESTABLISHMENT = 1
    SGMB_TRANSIENT_PATH_FAILURE = 2
    SGMB_NON_TRANSIENT_PATH_FAILURE = 3
    MBMS_GW_USER_PLANE_FAILURE = 4
    MBMS_GW_PERMANENT_ERROR = 5
    MBMS_GW_TRANSIENT_ERROR = 6
