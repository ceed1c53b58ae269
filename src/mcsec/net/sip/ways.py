"""Which way a request goes and what it says of us: next hop, flow, Via, Contact (RFC 3261 8.1.2, 18.1.1)."""

from __future__ import annotations

from dataclasses import replace

from mcsec.errors import InvalidValue
from mcsec.net.sip.clock import Clock
from mcsec.net.sip.compose import new_branch, with_via
from mcsec.net.sip.dialogs import first_hop
from mcsec.net.sip.errors import Unreachable
from mcsec.net.sip.grammar import Params
from mcsec.net.sip.message import Request, encode
from mcsec.net.sip.peer import Hop, Peer, contact_uri, host_in_uri
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.transport import Transport
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import Via

Target = Hop | Peer

# About what our Via adds to a request.
_VIA_SIZE = 100
# How many hops that refused TCP are remembered, and for how many seconds.
_REMEMBERED, _ASK_AGAIN = 4096, 60.0


class Ways:
    """The ways of one endpoint."""

    def __init__(self, settings: EndpointSettings, transport: Transport, clock: Clock) -> None:
        self._settings, self._transport, self._clock = settings, transport, clock
        self._udp_only: dict[Hop, float] = {}

    def next_hop(self, request: Request) -> Hop:
        """Where a request goes that has no explicit target (RFC 3261 8.1.2): Route, SIP core, request URI.

        :raises InvalidValue: the URI names no hop.
        """
        route = first_hop(request)
        if route is not None:
            return Hop.of(Uri.decode(route))
        return self._settings.outbound or Hop.of(request.parsed_uri())

    async def prepare(self, request: Request, target: Target | None) -> tuple[Request, Peer]:
        """The request with our Via, and the flow that it goes by.

        :raises Unreachable: there is no flow to the next hop.
        """
        if isinstance(target, Peer):
            return self._with_our_via(request, target), target
        hop = self.next_hop(request) if target is None else target
        if request.uri[:5].lower() == "sips:" and hop.transport != "TLS":
            raise InvalidValue(
                "a request to a sips URI goes by TLS", code="sip.sips", clause="RFC 3261 26.2.2"
            )
        size = len(encode(request)) + _VIA_SIZE if hop.transport == "UDP" else 0
        peer = await self.flow(hop, size)
        return self._with_our_via(request, peer), peer

    async def flow(self, hop: Hop, size: int) -> Peer:
        """A flow to a next hop for a request of ``size`` octets; large ones leave UDP for TCP (18.1.1).

        :raises Unreachable: there is none.
        """
        large = hop.transport == "UDP" and size > self._settings.datagram_limit
        if large and self._clock.now() >= self._udp_only.get(hop, 0.0):
            try:
                return await self._transport.reach(replace(hop, transport="TCP"))
            except Unreachable:
                # The element may speak UDP only; RFC 3261 18.1.1 then lets the datagram go.
                if len(self._udp_only) >= _REMEMBERED:
                    self._udp_only.clear()
                self._udp_only[hop] = self._clock.now() + _ASK_AGAIN
        return await self._transport.reach(hop)

    def sent_by(self, peer: Peer) -> tuple[str, int]:
        """The host and port that our Via and Contact show to a peer."""
        listening = self._transport.address(peer.transport)
        host = self._settings.advertised or peer.local[0]
        if listening is not None:
            if self._settings.advertised is None and listening[0] not in ("0.0.0.0", "::"):
                host = listening[0]
            return host_in_uri(host), listening[1]
        return host_in_uri(host), peer.local[1]

    def with_contact(self, request: Request, peer: Peer) -> Request:
        """The request with a Contact of ours, under the user of its From, unless it has one."""
        if "Contact" in request.headers:
            return request
        return replace(
            request, headers=request.headers.add(("Contact", self.contact(request.from_.uri, peer)))
        )

    def contact(self, identity: str, peer: Peer) -> str:
        """A Contact value under which ``peer`` reaches us, with the user of ``identity``."""
        return f"<{contact_uri(Uri.decode(identity).user, *self.sent_by(peer), peer.transport)}>"

    def _with_our_via(self, request: Request, peer: Peer) -> Request:
        host, port = self.sent_by(peer)
        params = Params((("branch", new_branch()), ("rport", None)))
        return with_via(request, Via(peer.transport, host, port, params))
