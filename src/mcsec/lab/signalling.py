"""Between A's MCX server and its clients: SIP over TLS for everything, with access tokens, and the bearer.

The server is the one that ``mcsec run server`` runs, the clients those of ``mcsec client``; both in this process, with
sockets between them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from mcsec.client.engine import ClientEngine
from mcsec.client.events import SubchannelJoined
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.profile import Profile
from mcsec.client.radio import RadioSide
from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError
from mcsec.ids import PurposeTag
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.keys.provenance import Record, decode
from mcsec.kms.issuers import local_jwks, open_local
from mcsec.lab.air import Air
from mcsec.lab.kms import LabKms
from mcsec.lab.mb2 import AREA
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tls import client_context, server_context
from mcsec.net.tokens import Issuer, TokenValidator, read_jwks
from mcsec.server.engine import ServerEngine
from mcsec.server.function import FunctionSettings
from mcsec.server.service import Identity, McServer, ServiceSettings
from mcsec.server.signalling import OnBearer, Sent
from mcsec.store import server_load
from mcsec.store.database import Database
from mcsec.wire import rtcp
from mcsec.wire.rtcp.subchannel import (
    BearerAnnouncement,
    MapGroupToBearer,
    MbmsSubchannel,
    UnmapGroupToBearer,
)

T = TypeVar("T")
LOOPBACK = "127.0.0.1"
_SERVICE = "3gpp:mc:ptt_service"
#: Names for clients' devices, made from their identities.
_CLIENT_IDS = uuid.UUID("5d3c0d0e-2f6b-4a52-8f0e-6d2f0c0b7a11")


class SipSignalling:
    """A's server and the way between it and its clients.

    :ivar server: A's server. :ivar engine: what it decides by.
    """

    def __init__(
        self, server: McServer, database: Database, host: ClientHost, kms: LabKms, mdsi: str
    ) -> None:
        self.engine: ServerEngine = server.function.engine
        self.server, self._database, self._host = server, database, host
        self._kms, self._mdsi = kms, mdsi

    async def log_on(self, client: ClientEngine, groups: Collection[str], air: Air) -> None:
        """Register, authorise by access token with the CSK upload, affiliate; what the client hears goes to ``air``.

        One client after the other, so that a seeded run is the same each time.
        """
        domain = self._kms.configuration.domain
        profile = Profile(
            mc_service_id=client.uri,
            impu=client.uri,
            client_id=f"urn:uuid:{uuid.uuid5(_CLIENT_IDS, client.uri)}",
            registrar=f"sip:{domain}",
            psi=f"sip:mcptt@{domain}",
            server=client.server,
        )
        issuer = open_local(self._kms.configuration)

        def token() -> Secret:
            return Secret(
                issuer.issue(client.uri, audience=self._mdsi, scopes=[_SERVICE], now=time.time()).encode()
            )

        heard = await air.attend(client)
        logged_on = self._host.add(profile, client, token, radio=RadioSide(AREA), on_event=heard.append)
        await logged_on.log_on(groups)

    async def give_keys(self, group: str, listeners: Collection[ClientEngine], air: Air) -> None:
        """The server makes a MuSiK for ``group``; the clients take it, and with the announcement of the bearer its
        MSCCK, and say that they listen.
        """
        await self.server.make_musik(Scope.of(group))
        kinds = {PurposeTag.MUSIK, PurposeTag.MSCCK}
        await self._until(
            air, "keys", lambda: all(kinds <= {key.kind.tag for key in one.keyring.keys} for one in listeners)
        )
        keydown = self.engine.keydown
        await self._until(
            air,
            "answers",
            lambda: all(
                rotation.sending is not None and rotation.audience.holds(one.uri, rotation.sending.key_id)
                for rotation in (keydown.musiks[group], keydown.msccks[str(air.tmgi)])
                for one in listeners
            ),
        )
        await self._until(
            air,
            "joins",
            lambda: all(
                any(isinstance(event, SubchannelJoined) for event in air.heard(one.uri)) for one in listeners
            ),
        )
        # A client says that it listens when something authentic came by the bearer: this is it.
        beacon = BearerAnnouncement(ssrc=self._ssrc(air), tmgis=(air.tmgi,))
        await self._on_subchannel(beacon, air)
        await self._until(air, "reports", lambda: self._reports == len(listeners))

    async def map(self, group: str, listeners: Collection[ClientEngine], air: Air) -> list[Sent]:
        """Map Group To Bearer; afterwards the clients have said that they hear the group's call there."""
        floor, media = air.groups[Traffic.MBMS_FLOOR], air.groups[Traffic.GROUP_MEDIA]
        before = self._reports
        mapping = MapGroupToBearer(
            ssrc=self._ssrc(air),
            group_id=group,
            tmgi=air.tmgi,
            subchannel=MbmsSubchannel(2, 3, media.address, media.port, floor.port),
        )
        sent = await self._on_subchannel(mapping, air)
        await self._until(air, "reports", lambda: self._reports == before + len(listeners))
        return [sent]

    async def unmap(self, group: str, listeners: Collection[ClientEngine], air: Air) -> None:
        """Unmap Group From Bearer; afterwards the clients have left its call there."""
        before = self._reports
        await self._on_subchannel(UnmapGroupToBearer(ssrc=self._ssrc(air), group_id=group), air)
        await self._until(air, "reports", lambda: self._reports == before + len(listeners))

    async def send(self, produce: Callable[[float], T]) -> T:
        """What ``produce(now)`` sends, with packet indexes that are reserved in the store before."""
        return await self.server.send(produce)

    async def records(self) -> list[Record]:
        """The provenance of the server's keys, as its store has it."""
        async with self._database.read() as connection:
            return [decode(line) for line in await server_load.records(connection)]

    # --- inside

    @property
    def _reports(self) -> int:
        return self.server.events["ListeningReported"]

    def _ssrc(self, air: Air) -> int:
        return self.engine.ssrc(Traffic.SUBCHANNEL_CONTROL, air.tmgi)

    async def _on_subchannel(self, message: rtcp.Message, air: Air) -> Sent:
        sent = await self.send(lambda now: self.engine.subchannel(air.tmgi, message, now))
        air.send([sent], Traffic.SUBCHANNEL_CONTROL)
        if not isinstance(sent, OnBearer):
            raise LocalError("the server could not send on the subchannel", code="lab.subchannel")
        return sent

    async def _until(self, air: Air, what: str, condition: Callable[[], bool]) -> None:
        if not await air.until(condition):
            raise LocalError(f"clients and server did not agree in time: {what}", code="lab.signalling")


