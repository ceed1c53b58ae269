"""Pre-established session call control, name ``MCPC`` (TS 24.380 8.3). Unicast only, under CSK.

Which message carries which field was not readable; every field is optional in every message where it makes
sense.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from mcsec.wire.rtcp.fields import Field
from mcsec.wire.rtcp.layouts import Choice, Opaque, Text, Uri, unsigned
from mcsec.wire.rtcp.profile import Profile
from mcsec.wire.rtcp.reader import Reader
from mcsec.wire.rtcp.table import ControlProtocol, Direction, Message, Row


class SessionType(IntEnum):
    """What a session identity stands for (8.3.3.3)."""

    NO_TYPE = 0
    PRIVATE = 1
    PREARRANGED = 3
    CHAT = 4


class AnswerState(IntEnum):
    """Whether the called side has answered (8.3.3.6)."""

    UNCONFIRMED = 0
    CONFIRMED = 1


class ReasonCode(IntEnum):
    """The client's answer to a Connect (8.3.3.8)."""

    ACCEPTED = 0
    BUSY = 1
    NOT_ACCEPTED = 2
    I_MESSAGE_AUTHENTICATION_FAILED = 3
    INTEGRITY_CHECK_FAILED = 4
    XML_DECRYPTION_FAILED = 5


@dataclass(frozen=True, slots=True)
class MediaStreams:
    """Numbers of the media stream and of its control channel in the pre-established session's SDP."""

    media_stream: int
    control_channel: int


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """The session and what kind it is."""

    kind: SessionType
    uri: str


@dataclass(frozen=True, slots=True)
class MediaStreamsLayout:
    """One octet each."""

    def read(self, reader: Reader, profile: Profile) -> MediaStreams:
        """See :class:`Layout`."""
        media_stream = reader.uint(1, "media stream")
        return MediaStreams(media_stream, reader.uint(1, "control channel"))

    def write(self, value: MediaStreams, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return unsigned(value.media_stream, 1, "a media stream") + unsigned(
            value.control_channel, 1, "a control channel"
        )


@dataclass(frozen=True, slots=True)
class SessionIdentityLayout:
    """An octet of session type, then the URI."""

    def read(self, reader: Reader, profile: Profile) -> SessionIdentity:
        """See :class:`Layout`."""
        kind = Choice("session type", SessionType, size=1).read(reader, profile)
        return SessionIdentity(kind, Uri("MCPTT session identity").read(reader, profile))

    def write(self, value: SessionIdentity, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return Choice("session type", SessionType, size=1).write(value.kind, profile) + Uri(
            "MCPTT session identity"
        ).write(value.uri, profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(Message):
    """The server puts a call on the pre-established session. ``pck_message`` is a MIKEY-SAKKE I_MESSAGE."""

    media_streams: MediaStreams | None = None
    session: SessionIdentity | None = None
    warning_text: str | None = None
    group_id: str | None = None
    answer_state: AnswerState | None = None
    inviting_user: str | None = None
    invited_user: str | None = None
    pck_message: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect(Message):
    """The server takes the call off the pre-established session."""

    session: SessionIdentity | None = None
    reason_cause: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement(Message):
    """The client's answer to a Connect or Disconnect."""

    reason_code: ReasonCode


MEDIA_STREAMS = Field(0, "media_streams", "Media Streams", "8.3.3.2", MediaStreamsLayout())
SESSION = Field(1, "session", "MCPTT Session Identity", "8.3.3.3", SessionIdentityLayout())
WARNING_TEXT = Field(2, "warning_text", "Warning Text", "8.3.3.4", Text("warning text"))
GROUP_ID = Field(3, "group_id", "MCPTT Group Identity", "8.3.3.5", Uri("MCPTT group ID"))
ANSWER_STATE = Field(4, "answer_state", "Answer State", "8.3.3.6", Choice("answer state", AnswerState))
INVITING_USER = Field(5, "inviting_user", "Inviting MCPTT User Identity", "8.3.3.7", Uri("MCPTT ID"))
REASON_CODE = Field(6, "reason_code", "Reason Code", "8.3.3.8", Choice("reason code", ReasonCode))
REASON_CAUSE = Field(7, "reason_cause", "Reason Cause", "8.3.3", Opaque("reason cause"))
INVITED_USER = Field(8, "invited_user", "Invited MCPTT User Identity", "8.3.3", Uri("MCPTT ID"))
PCK_MESSAGE = Field(192, "pck_message", "PCK I_MESSAGE", "8.3.3", Opaque("MIKEY-SAKKE I_MESSAGE"))

PREESTABLISHED = ControlProtocol(
    "MCPC",
    "pre-established session call control",
    "TS 24.380 8.3",
    (
        Row(
            0, Connect, "Connect", "8.3.4", Direction.TO_PARTICIPANT, (MEDIA_STREAMS, SESSION, WARNING_TEXT,
            GROUP_ID, ANSWER_STATE, INVITING_USER, INVITED_USER, PCK_MESSAGE), ack=True,
        ), Row(1, Disconnect, "Disconnect", "8.3.5", Direction.TO_PARTICIPANT, (SESSION, REASON_CAUSE),
        ack=True), Row(
            2, Acknowledgement, "Acknowledgement", "8.3.6", Direction.TO_SERVER,
            (REASON_CODE,), required=(REASON_CODE,),
        ),
    ),
)  # fmt: skip
