"""``mcsec client talk`` and ``listen --record`` as commands: what they say about files and options that will not do."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcsec.cli.client import app
from mcsec.client.audio import speech, wav
from mcsec.errors import McsecError
from support.client_process import write

GROUP = ("--group", "sip:g@a.example")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    wav.write(tmp_path / "voice.wav", speech.synthesise(0.1))
    with wave.open(str(tmp_path / "wide.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(200))
    return write(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("talk", *GROUP, "--audio", "wide.wav"), ("audio.rate", "44100 samples", "sox IN.wav")),
        (("talk", *GROUP, "--audio", "none.wav"), ("audio.file", "No such file")),
        (("talk", *GROUP, "--audio", "client.toml"), ("audio.file", "no WAV file")),
        (("talk", *GROUP, "--audio", "voice.wav"), ("config", "alice1-kms.jwt")),
        (("listen", *GROUP, "--record", "out.wav"), ("config", "alice1-kms.jwt")),
    ],
)
def test_a_file_that_will_not_do(config: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    given = [str(config.parent / text) if "." in text[-5:] else text for text in arguments]
    given = [text if "sip:" not in text else GROUP[1] for text in given]
    result = CliRunner().invoke(app, [*given, "--config", str(config)])
    assert result.exit_code == 1
    told = result.exception.describe() if isinstance(result.exception, McsecError) else result.output
    assert all(word in told for word in words), told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("talk", *GROUP, "--priority", "0"), "--priority"),
        (("talk", *GROUP, "--for", "-1"), "--for"),
        (("talk",), "--group"),
        (("listen", "--record", "out.wav"), "needs --group"),
        (("listen", *GROUP, "--count", "2"), "one client joins"),
    ],
)
def test_options_that_will_not_do(config: Path, arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--config", str(config)])
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize(("command", "words"), [("talk", "8 kHz"), ("listen", "--record")])
def test_help_says_what_there_is(command: str, words: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    assert words in result.output
