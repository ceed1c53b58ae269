"""Which codecs there are in group calls: the one place that descriptions of calls and of bearers take them from.

A bearer is announced once, before any call goes on it; so what its audio line says must be what calls will use
(TS 23.280 10.7.2.1; TS 24.379 14.2.2). Payload types are those of RFC 3551; a dynamic one is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from mcsec.errors import InvalidValue
from mcsec.wire.sdp import Attribute, Media


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec. ``rate``: of its RTP clock, a second. ``frame``: milliseconds of speech in a packet."""

    name: str
    rate: int
    payload_type: int
    frame: int = 20

    @property
    def format(self) -> str:
        """As an m-line has it."""
        return str(self.payload_type)


PCMU = Codec("PCMU", 8000, 0)
"""ITU-T G.711 (RFC 3551 4.5.14)."""
AMR_WB = Codec("AMR-WB", 16000, 97)
"""RFC 4867; what TS 26.179 asks of MCPTT clients."""

SPOKEN = (PCMU,)
"""What our own clients speak."""
KNOWN = MappingProxyType({codec.name: codec for codec in (PCMU, AMR_WB)})
"""By name, as configurations have it."""


def audio_line(codecs: Iterable[Codec], protocol: str, port: int) -> Media:
    """An audio line with these codecs, the preferred one first.

    :raises InvalidValue: there is none, or two have one payload type.
    """
    named = tuple(codecs)
    formats = tuple(codec.format for codec in named)
    if not formats or len(set(formats)) != len(formats):
        raise InvalidValue("an audio line has one codec or more, each once", code="sdp.codecs")
    maps = tuple(Attribute("rtpmap", f"{codec.format} {codec.name}/{codec.rate}") for codec in named)
    frame = min(codec.frame for codec in named)
    return Media("audio", port, protocol, formats, (*maps, Attribute("ptime", str(frame))), title="speech")
