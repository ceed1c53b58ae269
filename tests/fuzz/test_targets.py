"""Every target's seeds decode, every codec has a target, and the fuzzer does catch what it looks for."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import mcsec.wire
from fuzz import __main__ as command
from fuzz.driver import Target, fuzz, lines_reached
from fuzz.targets import TARGETS
from mcsec.errors import DecodeError, InvalidValue, PeerError

WIRE = Path(mcsec.wire.__file__).parent


def accepted(target: Target) -> list[bytes]:
    found = []
    for seed in target.seeds:
        try:
            target.decode(seed)
        except PeerError:
            continue
        found.append(seed)
    return found


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_starts_from_messages_that_decode(target: Target) -> None:
    assert accepted(target)


def test_names_tell_targets_apart() -> None:
    assert len({target.name for target in TARGETS}) == len(TARGETS)


def codecs() -> dict[str, set[int]]:
    """The files of ``wire`` that decode, each with the lines inside its decoders."""
    found: dict[str, set[int]] = {}
    for path in WIRE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith(
                ("decode", "decrypt", "verify", "walk_")
            ):
                found.setdefault(str(path), set()).update(range(node.lineno, (node.end_lineno or 0) + 1))
    return found


def test_every_codec_has_a_target() -> None:
    reached = {
        line for target in TARGETS for seed in accepted(target) for line in lines_reached(target.decode, seed)
    }
    missing = {path for path, lines in codecs().items() if not any((path, line) in reached for line in lines)}
    assert missing == set()


def planted(octets: bytes) -> object:
    """Fails for a message that says it is longer than it is, as decoders do that trust a length."""
    if len(octets) < 2:
        raise DecodeError("too short", len(octets))
    return octets[1 + octets[0]]


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_crash_is_found(seed: int) -> None:
    outcome = fuzz(Target("planted", planted, [bytes((3, 1, 2, 3))]), 5, seed)
    ((octets, error),) = outcome.crashes
    assert error.startswith("IndexError")
    with pytest.raises(IndexError):
        planted(octets)


def test_a_local_error_is_a_crash() -> None:
    def blames_us(octets: bytes) -> object:
        raise InvalidValue("an argument is wrong")

    assert fuzz(Target("local", blames_us, [b"a"]), 5, 1).crashes


def test_a_typed_refusal_is_none() -> None:
    def refuses(octets: bytes) -> object:
        raise DecodeError("nothing is right")

    outcome = fuzz(Target("refusing", refuses, [b"a"]), 0.05, 1)
    assert (outcome.crashes, outcome.accepted) == ([], 0)
    assert outcome.runs > 0


def test_what_is_new_joins_the_corpus() -> None:
    def deep(octets: bytes) -> object:
        return KNOWN.decode(octets)

    KNOWN = next(target for target in TARGETS if target.name == "rtcp.strict")
    assert fuzz(Target("growing", deep, KNOWN.seeds[:1]), 0.5, 1).corpus > 1


@pytest.mark.parametrize(("decode", "status"), [(planted, 1), (bytes.hex, 0)])
def test_the_command_fails_when_a_target_does(
    decode: object, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "TARGETS", (Target("only", decode, [bytes((3, 1, 2, 3))]),))  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "argv", ["fuzz", "--seconds", "0.3"])
    assert command.main() == status
    assert ("CRASH" in capsys.readouterr().out) == bool(status)
