"""How the structured values of floor control fields are written (TS 24.380 8.2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from mcsec.errors import InvalidValue
from mcsec.wire.rtcp.floor_values import Location, QueueInfo, RejectCause, TrackInfo
from mcsec.wire.rtcp.layouts import describe, member, unsigned, utf8
from mcsec.wire.rtcp.profile import LocationType, Profile
from mcsec.wire.rtcp.reader import Reader


@dataclass(frozen=True, slots=True)
class CauseLayout:
    """16-bit cause from the message's table, then a phrase that may be missing (8.2.3.4)."""

    causes: type[IntEnum]

    def read(self, reader: Reader, profile: Profile) -> RejectCause:
        """See :class:`Layout`."""
        code = reader.uint(2, "cause", say=self._say)
        phrase = reader.text(reader.remaining, "phrase") if reader.remaining else ""
        cause = member(self.causes, code)
        return RejectCause(code if cause is None else cause, phrase)

    def write(self, value: RejectCause, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return unsigned(value.code, 2, "a cause") + utf8(value.phrase, "the phrase")

    def _say(self, code: int) -> str:
        return describe(self.causes, code)


@dataclass(frozen=True, slots=True)
class QueueInfoLayout:
    """Octet position, octet priority level (8.2.3.5)."""

    def read(self, reader: Reader, profile: Profile) -> QueueInfo:
        """See :class:`Layout`."""
        position = reader.uint(1, "queue position", say=self._say)
        return QueueInfo(position, reader.uint(1, "queue priority level"))

    def write(self, value: QueueInfo, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return unsigned(value.position, 1, "a queue position") + unsigned(
            value.priority, 1, "a queue priority"
        )

    def _say(self, position: int) -> str:
        names = {
            QueueInfo.UNDISCLOSED: ", queued, position not disclosed",
            QueueInfo.NOT_QUEUED: ", not queued",
        }
        return f"{position}{names.get(position, '')}"


@dataclass(frozen=True, slots=True)
class TrackInfoLayout:
    """Queueing capability, participant type (length, text, padding), then 32-bit references (8.2.3.13)."""

    def read(self, reader: Reader, profile: Profile) -> TrackInfo:
        """See :class:`Layout`."""
        start = reader.position
        queueing = reader.uint(1, "queueing capability")
        if queueing > 1:
            reader.fail(f"queueing capability {queueing} is not defined", start, code="rtcp.value")
        size = reader.uint(1, "length of the participant type")
        participant_type = reader.text(size, "participant type") if size else ""
        reader.zeros(-size % 4, "padding of the participant type")
        references = []
        while reader.remaining:
            references.append(reader.uint(4, "floor participant reference"))
        return TrackInfo(bool(queueing), participant_type, tuple(references))

    def write(self, value: TrackInfo, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        name = utf8(value.participant_type, "the participant type")
        return (
            bytes((bool(value.queueing),))
            + unsigned(len(name), 1, "the length of a participant type")
            + name
            + bytes(-len(name) % 4)
            + b"".join(
                unsigned(reference, 4, "a floor participant reference") for reference in value.references
            )
        )


@dataclass(frozen=True, slots=True)
class SsrcListLayout:
    """Octet count, spare octets (the profile says how many), then SSRCs (8.2.3.18)."""

    def read(self, reader: Reader, profile: Profile) -> tuple[int, ...]:
        """See :class:`Layout`."""
        count = reader.uint(1, "number of SSRCs")
        reader.zeros(profile.ssrc_list_spare, "spare")
        return tuple(reader.uint(4, "SSRC") for _ in range(count))

    def write(self, value: tuple[int, ...], profile: Profile) -> bytes:
        """See :class:`Layout`."""
        ssrcs = b"".join(unsigned(ssrc, 4, "an SSRC") for ssrc in value)
        return unsigned(len(value), 1, "the number of SSRCs") + bytes(profile.ssrc_list_spare) + ssrcs


@dataclass(frozen=True, slots=True)
class LocationLayout:
    """Octet type, then as many octets as the type has (8.2.3.21).

    A type outside the table takes the rest of the field, so that a newer sender's location does not cost the
    message.
    """

    def read(self, reader: Reader, profile: Profile) -> Location:
        """See :class:`Layout`."""
        kind = reader.uint(1, "location type", say=_say_location)
        size = profile.location_octets.get(kind, reader.remaining)
        return Location(kind, reader.octets(size, "location") if size else b"")

    def write(self, value: Location, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        size = profile.location_octets.get(value.kind, len(value.value))
        if len(value.value) != size:
            raise InvalidValue(f"a location of type {value.kind} has {size} octets", code="rtcp.location")
        return unsigned(value.kind, 1, "a location type") + value.value


@dataclass(frozen=True, slots=True)
class LocationListLayout:
    """Octet count, then locations (8.2.3.22). The types alone say where each ends, so all must be known."""

    def read(self, reader: Reader, profile: Profile) -> tuple[Location, ...]:
        """See :class:`Layout`."""
        locations = []
        for _ in range(reader.uint(1, "number of locations")):
            start = reader.position
            kind = reader.uint(1, "location type", say=_say_location)
            size = profile.location_octets.get(kind)
            if size is None:
                reader.fail(f"location type {kind} is not defined", start, code="rtcp.location")
            locations.append(Location(kind, reader.octets(size, "location") if size else b""))
        return tuple(locations)

    def write(self, value: tuple[Location, ...], profile: Profile) -> bytes:
        """See :class:`Layout`."""
        for location in value:
            if location.kind not in profile.location_octets:
                raise InvalidValue(f"location type {location.kind} is not defined", code="rtcp.location")
        single = LocationLayout()
        return unsigned(len(value), 1, "the number of locations") + b"".join(
            single.write(location, profile) for location in value
        )


@dataclass(frozen=True, slots=True)
class MediaFlowLayout:
    """The top bit of two octets: set to resume unicast media, clear to stop it; rest spare (8.2.3.26)."""

    def read(self, reader: Reader, profile: Profile) -> bool:
        """See :class:`Layout`."""
        start = reader.position
        mask = reader.uint(2, "media flow", say=lambda value: "resume" if value & 0x8000 else "stop")
        if mask & 0x7FFF and reader.strict:
            reader.fail("spare bits are not zero", start, code="rtcp.not-zero")
        return bool(mask & 0x8000)

    def write(self, value: bool, profile: Profile) -> bytes:
        """See :class:`Layout`."""
        return b"\x80\x00" if value else b"\x00\x00"


def _say_location(kind: int) -> str:
    return describe(LocationType, kind)
