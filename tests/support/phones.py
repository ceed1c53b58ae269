"""A user's SIP element that says to an MCX server whatever a test wants, right or wrong."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcsec._core import Secret
from mcsec.client.engine import ClientEngine
from mcsec.ids import PurposeTag
from mcsec.keys import transport
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.mikey.build import Initiator, Recipient
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Response
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server.events import RequestRefused
from mcsec.wire import mc_bodies, mc_sip, multipart
from mcsec.wire.affiliation import Affiliation, ClientAffiliations, Presence
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.multipart import Part
from mcsec.wire.xmlsec import XmlKeys
from support.domains import kms
from support.mc_clients import engine
from support.mc_server import ALICE, GROUP, Running
from support.scripted_mcx import DOMAIN, MDSI, PSI

CLIENT_ID = "urn:uuid:1"


@dataclass
class Phone:
    """A user's SIP element that says whatever a test wants."""

    endpoint: Endpoint
    hop: Hop
    engine: ClientEngine
    csk: Key | None = None
    user: str = ALICE

    async def ask(
        self, method: str, parts: tuple[Part, ...], headers: mc_sip.Lines = (), **change: object
    ) -> Response:
        content_type, body = multipart.encode(parts) if parts else (None, b"")
        request = make_request(
            method,
            PSI if method != "REGISTER" else f"sip:{DOMAIN}",
            from_=str(change.pop("from_", self.user)),
            to=self.user if method == "REGISTER" else None,
            headers=headers,
            body=change.pop("body", body),  # type: ignore[arg-type]  # octets
            content_type=change.pop("content_type", content_type),  # type: ignore[arg-type]  # text or nothing
        )
        return await self.endpoint.request(request, self.hop)

    def upload(self, now: float | None = None) -> tuple[XmlKeys, bytes]:
        self.csk, message = self.engine.make_csk(now or time.time())
        return XmlKeys.derive(self.csk.secret, self.csk.key_id, self.user), message

    def info(self, **more: object) -> McpttInfo:
        return McpttInfo(request_uri=self.user, client_id=CLIENT_ID, **more)  # type: ignore[arg-type]  # passed on

    def authorisation(self, token: str = ALICE, message: bytes | None = None) -> tuple[Part, ...]:
        keys, fresh = self.upload()
        info = self.info(access_token=Secret(token.encode()))
        parts = mc_bodies.authorisation(info, fresh if message is None else message)
        return mc_bodies.protect(parts, keys, DOMAIN)

    async def register(self, parts: tuple[Part, ...] | None = None) -> Response:
        contact = (("Contact", "<sip:x@127.0.0.1:5060;transport=tcp>"), ("Expires", "600"))
        return await self.ask("REGISTER", self.authorisation() if parts is None else parts, contact)

    def protected(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        assert self.csk is not None
        return mc_bodies.protect(parts, XmlKeys.derive(self.csk.secret, self.csk.key_id, self.user), DOMAIN)

    def groups(self, *groups: str, user: str | None = None) -> tuple[Part, ...]:
        wanted = ClientAffiliations(CLIENT_ID, tuple(map(Affiliation, groups)))
        return mc_bodies.affiliations(self.info(), Presence(user or self.user, (wanted,)))


@asynccontextmanager
async def phone(mcx: Running, user: str = ALICE) -> AsyncIterator[Phone]:
    settings = EndpointSettings()
    async with Endpoint(lambda request, peer: make_response(request, 200), settings) as endpoint:
        yield Phone(endpoint, Hop("TCP", "127.0.0.1", mcx.ports["TCP"]), engine(user), user=user)


def message_of(
    phone: Phone, *, to: str = MDSI, tag: PurposeTag = PurposeTag.CSK, at: float | None = None
) -> bytes:
    now = at or time.time()
    key = make(
        tag,
        scope=Scope.of(GROUP if tag is PurposeTag.MUSIK else phone.user),
        maker=Maker(DOMAIN, phone.user),
        now=now,
    )
    initiator = Initiator(kms().identity(phone.user, now), kms().public)
    return transport.write(key, initiator, [Recipient(to, kms().public)], now)[0]


def tampered(phone: Phone) -> bytes:
    octets = bytearray(phone.upload()[1])
    octets[-1 - 129 - 20] ^= 1
    return bytes(octets)


async def refused(mcx: Running, response: Response, status: int, code: str, warning: int | None) -> None:
    """What a test expects of a refusal: the answer, exactly one event, and exactly one count."""
    warned = mc_sip.read_warning(response.headers.get("Warning"))
    assert response.status == status, (response.status, warned, mcx.server.requests.refused)
    assert (warned.number if warned else None) == warning
    events = mcx.of(RequestRefused)
    assert [(event.code, event.status) for event in events] == [(code, status)]  # type: ignore[attr-defined]
    assert mcx.server.requests.refused == {code: 1}
    assert mcx.server.endpoint.counters.handlers_failed == 0
