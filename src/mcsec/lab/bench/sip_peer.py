"""A SIP element that answers every request 200 from octets, as a process of its own, for measuring who sends.

``python -m mcsec.lab.bench.sip_peer UDP|TCP|TLS [CERTIFICATE KEY]`` prints its port and ends when its input does.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import cast

from mcsec.net.sip.framing import StreamFramer
from mcsec.net.sip.udp import UdpSocket
from mcsec.net.tls import server_context

_COPIED = re.compile(rb"(?:Via|From|To|Call-ID|CSeq): [^\r\n]*\r\n")


def answer(octets: bytes) -> bytes:
    """A 200 with what a response must copy."""
    copied = b"".join(_COPIED.findall(octets))
    tagged = copied.replace(b"\r\nCall-ID", b";tag=1\r\nCall-ID")
    return b"SIP/2.0 200 OK\r\n" + tagged + b"Content-Length: 0\r\n\r\n"


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._framer = StreamFramer()

    def data_received(self, data: bytes) -> None:
        found = [answer(item) for item in self._framer.feed(data) if isinstance(item, bytes)]
        self._transport.write(b"".join(found))


async def serve(transport: str, *files: str) -> None:
    """Answer until standard input ends."""
    loop = asyncio.get_running_loop()
    if transport == "UDP":
        udp = UdpSocket.bind("127.0.0.1", 0, lambda octets, host, port: udp.send(answer(octets), host, port))
        port = udp.address[1]
    else:
        tls = server_context(*map(Path, files)) if transport == "TLS" else None
        server = await loop.create_server(_Connection, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
