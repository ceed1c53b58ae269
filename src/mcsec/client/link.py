"""A client's way to its server: one endpoint for many clients, one next hop, the routes that the registrar gave."""

from __future__ import annotations

from dataclasses import replace

from mcsec.client.content import Content
from mcsec.client.profile import Profile
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.ways import Target
from mcsec.wire.mc_sip import Lines

#: About as large as a message with a key in it gets, in octets.
_LARGE = 4096


class Link:
    """Sends the requests of one client.

    :ivar route: Service-Route of the registrar (RFC 3608), which later requests carry.
    """

    def __init__(self, endpoint: Endpoint, server: Target, profile: Profile) -> None:
        self.endpoint, self.server = endpoint, server
        self.route: tuple[str, ...] = ()
        self._profile = profile

    async def settle(self) -> Peer:
        """The flow to the server, and from now on its transport for every request.

        Messages with keys in them are too large for datagrams (RFC 3261 18.1.1). A server knows its clients by the way
        they come, so the small ones go by TCP as well then; by UDP only where the server has no TCP.

        :raises Unreachable: nobody is there.
        """
        if isinstance(self.server, Peer):
            return self.server
        peer = await self.endpoint.reach(self.server, _LARGE)
        if peer.transport != self.server.transport:
            self.server = replace(self.server, transport=peer.transport)
        return peer

    async def ask(self, method: str, headers: Lines, content: Content | None) -> Response:
        """A request to the participating function, and its final answer, of any status.

        :raises NoAnswer: :raises Unreachable: nobody answered.
        """
        request = make_request(
            method,
            self._profile.psi,
            from_=self._profile.impu,
            headers=headers,
            body=content.body if content is not None else b"",
            content_type=content.content_type if content is not None else None,
        )
        if self.route:
            request = replace(request, headers=request.headers.set("Route", *self.route))
        return await self.endpoint.request(request, self.server)
