"""The sox program decodes what we encode, and encodes what we decode, sample for sample."""

from __future__ import annotations

import subprocess
from array import array
from pathlib import Path

import pytest

from mcsec.client.audio import pcmu, speech, wav

pytestmark = pytest.mark.peer("sox")

MU_LAW = ("-t", "raw", "-r", "8000", "-c", "1", "-e", "mu-law", "-b", "8")
LINEAR = ("-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-L")
VOICE = speech.synthesise(1.0)


def sox(*arguments: str, octets: bytes = b"") -> bytes:
    # -D: no dither, -R: the same each time.
    done = subprocess.run(["sox", "-D", "-R", *arguments], input=octets, capture_output=True, check=True)
    return done.stdout


def test_sox_decodes_every_code_as_we_do() -> None:
    heard = sox(*MU_LAW, "-", *LINEAR, "-", octets=bytes(range(256)))
    assert pcmu.from_octets(heard) == pcmu.decode(bytes(range(256)))


def test_sox_encodes_what_has_a_code_as_we_do() -> None:
    samples = pcmu.decode(pcmu.encode(VOICE))
    assert sox(*LINEAR, "-", *MU_LAW, "-", octets=pcmu.to_octets(samples)) == pcmu.encode(samples)


def test_sox_reads_our_files_and_we_read_its(tmp_path: Path) -> None:
    wav.write(tmp_path / "ours.wav", VOICE)
    sox(str(tmp_path / "ours.wav"), str(tmp_path / "theirs.wav"))
    assert wav.read(tmp_path / "theirs.wav") == VOICE
    sox(str(tmp_path / "ours.wav"), "-r", "16000", "-c", "2", str(tmp_path / "wide.wav"))
    sox(str(tmp_path / "wide.wav"), "-r", "8000", "-c", "1", "-b", "16", str(tmp_path / "narrow.wav"))
    assert len(wav.read(tmp_path / "narrow.wav")) == len(VOICE), "the hint in the error does it"
    assert isinstance(wav.read(tmp_path / "narrow.wav"), array)
