"""What floor control fields hold: causes, indicators and small structures (TS 24.380 8.2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar


class FloorMessageType(IntEnum):
    """The low four bits of the subtype (TS 24.380 table 8.2.2.1-1). Not in the order that one would guess."""

    REQUEST = 0
    GRANTED = 1
    TAKEN = 2
    DENY = 3
    RELEASE = 4
    IDLE = 5
    REVOKE = 6
    REVOKE_REQUEST = 7
    QUEUE_POSITION_REQUEST = 8
    QUEUE_POSITION_INFO = 9
    ACK = 10
    UNICAST_MEDIA_FLOW_CONTROL = 11
    QUEUED_FLOOR_REQUESTS = 14
    RELEASE_MULTI_TALKER = 15


class DenyCause(IntEnum):
    """Causes of Floor Deny (TS 24.380 8.2.6.2)."""

    ANOTHER_CLIENT_HAS_PERMISSION = 1
    INTERNAL_SERVER_ERROR = 2
    ONLY_ONE_PARTICIPANT = 3
    RETRY_AFTER_TIMER_NOT_EXPIRED = 4
    RECEIVE_ONLY = 5
    NO_RESOURCES_AVAILABLE = 6
    QUEUE_FULL = 7
    OTHER_REASON = 255


class RevokeCause(IntEnum):
    """Causes of Floor Revoke (TS 24.380 8.2.10.2). Numbers shared with Floor Deny mean other things."""

    ONLY_ONE_CLIENT = 1
    MEDIA_BURST_TOO_LONG = 2
    NO_PERMISSION_TO_SEND = 3
    MEDIA_BURST_PRE_EMPTED = 4
    NO_RESOURCES_AVAILABLE = 6
    REVOKED_BY_ANOTHER_CLIENT = 7
    OTHER_REASON = 255


class Source(IntEnum):
    """Who sent a Floor Ack (TS 24.380 8.2.3.12)."""

    FLOOR_PARTICIPANT = 0
    PARTICIPATING = 1
    CONTROLLING = 2
    NON_CONTROLLING = 3


class FloorIndicator(IntFlag):
    """What kind of call this is (TS 24.380 8.2.3.15)."""

    NORMAL = 0x8000
    BROADCAST_GROUP = 0x4000
    SYSTEM = 0x2000
    EMERGENCY = 0x1000
    IMMINENT_PERIL = 0x0800
    QUEUEING_SUPPORTED = 0x0400
    DUAL_FLOOR = 0x0200
    TEMPORARY_GROUP = 0x0100
    MULTI_TALKER = 0x0080


class QueuePurpose(IntEnum):
    """What a Queued Floor Requests message is for (TS 24.380 8.2.3.23)."""

    CANCEL_REQUEST = 0
    CANCEL_RESULT = 1
    CANCEL_NOTIFICATION = 2


class ResponseState(IntEnum):
    """How cancelling queued requests ended (TS 24.380 8.2.3.25)."""

    CANCELLED = 0
    QUEUE_EMPTY = 2
    NO_QUEUED_REQUEST = 3
    PARTIALLY_CANCELLED = 5


@dataclass(frozen=True, slots=True)
class RejectCause:
    """Why the floor was denied or revoked, and a phrase for people.

    ``code`` is a :class:`DenyCause` or :class:`RevokeCause`. A number outside the message's table stays a
    plain ``int``: treat it as "other reason".
    """

    code: int
    phrase: str = ""


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """Place in the queue and the priority that holds it (TS 24.380 8.2.3.5)."""

    UNDISCLOSED: ClassVar[int] = 255
    NOT_QUEUED: ClassVar[int] = 254

    position: int
    priority: int


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """The way a message took through a non-controlling function (TS 24.380 8.2.3.13).

    ``references`` are 32-bit floor participant references, one for each hop.
    """

    queueing: bool
    participant_type: str = ""
    references: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    """Where a talker is (TS 24.380 8.2.3.21): a :class:`LocationType` and its octets, uninterpreted."""

    kind: int
    value: bytes = b""
