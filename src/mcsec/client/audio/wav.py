"""WAV files of speech: 8 kHz, one channel, 16 bit. Others are refused, and the error says how to convert them."""

from __future__ import annotations

import wave
from array import array
from pathlib import Path

from mcsec.client.audio import pcmu
from mcsec.errors import LocalError

#: Ten minutes: more is no push-to-talk.
_LONGEST_SECONDS = 600
_CONVERT = "convert it: sox IN.wav -r 8000 -c 1 -b 16 OUT.wav"


class AudioError(LocalError):
    """A file cannot be used as speech; the text says why."""

    code = "audio.file"


def read(path: Path) -> array[int]:
    """The samples of a WAV file.

    :raises AudioError: it cannot be read, is no WAV file of 8 kHz, one channel and 16 bit, is empty or too long.
    """
    try:
        with wave.open(str(path), "rb") as file:
            _check(path, file)
            octets = file.readframes(file.getnframes())
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror}") from None
    # RuntimeError is what the standard library's chunks raise when one ends beyond the file.
    except (wave.Error, EOFError, RuntimeError) as error:
        raise AudioError(f"{path}: no WAV file of linear samples: {error or 'it ends early'}") from None
    samples = pcmu.from_octets(octets)
    if not samples:
        raise AudioError(f"{path}: there is no sound in it", code="audio.empty")
    return samples


def write(path: Path, samples: array[int]) -> None:
    """A WAV file of 8 kHz, one channel and 16 bit.

    :raises AudioError: it cannot be written.
    """
    with create(path) as file:
        file.writeframes(pcmu.to_octets(samples))


def create(path: Path) -> wave.Wave_write:
    """A WAV file of 8 kHz, one channel and 16 bit, to be written bit by bit.

    :raises AudioError: it cannot be written.
    """
    try:
        # What wave itself cannot open leaves an object behind that fails when it is collected.
        path.open("wb").close()
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror}") from None
    file = wave.open(str(path), "wb")  # noqa: SIM115 - the caller closes it
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(pcmu.RATE)
    return file


def _check(path: Path, file: wave.Wave_read) -> None:
    if file.getframerate() != pcmu.RATE:
        raise AudioError(
            f"{path}: {file.getframerate()} samples a second, not {pcmu.RATE}; nothing is resampled here",
            code="audio.rate",
            hint=_CONVERT,
        )
    if file.getnchannels() != 1:
        raise AudioError(
            f"{path}: {file.getnchannels()} channels, not one", code="audio.channels", hint=_CONVERT
        )
    if file.getsampwidth() != 2:
        raise AudioError(
            f"{path}: samples of {8 * file.getsampwidth()} bits, not 16", code="audio.width", hint=_CONVERT
        )
    if file.getnframes() > _LONGEST_SECONDS * pcmu.RATE:
        raise AudioError(f"{path}: longer than {_LONGEST_SECONDS} seconds", code="audio.long")
