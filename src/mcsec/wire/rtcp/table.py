"""The table that encoding, decoding and explaining share: which subtype is which message of which fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mcsec.wire.rtcp.fields import Field, RawField
from mcsec.wire.rtcp.profile import Profile, Release


class Direction(Enum):
    """Who sends a message."""

    TO_SERVER = "participant to server"
    TO_PARTICIPANT = "server to participant"
    BOTH = "both ways"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What every message has. The attributes of its subclasses are the fields of its row in the table.

    ``ssrc`` is the sender's own: a server's in a message of a server, never the talker's. ``ack_requested``
    is the ack bit of the subtype. ``others`` are fields that are unknown or not listed for the message, in
    the order they came.
    """

    ssrc: int
    ack_requested: bool = False
    others: tuple[RawField, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One message: ``fields`` in the order they are written, ``required`` of them, and when it may be used.

    ``ack`` allows the ack bit. ``multicast`` marks a message for every listener, which may go on an MBMS
    bearer.
    """

    subtype: int
    message: type[Message]
    name: str
    clause: str
    direction: Direction
    fields: tuple[Field, ...]
    required: tuple[Field, ...] = ()
    ack: bool = False
    multicast: bool = False
    since: Release = Release.REL_13
    until: Release = Release.REL_19

    def spoken_in(self, release: Release) -> bool:
        """Whether ``release`` has this message."""
        return self.since <= release <= self.until

    def field(self, field_id: int, release: Release) -> Field | None:
        """The field under ``field_id`` in this message, if the release has it."""
        for field in self.fields:
            if field.id == field_id and field.since <= release:
                return field
        return None


@dataclass(frozen=True, slots=True)
class ControlProtocol:
    """One of the protocols that share the APP packet, told apart by ``name``."""

    name: str
    title: str
    clause: str
    rows: tuple[Row, ...]

    def row(self, subtype: int, release: Release) -> Row | None:
        """The message under the low four bits of a subtype."""
        for row in self.rows:
            if row.subtype == subtype and row.spoken_in(release):
                return row
        return None

    def canonical_id(self, field_id: int, length: int, profile: Profile) -> int:
        """Today's ID of a field. Protocols that were renumbered say how."""
        return field_id
