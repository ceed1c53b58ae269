"""What a client's configuration says of digest credentials and of trying a registration again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.client.config import Configuration
from mcsec.net.config import ConfigError
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.refreshing import RetryTimes
from support.client_process import TEMPLATE, write

DIGEST = '[digest]\nusername = "alice{n}@a.example"\npassword = { file = "alice{n}.password" }\n'
ASKED = ("WWW-Authenticate", 'Digest realm="a.example", nonce="n", qop="auth", algorithm=SHA-256')


def test_without_a_section_there_is_nothing_to_answer(tmp_path: Path) -> None:
    config = Configuration.load(write(tmp_path))
    assert config.credentials(1) is None
    assert config.profile(1).retry == RetryTimes(first=30.0, most=1800.0, lost=1.0)


def test_waiting_times(tmp_path: Path) -> None:
    text = TEMPLATE.replace("[server]", "[client.retry]\nlost = 0.5\nmost = 60.0\n[server]", 1)
    assert Configuration.load(write(tmp_path, text)).profile(1).retry == RetryTimes(30.0, 60.0, 0.5)


@pytest.mark.parametrize("by", ["file", "env"])
def test_each_client_has_its_own_credentials(
    tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = DIGEST
    if by == "env":
        section = DIGEST.replace('file = "alice{n}.password"', 'env = "ALICE_{n}"')
        monkeypatch.setenv("ALICE_2", "open sesame")
    (tmp_path / "alice2.password").write_text("open sesame\n")
    config = Configuration.load(write(tmp_path, TEMPLATE + "\n" + section))
    client = config.credentials(2)
    assert isinstance(client, DigestClient)
    request = make_request("REGISTER", "sip:a.example", from_="sip:alice2@a.example")
    answer = client.authorize(request, make_response(request, 401, headers=[ASKED])).headers.get(
        "Authorization"
    )
    assert answer is not None
    assert 'username="alice2@a.example"' in answer
    assert "sesame" not in answer
    with pytest.raises(ConfigError, match="password"):
        config.credentials(1)
