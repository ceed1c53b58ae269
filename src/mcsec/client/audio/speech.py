"""A synthetic voice: vowels by formants and hissed consonants, the same samples each time, free of anybody's rights.

It says nothing. It has what makes speech hard for a codec and easy to compare: pitch that glides, formants that move,
noise, and short pauses.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from mcsec.client.audio.pcmu import RATE

#: The first three formants of some vowels, in hertz (Peterson and Barney 1952, rounded).
_VOWELS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
_BANDWIDTHS = (90.0, 110.0, 170.0)
#: What is said: a letter each 100 ms; "s" hisses, a blank is silence.
_TEXT = "sao oie sue aio eus iaou soa "
_LETTER = RATE // 10
_LOUDNESS = 9000.0


@dataclass(slots=True)
class _Resonator:
    """Two poles: one formant."""

    one: float = 0.0
    two: float = 0.0

    def __call__(self, sample: float, frequency: float, bandwidth: float) -> float:
        radius = math.exp(-math.pi * bandwidth / RATE)
        turn = 2 * radius * math.cos(2 * math.pi * frequency / RATE)
        value = (1 - radius) * sample + turn * self.one - radius * radius * self.two
        self.one, self.two = value, self.one
        return value


def synthesise(seconds: float = 2.0) -> array[int]:
    """So many seconds of voice; the same for the same length.

    :param seconds: more than 0.
    """
    formants = [_Resonator() for _ in _BANDWIDTHS]
    spoken = [
        _at(number, formants, noise) for number, noise in enumerate(islice(_noise(), round(seconds * RATE)))
    ]
    loudest = max(map(abs, spoken), default=0.0) or 1.0
    return array("h", (round(_LOUDNESS * value / loudest) for value in spoken))


def _noise() -> Iterator[float]:
    """A linear congruential generator: noise that is the same on every machine."""
    state = 1
    while True:
        state = (1103515245 * state + 12345) % (1 << 31)
        yield state / (1 << 30) - 1


def _at(number: int, formants: list[_Resonator], noise: float) -> float:
    letter = _TEXT[number // _LETTER % len(_TEXT)]
    following = _TEXT[(number // _LETTER + 1) % len(_TEXT)]
    way = number % _LETTER / _LETTER
    if letter == " ":
        return 0.0
    if letter == "s":
        return 0.02 * noise * math.sin(math.pi * way)
    start = _VOWELS[letter]
    end = _VOWELS.get(following, start)
    pitch = 110 + 15 * math.sin(2 * math.pi * number / RATE)
    source = 1.0 if number % round(RATE / pitch) == 0 else 0.02 * noise
    return sum(
        formant(source, before + (after - before) * way, bandwidth)
        for formant, before, after, bandwidth in zip(formants, start, end, _BANDWIDTHS, strict=True)
    )
