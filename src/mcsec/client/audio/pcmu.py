"""G.711 µ-law, the payload PCMU of RTP (ITU-T G.711; RFC 3551 4.5.14): 8,000 samples a second, one octet each."""

from __future__ import annotations

import sys
from array import array
from typing import Final

from mcsec.errors import InvalidValue
from mcsec.wire.codecs import PCMU

PAYLOAD_TYPE: Final = PCMU.payload_type
"""The static RTP payload type of PCMU."""
RATE: Final = PCMU.rate
"""Samples a second, which is also the RTP clock."""
FRAME: Final = RATE * PCMU.frame // 1000
"""Samples of a frame of 20 ms."""
FRAME_SECONDS: Final = FRAME / RATE
SILENCE: Final = b"\xff"
"""One sample of silence."""

#: Added to the magnitude so that every segment of the curve starts at a power of two (G.711 table 2a).
_BIAS = 33
#: The greatest magnitude of 14 bits that has a code.
_CLIP = 8158


def _compress(sample: int) -> int:
    """The code of a sample of 14 bits."""
    magnitude = min(abs(sample), _CLIP) + _BIAS
    segment = magnitude.bit_length() - 6
    code = segment << 4 | (magnitude >> segment + 1) & 0x0F
    # On the line every bit is turned over; the sign bit says "positive".
    return code ^ (0xFF if sample >= 0 else 0x7F)


def _expand(code: int) -> int:
    """The sample of 16 bits that a code stands for."""
    turned = code ^ 0xFF
    segment, step = turned >> 4 & 0x07, turned & 0x0F
    magnitude = ((step << 1) + _BIAS << segment) - _BIAS
    return (-magnitude if turned & 0x80 else magnitude) << 2


#: By the upper 14 bits of a sample in two's complement.
_CODES = bytes(_compress(value - (1 << 14) if value >> 13 else value) for value in range(1 << 14))
_SAMPLES = array("h", map(_expand, range(256)))


def encode(samples: array[int]) -> bytes:
    """One octet for each sample of 16 bits.

    :raises InvalidValue: no array of signed 16-bit numbers.
    """
    if samples.typecode != "h":
        raise InvalidValue("PCMU is made of signed 16-bit samples", code="audio.samples")
    return bytes(_CODES[sample >> 2 & 0x3FFF] for sample in samples)


def decode(payload: bytes) -> array[int]:
    """The samples of a payload; any octet is one."""
    return array("h", map(_SAMPLES.__getitem__, payload))


def to_octets(samples: array[int]) -> bytes:
    """Samples as a WAV file has them: little-endian."""
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return samples.tobytes()


def from_octets(octets: bytes) -> array[int]:
    """Samples from how a WAV file has them. An odd octet at the end is none."""
    samples = array("h", octets[: len(octets) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
