"""SIP on one core: MESSAGEs by each transport, and key download end to end beside SAKKE encapsulation alone.

The peer is a process of its own that answers 200 without opening anything; where there are two cores it has the other
one. Key download is everything that the server does for a client: rows claimed, the key encapsulated and signed, the
body encrypted and signed under the client's CSK, sent, answered, recorded, and committed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys
from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event, KeyHeld
from mcsec.keys.key import Maker, Scope, make
from mcsec.lab.bench.timing import per_call, yardstick
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.template import MessageTemplate
from mcsec.net.tls import DevelopmentCa, client_context
from mcsec.net.tokens import Claims, TokenRefused
from mcsec.server import affiliation, memory
from mcsec.server.function import FunctionSettings
from mcsec.server.service import Identity, McServer, ServiceSettings
from mcsec.server.users import User
from mcsec.store import server as written
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from mcsec.store.server import StoredUser

DOMAIN = "bench.example"
GROUP = "sip:group@bench.example"
PERIOD = 2_592_000
_BODY_OCTETS = 1200
_BATCH = 64
_ROUNDS = 20
_LATE = 100


@dataclass(frozen=True, slots=True)
class SipReport:
    """Figures of one run. Rates are for each second on the wall, of one core.

    ``share``: processor time of one encapsulation alone in that of one key download, so that what else the machine does
    in between does not count.
    """

    m_seconds: float
    messages: dict[str, float]
    encapsulations: float
    downloads: float
    share: float
    clients: int
    late: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """``{"m_ns", "message_per_second", "key_download", "late_joiner_ms"}``."""
        return {
            "m_ns": round(self.m_seconds * 1e9, 1),
            "message_per_second": {name: round(rate, 1) for name, rate in self.messages.items()},
            "key_download": {
                "clients": self.clients,
                "clients_per_second": round(self.downloads, 1),
                "encapsulations_per_second_alone": round(self.encapsulations, 1),
                "share_of_encapsulation_alone": round(self.downloads / self.encapsulations, 3),
                "share_of_processor_time": round(self.share, 3),
            },
            "late_joiner_ms": {
                "p50": round(_percentile(self.late, 50) * 1e3, 2),
                "p99": round(_percentile(self.late, 99) * 1e3, 2),
            },
        }

    def to_text(self) -> str:
        """A table for people."""
        lines = [f"1 m = {self.m_seconds * 1e9:.0f} ns (one 1024-bit modular multiplication by gmpy2)", ""]
        lines += [
            f"MESSAGE of {_BODY_OCTETS} octets by {name:3}  {rate:10,.0f} /s"
            for name, rate in self.messages.items()
        ]
        lines += [
            f"SAKKE encapsulation alone       {self.encapsulations:10,.0f} /s",
            f"key download, end to end        {self.downloads:10,.0f} clients/s"
            f"  ({self.downloads / self.encapsulations:.0%} of encapsulation alone;"
            f" {self.share:.0%} of its processor time is encapsulation)",
            f"MuSiK to an idle client         {_percentile(self.late, 50) * 1e3:10.1f} ms p50,"
            f" {_percentile(self.late, 99) * 1e3:.1f} ms p99",
        ]
        return "\n".join(lines)


def measure(clients: int, messages: int, progress: Callable[[str], None]) -> SipReport:
    """Every figure of one run, this process on one core."""
    before = yardstick(5)
    with _one_core():
        report = asyncio.run(_measure(clients, messages, progress))
    after = yardstick(5)
    return SipReport(
        (before + after) / 2,
        report.messages,
        report.encapsulations,
        report.downloads,
        report.share,
        clients,
        report.late,
    )


async def _measure(clients: int, messages: int, progress: Callable[[str], None]) -> SipReport:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        ca = DevelopmentCa(directory)
        ca.create(DOMAIN)
        certificate, key = ca.issue("peer", ["localhost", "127.0.0.1"])
        settings = EndpointSettings(client_tls=client_context(ca.file), datagram_limit=60_000)
        rates = {}
        for transport in ("UDP", "TCP", "TLS") if messages else ():
            progress(f"MESSAGE by {transport}")
            with _peer(transport, certificate, key) as port:
                rates[transport] = await _messages(settings, Hop(transport, "127.0.0.1", port), messages)
        progress("key download")
        with _peer("TCP") as port:
            downloads, encapsulations, share, late = await _downloads(
                directory, Hop("TCP", "127.0.0.1", port), clients
            )
    return SipReport(0.0, rates, encapsulations, downloads, share, clients, late)


async def _messages(settings: EndpointSettings, hop: Hop, count: int) -> float:
    outcomes: list[Outcome] = []
    async with Endpoint(lambda request, peer: make_response(request, 405), settings) as endpoint:
        await endpoint.listen("UDP", "127.0.0.1")
        prototype = make_request(
            "MESSAGE",
            "sip:x",
            from_="sip:server@bench.example",
            headers=[("Content-Type", "multipart/mixed;boundary=x")],
        )
        body = secrets.token_bytes(_BODY_OCTETS)
        deliveries = (Delivery(f"sip:u{number}@bench.example", body, hop) for number in range(count))
        began = time.perf_counter()
        await endpoint.fan_out(MessageTemplate.of(prototype), deliveries, outcomes.append)
        seconds = time.perf_counter() - began
    if any(outcome.status != 200 for outcome in outcomes):
        raise LocalError("the peer did not answer everything", code="bench.peer")
    return count / seconds


async def _downloads(
    directory: Path, hop: Hop, clients: int
) -> tuple[float, float, float, tuple[float, ...]]:
    now = time.time()
    master = KmsMasterKeys.generate()
    public = master.public("kms.bench.example", PERIOD)
    period = public.period_at(now)
    material = master.extract(public.uid_in("mcx.bench.example", period))
    keys = IdentityKeys.validate(
        public, "mcx.bench.example", period, material.rsk, material.ssk, material.pvt
    )
    identity = Identity(
        Initiator(keys, public), Recipient("", public), Receiver([keys], [public], ReplayCache())
    )
    batch = [secrets.token_bytes(32) for _ in range(_BATCH)]
    ssv = Secret.random(16)

    def encapsulate() -> object:
        return public.encryption.encapsulate_many(batch, ssv, threads=1)

    def measured() -> tuple[float, float]:
        """Seconds of an encapsulation alone: on the wall, and of processor time."""
        wall = per_call(encapsulate, 5) / _BATCH
        worked = time.process_time()
        for _ in range(_ROUNDS):
            encapsulate()
        return wall, (time.process_time() - worked) / (_ROUNDS * _BATCH)

    before = measured()
    async with _server(directory, identity, hop) as (server, held):
        await _authorise(server, clients + _LATE, clients, now)
        # As `mcsec run server` does when it has read its store.
        memory.settle()
        began, worked = time.perf_counter(), time.process_time()
        await server.make_musik(Scope.of(GROUP))
        await held.until(clients)
        # Asked in its turn, so everything that was answered is committed when this is.
        if (await server.deliveries()).get("held", 0) != clients:
            raise LocalError("not every delivery was recorded", code="bench.deliveries")
        rate = clients / (time.perf_counter() - began)
        each = (time.process_time() - worked) / clients
        # Before and after, so that what else the machine does meanwhile counts on both sides.
        alone, busy = map(statistics.fmean, zip(before, measured(), strict=True))
        late = [await _late(server, held, number) for number in range(clients, clients + _LATE)]
    return rate, 1 / alone, busy / each, tuple(late)


class _Held:
    """Counts who holds the key."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = asyncio.Event()

    def tell(self, event: Event) -> None:
        if isinstance(event, KeyHeld):
            self._count += 1
            self._changed.set()

    async def until(self, count: int) -> None:
        while self._count < count:
            self._changed.clear()
            await self._changed.wait()

    @property
    def count(self) -> int:
        return self._count


