"""An authority that is believed for some names only: no other name of its certificates counts, in either direction."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcsec.net.sip.errors import Unreachable
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.transport import TransportSettings
from mcsec.net.tls import TlsError, believe
from mcsec.net.vouching import Vouching, authorities
from support.sip_pair import FAST, Server, message
from support.sip_tls import TestAuthority

pytestmark = pytest.mark.anyio
OURS, PARTNER, CORE = "mcx.a.example", "mcx.b.example", "core.a.example"


class Two:
    """Our authority and a partner's, which is believed for the partner's server."""

    def __init__(self, directory: Path) -> None:
        for name in ("ours", "theirs"):
            (directory / name).mkdir()
        self.ours, self.theirs = TestAuthority(directory / "ours"), TestAuthority(directory / "theirs")
        limited = dict.fromkeys(authorities(self.theirs.file), frozenset({PARTNER}))
        self.transport = TransportSettings(vouching=Vouching(limited))

    def both(self, context: ssl.SSLContext) -> ssl.SSLContext:
        for authority in (self.ours, self.theirs):
            believe(context, authority.file)
        return context

    def settings(self, context: ssl.SSLContext) -> EndpointSettings:
        return EndpointSettings(timings=FAST, client_tls=self.both(context), transport=self.transport)


@asynccontextmanager
async def listening(context: ssl.SSLContext, settings: EndpointSettings) -> AsyncIterator[tuple[Server, int]]:
    server = Server(settings)
    async with server.endpoint:
        _, port = await server.endpoint.listen("TLS", "127.0.0.1", tls=context)
        yield server, port


@pytest.mark.parametrize(
    ("whose", "name", "counts"),
    [
        ("ours", CORE, {CORE, f"sip:{CORE}"}),
        ("theirs", PARTNER, {PARTNER}),
        ("theirs", CORE, set()),
        ("ours", PARTNER, {PARTNER, f"sip:{PARTNER}"}),
    ],
)
async def test_whoever_comes(tmp_path: Path, whose: str, name: str, counts: set[str]) -> None:
    two = Two(tmp_path)
    served = two.both(two.ours.server(OURS, ask=True))
    settings = EndpointSettings(timings=FAST, transport=two.transport)
    async with listening(served, settings) as (server, port):
        own = two.both(getattr(two, whose).client(name))
        client = Server(EndpointSettings(timings=FAST, client_tls=own))
        async with client.endpoint:
            response = await client.endpoint.request(message(), Hop("TLS", "127.0.0.1", port, OURS))
            assert response.status == 200
        ((_, peer),) = server.requests
        assert isinstance(peer, Peer)
        assert peer.names == counts


@pytest.mark.parametrize(("whose", "name"), [("ours", CORE), ("theirs", PARTNER), ("ours", PARTNER)])
async def test_whom_we_reach(tmp_path: Path, whose: str, name: str) -> None:
    two = Two(tmp_path)
    async with listening(getattr(two, whose).server(name), EndpointSettings(timings=FAST)) as (_, port):
        client = Server(two.settings(two.ours.client()))
        async with client.endpoint:
            assert (
                await client.endpoint.request(message(), Hop("TLS", "127.0.0.1", port, name))
            ).status == 200


async def test_who_shows_a_name_that_its_authority_may_not_give_is_not_reached(tmp_path: Path) -> None:
    two = Two(tmp_path)
    async with listening(two.theirs.server(CORE), EndpointSettings(timings=FAST)) as (server, port):
        client = Server(two.settings(two.ours.client()))
        async with client.endpoint:
            with pytest.raises(Unreachable, match="not believed for this name"):
                await client.endpoint.request(message(), Hop("TLS", "127.0.0.1", port, CORE))
        assert not server.requests


def test_a_file_that_holds_no_authority(tmp_path: Path) -> None:
    for name, content in {"gone.pem": None, "none.pem": b"", "other.pem": b"-----BEGIN X-----\n"}.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(TlsError, match=name):
            authorities(tmp_path / name)