@asynccontextmanager
async def sip_signalling(
    kms: LabKms, mdsi: str, groups: Collection[str], now: float
) -> AsyncIterator[SipSignalling]:
    """The MCX server of a domain with its store, on SIP over TLS, and a host for its clients.

    It knows the KMS of its own domain and no other.

    :param groups: what its users may affiliate to.
    """
    configuration = kms.configuration
    tls = configuration.path("tls")
    # Of what its KMS would vouch for, the server takes nothing but that KMS itself: it needs no partner.
    keys, _ = await kms.provision(mdsi, now)
    public = kms.public

    async def jwks() -> Mapping[str, Any]:
        return read_jwks(local_jwks(configuration) or b"")

    async with AsyncExitStack() as stack:
        database = await Database.open(configuration.path("server.db"), configuration.kek())
        stack.push_async_callback(database.close)
        server = await stack.enter_async_context(
            McServer(
                database,
                Identity(
                    Initiator(keys, public), Recipient("", public), Receiver([keys], [public], ReplayCache())
                ),
                ServiceSettings(
                    FunctionSettings(
                        configuration.domain,
                        f"sip:mcptt@{configuration.domain}",
                        csk_required=True,
                        default_musik=False,
                    )
                ),
                verify=TokenValidator([Issuer(configuration.issuer_name, (mdsi,), jwks)]).validate,
                may_join=lambda _user, group: group in groups,
            )
        )
        context = server_context(tls / "server.pem", tls / "server.key")
        _, port = await server.listen("TLS", LOOPBACK, tls=context)
        settings = HostSettings(
            Hop("TLS", LOOPBACK, port, mdsi),
            EndpointSettings(trust=Trust(names=frozenset({mdsi})), client_tls=client_context(tls / "ca.pem")),
        )
        host = await stack.enter_async_context(ClientHost(settings))
        yield SipSignalling(server, database, host, kms, mdsi)
