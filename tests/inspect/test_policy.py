"""What documents leave open is said, and nothing else."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mcsec.cli.main import app
from mcsec.errors import DecodeError
from mcsec.inspect.policy import Severity, lint
from mcsec.lab.init import CONFIGURATION
from mcsec.wire.groups import GroupDocument, Member, Protection, Regrouped, encode

GROUP = "sip:rescue@b.example"
CLOSED = Protection(media=True, floor=True)
SERVICE = (
    '<service-configuration-info xmlns="urn:3gpp:ns:mcpttServiceConfig:1.0"><on-network><signalling-protection>'
    "<confidentiality-protection>{}</confidentiality-protection><integrity-protection>{}</integrity-protection>"
    "</signalling-protection></on-network></service-configuration-info>"
)


def group(**facts: object) -> bytes:
    usual = {
        "uri": GROUP,
        "members": (Member(uri="sip:ann@b.example"),),
        "protection": CLOSED,
        "maximum_duration": 600.0,
    }
    return encode(GroupDocument(**(usual | facts)))  # type: ignore[arg-type]  # what a test says


def codes(octets: bytes) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in lint(octets).findings}


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (group(), {}),
        (group(protection=Protection()), {"group.implied": Severity.NOTE}),
        (group(protection=Protection(media=False, floor=True)), {"group.media-clear": Severity.OPEN}),
        (group(protection=Protection(media=True, floor=False)), {"group.floor-clear": Severity.OPEN}),
        (
            group(protection=Protection(media=True, floor=True, multicast_floor=True)),
            {"group.mkfc": Severity.WEAK},
        ),
        (
            group(regrouped=(Regrouped("sip:t@b.example", None, Protection(media=False, floor=True)),)),
            {"group.media-clear": Severity.OPEN},
        ),
        (group(disabled=True), {"group.disabled": Severity.NOTE}),
        (group(services=frozenset({"urn:other"})), {"group.no-mcptt": Severity.NOTE}),
        (group(maximum_duration=None), {"group.no-maximum": Severity.NOTE}),
        (group(members=()), {"group.empty": Severity.NOTE}),
        (SERVICE.format("true", "1").encode(), {}),
        (SERVICE.format("false", "true").encode(), {"service.identities-clear": Severity.OPEN}),
        (SERVICE.format("true", "0").encode(), {"service.unsigned": Severity.OPEN}),
        (b"[domain]\nname='a'\n[kms]\nkey_period=2592000\n", {}),
        (b"[kms]\nprotection=false\nkey_period=1\n", {"kms.unprotected": Severity.OPEN}),
        (b"[kms]\n", {"kms.no-key-period": Severity.WEAK}),
        (b"[kms]\nkey_period=99999999\n", {"kms.long-key-period": Severity.WEAK}),
        (b"[server]\ncsk_required=true\nprotection=false\n", {"server.xml-clear": Severity.OPEN}),
        (
            b"[server]\ncsk_required=true\n[[server.groups]]\nid='g'\nprotect_media=false\n",
            {"group.media-clear": Severity.OPEN},
        ),
        (b"[gms.keys]\nlifetime=0\nrotate_on_join=true\n", {"gms.no-lifetime": Severity.WEAK}),
        (
            b"[gms]\n[gms.keys]\nrotate_on_join=true\n[[gms.issuers]]\nissuer='i'\njwks='http://i/'\n",
            {"issuer.clear": Severity.OPEN},
        ),
    ],
)
def test_what_is_found(octets: bytes, found: dict[str, Severity]) -> None:
    assert codes(octets) == found


def test_what_init_makes_leaves_nothing_open() -> None:
    assert lint(CONFIGURATION.substitute(domain="a.example").encode()).passed


@given(st.binary(max_size=200))
def test_any_octets_are_a_document_or_none(octets: bytes) -> None:
    with contextlib.suppress(DecodeError):
        lint(octets)


def test_the_command(tmp_path: Path) -> None:
    closed, open_, weak = tmp_path / "closed.xml", tmp_path / "open.xml", tmp_path / "weak.toml"
    closed.write_bytes(group())
    open_.write_bytes(group(protection=Protection(media=False)))
    weak.write_bytes(b"[kms]\n")
    run = CliRunner()
    said = run.invoke(app, ["policy", "lint", str(closed)])
    assert (said.exit_code, "nothing is open" in said.output) == (0, True)
    assert run.invoke(app, ["policy", "lint", str(weak)]).exit_code == 0
    assert run.invoke(app, ["policy", "lint", "--strict", str(weak)]).exit_code == 1
    said = run.invoke(app, ["policy", "lint", "--json", str(closed), str(open_)])
    assert said.exit_code == 1
    told = json.loads(said.output)
    assert not told["passed"]
    assert [[one["code"] for one in file["findings"]] for file in told["files"]] == [
        [],
        ["group.media-clear", "group.implied"],
    ]
