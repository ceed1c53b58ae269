"""The fields of floor control (TS 24.380 8.2.3, table 8.2.3.1-2)."""

from __future__ import annotations

from mcsec.wire.rtcp.fields import Field
from mcsec.wire.rtcp.floor_layouts import (
    CauseLayout,
    LocationLayout,
    LocationListLayout,
    MediaFlowLayout,
    QueueInfoLayout,
    SsrcListLayout,
    TrackInfoLayout,
)
from mcsec.wire.rtcp.floor_values import (
    DenyCause,
    FloorIndicator,
    FloorMessageType,
    QueuePurpose,
    ResponseState,
    RevokeCause,
    Source,
)
from mcsec.wire.rtcp.layouts import Bits, Choice, Number, Switch, Uri, UriList
from mcsec.wire.rtcp.profile import Release

_15, _17, _19 = Release.REL_15, Release.REL_17, Release.REL_19


def _seconds(value: int) -> str:
    return f"at most {value} s of talking"


PRIORITY = Field(0, "priority", "Floor Priority", "8.2.3.2", Number("floor priority", 1, spare=1))
DURATION = Field(1, "duration", "Duration", "8.2.3.3", Number("duration", 2, say=_seconds))
DENY_CAUSE = Field(2, "cause", "Reject Cause", "8.2.3.4", CauseLayout(DenyCause))
REVOKE_CAUSE = Field(2, "cause", "Reject Cause", "8.2.3.4", CauseLayout(RevokeCause))
QUEUE_INFO = Field(3, "queue_info", "Queue Info", "8.2.3.5", QueueInfoLayout())
GRANTED_PARTY = Field(4, "granted_party", "Granted Party's Identity", "8.2.3.6", Uri("MCPTT ID"))
PERMISSION = Field(
    5,
    "permission",
    "Permission to Request the Floor",
    "8.2.3.7",
    Switch("permission", "the receiver may not request the floor", "the receiver may request the floor"),
)
USER_ID = Field(6, "user_id", "User ID", "8.2.3.8", Uri("MCPTT ID"))
QUEUE_SIZE = Field(7, "queue_size", "Queue Size", "8.2.3.9", Number("queue size", 2))
SEQUENCE_NUMBER = Field(
    8, "sequence_number", "Message Sequence Number", "8.2.3.10", Number("sequence number", 2)
)
QUEUED_USER_ID = Field(9, "queued_user_id", "Queued User ID", "8.2.3.11", Uri("MCPTT ID"))
SOURCE = Field(10, "source", "Source", "8.2.3.12", Choice("source", Source))
TRACK_INFO = Field(11, "track_info", "Track Info", "8.2.3.13", TrackInfoLayout())
ACKED = Field(
    12, "acked", "Message Type", "8.2.3.14", Choice("message type", FloorMessageType, size=1, spare=1)
)
INDICATOR = Field(13, "indicator", "Floor Indicator", "8.2.3.15", Bits("floor indicator", FloorIndicator))
AUDIO_SSRC = Field(
    14, "audio_ssrc", "Audio SSRC of Granted Participant", "8.2.3.16", Number("SSRC", 4, spare=2)
)
GRANTED_USERS = Field(15, "granted_users", "List of Granted Users", "8.2.3.17", UriList("MCPTT ID"), _15)
SSRCS = Field(16, "ssrcs", "List of SSRCs", "8.2.3.18", SsrcListLayout(), _15)
ALIAS = Field(17, "functional_alias", "Functional Alias", "8.2.3.19", Uri("functional alias"), _15)
ALIASES = Field(
    18, "functional_aliases", "List of Functional Aliases", "8.2.3.20", UriList("functional alias"), _15
)
LOCATION = Field(19, "location", "Location", "8.2.3.21", LocationLayout(), _15)
LOCATIONS = Field(20, "locations", "List of Locations", "8.2.3.22", LocationListLayout(), _15)
PURPOSE = Field(
    21, "purpose", "Queued Floor Requests Purpose", "8.2.3.23", Choice("purpose", QueuePurpose), _17
)
QUEUED_USERS = Field(22, "queued_users", "List of Queued Users", "8.2.3.24", UriList("MCPTT ID"), _17)
RESPONSE_STATE = Field(
    23, "response_state", "Response State", "8.2.3.25", Choice("response state", ResponseState), _17
)
RESUME = Field(24, "resume", "Media Flow Control Indicator", "8.2.3.26", MediaFlowLayout(), _17)
REVOKED_USER_ID = Field(
    25, "revoked_user_id", "Floor Revoke Request User ID", "8.2.3.27", Uri("MCPTT ID"), _19
)

#: Fields 102 to 116, the numbers before 13.3.0, and what they became. 107 was never used.
LEGACY_IDS = {102 + old: new for new, old in enumerate((0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14))}
