"""``mcsec client`` as a process, keyed by a real KMS, beside a scripted MCX server."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mcsec.client.config import Configuration
from mcsec.crypto.secret import Secret
from mcsec.errors import McsecError
from mcsec.ids import PurposeTag
from mcsec.keys.key import Scope
from mcsec.kms.config import load
from mcsec.kms.issuers import open_local
from mcsec.kms.observe import Observer
from mcsec.kms.service import running
from mcsec.lab.init import make_domain
from mcsec.mikey.build import Initiator
from mcsec.net.config import ConfigError
from mcsec.net.kms.client import KmsClient, KmsClientSettings
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.net.tls import client_context, server_context
from mcsec.wire.rtcp.floor import FloorTaken
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel
from support.client_process import TEMPLATE, configure, lines_until, start, write
from support.mc_clients import GROUP
from support.scripted_mcx import GENERAL, MDSI, TMGI, ScriptedMcx, fresh_key, protected


def test_reads_a_configuration(tmp_path: Path) -> None:
    config = Configuration.load(write(tmp_path))
    (tmp_path / "alice2.jwt").write_text("header.claims.signature\n")
    profile = config.profile(2)
    assert (profile.mc_service_id, profile.impu) == ("sip:alice2@a.example", "sip:alice2@a.example")
    assert profile.client_id.startswith("urn:uuid:")
    assert profile.client_id != config.profile(1).client_id
    assert profile.registrar == "sip:a.example"
    assert config.token(2).reveal() == b"header.claims.signature"
    assert "header.claims" not in repr(config.token(2))
    assert config.host().server.port == 5061


@pytest.mark.parametrize(
    ("change", "local"),
    [("", "127.0.0.1"), ('local = "127.0.0.9"', "127.0.0.9"), ('local = "::1"', "::1")],
)
def test_datagrams_come_where_the_server_is_reached_from(tmp_path: Path, change: str, local: str) -> None:
    config = Configuration.load(write(tmp_path, TEMPLATE.replace("[kms]", f"{change}\n[kms]")))
    assert config.host().local == (local, 0)
    unknown = TEMPLATE.replace('host = "127.0.0.1"', 'host = "no-such-host.invalid"')
    assert Configuration.load(write(tmp_path, unknown)).host().local == ("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("area = 7", "area = 70000", "client.area"),
        ("area = 7", "aera = 7", "client.aera"),
        ("[token]", "[tokens]", "token"),
        ('transport = "TCP"', 'transport = "SCTP"', "server.transport"),
        ('file = "alice{n}.jwt"', "", "token: Value error, give either file or env"),
        ('file = "alice{n}-kms.jwt"', "", "kms.token: Value error"),
        ("[client]", "[client", "line 2"),
    ],
)
def test_a_wrong_configuration_says_where(tmp_path: Path, old: str, new: str, where: str) -> None:
    with pytest.raises(ConfigError, match=where.replace("[", r"\[")):
        Configuration.load(write(tmp_path, TEMPLATE.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sip:alice{n}@a.example", "alice{n}@a.example"),
        ("127.0.0.0/8", "127.0.0.1/8"),
        ('host = "127.0.0.1"', 'host = "mcx.a.example"\nca = "missing.pem"'),
        ('host = "127.0.0.1"', 'host = "192.0.2.1"'),
        ("alice{n}.jwt", "missing.jwt"),
    ],
)
def test_what_shows_only_when_used_is_told_too(tmp_path: Path, old: str, new: str) -> None:
    config = Configuration.load(write(tmp_path, TEMPLATE.replace(old, new).replace('"TCP"', '"TLS"')))

    def use() -> None:
        config.profile(1)
        config.host()
        config.token(1)

    with pytest.raises(McsecError):
        use()


def test_several_clients_need_a_number(tmp_path: Path) -> None:
    config = Configuration.load(write(tmp_path, TEMPLATE.replace("alice{n}@", "alice@")))
    config.check_count(1)
    with pytest.raises(ConfigError, match=r"\{n\}"):
        config.check_count(2)


def test_an_empty_token_is_none(tmp_path: Path) -> None:
    (tmp_path / "alice1.jwt").write_text("\n")
    with pytest.raises(ConfigError, match="no access token"):
        Configuration.load(write(tmp_path)).token(1)


@dataclass
class Domain:
    """A KMS that runs, and an MCX server by script that it keyed."""

    directory: Path
    mcx: ScriptedMcx
    address: str

    def configure(self, port: int, *users: str, secure: bool = False) -> Path:
        """Configuration and tokens of clients."""
        return configure(self.directory, self.address, port, *users, secure=secure)


@asynccontextmanager
async def domain(tmp_path: Path) -> AsyncIterator[Domain]:
    directory = tmp_path / "domain"
    await make_domain(directory, "a.example", time.time())
    file = directory / "mcsec.toml"
    file.write_text(file.read_text().replace("127.0.0.1:8443", "127.0.0.1:0"))
    config = load(file)
    async with running(config, Observer(), time.time()) as service:
        token = open_local(config).issue(
            MDSI, audience=config.kms.uri, scopes=config.kms.tokens.scopes, now=time.time()
        )

        async def source() -> Secret:
            return Secret(token.encode())

        settings = KmsClientSettings(service.address, config.kms.uri, MDSI, "urn:uuid:mcx")
        async with KmsClient(settings, source, client_context(directory / "tls" / "ca.pem")) as kms:
            keys = await kms.identity(MDSI)
            public = kms.book.own()
        async with ScriptedMcx(identity=Initiator(keys, public)) as mcx:
            yield Domain(directory, mcx, service.address)


@pytest.mark.anyio
async def test_registers_and_leaves(tmp_path: Path) -> None:
    async with domain(tmp_path) as made:
        port = await made.mcx.listen("TCP")
        file = made.configure(port, "sip:alice1@a.example")
        for _ in range(2):
            # The second run finds the protection keys that the first one got from the KMS.
            process = await start("register", "--config", str(file))
            out, err = await process.communicate()
            assert (process.returncode, err) == (0, b"")
            words = [line.split()[0] for line in out.decode().splitlines()]
            assert words[:4] == ["RegistrationChanged", "ServiceAuthorised", "Affiliated", "Ready"]
            assert "LoggedOff" in words
        assert len(made.mcx.registrar) == 0
        kept = [path.read_text() for path in tmp_path.glob("*.kms-keys")]
        assert len(kept) == 1
        assert json.loads(kept[0])["user"] == "sip:alice1@a.example"
        assert (tmp_path / "client.kek").stat().st_mode & 0o077 == 0


@pytest.mark.anyio
async def test_listens_until_it_is_told_to_stop(tmp_path: Path) -> None:
    user = "sip:alice1@a.example"
    async with domain(tmp_path) as made:
        tls = made.directory / "tls"
        port = await made.mcx.listen("TLS", server_context(tls / "server.pem", tls / "server.key"))
        file = made.configure(port, user, secure=True)
        process = await start("listen", "--json", "--config", str(file))
        await lines_until(process, "Ready")
        musik = fresh_key(PurposeTag.MUSIK, Scope.of(GROUP))
        mscck = fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI)))
        assert (await made.mcx.download(user, musik)).status == 200
        assert (await made.mcx.announce(user, mscck)).status == 200
        channel = MbmsSubchannel(2, 3, IPv4Address("239.192.7.3"), 42020, 42022)
        mapping = MapGroupToBearer(ssrc=1, group_id=GROUP, tmgi=TMGI, subchannel=channel)
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(protected(mapping, mscck))
            heard = await lines_until(process, "GroupMapped")
            assert {"MuSiKInstalled", "MSCCKInstalled", "BearerAnnounced"} <= {
                line["event"] for line in heard
            }
            await lines_until(process, "ListeningReported")
            with MulticastSender(MulticastGroup(channel.address, 42022)) as floor:
                taken = FloorTaken(
                    ssrc=2, permission=True, sequence_number=1, granted_party="sip:bob@a.example"
                )
                floor.send(protected(taken, musik))
                heard += await lines_until(process, "FloorHeard")
        process.send_signal(signal.SIGINT)
        rest = await lines_until(process, "Summary")
        assert await process.wait() == 0
        assert rest[-1]["floor_heard"] == 1
        assert rest[-1]["packets_dropped"] == {}
        text = json.dumps(heard + rest)
        for key in (musik, mscck):
            assert key.secret.reveal().hex() not in text


@pytest.mark.anyio
async def test_many_clients_in_one_process(tmp_path: Path) -> None:
    users = [f"sip:alice{number}@a.example" for number in range(1, 9)]
    async with domain(tmp_path) as made:
        port = await made.mcx.listen("TCP")
        process = await start(
            *(
                "listen",
                "--json",
                "--count",
                "8",
                "--seconds",
                "60",
                "--config",
                str(made.configure(port, *users)),
            )
        )
        (ready,) = await lines_until(process, "Ready")
        assert ready["logged_on"] == 8
        key = fresh_key(PurposeTag.MUSIK, Scope.of(GROUP))
        for user in users:
            assert (await made.mcx.download(user, key)).status == 200
        process.send_signal(signal.SIGTERM)
        (summary,) = await lines_until(process, "Summary")
        assert await process.wait() == 0
        assert summary["events"]["MuSiKInstalled"] == 8
        assert summary["events"]["LoggedOff"] == 8


@pytest.mark.anyio
async def test_a_client_without_a_server_says_so(tmp_path: Path) -> None:
    async with domain(tmp_path) as made:
        port = await made.mcx.listen("TCP")
        await made.mcx.endpoint.close(0.0)
        process = await start("register", "--config", str(made.configure(port, "sip:alice1@a.example")))
        _, err = await process.communicate()
        assert process.returncode == 1
        assert re.search(rb"mcsec: sip.unreachable: TCP 127.0.0.1:\d+: .*failed", err)
        assert b"Traceback" not in err


@pytest.mark.anyio
async def test_a_token_that_the_kms_refuses(tmp_path: Path) -> None:
    async with domain(tmp_path) as made:
        port = await made.mcx.listen("TCP")
        file = made.configure(port, "sip:mallory@a.example")
        process = await start("register", "--config", str(file))
        _, err = await process.communicate()
        assert process.returncode == 1
        assert err.startswith(b"mcsec: kms.refused")
