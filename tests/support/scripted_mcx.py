"""An MCX server for tests of clients: registrar and participating function by script, with real keys."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from mcsec._core import Secret
from mcsec.crypto.srtp import ProtectedPacket, SrtcpSender, SrtpProfile
from mcsec.errors import UnknownKey
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys import transport
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.open import Opened, open_message
from mcsec.mikey.receiver import Receiver, Sender
from mcsec.mikey.replay import ReplayCache
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.registrar import Registrar, RegistrarSettings
from mcsec.wire import affiliation, mbms_usage, mc_bodies, mikey_body, multipart, rtcp, sdp_mcptt
from mcsec.wire.affiliation import Presence
from mcsec.wire.mb2.values import ServiceArea
from mcsec.wire.mbms_usage import Announcement, MbmsUsage
from mcsec.wire.mc_bodies import Body
from mcsec.wire.mc_sip import Lines, from_server
from mcsec.wire.mikey_body import Form
from mcsec.wire.multipart import Part
from mcsec.wire.sdp import Media, Session
from mcsec.wire.xmlsec import XmlKeys
from support.domains import kms

DOMAIN = "a.example"
PSI = "sip:mcptt@a.example"
MDSI = "mcx.a.example"
TMGI = Tmgi(0x00A001, "001", "01")
AREA = 7
GENERAL = (IPv4Address("239.192.7.1"), 42001)
AUDIO = Media("audio", 9, "RTP/AVP", ("97",))


def initiator(uri: str = MDSI) -> Initiator:
    return Initiator(kms().identity(uri, time.time()), kms().public)


def fresh_key(tag: PurposeTag, scope: Scope = DEFAULT, **options: float) -> Key:
    return make(tag, scope=scope, maker=Maker(DOMAIN, MDSI), now=time.time(), **options)


def key_message(
    key: Key,
    to: str,
    *,
    by: str | Initiator = MDSI,
    now: float | None = None,
    revoked: bool = False,
) -> bytes:
    signer = initiator(by) if isinstance(by, str) else by
    (message,) = transport.write(
        key, signer, [Recipient(to, signer.kms)], now or time.time(), revoked=revoked
    )
    return message


def announcing(
    tmgi: Tmgi = TMGI,
    areas: Sequence[int] | None = (AREA,),
    message: bytes | None = None,
    *,
    place: tuple[IPv4Address, int] = GENERAL,
    described: bool = True,
    report_suspension: bool | None = None,
) -> tuple[Session | None, MbmsUsage]:
    """Description and usage-info of one bearer; without ``areas`` it is cancelled."""
    made = sdp_mcptt.announcement("- 1 1 IN IP4 192.0.2.1", sdp_mcptt.GeneralPurpose(*place, message), AUDIO)
    announcement = Announcement(
        tmgi=tmgi,
        service_area=None if areas is None else ServiceArea(tuple(areas)),
        gpms=None if areas is None else made.gpms,
        report_suspension=report_suspension,
    )
    return made.session if described else None, MbmsUsage(announcements=(announcement,))


def protected(message: rtcp.Message, key: Key, index: int = 1) -> ProtectedPacket:
    """A packet under a key, as a server sends it."""
    sender = SrtcpSender(
        SrtpProfile.AEAD_AES_128_GCM, message.ssrc, *key.srtp_material(), first=index, last=index + 10
    )
    return sender.protect(rtcp.encode(message))


@dataclass
class Seen:
    """A request of a client, read."""

    method: str
    request: Request
    body: Body
    presence: Presence | None = None
    usage: MbmsUsage | None = None

    @property
    def event(self) -> str:
        return self.request.headers.get("Event") or ""


Script = Callable[[Seen], tuple[int, Lines] | None]


@dataclass
class ScriptedMcx:
    """``script`` may answer a request itself: status and headers; None leaves it to the usual answer."""

    script: Script = lambda seen: None
    identity: Initiator = field(default_factory=initiator)
    seen: list[Seen] = field(default_factory=list)
    csks: dict[KeyId, Opened] = field(default_factory=dict)

    async def __aenter__(self) -> ScriptedMcx:
        self.registrar = Registrar(RegistrarSettings(least=1))
        self.endpoint = Endpoint(self._answer)
        self._receiver = Receiver([self.identity.keys], [self.identity.kms], ReplayCache())
        await self.endpoint.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.endpoint.close(0.0)

    async def listen(self, transport: str, tls: ssl.SSLContext | None = None, *, stream: bool = True) -> int:
        """``stream``: with UDP comes TCP, as RFC 3261 18 has it."""
        if transport == "UDP" and stream:
            return (await self.endpoint.listen_both("127.0.0.1"))[1]
        return (await self.endpoint.listen(transport, "127.0.0.1", 0, tls=tls))[1]

    def of(self, method: str, event: str = "") -> list[Seen]:
        return [seen for seen in self.seen if seen.method == method and seen.event == event]

    def xml_keys(self, key_id: KeyId) -> XmlKeys:
        found = self.csks.get(key_id)
        if found is None:
            raise UnknownKey("no such CSK", code="server.unknown-csk")
        return XmlKeys.derive(found.key, key_id, found.initiator or "")

    def current(self, user: str) -> XmlKeys | None:
        ids = [key_id for key_id, opened in self.csks.items() if opened.initiator == user]
        return self.xml_keys(ids[-1]) if ids else None

    async def send(
        self,
        impu: str,
        parts: Sequence[Part],
        *,
        user: str | None = None,
        headers: Lines | None = None,
        protect: bool = True,
        content: tuple[str, bytes] | None = None,
        uri: str | None = None,
    ) -> Response:
        """A MESSAGE to the contact of ``impu``, under the CSK of ``user``."""
        keys = self.current(user or impu) if protect else None
        if keys is not None and any(part.essence.endswith("+xml") for part in parts):
            parts = mc_bodies.protect(parts, keys, DOMAIN)
        (binding,) = self.registrar.lookup(impu, self.endpoint.core.clock.now())
        assert isinstance(binding.source, Peer)
        content_type, body = content or multipart.encode(parts)
        request = make_request(
            "MESSAGE",
            uri or binding.contact,
            from_=PSI,
            to=impu,
            headers=from_server(PSI) if headers is None else headers,
            body=body,
            content_type=content_type,
        )
        return await self.endpoint.request(request, binding.source)

    async def download(
        self, impu: str, key: Key, *, form: Form = Form.RAW, revoked: bool = False
    ) -> Response:
        parts = mc_bodies.key_download(impu, key_message(key, impu, by=self.identity, revoked=revoked))
        return await self.send(
            impu, [replace(parts[0]), mikey_body.encode(mikey_body.decode(parts[1]), form)]
        )

    async def announce(
        self,
        impu: str,
        key: Key | None = None,
        tmgi: Tmgi = TMGI,
        areas: Sequence[int] | None = (AREA,),
        **more: object,
    ) -> Response:
        message = None if key is None else key_message(key, impu, by=self.identity)
        session, usage = announcing(tmgi, areas, message, **more)  # type: ignore[arg-type]  # passed on
        return await self.send(impu, mc_bodies.announcement(impu, session if areas else None, usage))

    def _answer(self, request: Request, peer: Peer) -> Response:
        seen = self._read(request)
        self.seen.append(seen)
        scripted = self.script(seen)
        if scripted is not None:
            return make_response(request, scripted[0], headers=scripted[1])
        if request.method == "REGISTER":
            return self.registrar.register(request, peer, self.endpoint.core.clock.now())[0]
        if request.method == "PUBLISH":
            return make_response(request, 200, headers=[("SIP-ETag", "1"), ("Expires", "4294967295")])
        return make_response(request, 200)

    def _read(self, request: Request) -> Seen:
        if not request.body:
            return Seen(request.method, request, mc_bodies.read(()))
        parts = multipart.decode(request.headers.get("Content-Type") or "", request.body)
        upload = multipart.first(parts, mikey_body.CONTENT_TYPE)
        if upload is not None:
            user = request.from_.uri
            sender = Sender(user, self.identity.kms.kms_uri, frozenset({PurposeTag.CSK}))
            opened = open_message(mikey_body.decode(upload), self._receiver, [sender], time.time())
            self.csks[opened.key_id] = opened
        body = mc_bodies.read(parts, self.xml_keys, protected=True)
        presence, usage = body.part(affiliation.CONTENT_TYPE), body.part(mbms_usage.CONTENT_TYPE)
        return Seen(
            request.method,
            request,
            body,
            None if presence is None else affiliation.decode(presence.body),
            None if usage is None else mbms_usage.decode(usage.body),
        )


def token(text: str = "token-octets-that-must-not-show") -> Secret:
    return Secret(text.encode())
