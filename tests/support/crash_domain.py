"""A domain whose MCX server is a process that is killed with -9, again and again; all others live on.

KMS, BM-SC, clients and whoever records the air are in this process. The server is what ``mcsec run server`` runs, with
the files that ``mcsec init`` makes.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from mcsec._core import Secret
from mcsec.client.engine import ClientEngine, Party
from mcsec.client.events import Affiliated, ServiceAuthorised
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.profile import Profile, RejoinTimes
from mcsec.client.radio import RadioSide
from mcsec.client.service import McClient
from mcsec.errors import LocalError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.events import Event
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.kinds import Traffic
from mcsec.kms.issuers import open_local
from mcsec.lab.kms import LabKms, lab_kms
from mcsec.lab.mb2 import lab_bmsc
from mcsec.lab.ports import free_port
from mcsec.lab.scenario.air import Tap
from mcsec.lab.scenario.site import BearerWish
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.refreshing import RetryTimes
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tls import client_context
from support.call_domains import NEVER_AGAIN
from support.demo import MCSEC

DOMAIN = "a.example"
MDSI = f"mcx.{DOMAIN}"
#: One with a MuSiK of its own, one under the domain's default.
GROUP, OTHER = f"sip:rescue@{DOMAIN}", f"sip:fire@{DOMAIN}"
USERS = tuple(f"sip:{name}@{DOMAIN}" for name in ("ann", "bob", "cem"))
AREA = 1
#: Seconds that a start may take, on a machine that does much else.
_START = 60.0
#: Seconds until everybody is served again: a client whose answer to an INVITE nobody acknowledged, for the server was
#: killed, gives up that call after 32 s (RFC 3261 13.3.1.4).
_CONVERGED = 60.0
_SETTINGS = f"""
[[server.groups]]
id = "{GROUP}"
members = "*"
musik = "own"
details = [{{ user = "{USERS[0]}" }}, {{ user = "{USERS[1]}" }}, {{ user = "{USERS[2]}" }}]

[[server.groups]]
id = "{OTHER}"
members = "*"

[server.calls]
listeners = 1
t16 = 0.1
t17 = 0.05
tng1 = 2.0

[server.rotation]
switch_after = 1.0
grace = 1.0

[server.delivery]
retry_first = 0.1
retry_most = 0.5
attempts = 50
"""


class Listener(ClientEngine):
    """A client's engine, and what came to it by unicast.

    :ivar unicast: floor control, as it came. :ivar seen: every key that it ever held.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.unicast: list[bytes] = []
        self.seen: set[Key] = set()

    def control_packet(self, packet: bytes, traffic: Traffic, name: str, now: float) -> list[Event]:
        """Records what is for it alone."""
        if traffic is Traffic.UNICAST_FLOOR:
            self.unicast.append(packet)
        return super().control_packet(packet, traffic, name, now)

    def key_message(self, *args: Any, **options: Any) -> list[Event]:
        """Remembers the keys."""
        happened = super().key_message(*args, **options)
        self.seen.update(self.keyring.keys)
        return happened

    def make_csk(self, now: float) -> tuple[Key, bytes]:
        """Remembers its own."""
        made = super().make_csk(now)
        self.seen.add(made[0])
        return made


