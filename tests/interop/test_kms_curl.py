"""A newcomer with a shell: init, run, token, curl and xmllint, by the commands of the documentation."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer("curl", "xmllint")

USER = "sip:user@a.example"
BASE = "/keymanagement/identity/v1"


def mcsec(*arguments: object) -> str:
    code = "from mcsec.cli.main import run; run()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    directory = tmp_path / "domain"
    mcsec("init", directory, "--domain", "a.example")
    config = directory / "mcsec.toml"
    text = config.read_text().replace("127.0.0.1:8443", "127.0.0.1:0")
    config.write_text(text.replace("protection = true", "protection = false"))
    command = [sys.executable, "-c", "from mcsec.cli.main import run; run()", "run", "kms"]
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [*command, "--config", str(config)], stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("https://127.0.0.1:")
        yield config, address
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
        log.close()
    assert rest == ""
    assert process.returncode == 0


def curl(config: Path, url: str, token: str, *options: str) -> tuple[int, bytes]:
    done = subprocess.run(
        ["curl", "-sS", "--cacert", config.parent / "tls" / "ca.pem", "--path-as-is", "-w", "%{stderr}%{http_code}",
         "-X", "POST", "-H", f"Authorization: Bearer {token}", *options, url],
        capture_output=True, check=True, timeout=20,
    )  # fmt: skip
    return int(done.stderr), done.stdout


def check(tmp_path: Path, document: bytes) -> None:
    """The document is valid by the schema of the package, says xmllint."""
    file = tmp_path / "answer.xml"
    file.write_bytes(document)
    schema = resources.files("mcsec.wire.kms") / "schema.xsd"
    subprocess.run(["xmllint", "--noout", "--schema", str(schema), file], check=True, capture_output=True)


def text(document: bytes, name: str, tmp_path: Path) -> str:
    file = tmp_path / "query.xml"
    file.write_bytes(document)
    query = f"string(//*[local-name()='{name}'])"
    done = subprocess.run(["xmllint", "--xpath", query, file], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_first_hour(service: tuple[Path, str], tmp_path: Path) -> None:
    config, address = service
    token = mcsec("token", "issue", "--config", config, "--user", USER).strip()
    assert token.count(".") == 2
    assert "\n" not in token
    status, init = curl(config, f"{address}{BASE}/init", token)
    assert status == 200
    check(tmp_path, init)
    assert len(text(init, "PubEncKey", tmp_path)) == 514
    status, keys = curl(config, f"{address}{BASE}/keyprov/sip%3Auser%40a.example", token)
    assert status == 200
    check(tmp_path, keys)
    assert len(text(keys, "UserDecryptKey", tmp_path)) == 514
    assert len(text(keys, "UserSigningKeySSK", tmp_path)) == 64
    assert len(text(keys, "UserPubTokenPVT", tmp_path)) == 130
    status, cache = curl(config, f"{address}{BASE}/certcache", token)
    assert status == 200
    check(tmp_path, cache)
    for path, wanted in (
        (f"{BASE}/keyprov/sip%3Aother%40a.example", 403),
        (f"{BASE}/keyprov/../../../etc/passwd", 404),
        (f"{BASE}/keyprov/sip%3Auser%40a.example/D6B4323200000000", 404),
        (f"{BASE}/nothing", 404),
    ):
        status, document = curl(config, address + path, token)
        assert status == wanted
        check(tmp_path, document)
        assert text(document, "ErrorCode", tmp_path) == str(wanted)
    status, _ = curl(config, f"{address}{BASE}/init", "not.a.token")
    assert status == 401
    status, document = curl(config, f"{address}{BASE}/init", token, "--data-binary", "<!DOCTYPE a><a/>")
    assert status == 400
    operators = json.loads(mcsec("kms", "status", "--config", config, "--json"))
    assert operators["issued"] >= 1
    log = json.loads(mcsec("kms", "log", "--config", config, "--json", "--identity", USER))
    assert {record["actor"] for record in log} == {USER}
    assert "records hold" in mcsec("kms", "log", "--config", config, "--verify")
