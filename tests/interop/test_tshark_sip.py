"""Wireshark reads every SIP message of a whole run, taken from the wire by dumpcap, and finds nothing malformed."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.client.events import ListeningReported
from mcsec.client.profile import Authorisation
from mcsec.client.publishing import ServiceRefused
from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyHeld
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.net.sip.auth import DigestClient
from mcsec.server.signalling import OnBearer
from mcsec.server.subscribers import Subscribers, lines
from mcsec.wire.rtcp.subchannel import BearerAnnouncement
from support.mc_server import ALICE, BEARER, GROUP, Running, clients, running
from support.scripted_mcx import GENERAL, TMGI
from support.waiting import patience, until

pytestmark = [pytest.mark.anyio, pytest.mark.peer("tshark"), pytest.mark.peer("dumpcap")]

PASSWORD = Secret(b"open sesame")


@asynccontextmanager
async def capturing(file: Path, port: int) -> AsyncIterator[None]:
    """Everything to and from a port of loopback goes into a file while the block runs."""
    process = await asyncio.create_subprocess_exec(
        *("dumpcap", "-i", "lo", "-f", f"port {port}", "-w", str(file)), stdout=PIPE, stderr=PIPE
    )
    try:
        async with patience():
            assert await _said(process, b"File:"), "dumpcap may not capture here: run as root"
        yield
        # The last packets are on their way to the file; what is sent after them, a keep-alive, comes after them.
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.bind(("127.0.0.1", 0))
            last.sendto(b"\r\n\r\n", ("127.0.0.1", port))
            ports = struct.pack(">HH", last.getsockname()[1], port)
            await until(lambda: ports in file.read_bytes(), "the last packet is in the capture")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _said(process: Process, wanted: bytes) -> bool:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if wanted in line:
            return True
    return False


def tshark(file: Path, port: int, *arguments: str) -> list[str]:
    decode = [word for transport in ("tcp", "udp") for word in ("-d", f"{transport}.port=={port},sip")]
    done = subprocess.run(
        ["tshark", "-n", "-r", str(file), *decode, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stdout.splitlines()


async def whole_run(mcx: Running, transport: str, way: Authorisation) -> None:
    """All that a client and its server say to each other, refusals too."""
    mcx.events.clear()
    async with clients(mcx, transport, DigestClient("alice", PASSWORD)) as add:
        alice = add(ALICE, way)
        await alice.client.log_on([GROUP])
        with pytest.raises(ServiceRefused):
            await alice.client.affiliate(["sip:secret@a.example"])
        await mcx.server.make_musik(Scope.of(GROUP))
        await mcx.server.announce(BEARER)
        kinds = {PurposeTag.MUSIK, PurposeTag.MSCCK}
        await until(lambda: kinds <= {event.key_id.tag for event in mcx.of(KeyHeld)})  # type: ignore[attr-defined]
        engine = mcx.server.function.engine
        beacon = BearerAnnouncement(ssrc=engine.ssrc(Traffic.SUBCHANNEL_CONTROL, TMGI), tmgis=(TMGI,))
        sent = await mcx.server.send(lambda now: engine.subchannel(TMGI, beacon, now))
        assert isinstance(sent, OnBearer)
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(sent.packet)
            await until(lambda: alice.of(ListeningReported))
        await mcx.server.withdraw(TMGI)
        await until(lambda: not alice.client._announcements.bearers)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_nothing_of_a_whole_run_is_malformed(transport: str, tmp_path: Path) -> None:
    file = tmp_path / "digest.users"
    file.write_text("\n".join(lines("alice", PASSWORD, "a.example", [ALICE])))
    file.chmod(0o600)
    users, capture = Subscribers.load(file, "a.example"), tmp_path / "sip.pcapng"
    async with running(tmp_path, transports=(transport,), subscribers=users) as mcx:
        port = mcx.ports[transport]
        async with capturing(capture, port):
            for way in Authorisation:
                await whole_run(mcx, transport, way)
        counters = mcx.server.endpoint.counters
        assert counters.malformed == 0
    bad = tshark(capture, port, "-Y", "_ws.malformed || _ws.short || _ws.unreassembled")
    assert bad == []
    errors = tshark(
        capture, port, "-Y", "_ws.expert.severity == error", "-T", "fields", "-e", "_ws.expert.message"
    )
    assert errors == []
    read = tshark(capture, port, "-Y", "sip", "-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code")
    seen: Counter[str] = Counter()
    for line in read:
        methods, statuses = line.split("\t")
        # The method of a response stands in its CSeq, which is another field.
        seen.update(word for word in (*methods.split(","), *statuses.split(",")) if word)
    requests = {word: count for word, count in seen.items() if not word.isdecimal()}
    assert set(requests) == {"REGISTER", "PUBLISH", "MESSAGE"}
    assert {"200", "401", "403"} <= set(seen)
    assert sum(requests.values()) == counters.requests_received + counters.requests_sent
    answers = sum(seen.values()) - sum(requests.values())
    assert answers == counters.responses_received + counters.responses_sent
    # Bodies are read too, down to the MIKEY message in its part.
    parts = tshark(capture, port, "-Y", "mikey", "-T", "fields", "-e", "mikey.version")
    assert len(parts) >= 4
