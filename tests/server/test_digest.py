"""The embedded registrar asks for digest credentials: who gets in, who does not, and what the file of users may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcsec._core import Secret
from mcsec.cli.main import app
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.profile import Authorisation
from mcsec.client.publishing import ServiceRefused
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.digest import user_hash
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server.config import Configuration
from mcsec.server.events import ClientAuthorised, RequestRefused
from mcsec.server.subscribers import SubscriberError, Subscribers, lines
from support.mc_clients import engine, profile
from support.mc_server import ALICE, BOB, GROUP, Running, clients, running
from support.scripted_mcx import MDSI
from support.sip_tls import TestAuthority

pytestmark = pytest.mark.anyio

NAME = "alice@a.example"
PASSWORD = Secret(b"open sesame")


def subscribers(directory: Path, *extra: str) -> Subscribers:
    file = directory / "digest.users"
    file.write_text("\n".join(["# users", *lines(NAME, PASSWORD, "a.example", [ALICE]), "", *extra]))
    file.chmod(0o600)
    return Subscribers.load(file, "a.example")


async def stranger(mcx: Running, credentials: DigestClient | None, user: str, code: str) -> None:
    async with clients(mcx, credentials=credentials) as add:
        with pytest.raises(ServiceRefused) as refused:
            await add(user).client.log_on()
    assert refused.value.status == (403 if code == "server.sender" else 401)
    assert mcx.server.requests.refused == ({code: 1} if code else {})
    assert len(mcx.of(RequestRefused)) == bool(code)
    assert not mcx.server.function.users.get(user)
    assert not mcx.server.function.engine.csks.held


@pytest.mark.parametrize("way", list(Authorisation))
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_who_knows_the_password_gets_in(tmp_path: Path, transport: str, way: Authorisation) -> None:
    users = subscribers(tmp_path)
    async with running(tmp_path, transports=(transport,), subscribers=users) as mcx:
        async with clients(mcx, transport, DigestClient(NAME, PASSWORD)) as add:
            alice = add(ALICE, way)
            await alice.client.log_on([GROUP])
            assert mcx.of(ClientAuthorised)
        assert mcx.server.requests.refused == {}
        assert not mcx.server.function.users.get(ALICE)


async def test_nobody_gets_in_without_credentials(tmp_path: Path) -> None:
    """A token alone does not do. To be asked is no refusal."""
    async with running(tmp_path, subscribers=subscribers(tmp_path)) as mcx:
        await stranger(mcx, None, ALICE, "")


async def test_a_wrong_password_is_one_refusal(tmp_path: Path) -> None:
    async with running(tmp_path, subscribers=subscribers(tmp_path)) as mcx:
        await stranger(mcx, DigestClient(NAME, Secret(b"guess")), ALICE, "sip.unauthorized")


async def test_a_user_that_is_none_is_refused_like_a_wrong_password(tmp_path: Path) -> None:
    async with running(tmp_path, subscribers=subscribers(tmp_path)) as mcx:
        await stranger(mcx, DigestClient("mallory", PASSWORD), ALICE, "sip.unauthorized")


async def test_credentials_are_for_the_owners_identities_only(tmp_path: Path) -> None:
    """Alice's password and Bob's token do not register Bob."""
    async with running(tmp_path, subscribers=subscribers(tmp_path)) as mcx:
        await stranger(mcx, DigestClient(NAME, PASSWORD), BOB, "server.sender")


@pytest.mark.parametrize(
    "line",
    ["alice SHA-256 00 sip:alice@a.example", "alice SHA-1 " + "0" * 40, "alice", f"alice MD5 {'0' * 32} ,"],
)
def test_a_broken_line_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(SubscriberError, match="line 5"):
        subscribers(tmp_path, line)


def test_the_file_is_private(tmp_path: Path) -> None:
    subscribers(tmp_path)
    (tmp_path / "digest.users").chmod(0o640)
    with pytest.raises(SubscriberError, match="open to others"):
        Subscribers.load(tmp_path / "digest.users", "a.example")
    with pytest.raises(SubscriberError, match="no file"):
        Subscribers.load(tmp_path / "missing", "a.example")


def test_the_command_writes_lines_that_are_read(tmp_path: Path) -> None:
    config = tmp_path / "mcsec.toml"
    config.write_text('[domain]\nname = "a.example"\n')
    command = ["digest", "--config", str(config), NAME, ALICE]
    done = CliRunner().invoke(app, command, input="open sesame\n")
    assert done.exit_code == 0
    assert "sesame" not in done.output
    assert done.output.splitlines() == lines(NAME, PASSWORD, "a.example", [ALICE])
    assert CliRunner().invoke(app, command, input="\n").exit_code == 1


async def test_a_certificate_spares_the_password(tmp_path: Path) -> None:
    """Over TLS a certificate that names the user proves it; without one the same client is asked."""
    authority = TestAuthority(tmp_path)
    async with running(tmp_path, transports=(), subscribers=subscribers(tmp_path)) as mcx:
        tls = authority.server(MDSI, ask=True)
        _, port = await mcx.server.listen("TLS", "127.0.0.1", tls=tls)
        for name, gets_in in ((NAME, True), (None, False)):
            settings = EndpointSettings(
                trust=Trust(names=frozenset({MDSI})), client_tls=authority.client(name)
            )
            async with ClientHost(HostSettings(Hop("TLS", "127.0.0.1", port, MDSI), settings)) as host:
                client = host.add(profile(), engine(), lambda: Secret(ALICE.encode()))
                if gets_in:
                    await client.log_on([GROUP])
                    assert mcx.server.function.users.get(ALICE)
                else:
                    with pytest.raises(ServiceRefused, match="401"):
                        await client.log_on([GROUP])
        assert mcx.server.requests.refused == {}


def test_the_configuration_names_file_and_realm(tmp_path: Path) -> None:
    subscribers(tmp_path)
    config = tmp_path / "mcsec.toml"
    config.write_text('[domain]\nname = "b.example"\n')
    assert Configuration.load(config).subscribers() is None
    config.write_text(
        '[domain]\nname = "b.example"\n[server]\ndigest_users = "digest.users"\ndigest_realm = "a.example"\n'
    )
    found = Configuration.load(config).subscribers()
    assert found is not None
    assert (found.realm, found.impus) == ("a.example", {NAME: frozenset({ALICE})})
    assert found.algorithms == ("SHA-256", "MD5")
    assert found.lookup(NAME, "MD5") == user_hash(NAME, "a.example", PASSWORD, "MD5")
    assert found.lookup("bob", "MD5") is None
