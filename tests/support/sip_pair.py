"""Two endpoints on loopback, one that answers and one that asks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.events import (
    SipEvent,
)
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.timers import Timings
from support.waiting import soon

FAST = Timings(t1=0.02, t2=0.08, t4=0.1)


BODY = bytes(range(256)) + b"\r\n\r\n"


def message(uri: str = "sip:bob@mc.example", *, body: bytes = BODY, **options: object) -> Request:
    return make_request(
        "MESSAGE", uri, from_="sip:alice@mc.example", body=body, content_type="application/mikey", **options
    )


class Server:
    """An endpoint that keeps what it got and answers 200."""

    def __init__(self, settings: EndpointSettings | None = None) -> None:
        self.requests: list[tuple[Request, Peer]] = []
        self.events: list[SipEvent] = []
        self.endpoint = Endpoint(
            self.answer, settings or EndpointSettings(timings=FAST), on_event=self.events.append
        )

    def answer(self, request: Request, peer: Peer) -> Response:
        self.requests.append((request, peer))
        return make_response(request, 200, body=request.body, content_type="application/octet-stream")


@contextlib.asynccontextmanager
async def pair(
    kind: str, host: str = "127.0.0.1", /, *, server: EndpointSettings | None = None, **client: object
) -> AsyncIterator[tuple[Server, Endpoint, Hop]]:
    serving = Server(server)
    settings = EndpointSettings(timings=FAST, **client)
    async with (
        serving.endpoint,
        Endpoint(lambda request, peer: make_response(request, 405), settings) as asking,
    ):
        _, port = await serving.endpoint.listen(kind, host)
        if kind == "UDP":
            await asking.listen("UDP", host)
        yield serving, asking, Hop(kind, host, port)


async def raw(port: int, octets: bytes) -> bytes:
    """What the server answers to octets on a connection of their own; nothing when it cuts the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(octets)
        await writer.drain()
        return await soon(reader.read(65536))
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
