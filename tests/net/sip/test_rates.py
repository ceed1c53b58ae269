"""How fast a fan-out is against a server process of its own; in `make test-slow`, for nothing else may run then."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509

from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.fanout import Delivery, Outcome
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.template import MessageTemplate
from support.sip_tls import TestAuthority

TESTS = Path(__file__).parents[2]
COUNT = 30_000


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize(("transport", "least"), [("UDP", 8_000), ("TCP", 5_000), ("TLS", 5_000)])
async def test_the_fan_out_is_as_fast_as_promised(transport: str, least: int, tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    files: list[str] = []
    if transport == "TLS":
        files = [
            str(path) for path in authority.files("server.mc.example", x509.DNSName("server.mc.example"))
        ]
    answerer = subprocess.Popen(
        [sys.executable, "-m", "support.sip_answerer", transport, *files],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with answerer:
        assert answerer.stdout is not None
        port = int(answerer.stdout.readline())
        # Loopback takes datagrams of any size, so that all three transports carry the same message.
        settings = EndpointSettings(client_tls=authority.client(), datagram_limit=60_000)
        async with Endpoint(lambda request, peer: make_response(request, 405), settings) as sender:
            await sender.listen("UDP", "127.0.0.1")
            template = MessageTemplate.of(
                make_request(
                    "MESSAGE",
                    "sip:x",
                    from_="sip:server@mc.example",
                    headers=[("Content-Type", "multipart/mixed;boundary=x")],
                )
            )
            hop = Hop(transport, "127.0.0.1", port, "server.mc.example")
            outcomes: list[Outcome] = []
            began = time.perf_counter()
            body = b"x" * 1200
            await sender.fan_out(
                template, (Delivery(f"sip:u{n}@mc.example", body, hop) for n in range(COUNT)), outcomes.append
            )
            rate = COUNT / (time.perf_counter() - began)
        assert answerer.stdin is not None
        answerer.stdin.close()
    print(f"{transport}: {rate:,.0f} MESSAGE/s of 1.2 kB")
    assert all(outcome.status == 200 for outcome in outcomes)
    assert rate > least