@asynccontextmanager
async def _server(directory: Path, identity: Identity, hop: Hop) -> AsyncIterator[tuple[McServer, _Held]]:
    async def nobody(token: str, now: float) -> Claims:
        raise TokenRefused("nobody is authorised here")

    held = _Held()
    database = await Database.open(directory / "server.sqlite", Kek(Secret.random(32)))
    settings = ServiceSettings(
        FunctionSettings(DOMAIN, "sip:mcptt@bench.example", default_musik=False),
        sip=EndpointSettings(outbound=hop),
    )
    try:
        async with McServer(
            database,
            identity,
            settings,
            verify=nobody,
            may_join=lambda user, group: True,
            on_event=held.tell,
        ) as server:
            yield server, held
    finally:
        await database.close()


async def _authorise(server: McServer, count: int, members: int, now: float) -> None:
    """``count`` users with a CSK each; the first ``members`` are affiliated to the group."""
    function = server.function
    writes = []
    for number in range(count):
        name = f"sip:u{number}@{DOMAIN}"
        groups = frozenset({GROUP}) if number < members else frozenset[str]()
        function.users.put(User(name, name, "urn:uuid:1", now + 3600, groups))
        writes += [
            written.put_user(StoredUser(name, name, "urn:uuid:1", now + 3600)),
            *written.affiliate(name, groups, []),
        ]
        csk = make(PurposeTag.CSK, scope=Scope.of(name), maker=Maker(DOMAIN, name), now=now)
        function.engine.csks.held[name] = csk
    await server.write(writes)


async def _late(server: McServer, held: _Held, number: int) -> float:
    """Seconds from a user's affiliation to the record that its client holds the key."""
    function = server.function
    user = function.users.get(f"sip:u{number}@{DOMAIN}")
    assert user is not None, "it was authorised"
    before = held.count
    began = time.perf_counter()
    await server.carry_out(affiliation.affiliate(function, user, frozenset({GROUP}), time.time()))
    await held.until(before + 1)
    return time.perf_counter() - began


def _percentile(values: tuple[float, ...], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else 0.0


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process and its threads on one core; the peer, which is started inside, takes the others."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def _peer(transport: str, *files: Path) -> Iterator[int]:
    """An answering process; its port."""
    command = [sys.executable, "-m", "mcsec.lab.bench.sip_peer", transport]
    if transport == "TLS":
        command += map(str, files)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        if hasattr(os, "sched_setaffinity"):
            others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
            if others:
                os.sched_setaffinity(peer.pid, others)
        try:
            yield int(peer.stdout.readline())
        finally:
            peer.stdin.close()
