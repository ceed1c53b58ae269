"""Result codes (RFC 6733 7.1) that this house sends or explains."""

from __future__ import annotations

from enum import IntEnum


class ResultCode(IntEnum):
    """Result-Code values. Others may arrive; a Result-Code AVP is therefore a plain ``int``."""

    SUCCESS = 2001
    LIMITED_SUCCESS = 2002
    COMMAND_UNSUPPORTED = 3001
    UNABLE_TO_DELIVER = 3002
    REALM_NOT_SERVED = 3003
    TOO_BUSY = 3004
    LOOP_DETECTED = 3005
    REDIRECT_INDICATION = 3006
    APPLICATION_UNSUPPORTED = 3007
    INVALID_HDR_BITS = 3008
    INVALID_AVP_BITS = 3009
    UNKNOWN_PEER = 3010
    AUTHENTICATION_REJECTED = 4001
    OUT_OF_SPACE = 4002
    ELECTION_LOST = 4003
    AVP_UNSUPPORTED = 5001
    UNKNOWN_SESSION_ID = 5002
    AUTHORIZATION_REJECTED = 5003
    INVALID_AVP_VALUE = 5004
    MISSING_AVP = 5005
    RESOURCES_EXCEEDED = 5006
    CONTRADICTING_AVPS = 5007
    AVP_NOT_ALLOWED = 5008
    AVP_OCCURS_TOO_MANY_TIMES = 5009
    NO_COMMON_APPLICATION = 5010
    UNSUPPORTED_VERSION = 5011
    UNABLE_TO_COMPLY = 5012
    INVALID_BIT_IN_HEADER = 5013
    INVALID_AVP_LENGTH = 5014
    INVALID_MESSAGE_LENGTH = 5015
    INVALID_AVP_BIT_COMBO = 5016
    NO_COMMON_SECURITY = 5017

    @property
    def label(self) -> str:
        """The part of an error code that names this result, such as ``avp-unsupported``."""
        return self.name.lower().replace("_", "-")


def is_success(result_code: int) -> bool:
    """Whether a Result-Code reports success (2xxx)."""
    return result_code // 1000 == 2


def is_protocol_error(result_code: int) -> bool:
    """Whether a Result-Code is one of those whose answers have the E bit (3xxx)."""
    return result_code // 1000 == 3
