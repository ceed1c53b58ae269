"""A KMS in a process of its own, over TLS with keep-alive: requests for each second of one core.

Requests are signed before the clock runs, and the server's own processor time is counted, so that the load does not
count. The yardstick is a plain Starlette route behind the same TLS that returns a fixed body of the same size.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError
from mcsec.kms.config import Configuration, load
from mcsec.kms.issuers import open_local
from mcsec.lab.bench.timing import yardstick
from mcsec.lab.init import make_domain
from mcsec.net.https import run
from mcsec.net.kms.client import KmsClient, KmsClientSettings
from mcsec.net.kms.exchange import Exchange, init_path, keyprov_path
from mcsec.net.tls import client_context
from mcsec.net.token_source import TokenSource
from mcsec.wire.kms.protect import ProtectionKeys

DOMAIN = "bench.example"
_IDS_OF_A_TOKEN = 10
_CONNECTIONS = 32
_ROUNDS = 3
#: Those that this program may use.
_CORES = frozenset(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class KmsFigure:
    """One kind of request: how many for each second of server processor time, and of time on the wall."""

    name: str
    octets: int
    per_core: float
    per_second: float


@dataclass(frozen=True, slots=True)
class KmsReport:
    """Figures of one run."""

    m_seconds: float
    figures: tuple[KmsFigure, ...]
    identities: int
    memory: int

    def to_dict(self) -> dict[str, Any]:
        """Rates for each second; memory in octets."""
        return {
            "m_ns": round(self.m_seconds * 1e9, 1),
            "results": {
                figure.name: {
                    "octets": figure.octets,
                    "per_second_of_one_core": round(figure.per_core, 1),
                    "per_second": round(figure.per_second, 1),
                    "m": round(1 / figure.per_core / self.m_seconds, 1),
                }
                for figure in self.figures
            },
            "identities": self.identities,
            "memory_octets": self.memory,
        }

    def to_text(self) -> str:
        """A table for people."""
        lines = [
            f"1 m = {self.m_seconds * 1e9:.0f} ns (one 1024-bit modular multiplication by gmpy2)",
            "",
            f"{'request':24}  {'answer':>7}  {'per core and s':>14}  {'per s':>8}  {'m':>7}",
        ]
        lines += [
            f"{figure.name:24}  {figure.octets:7}  {figure.per_core:14,.0f}  {figure.per_second:8,.0f}"
            f"  {1 / figure.per_core / self.m_seconds:7,.0f}"
            for figure in self.figures
        ]
        lines.append(f"\n{self.identities} identities provisioned; the KMS holds {self.memory / 1e6:.0f} MB")
        return "\n".join(lines)


def measure(requests: int, identities: int, progress: Callable[[str], None]) -> KmsReport:
    """Measure with ``requests`` of each kind in a round; before that, provision ``identities`` more."""
    with tempfile.TemporaryDirectory(prefix="mcsec-bench-") as name, _apart():
        return run(_measure(Path(name) / "domain", requests, identities, progress))


@contextmanager
def _apart() -> Iterator[None]:
    """The load keeps off the last core, where there are several: that is where the measured process runs."""
    os.sched_setaffinity(0, _CORES - {max(_CORES)} or _CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, _CORES)


async def _measure(
    directory: Path, requests: int, identities: int, progress: Callable[[str], None]
) -> KmsReport:
    before = await asyncio.to_thread(yardstick, 5)
    config = await _domain(directory)
    async with _server("kms", str(directory / "mcsec.toml")) as (process, address):
        load_ = _Load(config, address)
        progress("clients")
        users = await load_.enrol(max(8, (_ROUNDS * requests + identities) // _IDS_OF_A_TOKEN + 1))
        if identities:
            progress(f"{identities} identities")
            for start in range(0, identities, 2000):
                await load_.run(process, users, load_.fresh, min(2000, identities - start))
        progress("keyprov")
        fresh = await load_.best(process, users, load_.fresh, requests, "keyprov, new identity")
        progress("keyprov again")
        again = await load_.best(process, users, load_.known, requests, "keyprov, known identity")
        progress("init")
        init = await load_.best(process, users, load_.init, requests, "init")
        memory = _memory(process.pid)
    figures = []
    for figure in (fresh, again, init):
        progress(f"yardstick for {figure.name}")
        async with _server("plain", str(directory), str(figure.octets)) as (process, address):
            plain = _Load(config, address)
            plain_users = [_User("", "", None)]
            name = f"plain route, {figure.octets}"
            figures += [figure, await plain.best(process, plain_users, plain.plain, requests, name)]
    after = await asyncio.to_thread(yardstick, 5)
    return KmsReport((before + after) / 2, tuple(figures), load_.provisioned, memory)


async def _domain(directory: Path) -> Configuration:
    """A domain whose present key period has only begun, so that an answer holds one key set."""
    now = time.time()
    await make_domain(directory, DOMAIN, now)
    file = directory / "mcsec.toml"
    file.write_text(
        file.read_text()
        .replace('listen = "127.0.0.1:8443"', 'listen = "127.0.0.1:0"')
        .replace("provision_ahead = 604800", "provision_ahead = 0")
    )
    return load(file)


@asynccontextmanager
async def _server(*arguments: str) -> AsyncIterator[tuple[subprocess.Popen[str], str]]:
    code = "import sys; from mcsec.lab.bench.kms import serve; serve(*sys.argv[1:])"
    process = subprocess.Popen(  # noqa: ASYNC220  # once, before anything is measured
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        os.sched_setaffinity(process.pid, {max(_CORES)})
        assert process.stdout is not None
        address = (await asyncio.to_thread(process.stdout.readline)).strip()
        if not address:
            raise LocalError("the server of the benchmark did not start", code="bench.server")
        yield process, address
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)
        if process.stdout is not None:
            process.stdout.close()


def serve(kind: str, *arguments: str) -> None:
    """The measured process, on one core: a KMS as ``mcsec run kms`` runs it, or the yardstick."""
    run(_serve_kms(*arguments) if kind == "kms" else _serve_plain(*arguments))


async def _serve_kms(config: str) -> None:
    from mcsec.kms.observe import Observer
    from mcsec.kms.service import running
    from mcsec.net.https import stopping

    stop = stopping()
    async with running(load(Path(config)), Observer(), time.time()) as service:
        print(service.address, flush=True)  # noqa: T201  # tells the parent
        await stop.wait()


async def _serve_plain(directory: str, octets: str) -> None:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from mcsec.net.https import Endpoint, serving, stopping
    from mcsec.net.tls import server_context

    body = b"x" * int(octets)

    async def answer(request: Request) -> Response:
        await request.body()
        return Response(body, media_type="application/xml")

    tls = Path(directory) / "tls"
    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    context = server_context(tls / "kms.pem", tls / "kms.key")
    stop = stopping()
    async with serving(app, Endpoint("127.0.0.1", 0), context) as endpoint:
        print(f"https://{endpoint}", flush=True)  # noqa: T201  # tells the parent
        await stop.wait()


@dataclass(frozen=True, slots=True)
class _User:
    uri: str
    token: str
    keys: ProtectionKeys | None


Maker = Callable[[_User, int], tuple[str, bytes]]


class _Load:
    """Asks: prepares requests, then sends them on a few connections as fast as they are answered."""

    def __init__(self, config: Configuration, address: str) -> None:
        self._config = config
        self._address = address
        self._port = int(address.rpartition(":")[2])
        self._tls = client_context(config.path("tls/ca.pem"))
        self._issuer = open_local(config)
        self.provisioned = 0

    async def enrol(self, count: int) -> list[_User]:
        """Users with protection keys, each with a token for many identities."""
        users = []
        for number in range(count):
            uri = f"sip:u{number}@{DOMAIN}"
            ids = [uri, *(f"sip:u{number}.{other}@{DOMAIN}" for other in range(1, _IDS_OF_A_TOKEN))]
            token = self._issuer.issue(
                uri,
                audience=self._config.kms.uri,
                scopes=self._config.kms.tokens.scopes,
                now=time.time(),
                service_ids=ids,
            )
            kept: list[ProtectionKeys] = []
            settings = KmsClientSettings(self._address, self._config.kms.uri, uri)
            async with KmsClient(settings, _given(token), self._tls, keep=_keeping(kept)) as client:
                await client.init()
                # The first signed request confirms the pair, which is written down: once for each client.
                await client.certificates()
            users.append(_User(uri, token, kept[-1]))
        return users

    def fresh(self, user: _User, _number: int) -> tuple[str, bytes]:
        """An identity that has no keys yet."""
        which, own = divmod(self.provisioned, _IDS_OF_A_TOKEN)
        self.provisioned += 1
        uri = f"sip:u{which}@{DOMAIN}" if own == 0 else f"sip:u{which}.{own}@{DOMAIN}"
        return self._asked(user, keyprov_path(uri))

    def known(self, user: _User, _number: int) -> tuple[str, bytes]:
        """An identity that has keys."""
        return self._asked(user, keyprov_path(user.uri))

    def init(self, user: _User, _number: int) -> tuple[str, bytes]:
        """Initialize."""
        return self._asked(user, init_path())

    def plain(self, _user: _User, _number: int) -> tuple[str, bytes]:
        """A request of about the same size to the yardstick."""
        return "/", b"x" * 1500

    def _asked(self, user: _User, path: str) -> tuple[str, bytes]:
        exchange = Exchange(self._config.kms.uri, user.uri)
        return path, exchange.ask(self._address + path, user.keys, time.time()).body

    async def best(
        self,
        process: subprocess.Popen[str],
        users: Sequence[_User],
        make: Maker,
        requests: int,
        name: str,
    ) -> KmsFigure:
        """The best of a few rounds: other work on the machine only ever slows down."""
        rounds = [await self.run(process, users, make, requests) for _ in range(_ROUNDS)]
        octets = rounds[0][2]
        return KmsFigure(name, octets, max(r[0] for r in rounds), max(r[1] for r in rounds))

    async def run(
        self, process: subprocess.Popen[str], users: Sequence[_User], make: Maker, requests: int
    ) -> tuple[float, float, int]:
        """One round: rate by processor time, rate by the clock, octets of an answer."""
        prepared: list[list[bytes]] = [[] for _ in range(_CONNECTIONS)]
        for number in range(requests):
            whose = self.provisioned // _IDS_OF_A_TOKEN if make == self.fresh else number % len(users)
            user = users[whose]
            path, body = make(user, number)
            head = (
                f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAuthorization: Bearer {user.token}\r\n"
                f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            prepared[number % _CONNECTIONS].append(head.encode() + body)
        connections = [
            await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls)
            for _ in range(min(_CONNECTIONS, requests))
        ]
        cpu, clock = _cpu(process.pid), time.perf_counter()
        sizes = await asyncio.gather(
            *(_send(*connection, queue) for connection, queue in zip(connections, prepared, strict=False))
        )
        clock, cpu = time.perf_counter() - clock, _cpu(process.pid) - cpu
        for _, writer in connections:
            writer.close()
            await writer.wait_closed()
        return requests / cpu, requests / clock, max(sizes)


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: list[bytes]) -> int:
    size = 0
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(size)
        if not head.startswith(b"HTTP/1.1 200"):
            raise LocalError(f"the server refused: {head[:40]!r} {body[-120:]!r}", code="bench.refused")
    return size


def _given(token: str) -> TokenSource:
    async def source() -> Secret:
        return Secret(token.encode())

    return source


def _keeping(kept: list[ProtectionKeys]) -> Callable[[ProtectionKeys], Any]:
    async def keep(keys: ProtectionKeys) -> None:
        kept.append(keys)

    return keep


def _cpu(process_id: int) -> float:
    """Seconds of processor time of a process, its threads included."""
    # The clock that clock_getcpuclockid(3) names, in nanoseconds; Python has no call for another process.
    return time.clock_gettime(~process_id << 3 | 2)


def _memory(process_id: int) -> int:
    """Octets of memory that a process holds."""
    return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
