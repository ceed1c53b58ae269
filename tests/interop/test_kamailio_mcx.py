"""Kamailio as the SIP core between our client and our server: digest registration, third-party REGISTER, assertions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from mcsec._core import Secret
from mcsec.client.events import BearerAnnounced, ListeningReported, MessageRefused, ProcedureFailed
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.profile import Authorisation
from mcsec.client.publishing import ServiceRefused
from mcsec.client.radio import RadioSide
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event, KeyHeld
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.lab.ports import free_port
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server.events import ClientAuthorised
from mcsec.server.events import ListeningReported as Told
from mcsec.server.signalling import OnBearer
from mcsec.wire.rtcp.subchannel import BearerAnnouncement
from support.kamailio import MC_CORE, kamailio
from support.mc_clients import Heard, engine, profile
from support.mc_server import ALICE, BEARER, GROUP, LOOPBACK, Running, running
from support.scripted_mcx import AREA, GENERAL, TMGI
from support.sip_tls import TestAuthority
from support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.peer("kamailio")]

CORE_NAME = "core.a.example"


@dataclass
class Network:
    """A server behind a core, and the way to the core."""

    mcx: Running
    hop: Hop
    settings: EndpointSettings

    @asynccontextmanager
    async def client(self, way: Authorisation, password: bytes = b"opensesame") -> AsyncIterator[Heard]:
        """Alice's client, not logged on yet."""
        events: list[Event] = []
        async with ClientHost(HostSettings(self.hop, self.settings)) as host:
            client = host.add(
                profile(ALICE, way),
                engine(ALICE),
                lambda: Secret(ALICE.encode()),
                radio=RadioSide(AREA),
                on_event=events.append,
                credentials=DigestClient("alice", Secret(password)),
            )
            yield Heard(client, events)


@asynccontextmanager
async def network(directory: Path, transport: str) -> AsyncIterator[Network]:
    """Server and core, by one transport on all sides; over TLS each proves itself to the other by certificate."""
    async with AsyncExitStack() as stack:
        port = free_port()
        files: dict[str, object] = {}
        tls = None
        trust, ours, theirs = LOOPBACK, EndpointSettings(trust=LOOPBACK), EndpointSettings(trust=LOOPBACK)
        authority = TestAuthority(directory)
        if transport == "TLS":
            certificate = authority.files(CORE_NAME, x509.DNSName(CORE_NAME))
            files = {"certificate": certificate, "authority": authority.file}
            tls = authority.server("mcx.a.example", ask=True)
            trust = Trust(names=frozenset({CORE_NAME}))
            theirs = EndpointSettings(trust=trust, client_tls=authority.client("alice.a.example"))
        core = await stack.enter_async_context(
            kamailio(MC_CORE, directory, server=port, transport=transport.lower(), **files)  # type: ignore[arg-type]  # passed on
        )
        hop = Hop(transport, "127.0.0.1", core.tls if tls is not None else core.port, CORE_NAME)
        client_tls = authority.client("mcx.a.example") if tls is not None else None
        ours = EndpointSettings(trust=trust, outbound=hop, client_tls=client_tls)
        mcx = await stack.enter_async_context(running(directory, transports=(), sip=ours))
        await mcx.server.listen(transport, "127.0.0.1", port, tls=tls)
        yield Network(mcx, hop, theirs)


@pytest.mark.parametrize("way", list(Authorisation))
@pytest.mark.parametrize("transport", ["TCP", "TLS"])
async def test_through_the_core_from_registration_to_the_listening_report(
    transport: str, way: Authorisation, tmp_path: Path
) -> None:
    async with network(tmp_path, transport) as net:
        mcx = net.mcx
        await mcx.server.make_musik(Scope.of(GROUP))
        async with net.client(way) as alice:
            await alice.client.log_on([GROUP])
            await mcx.server.announce(BEARER)
            await until(lambda: alice.of(BearerAnnounced))
            kinds = {PurposeTag.MUSIK, PurposeTag.MSCCK}
            await until(lambda: kinds <= {event.key_id.tag for event in mcx.of(KeyHeld)})  # type: ignore[attr-defined]
            decides = mcx.server.function.engine
            beacon = BearerAnnouncement(ssrc=decides.ssrc(Traffic.SUBCHANNEL_CONTROL, TMGI), tmgis=(TMGI,))
            sent = await mcx.server.send(lambda now: decides.subchannel(TMGI, beacon, now))
            assert isinstance(sent, OnBearer)
            with MulticastSender(MulticastGroup(*GENERAL)) as general:
                general.send(sent.packet)
                await until(lambda: mcx.of(Told))
            await until(lambda: alice.of(ListeningReported))
            assert not alice.of(MessageRefused, ProcedureFailed)
            # The core answers the client before it tells the server, so a PUBLISH may come too early; it comes again.
            assert mcx.server.requests.refused.keys() <= {"server.unknown-user"}
            user = mcx.server.function.users.get(ALICE)
            assert user is not None
            assert (user.impu, user.groups) == (ALICE, {GROUP})
            # By third-party REGISTER, or by PUBLISH: in either case once, with the CSK that the client holds.
            assert len(mcx.of(ClientAuthorised)) == 1
            csk = mcx.server.function.engine.csks.held[ALICE]
            assert csk.key_id in alice.client.engine.keyring
        # The farewell is a third-party REGISTER too.
        await until(lambda: not mcx.server.function.users.get(ALICE))
        assert ALICE not in mcx.server.function.engine.csks.held


async def test_a_wrong_password_ends_at_the_core(tmp_path: Path) -> None:
    async with network(tmp_path, "TCP") as net:
        async with net.client(Authorisation.REGISTER, b"guess") as alice:
            with pytest.raises(ServiceRefused) as refused:
                await alice.client.log_on([GROUP])
        assert refused.value.status == 401
        assert net.mcx.server.endpoint.counters.requests_received == 0
