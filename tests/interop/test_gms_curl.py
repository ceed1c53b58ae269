"""A group's administrator with a shell: init, run, token, curl and xmllint, by the commands of the documentation."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mcsec.wire import groups
from support.gms import ANN, BOB, CHIEF, GROUP, HOME, document, prepare

pytestmark = pytest.mark.peer("curl", "xmllint")
PATH = "/xcap-root/org.openmobilealliance.groups/global/byGroupID/sip:rescue@b.example"
KEYS = "/xcap-root/org.3gpp.MCPTT-GKTP/global/byGroupID/sip%3Arescue%40b.example"
COMMAND = [sys.executable, "-c", "from mcsec.cli.main import run; run()"]


def mcsec(*arguments: object, status: int = 0) -> str:
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout


def started(entity: str, config: Path, stack: ExitStack) -> str:
    log = stack.enter_context((config.parent / f"{entity}.log").open("w"))
    process = subprocess.Popen(
        [*COMMAND, "run", entity, "--config", str(config)], stdout=subprocess.PIPE, stderr=log, text=True
    )

    def stop() -> None:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
        assert (rest, process.returncode) == ("", 0)

    stack.callback(stop)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("https://127.0.0.1:")
    return address


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    directory = tmp_path / "domain"
    mcsec("init", directory, "--domain", HOME)
    config = directory / "mcsec.toml"
    config.write_text(config.read_text().replace("127.0.0.1:8443", "127.0.0.1:0", 1))
    with ExitStack() as stack:
        prepare(directory, started("kms", config, stack))
        yield config, started("gms", config, stack)


def token(config: Path, user: str) -> str:
    scope = "3gpp:mc:ptt_group_management_service"
    asked = ("--user", user, "--audience", f"gms.{HOME}", "--scope", scope)
    return mcsec("token", "issue", "--config", config, *asked).strip()


def curl(config: Path, url: str, bearer: str, *options: str) -> tuple[int, bytes, str]:
    headers = config.parent / "headers"
    done = subprocess.run(
        ["curl", "-sS", "--cacert", config.parent / "tls" / "ca.pem", "--path-as-is", "-w", "%{stderr}%{http_code}",
         "-D", headers, "-H", f"Authorization: Bearer {bearer}", *options, url],
        capture_output=True, check=True, timeout=20,
    )  # fmt: skip
    tag = re.search(r"(?im)^etag: (.*?)\s*$", headers.read_text())
    return int(done.stderr), done.stdout, tag[1] if tag else ""


def query(content: bytes, expression: str, tmp_path: Path) -> str:
    file = tmp_path / "query.xml"
    file.write_bytes(content)
    done = subprocess.run(
        ["xmllint", "--xpath", expression, file], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_group_by_hand(service: tuple[Path, str], tmp_path: Path) -> None:
    config, address = service
    chief, ann, bob = token(config, CHIEF), token(config, ANN), token(config, BOB)
    file = tmp_path / "group.xml"
    file.write_bytes(groups.encode(document(ANN, BOB)))
    kind = ("-H", f"Content-Type: {groups.CONTENT_TYPE}")
    put = ("-X", "PUT", *kind, "--data-binary", f"@{file}")
    assert "nothing is open" not in mcsec("policy", "lint", file)
    status, _, etag = curl(config, address + PATH, chief, *put, "-H", "If-None-Match: *")
    assert (status, etag[0]) == (201, '"')
    status, content, seen = curl(config, address + PATH, ann)
    assert (status, content, seen) == (200, file.read_bytes(), etag)
    assert curl(config, address + PATH, ann, "-H", f"If-None-Match: {etag}")[0] == 304
    status, keys, _ = curl(config, address + KEYS, ann)
    assert status == 200
    message = query(keys, "string(//*[local-name()='GMK-GKTPs']/*[local-name()='GKTP'])", tmp_path)
    assert bytes.fromhex(message)[:2] == b"\x01\x1a", "a MIKEY-SAKKE I_MESSAGE"
    assert curl(config, address + KEYS, chief)[0] == 403

    file.write_bytes(groups.encode(document(ANN)))
    status, refusal, _ = curl(config, address + PATH, chief, *put, "-H", 'If-Match: "other"')
    assert (status, refusal) == (412, b"")
    assert curl(config, address + PATH, chief, *put, "-H", f"If-Match: {etag}")[0] == 200
    assert curl(config, address + KEYS, bob)[0] == 403, "removed"
    file.write_bytes(b"<group/>")
    status, refusal, _ = curl(config, address + PATH, chief, *put)
    assert status == 409
    assert query(refusal, "local-name(/*/*)", tmp_path) == "schema-validation-error"

    (group,) = json.loads(mcsec("gms", "groups", "--config", config, "--json"))
    assert (group["group"], [key["state"] for key in group["keys"]]) == (GROUP, ["revoked", "live"])
    assert ANN in mcsec("gms", "members", GROUP, "--config", config)
    assert json.loads(mcsec("gms", "rotate", GROUP, "--config", config, "--json"))["made"]
    assert "MKFC" not in mcsec("gms", "release-13", GROUP, "on", "--config", config), (
        "not asked for by the document"
    )
    acts = [row["act"] for row in json.loads(mcsec("gms", "log", "--config", config, "--json"))]
    assert acts == [
        "made", "key-made", "key-given", "changed", "key-revoked", "key-made", "key-made", "release-13",
    ]  # fmt: skip
    assert "records hold" in mcsec("gms", "log", "--config", config, "--verify")
    assert "1 groups" in mcsec("gms", "status", "--config", config)

    other, temporary = "sip:police@b.example", "sip:temp@b.example"
    file.write_bytes(groups.encode(document(BOB, group=other)))
    assert "made" in mcsec("gms", "put", file, "--config", config, "--owner", BOB)
    assert temporary in mcsec(
        "gms", "regroup", temporary, GROUP, other, "--config", config, "--seconds", "60"
    )
    assert "2 members" in mcsec("gms", "groups", "--config", config)
    mcsec("gms", "remove", other, "--config", config, status=1)
    assert "removed" in mcsec("gms", "remove", temporary, "--config", config)
    assert "removed" in mcsec("gms", "remove", other, "--config", config)
