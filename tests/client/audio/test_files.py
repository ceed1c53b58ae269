"""WAV files in and out, the synthetic voice, and what a recorder makes of frames and gaps."""

from __future__ import annotations

import wave
from array import array
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.client.audio import pcmu, speech, wav
from mcsec.client.audio.arrival import Frame
from mcsec.client.audio.recorder import Recorder

VOICE = speech.synthesise(1.0)


def _whole() -> bytes:
    octets = BytesIO()
    with wave.open(octets, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(160))
    return octets.getvalue()


#: A good file of a few samples: 44 octets of headers come first.
WHOLE = _whole()


def written(path: Path, *, channels: int = 1, width: int = 2, rate: int = 8000, frames: int = 80) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(frames * channels * width))
    return path


def test_a_file_reads_back(tmp_path: Path) -> None:
    wav.write(tmp_path / "voice.wav", VOICE)
    assert wav.read(tmp_path / "voice.wav") == VOICE
    with wave.open(str(tmp_path / "voice.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)


@pytest.mark.parametrize(
    ("form", "code", "words"),
    [
        ({"rate": 16000}, "audio.rate", "16000 samples a second"),
        ({"channels": 2}, "audio.channels", "2 channels"),
        ({"width": 1}, "audio.width", "samples of 8 bits"),
        ({"frames": 0}, "audio.empty", "no sound"),
        ({"frames": 8000 * 601}, "audio.long", "longer than"),
    ],
)
def test_other_files_are_refused_with_a_reason(
    tmp_path: Path, form: dict[str, int], code: str, words: str
) -> None:
    with pytest.raises(wav.AudioError, match=words) as caught:
        wav.read(written(tmp_path / "odd.wav", **form))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "octets", [b"", b"RIFF", b"no sound at all" * 9, b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"]
)
def test_what_is_no_wav_file(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "odd.wav").write_bytes(octets)
    with pytest.raises(wav.AudioError, match="no WAV file"):
        wav.read(tmp_path / "odd.wav")


@given(st.data())
def test_whatever_a_file_holds_it_is_speech_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    octets = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, 43))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "any.wav"
    path.write_bytes(octets[: data.draw(st.integers(0, len(octets)))] if data.draw(st.booleans()) else octets)
    try:
        assert len(wav.read(path))
    except wav.AudioError as error:
        assert str(path) in str(error)


def test_a_chunk_that_ends_beyond_the_file(tmp_path: Path) -> None:
    octets = WHOLE[:16] + (1 << 20).to_bytes(4, "little") + WHOLE[20:]
    (tmp_path / "odd.wav").write_bytes(octets)
    with pytest.raises(wav.AudioError, match="no WAV file"):
        wav.read(tmp_path / "odd.wav")


def test_no_file_and_no_place(tmp_path: Path) -> None:
    with pytest.raises(wav.AudioError, match="No such file"):
        wav.read(tmp_path / "none.wav")
    with pytest.raises(wav.AudioError, match="No such file"):
        wav.write(tmp_path / "none" / "voice.wav", VOICE)


def test_the_voice_is_the_same_each_time_and_fills_the_range() -> None:
    assert speech.synthesise(1.0) == VOICE
    assert len(VOICE) == 8000
    assert max(map(abs, VOICE)) == 9000
    pauses = [number for number in range(0, 8000, 800) if not any(VOICE[number : number + 800])]
    assert pauses == [2400, 5600]


def frames(samples: array[int], ssrc: int = 1, timestamp: int = 0) -> list[Frame]:
    codes = pcmu.encode(samples)
    return [
        Frame(ssrc, 0, timestamp + at & 0xFFFFFFFF, codes[at : at + 160], at == 0, 0)
        for at in range(0, len(codes), 160)
    ]


def test_records_what_was_said(tmp_path: Path) -> None:
    with Recorder(tmp_path / "heard.wav") as recorder:
        # Timestamps wrap in the middle.
        for number, frame in enumerate(frames(VOICE, timestamp=0xFFFFFFFF - 1000)):
            recorder.frame(frame, 100 + number / 50)
    assert wav.read(tmp_path / "heard.wav") == pcmu.decode(pcmu.encode(VOICE))


def test_what_did_not_come_is_silence(tmp_path: Path) -> None:
    with Recorder(tmp_path / "heard.wav") as recorder:
        for number, frame in enumerate(frames(VOICE)):
            if number not in (10, 11):
                recorder.frame(frame, 100 + number / 50)
    heard = wav.read(tmp_path / "heard.wav")
    assert len(heard) == len(VOICE)
    assert not any(heard[1600:1920])


def test_a_pause_between_talkers_is_silence_and_a_long_one_is_cut(tmp_path: Path) -> None:
    first, second, third = frames(VOICE[:160], 1), frames(VOICE[:160], 2), frames(VOICE[:160], 3)
    with Recorder(tmp_path / "heard.wav") as recorder:
        recorder.frame(first[0], 100.0)
        recorder.frame(second[0], 101.02)
        recorder.frame(third[0], 10_000.0)
    assert len(wav.read(tmp_path / "heard.wav")) == 160 + 8000 + 160 + 40_000 + 160


def test_of_two_who_talk_at_once_the_first_is_written_and_other_codecs_are_not(tmp_path: Path) -> None:
    with Recorder(tmp_path / "heard.wav") as recorder:
        for number, (one, other) in enumerate(zip(frames(VOICE, 1), frames(VOICE, 2), strict=True)):
            recorder.frame(one, 100 + number / 50)
            recorder.frame(other, 100.01 + number / 50)
        recorder.frame(Frame(1, 97, 160, b"amr", False, 0), 101.0)
        recorder.frame(frames(VOICE[:160], 1, 8000)[0], 101.02)
    assert (recorder.beside, recorder.foreign) == (50, 1)
    assert wav.read(tmp_path / "heard.wav")[:8000] == pcmu.decode(pcmu.encode(VOICE))


def test_a_talker_who_follows_at_once_loses_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path / "heard.wav") as recorder:
        for number, frame in enumerate(frames(VOICE, 1)):
            recorder.frame(frame, 100 + number / 50)
        for number, frame in enumerate(frames(VOICE[:800], 2)):
            recorder.frame(frame, 101 + number / 50)
    heard = pcmu.decode(pcmu.encode(VOICE))
    assert wav.read(tmp_path / "heard.wav") == heard + heard[:800]


def test_a_disk_that_is_full_ends_the_recording_and_not_the_call() -> None:
    # /dev/full takes everything until it has to be written.
    recorder = Recorder(Path("/dev/full"))
    for number in range(100):
        for frame in frames(VOICE, timestamp=8000 * number):
            recorder.frame(frame, 100 + number)
    recorder.close()
    assert recorder.error is not None
    assert recorder.error.code == "audio.recording"
    assert "No space left" in str(recorder.error)
    assert recorder.samples < 800_000


def test_a_file_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcsec.client.audio.recorder._MOST", 800)
    with Recorder(tmp_path / "heard.wav") as recorder:
        for frame in frames(VOICE):
            recorder.frame(frame, 100.0)
    assert "no more room" in str(recorder.error)
    assert len(wav.read(tmp_path / "heard.wav")) == 800


def test_nobody_talked(tmp_path: Path) -> None:
    with Recorder(tmp_path / "heard.wav"):
        pass
    with pytest.raises(wav.AudioError, match="no sound"):
        wav.read(tmp_path / "heard.wav")
