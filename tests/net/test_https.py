"""Listeners: TLS, client certificates, socket files, one piece for each answer, and clean ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mcsec.errors import InvalidValue
from mcsec.net.https import Endpoint, ListenError, serving
from mcsec.net.tls import DevelopmentCa, TlsError, client_context, server_context

pytestmark = pytest.mark.anyio

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
    certificate = scope["state"].get("client_certificate") or b""
    body = b"%d octets of a certificate" % len(certificate)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentCa:
    made = DevelopmentCa(tmp_path_factory.mktemp("ca"))
    made.create("a.example")
    made.issue("kms", ["localhost", "127.0.0.1", "::1"])
    return made


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return await reader.readexactly(size)


async def get(endpoint: Endpoint, context: ssl.SSLContext | None) -> bytes:
    if endpoint.file is not None:
        reader, writer = await asyncio.open_unix_connection(str(endpoint.file))
    else:
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=context)
    try:
        return await ask(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_tls(ca: DevelopmentCa) -> None:
    files = ca.directory / "kms.pem", ca.directory / "kms.key"
    async with serving(app, Endpoint("127.0.0.1", 0), server_context(*files)) as endpoint:
        assert endpoint.port
        assert await get(endpoint, client_context(ca.file)) == b"0 octets of a certificate"
        with pytest.raises(ssl.SSLError):
            await get(endpoint, client_context())
        old = client_context(ca.file)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        await get(endpoint, old)
    with pytest.raises(ConnectionError):
        await get(endpoint, client_context(ca.file))


async def test_client_certificates(ca: DevelopmentCa) -> None:
    files = ca.directory / "kms.pem", ca.directory / "kms.key"
    context = server_context(*files, clients=ca.file)
    async with serving(app, Endpoint("127.0.0.1", 0), context) as endpoint:
        mine = client_context(ca.file, certificate=files[0], key=files[1])
        assert int((await get(endpoint, mine)).split()[0]) > 300
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await get(endpoint, client_context(ca.file))


async def test_head_and_body_come_together() -> None:
    async with serving(app, Endpoint("127.0.0.1", 0)) as endpoint:
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"octets of a certificate" in await reader.read(65536)
        writer.close()
        await writer.wait_closed()


async def test_a_socket_file(tmp_path: Path) -> None:
    endpoint = Endpoint(file=tmp_path / "s")
    async with serving(app, endpoint):
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
        assert await get(endpoint, None) == b"0 octets of a certificate"
    assert not (tmp_path / "s").exists()
    (tmp_path / "s").write_text("not a socket")
    with pytest.raises(ListenError):
        async with serving(app, endpoint):
            pass
    assert (tmp_path / "s").read_text() == "not a socket"


async def test_an_address_that_is_taken() -> None:
    async with serving(app, Endpoint("127.0.0.1", 0)) as endpoint:
        with pytest.raises(ListenError, match="in use"):
            async with serving(app, endpoint):
                pass


def test_endpoints() -> None:
    assert Endpoint.parse("127.0.0.1:8443") == Endpoint("127.0.0.1", 8443)
    assert str(Endpoint.parse("[::1]:0")) == "[::1]:0"
    assert Endpoint.parse("unix:/x/y").file == Path("/x/y")
    for text in ("", "host", "host:", ":1", "host:x", "host:70000"):
        with pytest.raises(InvalidValue):
            Endpoint.parse(text)


def test_files_that_are_not_there(tmp_path: Path, ca: DevelopmentCa) -> None:
    with pytest.raises(TlsError):
        server_context(tmp_path / "x", tmp_path / "y")
    with pytest.raises(TlsError):
        client_context(tmp_path / "x")
    with pytest.raises(TlsError):
        DevelopmentCa(tmp_path).issue("x", [])
    with pytest.raises(TlsError, match="exists"):
        ca.issue("kms", [])
    assert (ca.directory / "kms.key").stat().st_mode & 0o777 == 0o600
