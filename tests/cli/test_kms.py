"""``mcsec init``, ``token`` and ``kms``: what they print, and what they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def mcsec(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from mcsec.cli.main import run; run()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)


def test_init_token_and_refusals(tmp_path: Path) -> None:
    directory = tmp_path / "a"
    done = mcsec("init", directory, "--domain", "A.example", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["domain"] == "a.example"
    assert (directory / "kek").stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert "# " in (directory / "mcsec.toml").read_text()
    again = mcsec("init", directory, "--domain", "a.example")
    assert again.returncode == 1
    assert "not empty" in again.stderr
    assert again.stdout == ""

    config = directory / "mcsec.toml"
    token = mcsec("token", "issue", "--config", config, "--user", "sip:u@a.example")
    assert token.stdout.strip().count(".") == 2
    assert token.stderr == ""
    # Nothing runs: every command of an operator says so in one line.
    for command in (["status"], ["users"], ["log"], ["revoke", "x"], ["rotate-trk"], ["trust", "list"]):
        refused = mcsec("kms", *command, "--config", config)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert "is it running?" in refused.stderr
    for domain in ("", "a b", "-x", "a..b", "x" * 300):
        assert mcsec("init", tmp_path / "no", "--domain", domain).returncode == 1
    assert not (tmp_path / "no").exists()


def test_a_configuration_that_is_wrong_says_where(tmp_path: Path) -> None:
    directory = tmp_path / "a"
    assert mcsec("init", directory, "--domain", "a.example").returncode == 0
    config = directory / "mcsec.toml"
    text = config.read_text()
    for old, new, words in (
        ("protection = true", "protectoin = true", "protectoin"),
        ("time_window = 300", "time_window = 0", "time_window"),
        ('bootstrap = "first-init"', 'bootstrap = "never"', "bootstrap"),
        ("[kms]", "[kms", "mcsec.toml"),
        ('algorithms = ["ES256", "RS256", "PS256", "EdDSA"]', 'algorithms = ["none"]', "algorithms"),
        ('kek = "file:kek"', 'kek = "file:nowhere"', "wrapping key"),
    ):
        assert old in text
        config.write_text(text.replace(old, new, 1))
        done = mcsec("run", "kms", "--config", config)
        assert done.returncode == 1, new
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    missing = mcsec("run", "kms", "--config", tmp_path / "none.toml")
    assert missing.returncode == 1
    assert "mcsec init" in missing.stderr
