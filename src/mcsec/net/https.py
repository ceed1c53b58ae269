"""HTTP services: one ASGI application on one listener, with TLS or on a socket file, started and stopped cleanly.

uvicorn underneath. No logs of its own: a request line may hold an identity, and errors are told in our own words.
With client certificates, the application finds the peer's under ``scope["state"]["client_certificate"]`` (DER).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mcsec.errors import InvalidValue, LocalError

Asgi = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

T = TypeVar("T")

_BACKLOG = 512
_KEEP_ALIVE = 65
_GRACE = 5
_MAX_CONNECTIONS = 10_000


class ListenError(LocalError):
    """An address cannot be listened on."""

    code = "https.listen"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service listens: ``host`` and ``port`` (0: any), or the file of a socket that only its owner opens."""

    host: str = ""
    port: int = 0
    file: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """From ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:PATH``.

        :raises InvalidValue: none of these.
        """
        if text.startswith("unix:"):
            return cls(file=Path(text.removeprefix("unix:")))
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 0xFFFF or not host:
            raise InvalidValue(f"{text!r} is no HOST:PORT", code="https.endpoint")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        if self.file is not None:
            return f"unix:{self.file}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class _Gathering(asyncio.Transport):
    """A transport that sends what was written in one step of the loop at once.

    uvicorn writes head and body one after the other; together they are one record of TLS and one system call.
    """

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._inner = inner
        self._loop = loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._inner.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(bytes(data))

    def close(self) -> None:
        self._flush()
        self._inner.close()

    def abort(self) -> None:
        self._parts.clear()
        self._inner.abort()

    def _flush(self) -> None:
        if self._parts:
            octets = b"".join(self._parts)
            self._parts.clear()
            self._inner.write(octets)


class _Protocol(HttpToolsProtocol):
    """Answers in one piece, and tells the application who the client of a TLS connection is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # wider above
        super().connection_made(_Gathering(transport, self.loop))
        peer = transport.get_extra_info("ssl_object")
        if peer is not None and peer.context.verify_mode != ssl.CERT_NONE:
            self.app_state = {**self.app_state, "client_certificate": peer.getpeercert(binary_form=True)}


class _Server(uvicorn.Server):
    """Leaves signals to the program: several servers may run in one."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    app: Asgi, endpoint: Endpoint, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Endpoint]:
    """Serve ``app`` for as long as the block runs; gives the endpoint with the port that was taken.

    :raises ListenError: the address is in use or not ours.
    """
    listener = _listen(endpoint)
    config = uvicorn.Config(
        cast(Any, app),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
        limit_concurrency=_MAX_CONNECTIONS,
    )
    config.load()
    config.ssl = tls
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                await task
                raise ListenError(f"{endpoint}: the server did not start")
            await asyncio.sleep(0.005)
        if endpoint.file is None:
            endpoint = Endpoint(endpoint.host, listener.getsockname()[1])
        yield endpoint
    finally:
        server.should_exit = True
        # Ended from outside while it starts: its own error, if any, was raised above.
        with contextlib.suppress(asyncio.CancelledError):
            await task
        listener.close()
        if endpoint.file is not None:
            endpoint.file.unlink(missing_ok=True)


def _listen(endpoint: Endpoint) -> socket.socket:
    try:
        if endpoint.file is not None:
            return _listen_file(endpoint.file)
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((endpoint.host, endpoint.port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener
    except OSError as error:
        raise ListenError(f"{endpoint}: {error.strerror or error}") from None


def _listen_file(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise FileExistsError(17, "a file that is no socket is in the way")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The mask, so that there is no moment in which others could connect.
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def stopping() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


def run(program: Coroutine[Any, Any, T]) -> T:
    """Run a program whose work is HTTP, on a loop that spends less on TLS and sockets than asyncio's own."""
    return uvloop.run(program)
