"""Whether what was said is what was recorded: the same samples, after the codec made them coarser."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from mcsec.client.audio import pcmu

#: Frames from the start that are looked for, to find where a recording begins when it does not have all.
_CLUES = 50


@dataclass(frozen=True, slots=True)
class Comparison:
    """``frames`` of 20 ms were said; ``same`` of them were recorded in their place. ``start``: seconds into the
    recording at which they begin; None: none of it was found.
    """

    frames: int
    same: int
    start: float | None

    @property
    def identical(self) -> bool:
        """Whether everything was recorded, sample for sample."""
        return self.frames == self.same > 0

    def __str__(self) -> str:
        where = "not found" if self.start is None else f"from {self.start:.2f} s on"
        return f"{self.same} of {self.frames} frames are the same, {where}"


def compare(said: array[int], recorded: array[int]) -> Comparison:
    """Looks for ``said`` in ``recorded``; both 8,000 samples of 16 bits a second.

    Two samples are the same when PCMU has one code for both. Of the places that fit, the best one counts.

    :raises InvalidValue: no samples of 16 bits.
    """
    wanted, heard = pcmu.encode(said), pcmu.encode(recorded)
    # The last frame is filled up before it is sent.
    wanted += pcmu.SILENCE * (-len(wanted) % pcmu.FRAME)
    frames = [wanted[at : at + pcmu.FRAME] for at in range(0, len(wanted), pcmu.FRAME)]
    best, place = 0, None
    for start in sorted(_places(frames, heard)):
        same = sum(
            heard[at : at + pcmu.FRAME] == frame
            for frame, at in zip(frames, range(start, start + len(wanted), pcmu.FRAME), strict=True)
            if at >= 0
        )
        if same > best:
            best, place = same, start
    return Comparison(len(frames), best, None if place is None else place / pcmu.RATE)


def _places(frames: list[bytes], heard: bytes) -> set[int]:
    """Where the first frame would be, by each of the first frames that is found and says something."""
    places = set()
    for number, frame in enumerate(frames[:_CLUES]):
        if len(set(frame)) > 1 and (at := heard.find(frame)) >= 0:
            places.add(at - number * pcmu.FRAME)
    return places
