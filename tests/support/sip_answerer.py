"""A SIP server as a process of its own that answers every request 200 from octets, for measuring senders.

``python -m support.sip_answerer UDP|TCP|TLS [certificate key]`` prints its port and ends when its input does.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys

from mcsec.net.sip.framing import StreamFramer
from mcsec.net.sip.udp import UdpSocket

_COPIED = re.compile(rb"(?:Via|From|To|Call-ID|CSeq): [^\r\n]*\r\n")


def answer(octets: bytes) -> bytes:
    """A 200 with what a response must copy."""
    copied = b"".join(_COPIED.findall(octets))
    return (
        b"SIP/2.0 200 OK\r\n"
        + copied.replace(b"\r\nCall-ID", b";tag=1\r\nCall-ID")
        + b"Content-Length: 0\r\n\r\n"
    )


class Answerer(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.framer = StreamFramer()

    def data_received(self, data: bytes) -> None:
        found = [answer(item) for item in self.framer.feed(data) if isinstance(item, bytes)]
        self.transport.write(b"".join(found))  # type: ignore[attr-defined]  # a stream transport


async def main(transport: str, *files: str) -> None:
    loop = asyncio.get_running_loop()
    if transport == "UDP":
        udp = UdpSocket.bind("127.0.0.1", 0, lambda octets, host, port: udp.send(answer(octets), host, port))
        port = udp.address[1]
    else:
        context = None
        if transport == "TLS":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*files)
        server = await loop.create_server(Answerer, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
    print(port, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
