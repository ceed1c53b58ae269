"""Floor control, name ``MCPT``: who may talk (TS 24.380 8.2).

The classes are the messages; :data:`FLOOR` is the table that encodes, decodes and explains them. A list of
fields per message is known from secondary sources only, so a field that is not in a message's row is no
error: it is kept in ``others``.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.wire.rtcp import floor_fields as f
from mcsec.wire.rtcp.floor_values import (
    FloorIndicator,
    FloorMessageType,
    Location,
    QueueInfo,
    QueuePurpose,
    RejectCause,
    ResponseState,
    Source,
    TrackInfo,
)
from mcsec.wire.rtcp.profile import Profile, Release
from mcsec.wire.rtcp.table import ControlProtocol, Direction, Message, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorMessage(Message):
    """What every floor control message may carry."""

    track_info: TrackInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorRequest(FloorMessage):
    """A participant asks to talk (8.2.4)."""

    priority: int | None = None
    user_id: str | None = None
    indicator: FloorIndicator | None = None
    functional_alias: str | None = None
    location: Location | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorGranted(FloorMessage):
    """The receiver may talk for ``duration`` seconds (8.2.5)."""

    duration: int
    priority: int
    audio_ssrc: int | None = None
    user_id: str | None = None
    queue_size: int | None = None
    indicator: FloorIndicator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorTaken(FloorMessage):
    """Somebody else talks (8.2.9). Without ``granted_party`` the talker's identity is withheld."""

    permission: bool
    sequence_number: int
    granted_party: str | None = None
    user_id: str | None = None
    indicator: FloorIndicator | None = None
    audio_ssrc: int | None = None
    granted_users: tuple[str, ...] | None = None
    ssrcs: tuple[int, ...] | None = None
    functional_alias: str | None = None
    functional_aliases: tuple[str, ...] | None = None
    location: Location | None = None
    locations: tuple[Location, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorDeny(FloorMessage):
    """The receiver may not talk (8.2.6). ``cause.code`` is a ``DenyCause``."""

    cause: RejectCause
    user_id: str | None = None
    indicator: FloorIndicator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorRelease(FloorMessage):
    """A participant stops talking or asking (8.2.7)."""

    user_id: str | None = None
    indicator: FloorIndicator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorIdle(FloorMessage):
    """Nobody talks (8.2.8)."""

    sequence_number: int
    indicator: FloorIndicator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorRevoke(FloorMessage):
    """The receiver must stop talking (8.2.10). ``cause.code`` is a ``RevokeCause``."""

    cause: RejectCause
    indicator: FloorIndicator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorRevokeRequest(FloorMessage):
    """A participant asks that somebody else be stopped (Release 19)."""

    revoked_user_id: str | None = None
    user_id: str | None = None
    indicator: FloorIndicator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorQueuePositionRequest(FloorMessage):
    """A participant asks for its place in the queue (8.2.11)."""

    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorQueuePositionInfo(FloorMessage):
    """The receiver's place in the queue (8.2.12)."""

    queue_info: QueueInfo
    user_id: str | None = None
    queued_user_id: str | None = None
    indicator: FloorIndicator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorAck(FloorMessage):
    """A message that asked for it has arrived (8.2.13)."""

    source: Source
    acked: FloorMessageType


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorReleaseMultiTalker(FloorMessage):
    """One of several talkers stopped (8.2.14, Release 15)."""

    user_id: str | None = None
    audio_ssrc: int | None = None
    indicator: FloorIndicator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedFloorRequests(FloorMessage):
    """Queued requests are or shall be cancelled (8.2.15, Release 18)."""

    purpose: QueuePurpose | None = None
    queued_users: tuple[str, ...] | None = None
    response_state: ResponseState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorQueuedCancel(FloorMessage):
    """What Release 17 had under the subtype of :class:`QueuedFloorRequests`."""

    queued_users: tuple[str, ...] | None = None
    response_state: ResponseState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnicastMediaFlowControl(FloorMessage):
    """A participant wants unicast media stopped or resumed (8.2.16, Release 17)."""

    resume: bool


_UP, _DOWN, _BOTH = Direction.TO_SERVER, Direction.TO_PARTICIPANT, Direction.BOTH
_TALKERS = (f.GRANTED_USERS, f.SSRCS, f.ALIAS, f.ALIASES, f.LOCATION, f.LOCATIONS)
_T = FloorMessageType


class _FloorProtocol(ControlProtocol):
    def canonical_id(self, field_id: int, length: int, profile: Profile) -> int:
        return f.LEGACY_IDS.get(field_id, field_id) if profile.legacy_floor_fields else field_id


FLOOR = _FloorProtocol(
    "MCPT",
    "floor control",
    "TS 24.380 8.2",
    (
        Row(
            _T.REQUEST, FloorRequest, "Floor Request", "8.2.4", _UP,
            (f.PRIORITY, f.USER_ID, f.TRACK_INFO, f.INDICATOR, f.ALIAS, f.LOCATION),
        ),
        Row(
            _T.GRANTED, FloorGranted, "Floor Granted", "8.2.5", _DOWN,
            (f.DURATION, f.AUDIO_SSRC, f.PRIORITY, f.USER_ID, f.QUEUE_SIZE, f.TRACK_INFO, f.INDICATOR),
            required=(f.DURATION, f.PRIORITY), ack=True,
        ),
        Row(
            _T.TAKEN, FloorTaken, "Floor Taken", "8.2.9", _DOWN, (f.GRANTED_PARTY, f.PERMISSION, f.USER_ID,
            f.SEQUENCE_NUMBER, f.TRACK_INFO, f.INDICATOR, f.AUDIO_SSRC,
             *_TALKERS),
            required=(f.PERMISSION, f.SEQUENCE_NUMBER), ack=True, multicast=True,
        ),
        Row(
            _T.DENY, FloorDeny, "Floor Deny", "8.2.6", _DOWN,
            (f.DENY_CAUSE, f.USER_ID, f.TRACK_INFO, f.INDICATOR),
            required=(f.DENY_CAUSE,), ack=True,
        ),
        Row(
            _T.RELEASE, FloorRelease, "Floor Release", "8.2.7", _UP,
            (f.USER_ID, f.TRACK_INFO, f.INDICATOR), ack=True,
        ),
        Row(
            _T.IDLE, FloorIdle, "Floor Idle", "8.2.8", _DOWN,
            (f.SEQUENCE_NUMBER, f.TRACK_INFO, f.INDICATOR),
            required=(f.SEQUENCE_NUMBER,), ack=True, multicast=True,
        ),
        Row(
            _T.REVOKE, FloorRevoke, "Floor Revoke", "8.2.10", _DOWN,
            (f.REVOKE_CAUSE, f.TRACK_INFO, f.INDICATOR), required=(f.REVOKE_CAUSE,),
        ),
        Row(
            _T.REVOKE_REQUEST, FloorRevokeRequest, "Floor Revoke Request", "8.2.2", _UP,
            (f.USER_ID, f.REVOKED_USER_ID, f.TRACK_INFO, f.INDICATOR), since=Release.REL_19,
        ),
        Row(
            _T.QUEUE_POSITION_REQUEST, FloorQueuePositionRequest, "Floor Queue Position Request", "8.2.11",
            _UP, (f.USER_ID, f.TRACK_INFO),
        ),
        Row(
            _T.QUEUE_POSITION_INFO, FloorQueuePositionInfo, "Floor Queue Position Info", "8.2.12", _DOWN,
            (f.USER_ID, f.QUEUED_USER_ID, f.QUEUE_INFO, f.TRACK_INFO, f.INDICATOR),
            required=(f.QUEUE_INFO,), ack=True,
        ),
        Row(
            _T.ACK, FloorAck, "Floor Ack", "8.2.13", _BOTH,
            (f.SOURCE, f.ACKED, f.TRACK_INFO), required=(f.SOURCE, f.ACKED),
        ),
        Row(
            _T.UNICAST_MEDIA_FLOW_CONTROL, UnicastMediaFlowControl, "Unicast Media Flow Control", "8.2.16",
            _UP, (f.RESUME, f.TRACK_INFO), required=(f.RESUME,), ack=True, since=Release.REL_17,
        ),
        Row(
            _T.QUEUED_FLOOR_REQUESTS, FloorQueuedCancel, "Floor Queued Cancel", "8.2.15", _BOTH,
            (f.QUEUED_USERS, f.RESPONSE_STATE, f.TRACK_INFO),
            ack=True, since=Release.REL_17, until=Release.REL_17,
        ),
        Row(
            _T.QUEUED_FLOOR_REQUESTS, QueuedFloorRequests, "Queued Floor Requests", "8.2.15", _BOTH,
            (f.PURPOSE, f.QUEUED_USERS, f.RESPONSE_STATE, f.TRACK_INFO), ack=True, since=Release.REL_18,
        ),
        Row(
            _T.RELEASE_MULTI_TALKER, FloorReleaseMultiTalker, "Floor Release Multi Talker", "8.2.14", _DOWN,
            (f.USER_ID, f.AUDIO_SSRC, f.TRACK_INFO, f.INDICATOR), multicast=True, since=Release.REL_15,
        ),
    ),
)  # fmt: skip
