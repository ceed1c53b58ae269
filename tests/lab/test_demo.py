"""``mcsec demo`` as a user runs it: one JSON object, every claim, a capture, a key log, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcsec.crypto.srtp import SrtcpReceiver
from mcsec.errors import PeerError
from mcsec.ids import KeyId, PurposeTag
from mcsec.lab.seeded import WARNING
from mcsec.net.keylog import parse_key_log
from mcsec.wire import rtcp
from support.demo import CLAIMS, claims_of, finish, start

Outputs = dict[str, tuple[int, str, str]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Two runs at a time on one machine, with JSON: their output by directory."""
    here = tmp_path_factory.mktemp("demo")
    running = {
        "one": start("--json", "-o", here / "one"),
        "seeded": start("--json", "-o", here / "seeded", "--seed", "a test"),
    }
    return {str(here / name): finish(process) for name, process in running.items()}


def test_one_object_on_standard_output_and_nothing_else(both: Outputs) -> None:
    for directory, (status, out, _) in both.items():
        report = json.loads(out)
        assert out.startswith("{")
        assert out.endswith("}\n")
        assert claims_of(out) == dict.fromkeys(CLAIMS, "pass")
        assert (report["result"], status) == ("pass", 0)
        assert report["seeded"] == directory.endswith("seeded")
        assert set(report["files"]) == {"capture", "keylog"}
        assert {Path(file).parent for file in report["files"].values()} == {Path(directory)}
        for claim in report["claims"]:
            assert set(claim) == {"name", "claim", "result", "evidence"}
            assert claim["evidence"]


def test_the_story_is_told_on_standard_error(both: Outputs) -> None:
    for directory, (_, _, err) in both.items():
        assert "MuSiK" in err
        assert (WARNING in err) == directory.endswith("seeded")
        assert "keys are being written in clear" in err
        assert "Traceback" not in err


def test_two_at_a_time_do_not_hear_each_other(both: Outputs) -> None:
    """Each saw just its own packets, under just its own keys."""
    tables = [json.loads(out)["keys"] for _, out, _ in both.values()]
    names = [{row["key"] for row in table} for table in tables]
    assert names[0].isdisjoint(names[1])
    for table in tables:
        assert not any(row["key"].startswith("unknown") for row in table)
        assert sum(row["packets"] for row in table if row["protected"].endswith("bearer")) == 8


def test_which_key_protected_what_and_whose_it_was(both: Outputs) -> None:
    for _, out, _ in both.values():
        rows = {(row["key"].split()[0], row["domain"], row["protected"]) for row in json.loads(out)["keys"]}
        assert rows == {
            ("MSCCK", "a.example", "subchannel control, bearer"),
            ("MuSiK", "a.example", "floor control, bearer"),
            ("CSK", "a.example", "floor control, unicast"),
            ("MKFC", "b.example", "floor control, bearer"),
        }
        traffic = json.loads(out)["traffic"]
        # The bearer announced, Map, Taken, Idle; five frames and a flipped one; Unmap and Map of the other group; Taken
        # and Idle under the MKFC.
        assert (traffic["bearer"]["packets"], traffic["unicast"]["packets"]) == (14, 8)


def udp_payloads(capture: bytes) -> list[bytes]:
    """The payloads of enhanced packet blocks with IPv4 and UDP."""
    found, at = [], 0
    while at < len(capture):
        kind, size = (int.from_bytes(capture[at + 4 * n : at + 4 * n + 4], "little") for n in range(2))
        if kind == 6:
            length = int.from_bytes(capture[at + 20 : at + 24], "little")
            found.append(capture[at + 28 : at + 28 + length][28:])
        at += size
    return found


def test_the_key_log_opens_the_signalling_in_the_capture_and_no_media(
    both: Outputs,
) -> None:
    for directory in both:
        entries = parse_key_log((Path(directory) / "demo.keylog").read_text())
        opened: list[rtcp.Message] = []
        shut = []
        for payload in udp_payloads((Path(directory) / "demo.pcapng").read_bytes()):
            for entry in entries:
                context = SrtcpReceiver(entry.profile)
                context.add_key(entry.mki, entry.master_key, entry.master_salt)
                try:
                    opened += rtcp.decode(context.unprotect(payload).octets)
                    break
                except PeerError:
                    continue
            else:
                shut.append(payload)
        assert len(opened) == 4 + 8 + 4
        assert len(shut) == 6
        assert {KeyId.decode(payload[-8:-4]).tag for payload in shut} == {PurposeTag.GMK}


def test_the_key_log_is_for_its_owner_alone(both: Outputs) -> None:
    for directory in both:
        assert (Path(directory) / "demo.keylog").stat().st_mode & 0o077 == 0
