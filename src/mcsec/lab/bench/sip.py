"""SIP on one core: MESSAGEs by each transport, and key download end to end beside SAKKE encapsulation alone.

The peer is a process of its own that answers 200 without opening anything; where there are two cores it has the other
one. Key download is everything that the server does for a client: rows claimed, the key encapsulated and signed, the
body encrypted and signed under the client's CSK, sent, answered, recorded, and committed.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcsec.errors import LocalError
from mcsec.keys.key import Scope
from mcsec.lab.bench import key_server
from mcsec.lab.bench.key_server import DOMAIN, GROUP, Held, one_core, peer
from mcsec.lab.bench.timing import yardstick
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.template import MessageTemplate
from mcsec.net.tls import DevelopmentCa, client_context
from mcsec.server import affiliation, memory
from mcsec.server.service import McServer

_BODY_OCTETS = 1200
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
    with one_core():
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
            with peer(transport, certificate, key) as port:
                rates[transport] = await _messages(settings, Hop(transport, "127.0.0.1", port), messages)
        progress("key download")
        with peer("TCP") as port:
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
    identity = key_server.identity(now)
    before = key_server.alone(identity)
    async with key_server.serving(directory / "server.sqlite", identity, hop) as (server, held):
        await key_server.authorise(server, clients + _LATE, clients, now)
        # As `mcsec run server` does when it has read its store.
        with memory.settled():
            began, worked = time.perf_counter(), time.process_time()
            await server.make_musik(Scope.of(GROUP))
            await held.until(clients)
            # Asked in its turn, so everything that was answered is committed when this is.
            if (await server.deliveries()).get("held", 0) != clients:
                raise LocalError("not every delivery was recorded", code="bench.deliveries")
            rate = clients / (time.perf_counter() - began)
            each = (time.process_time() - worked) / clients
            # Before and after, so that what else the machine does meanwhile counts on both sides.
            alone, busy = map(statistics.fmean, zip(before, key_server.alone(identity), strict=True))
            late = [await _late(server, held, number) for number in range(clients, clients + _LATE)]
    return rate, 1 / alone, busy / each, tuple(late)


async def _late(server: McServer, held: Held, number: int) -> float:
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
