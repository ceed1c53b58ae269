"""The server's side of group calls for tests of clients: it takes calls, makes calls, and passes on what is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from mcsec.client.calls.session import Terms, describe, read
from mcsec.crypto.srtp import ForwardedMedia
from mcsec.ids import PurposeTag
from mcsec.keys import transport
from mcsec.keys.key import Key, Scope
from mcsec.keys.reservation import draw_ssrc
from mcsec.net.media_ports import MediaPorts, PortPool
from mcsec.net.sip.calls import Call
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.invited import IncomingCall, offer_call
from mcsec.net.sip.message import Request
from mcsec.net.sip.peer import Peer
from mcsec.wire import mc_bodies, mcptt_info, multipart, rtcp, sdp
from mcsec.wire.mc_bodies import Body
from mcsec.wire.mc_sip import Lines, from_server
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.multipart import Part
from mcsec.wire.rtcp.floor import (
    FloorGranted,
    FloorIdle,
    FloorMessage,
    FloorRelease,
    FloorRequest,
    FloorTaken,
)
from mcsec.wire.sdp import Session
from mcsec.wire.sdp_mcptt import FloorParameters
from support.client_calls import FarEnd
from support.mc_clients import GROUP, Heard, Pair, pair
from support.scripted_mcx import DOMAIN, PSI, ScriptedMcx, fresh_key
from support.waiting import until

Decide = Callable[[Body], tuple[int, Lines] | None]


@dataclass
class Leg:
    """One member in the call, seen from the server."""

    user: str
    group: str
    far: FarEnd
    ports: MediaPorts | None = None
    terms: Terms | None = None
    sip: Call | None = None
    heard: list[rtcp.Message] = field(default_factory=list)
    media: list[bytes] = field(default_factory=list)
    on_media: Callable[[Leg, bytes], None] | None = None

    def say(self, message: rtcp.Message) -> bytes:
        assert self.ports is not None
        assert self.terms is not None
        packet = self.far._sender.protect(rtcp.encode(message))
        self.ports.send_floor(packet, self.terms.floor)
        return packet.octets

    def pass_on(self, octets: bytes) -> None:
        assert self.ports is not None
        assert self.terms is not None
        self.ports.send_media(ForwardedMedia(octets), self.terms.media)

    def describe(self, **parameters: object) -> Session:
        assert self.ports is not None
        given = {"ssrc": self.far.ssrc, "queueing": True} | parameters
        floor = FloorParameters(**given)  # type: ignore[arg-type]  # passed on
        return describe(1, self.ports.floor, self.ports.media, floor)


@dataclass
class CallMcx(ScriptedMcx):
    """``decide`` may refuse an INVITE. ``arbitrate``: grant whoever asks. ``answer``: parameters of our floor line."""

    decide: Decide = lambda body: None
    arbitrate: bool = True
    answer: dict[str, object] = field(default_factory=dict)
    change: Callable[[Session], Session] = lambda session: session
    legs: dict[tuple[str, str], Leg] = field(default_factory=dict)
    invites: list[Body] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    opened: list[MediaPorts] = field(default_factory=list)
    sequence: int = 0

    async def __aenter__(self) -> CallMcx:
        await super().__aenter__()
        serving = self.endpoint.serving
        serving.special["INVITE"] = partial(offer_call, self.endpoint.core, serving, self._invited)
        self.pool = PortPool()
        return self

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        for ports in self.opened:
            ports.close()

    async def sip_of(self, leg: Leg) -> Call:
        """The leg's dialog, once the client has acknowledged it."""
        await until(lambda: leg.sip is not None)
        assert leg.sip is not None
        return leg.sip

    def csk(self, user: str) -> Key:
        opened = [one for one in self.csks.values() if one.initiator == user][-1]
        return transport.read(opened, DOMAIN, Scope.of(user))

    def xml(self, parts: tuple[Part, ...], user: str) -> tuple[str, bytes]:
        keys = self.current(user)
        assert keys is not None
        return multipart.encode(mc_bodies.protect(parts, keys, DOMAIN))

    def leg(self, user: str, group: str) -> Leg:
        leg = Leg(user, group, FarEnd(self.csk(user), draw_ssrc()))
        leg.ports = self.pool.open(
            lambda octets, _: self._floor(leg, octets), lambda octets, _: self._media(leg, octets)
        )
        self.opened.append(leg.ports)
        self.legs[user, group] = leg
        return leg

    async def invite(
        self,
        user: str,
        group: str,
        *,
        info: McpttInfo | None = None,
        headers: Lines | None = None,
        protect: bool = True,
        more: Lines = (),
        body: tuple[str, bytes] | None = None,
    ) -> Leg:
        """Call a member. :raises CallRefused: it refuses."""
        leg = self.leg(user, group)
        wish = info or McpttInfo(
            session_type="prearranged",
            request_uri=user,
            calling_user_id="sip:ann@b.example",
            calling_group_id=group,
        )
        parts = (
            Part(sdp.CONTENT_TYPE, sdp.encode(self.change(leg.describe(**self.answer)))),
            Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(wish)),
        )
        content_type, octets = body or (self.xml(parts, user) if protect else multipart.encode(parts))
        (binding,) = self.registrar.lookup(user, self.endpoint.core.clock.now())
        assert isinstance(binding.source, Peer)
        request = make_request(
            "INVITE",
            binding.contact,
            from_=PSI,
            to=user,
            headers=(*(from_server(PSI) if headers is None else headers), *more),
            body=octets,
            content_type=content_type,
        )
        leg.sip = await self.endpoint.invite(request, binding.source)
        leg.terms = read(sdp.decode(leg.sip.remote_body))
        return leg

    async def _invited(self, incoming: IncomingCall) -> None:
        content_type = incoming.request.headers.get("Content-Type") or ""
        body = mc_bodies.read(
            multipart.decode(content_type, incoming.request.body), self.xml_keys, protected=True
        )
        self.invites.append(body)
        self.requests.append(incoming.request)
        refusal = self.decide(body)
        if refusal is not None:
            incoming.refuse(refusal[0], headers=refusal[1])
            return
        user, group = incoming.request.from_.uri, body.info.request_uri
        assert isinstance(group, str)
        leg = self.leg(user, group)
        leg.terms = read(sdp.decode(body.needed(sdp.CONTENT_TYPE).content))
        session = self.change(leg.describe(**self.answer))
        parts = (
            Part(sdp.CONTENT_TYPE, sdp.encode(session)),
            Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(McpttInfo(session_type="prearranged"))),
        )
        content_type, octets = self.xml(parts, user)
        incoming.features("isfocus")
        if leg.terms.parameters.implicit_request and self.arbitrate:
            # Before the answer: it may overtake it.
            self._grant(leg)
        leg.sip = await incoming.accept(body=octets, content_type=content_type, session_interval=1800)

    def _floor(self, leg: Leg, octets: bytes) -> None:
        message = leg.far.read(octets)
        leg.heard.append(message)
        if not self.arbitrate or not isinstance(message, FloorMessage):
            return
        if isinstance(message, FloorRequest):
            self._grant(leg)
        elif isinstance(message, FloorRelease):
            self.sequence += 1
            for other in self.others(leg, but=False):
                other.say(FloorIdle(ssrc=other.far.ssrc, sequence_number=self.sequence))

    def _grant(self, leg: Leg) -> None:
        self.sequence += 1
        leg.say(FloorGranted(ssrc=leg.far.ssrc, duration=30, priority=1))
        for other in self.others(leg):
            other.say(
                FloorTaken(
                    ssrc=other.far.ssrc,
                    permission=True,
                    sequence_number=self.sequence,
                    granted_party=leg.user,
                )
            )

    def _media(self, leg: Leg, octets: bytes) -> None:
        leg.media.append(octets)
        for other in self.others(leg):
            other.pass_on(octets)

    def others(self, leg: Leg, *, but: bool = True) -> list[Leg]:
        return [
            other
            for other in self.legs.values()
            if other.group == leg.group and (other is not leg or not but) and other.terms is not None
        ]


@asynccontextmanager
async def logged_on(
    mcx: CallMcx, *users: str, gmk: bool = True, **profile: object
) -> AsyncIterator[tuple[Pair, list[Heard]]]:
    """Clients that are in the group and hold its GMK. ``profile``: more about them."""
    key: Key = fresh_key(PurposeTag.GMK, Scope.of(GROUP))
    async with pair(mcx=mcx) as both:
        clients = []
        for user in users:
            heard = both.add(user, **profile)  # type: ignore[arg-type]  # passed on
            await heard.client.log_on([GROUP])
            if gmk:
                heard.client.engine.keyring.install(key, signer="gms", now=0.0)
            clients.append(heard)
        yield both, clients
