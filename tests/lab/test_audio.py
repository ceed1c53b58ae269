"""What was said is found in what was recorded: whole, with gaps, late, or not at all."""

from __future__ import annotations

from array import array

from mcsec.client.audio import pcmu, speech
from mcsec.lab.audio import Comparison, compare

VOICE = speech.synthesise(1.0)
HEARD = pcmu.decode(pcmu.encode(VOICE))


def silence(samples: int) -> array[int]:
    return array("h", bytes(2 * samples))


def test_everything_after_a_silence() -> None:
    found = compare(VOICE, silence(1234) + HEARD + silence(99))
    assert found == Comparison(50, 50, 1234 / 8000)
    assert found.identical
    assert str(found) == "50 of 50 frames are the same, from 0.15 s on"


def test_a_frame_that_is_filled_up() -> None:
    short = VOICE[:1000]
    assert compare(short, pcmu.decode(pcmu.encode(short)) + silence(120)).identical


def test_a_lost_frame_and_a_changed_sample_are_counted() -> None:
    gap = HEARD[:]
    gap[320:480] = silence(160)
    assert compare(VOICE, gap) == Comparison(50, 49, 0.0)
    changed = HEARD[:]
    changed[4000] += 2000
    assert compare(VOICE, changed) == Comparison(50, 49, 0.0)
    assert not compare(VOICE, changed).identical


def test_who_came_late_has_the_rest() -> None:
    assert compare(VOICE, HEARD[1600:]) == Comparison(50, 40, -0.2)


def test_somebody_else_talked_or_nobody() -> None:
    other = speech.synthesise(3.0)[16_100:]
    assert not compare(VOICE, pcmu.decode(pcmu.encode(other))).identical
    assert compare(VOICE, silence(8000)) == Comparison(50, 0, None)
    assert str(compare(VOICE, array("h"))) == "0 of 50 frames are the same, not found"


def test_nothing_was_said() -> None:
    assert not compare(array("h"), HEARD).identical
