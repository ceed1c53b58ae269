"""What is no SIP, or not for us, at a whole server: the answer, one event, one count, and nobody's state changed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from mcsec.net.sip.transport import TransportSettings
from mcsec.server.events import RequestRefused
from support.mc_server import ALICE, Running, running
from support.phones import phone
from support.sip_raw import RawUdp
from support.waiting import soon, until

pytestmark = pytest.mark.anyio

LINES = {
    "Via": "SIP/2.0/{} 127.0.0.1:9;rport;branch=z9hG4bKbad",
    "From": "<sip:alice@a.example>;tag=1",
    "To": "<sip:alice@a.example>",
    "Call-ID": "bad@127.0.0.1",
    "CSeq": "1 REGISTER",
    "Max-Forwards": "70",
    "Contact": "<sip:x@127.0.0.1>",
    "Expires": "0",
}
BODY = b"twelve octet"


def register(start: str = "REGISTER sip:a.example SIP/2.0", body: bytes = b"", **changed: str | None) -> str:
    """A REGISTER with lines changed (None: left out); names in the way of Python."""
    lines = [start]
    for name, value in (LINES | {"Content-Length": str(len(body))}).items():
        written = changed.get(name.replace("-", "_"), value)
        if written is not None:
            lines.append(f"{name}: {written}")
    return "\r\n".join([*lines, "", body.decode()])


#: By name: the request, and what it is answered; None: nothing, for an answer could not be made.
BAD: dict[str, tuple[str, int | None]] = {
    "no version": (register("REGISTER sip:a.example"), 400),
    "another version": (register("REGISTER sip:a.example SIP/3.0"), 505),
    "no URI": (register("REGISTER  SIP/2.0"), 400),
    "no From": (register(From=None), None),
    "no To": (register(To=None), None),
    "no Call-ID": (register(Call_ID=None), None),
    "no CSeq": (register(CSeq=None), None),
    "no Via": (register(Via=None), None),
    "two Call-IDs": (register(Call_ID="a\r\nCall-ID: b"), None),
    "a CSeq of another method": (register(CSeq="1 PUBLISH"), 400),
    "a CSeq that is too large": (register(CSeq="4294967296 REGISTER"), 400),
    "Max-Forwards that is no number": (register(Max_Forwards="many"), 400),
    "Content-Length that is no number": (register(Content_Length="long"), 400),
    "a negative Content-Length": (register(Content_Length="-1"), 400),
    "two Content-Lengths": (register(Content_Length="0\r\nContent-Length: 5"), 400),
    "a From that is no address": (register(From="<<>;tag=1"), 400),
}


async def told(mcx: Running, status: int | None) -> None:
    """One event and one count, of the same code."""
    await until(lambda: mcx.of(RequestRefused))
    (event,) = mcx.of(RequestRefused)
    assert isinstance(event, RequestRefused)
    assert event.status == (status or 0)
    assert mcx.server.requests.refused == {event.code: 1}
    assert mcx.server.endpoint.counters.malformed == 1
    assert mcx.server.endpoint.counters.handlers_failed == 0
    assert "\r" not in event.reason


async def answer(mcx: Running, transport: str, text: str, *, expected: bool = True) -> bytes:
    """What comes back to these octets; where nothing is ``expected``, until they are refused."""
    octets = text.replace("SIP/2.0/{}", f"SIP/2.0/{transport}").encode()
    if transport == "UDP":
        with RawUdp(mcx.ports["UDP"]) as raw:
            raw.send(octets)
            if expected:
                return await raw.receive()
            await until(lambda: mcx.of(RequestRefused))
            return raw.at_hand()
    reader, writer = await asyncio.open_connection("127.0.0.1", mcx.ports["TCP"])
    writer.write(octets)
    try:
        if not expected:
            await until(lambda: mcx.of(RequestRefused))
            writer.write_eof()
        return await soon(reader.readuntil(b"\r\n\r\n"))
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_malformed_requests(tmp_path: Path, transport: str) -> None:
    async with running(tmp_path, transports=("UDP", "TCP")) as mcx, phone(mcx) as alice:
        assert (await alice.register()).status == 200
        before, csk = mcx.server.function.users.get(ALICE), mcx.server.function.engine.csks.held[ALICE]
        for name, (text, status) in BAD.items():
            mcx.events.clear()
            mcx.server.requests.refused.clear()
            mcx.server.endpoint.counters.malformed = 0
            got = await answer(mcx, transport, text, expected=status is not None)
            assert got[8:11] == (str(status).encode() if status else b""), name
            await told(mcx, status)
            assert b"Warning:" not in got, name
        # Each of them would have logged Alice off.
        assert mcx.server.function.users.get(ALICE) == before
        assert mcx.server.function.engine.csks.held[ALICE] == csk


async def test_a_datagram_that_ends_too_early(tmp_path: Path) -> None:
    async with running(tmp_path, transports=("UDP",)) as mcx:
        got = await answer(mcx, "UDP", register(body=BODY, Content_Length="13"))
        assert got.startswith(b"SIP/2.0 400 ")
        await told(mcx, 400)


async def test_octets_after_the_body_of_a_datagram_are_none_of_it(tmp_path: Path) -> None:
    """RFC 3261 18.3: what is longer than Content-Length is cut off, and refuses nothing."""
    async with running(tmp_path, transports=("UDP",)) as mcx:
        text = register(body=BODY, Content_Length="0", Expires="600", Contact="<sip:x@127.0.0.1:9>")
        assert (await answer(mcx, "UDP", text)).startswith(b"SIP/2.0 200 ")
        assert mcx.server.requests.refused == {}


@pytest.mark.parametrize("octets", ["\0\0\0\0", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02"])
async def test_what_is_not_sip_at_all(tmp_path: Path, octets: str) -> None:
    async with running(tmp_path, transports=("UDP",)) as mcx:
        assert await answer(mcx, "UDP", octets, expected=False) == b""
        await told(mcx, None)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("body", register(Content_Length="99999999")),
        ("headers", register(Call_ID="x" * 300_000)),
        ("lines", register(Max_Forwards="70" + "\r\nX-More: y" * 3000)),
    ],
)
async def test_oversized_requests(tmp_path: Path, what: str, text: str) -> None:
    limits = TransportSettings().limits
    assert limits is not None
    async with running(tmp_path) as mcx:
        got = await answer(mcx, "TCP", text, expected=False)
        assert re.match(rb"SIP/2.0 (413|400|513) ", got) or not got
        await told(mcx, int(got[8:11]) if got else None)
        assert len(mcx.server.function.users) == 0


async def test_what_is_refused_before_its_method_counts(tmp_path: Path) -> None:
    async with running(tmp_path, transports=("UDP",)) as mcx:
        for text, status in (
            (register("REGISTER isbn:123 SIP/2.0"), 416),
            (register(Expires="0\r\nRequire: telepathy", Call_ID="other", Via=LINES["Via"] + "2"), 420),
        ):
            mcx.events.clear()
            mcx.server.requests.refused.clear()
            got = await answer(mcx, "UDP", text)
            assert got.startswith(f"SIP/2.0 {status} ".encode())
            await until(lambda: mcx.of(RequestRefused))
            (event,) = mcx.of(RequestRefused)
            assert isinstance(event, RequestRefused)
            assert (event.method, event.status, event.code) == ("REGISTER", status, f"sip.rejected-{status}")
            assert mcx.server.requests.refused == {event.code: 1}
