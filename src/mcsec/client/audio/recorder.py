"""Writes what was heard in a call into a WAV file, with silence where nothing came."""

from __future__ import annotations

from array import array
from pathlib import Path
from types import TracebackType
from typing import Self

from mcsec.client.audio import pcmu, wav
from mcsec.client.audio.arrival import Frame

#: Samples of silence at most: hours in which nobody talks would fill the disk.
_LONGEST_GAP = 5 * pcmu.RATE
#: Samples of a file at most: its sizes have 32 bits, its header some octets.
_MOST = (1 << 31) - 1024
#: Seconds without a frame after which a talker has stopped, when another one talks. Of two who talk at once the first
#: is written; what the other says is kept until it is known which it was.
_PAUSE = 0.2


class Recorder:
    """One file. Use it as a context manager; what is not PCMU is counted and left out.

    :ivar samples: written so far, silence included. :ivar foreign: frames of another codec.
    :ivar beside: frames of one who talked beside the one who is written.
    :ivar error: why nothing more is written: the disk is full, or the file. Who hears the call is not disturbed.
    """

    def __init__(self, path: Path) -> None:
        """:raises AudioError: the file cannot be written."""
        self._path, self._file = path, wav.create(path)
        self.error: wav.AudioError | None = None
        self.samples = self.foreign = self.beside = 0
        # Of the last frame: its stream, where its timestamps end, and when it came.
        self._last: tuple[int, int, float] | None = None
        self._kept: list[tuple[Frame, float]] = []

    def frame(self, frame: Frame, now: float) -> None:
        """One frame, in order."""
        if frame.payload_type != pcmu.PAYLOAD_TYPE:
            self.foreign += 1
            return
        if self._last is None or frame.ssrc == self._last[0]:
            # Who was written goes on, so the others talk beside.
            self.beside += len(self._kept)
            self._kept.clear()
            self._append(frame, now)
            return
        self._kept.append((frame, now))
        if now >= self._last[2] + _PAUSE:
            self._turn()

    def close(self) -> None:
        """Finish the file."""
        self._turn()
        try:
            self._file.close()
        except OSError as error:
            self._fail(error.strerror or "it cannot be finished")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _turn(self) -> None:
        """Who was written has stopped; the first of the others goes on, and beside that one the rest."""
        kept, self._kept = self._kept, []
        for frame, now in kept:
            if frame.ssrc == kept[0][0].ssrc:
                self._append(frame, now)
            else:
                self.beside += 1

    def _append(self, frame: Frame, now: float) -> None:
        gap = 0
        if self._last is not None:
            ssrc, end, heard = self._last
            if frame.ssrc != ssrc:
                gap = round((now - heard - pcmu.FRAME_SECONDS) * pcmu.RATE)
            else:
                gap = frame.timestamp - end & 0xFFFFFFFF
                if gap >= 1 << 31:
                    # Timestamps went back: the talker began to count anew.
                    gap = 0
        self._write(array("h", bytes(2 * max(0, min(gap, _LONGEST_GAP)))))
        self._write(pcmu.decode(frame.payload))
        self._last = frame.ssrc, frame.timestamp + len(frame.payload) & 0xFFFFFFFF, now

    def _write(self, samples: array[int]) -> None:
        if self.error is not None:
            return
        if self.samples + len(samples) > _MOST:
            self._fail("a WAV file has no more room")
            return
        try:
            self._file.writeframesraw(pcmu.to_octets(samples))
        except OSError as error:
            self._fail(error.strerror or "it cannot be written")
            return
        self.samples += len(samples)

    def _fail(self, reason: str) -> None:
        self.error = self.error or wav.AudioError(f"{self._path}: {reason}", code="audio.recording")