@dataclass
class User:
    """A client, and what the server acknowledged to it; None where something is on the way.

    ``csk``: of the last authorisation; ``groups``: of the last affiliation.
    """

    uri: str
    engine: Listener
    client: McClient = field(init=False)
    csk: KeyId | None = None
    groups: frozenset[str] | None = None
    events: list[Event] = field(default_factory=list)

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def happened(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case ServiceAuthorised(csk=csk):
                self.csk = csk
            case Affiliated(groups=groups):
                self.groups = frozenset(groups)


@dataclass
class CrashDomain:
    """The domain while it runs; ``process``: its server's present one. ``rejoin``: for its clients."""

    directory: Path
    kms: LabKms
    host: ClientHost
    tap: Tap
    rejoin: RejoinTimes
    users: list[User] = field(default_factory=list)
    process: Process | None = None

    @property
    def config(self) -> Path:
        return self.directory / "mcsec.toml"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def spawn(self) -> None:
        """A server process that is on its way."""
        with (self.directory / "server.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(str(MCSEC), "run", "server", "--config", str(self.config)),
                stdout=PIPE,
                stderr=log,
                # SIGABRT makes it say where it is: see ready().
                env=os.environ | {"PYTHONFAULTHANDLER": "1"},
            )

    async def ready(self) -> None:
        """Returns when it serves.

        :raises AssertionError: it ended, or printed nothing for long; with what it told, and where it hangs.
        """
        assert self.process is not None
        assert self.process.stdout is not None
        line = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START):
                line = await self.process.stdout.readline()
        if not line:
            if self.process.returncode is None:
                self.process.send_signal(signal.SIGABRT)
            await self.process.communicate()
            told = (self.directory / "server.log").read_text(errors="replace")[-6000:]
            raise AssertionError(f"it is not ready, and ended with {self.process.returncode}: {told}")

    async def kill(self) -> None:
        """With signal 9, whatever it is at."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()

    async def order(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What an operator orders or asks, and the answer."""
        reading, writing = await _reach(self.directory / "server.sock")
        text = "" if body is None else json.dumps(body)
        try:
            writing.write(
                f"{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
            )
            answer = await reading.read()
        except OSError as error:
            raise LocalError(str(error), code="admin.unreachable") from None
        finally:
            writing.close()
            with suppress(OSError):
                await writing.wait_closed()
        head, _, found = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0] + b" ":
            raise LocalError(answer.decode(errors="replace")[-300:], code="admin")
        try:
            return json.loads(found)
        except ValueError:
            raise LocalError("half an answer", code="admin.unreachable") from None

    async def keys(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.order("GET", "/v1/keys"))["keys"]
        return found

    async def missing(self) -> str:
        """What is not yet as it is to be; nothing where every client has what is present, and listens."""
        rows = await self.keys()
        bearer = await self.order("GET", "/v1/bearers/one")
        if bearer["state"] != "active" or bearer["listeners"] != len(self.users):
            return f"the bearer is {bearer['state']}, {bearer['listeners']} listen"
        active = [row for row in rows if row["state"] in ("active", "offered") and row["members"]]
        for row in active:
            if row["deliveries"]["wanted"] or row["deliveries"]["sent"]:
                return f"{row['key_id']} is not delivered: {row['deliveries']}"
        needed = {row["key_id"] for row in active if GROUP in row["scope"] or row["kind"] == "MSCCK"}
        if len([row for row in active if row["state"] == "active" and GROUP in row["scope"]]) != 1:
            return f"nothing is sent under for {GROUP}"
        for user in self.users:
            if lacking := needed - {str(key.key_id) for key in user.engine.keyring.keys}:
                return f"{user.uri} lacks {lacking}"
            if user.client.calls:
                states = [call.state.name for call in user.client.calls.values()]
                return f"{user.uri} believes in a call: {states}"
            if user.groups is None:
                return f"{user.uri} is not affiliated"
        return ""

    async def converge(self, seconds: float = _CONVERGED) -> None:
        """Every client holds the present keys, and listens.

        :raises AssertionError: not in time; says what is missing.
        """
        until, found = time.monotonic() + seconds, "anything"
        while found and time.monotonic() < until:
            found = await self.missing()
            await asyncio.sleep(0.05 if found else 0)
        told = [[event.describe() for event in user.events[-12:]] for user in self.users]
        assert not found, f"{found}; {told}"

    async def log_on(self, uri: str, gmk: Key) -> None:
        """A user's client, with its keys from the KMS, affiliated."""
        keys, known = await self.kms.provision(uri, time.time())
        server = Party(MDSI, self.kms.public.kms_uri, DOMAIN)
        engine = Listener([keys], known, server)
        profile = Profile(
            mc_service_id=uri,
            impu=uri,
            client_id=f"urn:uuid:00000000-0000-4000-8000-{len(self.users):012d}",
            registrar=f"sip:{DOMAIN}",
            psi=f"sip:mcptt@{DOMAIN}",
            server=server,
            retry=RetryTimes(0.2, 0.4, 0.2),
            rejoin=self.rejoin,
        )
        issuer = open_local(self.kms.configuration)

        def token() -> Secret:
            scopes = ["3gpp:mc:ptt_service"]
            return Secret(issuer.issue(uri, audience=MDSI, scopes=scopes, now=time.time()).encode())

        user = User(uri, engine)
        user.client = self.host.add(profile, engine, token, radio=RadioSide(AREA), on_event=user.happened)
        engine.keyring.install(gmk, signer="gms", now=time.time())
        await user.client.log_on([GROUP])
        self.users.append(user)


async def _reach(socket: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_unix_connection(socket)
    except OSError as error:
        raise LocalError(str(error), code="admin.unreachable") from None


@asynccontextmanager
async def crash_domain(
    directory: Path, store: str = "", rejoin: RejoinTimes = NEVER_AGAIN
) -> AsyncIterator[CrashDomain]:
    """The domain with its clients, who were served once. ``store``: a database's URI; nothing: a file."""
    wish = BearerWish(
        (AREA,),
        (),
        1,
        IPv4Address("239.192.0.0") + secrets.randbits(18),
        20_000 + 8 * secrets.randbelow(1_500),
    )
    async with AsyncExitStack() as stack:
        kms = await stack.enter_async_context(lab_kms(directory, DOMAIN, time.time()))
        tls = kms.configuration.path("tls")
        bmsc = await stack.enter_async_context(
            lab_bmsc(tls, DOMAIN, MDSI, areas=wish.areas, port=free_port())
        )
        port = free_port()
        config = directory / "mcsec.toml"
        text = config.read_text()
        for old, new in {
            "https://127.0.0.1:8443": kms.service.address,
            "127.0.0.1:5061": f"127.0.0.1:{port}",
            "127.0.0.1:5658": f"127.0.0.1:{bmsc.node.ports[0]}",
            "239.255.77.2": str(wish.address),
            "42001": str(wish.port),
            "[[server.mb2": "sign_of_life = 0.1\nredial_first = 0.1\nredial_most = 0.2\n"
            "retry_first = 0.1\nretry_most = 0.2\n\n[[server.mb2",
        }.items():
            text = text.replace(old, new, 1)
        config.write_text(text + _SETTINGS + (f'\n[store]\nurl = "{store}"\n' if store else ""))
        tap = Tap(wish)
        stack.enter_context(tap.listening())
        trust = EndpointSettings(
            client_tls=client_context(tls / "ca.pem"), trust=Trust(names=frozenset({MDSI}))
        )
        settings = HostSettings(Hop("TLS", "127.0.0.1", port, MDSI), trust)
        made = CrashDomain(directory, kms, ClientHost(settings), tap, rejoin)
        await made.spawn()
        try:
            await made.ready()
            async with made.host:
                gmk = make(PurposeTag.GMK, scope=Scope.of(GROUP), maker=Maker(DOMAIN, "gms"), now=time.time())
                await asyncio.gather(*(made.log_on(user, gmk) for user in USERS))
                await made.converge()
                yield made
        finally:
            await made.kill()
