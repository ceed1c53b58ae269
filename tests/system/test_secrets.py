"""Key octets stay where they belong: the whole demo is played, and everything that it says and writes is searched."""

from __future__ import annotations

import json
import logging
import secrets
from base64 import b64encode
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import structlog

from mcsec.cli.report import demo_lines
from mcsec.errors import CheckFailed
from mcsec.keys.events import BroadcastRefused
from mcsec.keys.key import Key
from mcsec.keys.records import encode
from mcsec.lab import demo, evidence
from mcsec.lab.stage import Stage
from mcsec.net.capture import CaptureWriter
from support.demo import make_quick
from support.patient_loop import run
from support.secrets import Watch, forms, found, windows

KINDS = {"MuSiK", "MSCCK", "CSK", "GMK", "MKFC"}


def play(
    watch: Watch,
    patch: pytest.MonkeyPatch,
    output: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> dict[str, bytes]:
    """The demo with everything that it says: text, JSON, logs, events, errors, provenance, and files."""
    home = output / "home"
    home.mkdir()
    patch.setattr(demo, "TemporaryDirectory", lambda **_: nullcontext(str(home)))
    records: list[str] = []
    control_statement = demo.control_statement

    async def kept(stage: Stage) -> None:
        records.extend(map(encode, await stage.signalling.records()))
        await control_statement(stage)

    patch.setattr(demo, "control_statement", kept)
    with caplog.at_level(logging.DEBUG):
        report = run(demo.run(output / "out", print))
    assert records
    text, err = capfd.readouterr()
    return {
        **watch.said(output),
        "standard output": (text + "\n".join(demo_lines(report))).encode(),
        "standard error": err.encode(),
        "logging": caplog.text.encode(),
        "JSON": json.dumps(report.to_dict()).encode(),
        "provenance": "\n".join(records).encode(),
    }


def test_nothing_of_a_key_gets_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(demo, "LISTENERS", 1)
    watch = Watch(monkeypatch)
    places = play(watch, monkeypatch, tmp_path, capfd, caplog)
    assert watch.kinds() >= KINDS | {f"{kind}-key" for kind in KINDS} | {
        "z",
        "KSAK",
        "RSK",
        "SSK",
        "token",
        "XPK",
    }
    # Every place had something to say, so that silence proves nothing by accident.
    assert {
        "mikey.signature",
        "mikey.replayed",
        "mikey.wrong-kms",
        "peer.check-failed",
        "keyring.unknown",
    } <= {error.code for error in watch.errors}
    assert b"FloorHeard" in places["events"]
    assert b"first-used" in places["provenance"]
    assert max(len(content) for name, content in places.items() if name.endswith("demo.pcapng")) > 1000
    assert {Path(name).name for name in places} >= {"kms.db", "server.db", "gms.db"}
    assert b"MuSiK" in places["standard output"]
    # What proves a server to the KMS lies where `mcsec init` puts it, for its owner alone; and nowhere else.
    proofs = {name for name in places if name.endswith(".token")}
    assert {Path(name).name for name in proofs} == {"server.token", "gms.token"}
    assert {(tmp_path.parent / name).stat().st_mode & 0o777 for name in proofs} == {0o600}
    assert found(watch.secrets, {name: places[name] for name in places.keys() - proofs}) == []


def test_the_key_log_is_the_one_place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It holds what SRTCP is keyed with, and no key that this came from."""
    make_quick(monkeypatch)
    watch = Watch(monkeypatch)
    play(watch, monkeypatch, tmp_path, capfd, caplog)
    log = {"key log": (tmp_path / "out" / "demo.keylog").read_bytes()}
    lying_open = {place.split()[0] for place in found(watch.secrets, log)}
    assert lying_open == {
        f"{kind}-{part}" for kind in ("MuSiK", "MSCCK", "CSK", "MKFC") for part in ("key", "salt")
    }


# --- it can fail


def of_the_server(stage: Stage) -> Key:
    key = stage.server.keydown.musiks[stage.group].sending
    assert key is not None
    return key


def says_it(stage: Stage, octets: bytes) -> None:
    stage.say(f"the key is {octets.hex()}")


def claims_it(stage: Stage, octets: bytes) -> None:
    stage.report.claim("planted", "a claim", True, f"evidence: {octets!r}")


def raises_it(_stage: Stage, octets: bytes) -> None:
    try:
        raise CheckFailed(f"no match for {b64encode(b'key' + octets).decode()}")
    except CheckFailed:
        pass


def keeps_it_in_a_frame(_stage: Stage, octets: bytes) -> None:
    try:
        raise CheckFailed("no match")
    except CheckFailed:
        pass


def logs_it(_stage: Stage, octets: bytes) -> None:
    logging.getLogger("mcsec").warning("key %d", int.from_bytes(octets))


def logs_it_with_structure(_stage: Stage, octets: bytes) -> None:
    structlog.get_logger().warning("key", octets=list(octets))


def tells_an_event(stage: Stage, octets: bytes) -> None:
    stage.server.notebook.note([BroadcastRefused(0.0, "FLOOR", "group", "code", octets.hex())])


PLANTED = {
    says_it: "standard output",
    claims_it: "JSON",
    raises_it: "errors",
    keeps_it_in_a_frame: "errors",
    logs_it: "logging",
    logs_it_with_structure: "standard",
    tells_an_event: "events",
}


@pytest.mark.parametrize("leak", PLANTED, ids=lambda leak: leak.__name__)
def test_a_planted_leak_is_found(
    leak: Callable[[Stage, bytes], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_quick(monkeypatch)
    watch = Watch(monkeypatch)
    tell = demo.locked_out
    monkeypatch.setattr(
        demo, "locked_out", lambda stage: (leak(stage, of_the_server(stage).secret.reveal()), tell(stage))
    )
    places = play(watch, monkeypatch, tmp_path, capfd, caplog)
    leaks = found(watch.secrets, places)
    assert any(one.startswith("MuSiK ") and PLANTED[leak] in one for one in leaks), leaks


def test_a_leak_into_the_capture_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_quick(monkeypatch)
    watch = Watch(monkeypatch)
    write = CaptureWriter.write_udp

    def leaky(self: CaptureWriter, *args: object) -> None:
        musik = next(octets for name, octets in watch.secrets.items() if name.startswith("MuSiK "))
        write(self, *args[:-1], f"{args[-1]} {musik.hex(':')}")  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(evidence.CaptureWriter, "write_udp", leaky)
    places = play(watch, monkeypatch, tmp_path, capfd, caplog)
    assert any(
        one.startswith("MuSiK ") and one.endswith("demo.pcapng") for one in found(watch.secrets, places)
    )


@pytest.mark.parametrize("awkward", [b'"', b"'", b"'\"", b"\\", b"\\'\"\n", b"\x7f\xff"])
def test_quotes_and_backslashes_hide_nothing(awkward: bytes) -> None:
    octets = b"0123456789abcdef"[: 16 - len(awkward)] + awkward
    for around in (b"", b"'", b'"', b"'\""):
        shown = repr(around + octets)
        for written in (shown, json.dumps(f"evidence: {shown}"), repr([shown])):
            assert found({"key": octets}, {"here": written.encode()}) == ["key in here"]


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("size", [12, 16, 32, 128, 257])
def test_every_form_is_recognised_wherever_it_stands(size: int, before: int) -> None:
    octets = b"\x04" + secrets.token_bytes(size - 1)
    around = secrets.token_bytes(before), secrets.token_bytes(5)
    whole = around[0] + octets + around[1]
    for written in (
        whole,
        whole.hex().encode(),
        repr(whole).encode(),
        b64encode(whole),
        str(list(whole)).encode(),
    ):
        assert found({"key": octets}, {"here": b"... " + written + b" ..."}) == ["key in here"]
    assert found({"key": octets}, {"here": secrets.token_bytes(5000)}) == []


def test_a_part_is_recognised_too() -> None:
    octets = secrets.token_bytes(257)
    for part in windows(octets):
        assert len(part) == 16
        for form in forms(part):
            assert found({"key": octets}, {"here": form}) == ["key in here"]
