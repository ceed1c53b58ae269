"""What the wire may look like: the release spoken, and how much a decoder forgives.

TS 24.380 gave some numbers a new meaning between releases, and a few layouts are not known for certain. Each
such question is a field of :class:`Profile`, with the default taken here; ``docs/readings/media_plane.md``
gives the reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType


class Release(IntEnum):
    """A 3GPP release of TS 24.380."""

    REL_13 = 13
    REL_14 = 14
    REL_15 = 15
    REL_16 = 16
    REL_17 = 17
    REL_18 = 18
    REL_19 = 19


class LocationType(IntEnum):
    """Location types (TS 24.380 table 8.2.3.21-3)."""

    NOT_PROVIDED = 0
    ECGI = 1
    TRACKING_AREA = 2
    PLMN_ID = 3
    MBMS_SERVICE_AREA = 4
    MBSFN_AREA_ID = 5
    GEOGRAPHIC_COORDINATES = 6
    ALTITUDE = 7


#: Octets of each location value. Only coordinates (3 of latitude, 3 of longitude) and "not provided" are
#: certain.
LOCATION_OCTETS: Mapping[int, int] = MappingProxyType(
    {
        LocationType.NOT_PROVIDED: 0,
        LocationType.ECGI: 7,
        LocationType.TRACKING_AREA: 5,
        LocationType.PLMN_ID: 3,
        LocationType.MBMS_SERVICE_AREA: 2,
        LocationType.MBSFN_AREA_ID: 1,
        LocationType.GEOGRAPHIC_COORDINATES: 6,
        LocationType.ALTITUDE: 2,
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """How to read and write RTCP APP messages.

    ``strict`` refuses what a correct sender never sends: spare or padding octets that are not zero, a field
    twice, octets after a fixed layout, an acknowledgement asked for where the message has none. A lenient
    decoder ignores each of these. Missing mandatory fields and values outside their tables are refused by
    both.
    """

    release: Release = Release.REL_19
    strict: bool = True
    legacy_floor_fields: bool = False
    """Read floor fields 102 to 116, the numbers before 13.3.0. Never written."""
    legacy_subchannel_name: bool = False
    """Take the name MCCP for MCMC, as early Release 13 wrote it. Never written."""
    legacy_group_id: bool = False
    """Take MBMS subchannel field 3 for the group ID (13.2.0) when longer than 2 octets. Never written."""
    ssrc_list_spare: int = 1
    """Spare octets after the count in List of SSRCs: 1 keeps words aligned, 2 is what Wireshark reads."""
    location_octets: Mapping[int, int] = field(default_factory=lambda: LOCATION_OCTETS, hash=False)


STRICT = Profile()
#: Forgives sloppy senders of current releases.
LENIENT = Profile(strict=False)
#: Also reads what implementations of 13.2.0 and before send.
LEGACY = Profile(strict=False, legacy_floor_fields=True, legacy_subchannel_name=True, legacy_group_id=True)
