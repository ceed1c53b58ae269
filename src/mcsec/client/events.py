"""What a client tells: frozen, named for what happened."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.ids import KeyId, Tmgi
from mcsec.keys.events import Event
from mcsec.wire.rtcp.floor import FloorMessage
from mcsec.wire.rtcp.subchannel import MbmsSubchannel


@dataclass(frozen=True, slots=True)
class FloorHeard(Event):
    """A floor control message of ``group``, authentic under ``key_id``."""

    group: str
    key_id: KeyId
    message: FloorMessage


@dataclass(frozen=True, slots=True)
class GroupMapped(Event):
    """The call of ``group`` is on this subchannel of the bearer from now on."""

    group: str
    tmgi: Tmgi
    subchannel: MbmsSubchannel


@dataclass(frozen=True, slots=True)
class GroupUnmapped(Event):
    """The call of ``group`` left the bearer."""

    group: str


@dataclass(frozen=True, slots=True)
class MediaHeard(Event):
    """A media packet of ``group``, authentic and decrypted; ``rtp`` is the packet in clear."""

    group: str
    key_id: KeyId
    ssrc: int
    rtp: bytes


@dataclass(frozen=True, slots=True)
class PacketDropped(Event):
    """A packet changed nothing; ``code`` says why."""

    traffic: str
    subject: str
    code: str
    reason: str
