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


@dataclass(frozen=True, slots=True)
class BearerAnnounced(Event):
    """A bearer is announced for these service areas, or announced anew."""

    tmgi: Tmgi
    areas: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BearerCancelled(Event):
    """The announcement of a bearer was taken back."""

    tmgi: Tmgi


@dataclass(frozen=True, slots=True)
class MessageRefused(Event):
    """A MESSAGE changed nothing. ``sender`` is what it claimed or what was asserted; ``status`` our answer."""

    sender: str
    status: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RegistrationChanged(Event):
    """The registrar has our contact for ``expires`` seconds; 0: it has it no more, and ``reason`` says why."""

    user: str
    expires: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ServiceAuthorised(Event):
    """The server took token and CSK; what goes between us is protected under ``csk`` from now on."""

    user: str
    csk: KeyId


@dataclass(frozen=True, slots=True)
class Affiliated(Event):
    """The server has these groups as the ones that the user wants to hear."""

    user: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AffiliationsTold(Event):
    """The server says which groups the user's client is affiliated to; ``p_id`` names the PUBLISH that it answers."""

    user: str
    groups: tuple[str, ...]
    p_id: str = ""


@dataclass(frozen=True, slots=True)
class ProcedureFailed(Event):
    """The server did not do what it was asked. ``status`` is its answer, 0 where none came."""

    procedure: str
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class ListeningReported(Event):
    """The server knows whether the bearer is received; ``group`` is empty for the general purpose subchannel."""

    tmgi: Tmgi
    listening: bool
    group: str = ""


@dataclass(frozen=True, slots=True)
class SubchannelJoined(Event):
    """The client receives from this multicast address from now on."""

    tmgi: Tmgi
    traffic: str
    place: str


@dataclass(frozen=True, slots=True)
class SubchannelLeft(Event):
    """The client receives from this multicast address no more."""

    tmgi: Tmgi
    traffic: str
    place: str


@dataclass(frozen=True, slots=True)
class JoinFailed(Event):
    """The system refused to receive from a multicast address, so nothing is reported as listening."""

    tmgi: Tmgi
    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoggedOff(Event):
    """The client left the service; its keys are gone."""

    user: str
