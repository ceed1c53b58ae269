"""A client's way to its server: one endpoint for many clients, one next hop, the routes that the registrar gave."""

from __future__ import annotations

from dataclasses import replace

from mcsec.client.content import Content
from mcsec.client.profile import Profile
from mcsec.net.sip.calls import Call, OnReinvite
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.subscribing import OnNotify, Subscription
from mcsec.net.sip.ways import Target
from mcsec.wire.mc_sip import FEATURE_TAGS, Lines

#: About as large as a message with a key in it gets, in octets.
_LARGE = 4096
#: Seconds that a group call may take to be answered.
_RING = 30.0


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
        return await self.endpoint.request(self._request(method, headers, content), self.server)

    async def call(self, headers: Lines, content: Content, *, seconds: int, on_reinvite: OnReinvite) -> Call:
        """An INVITE to the participating function, and the call that comes of it.

        When the caller is cancelled, so is the INVITE.

        :param seconds: of the session timer. :param on_reinvite: answers re-INVITEs.
        :raises CallRefused: the server refuses. :raises NoAnswer: :raises Unreachable: nobody answered.
        """
        # What follows in the call goes by the same connection: its Contact has an address, not a name to verify.
        peer = await self.settle()
        contact = f"{self.endpoint.contact_towards(self._profile.impu, peer)};{FEATURE_TAGS}"
        request = self._request("INVITE", (*headers, ("Contact", contact)), content)
        return await self.endpoint.invite(
            request, peer, session_interval=seconds, on_reinvite=on_reinvite, ring=_RING
        )

    async def subscribe(self, headers: Lines, content: Content, on_notify: OnNotify) -> Subscription:
        """A SUBSCRIBE to the participating function; refreshed by itself until it ends.

        :raises SubscriptionRefused: the server refuses. :raises NoAnswer: :raises Unreachable: nobody answered.
        """
        peer = await self.settle()
        return await self.endpoint.subscribe(self._request("SUBSCRIBE", headers, content), on_notify, peer)

    def _request(self, method: str, headers: Lines, content: Content | None) -> Request:
        request = make_request(
            method,
            self._profile.psi,
            from_=self._profile.impu,
            headers=headers,
            body=content.body if content is not None else b"",
            content_type=content.content_type if content is not None else None,
        )
        if not self.route:
            return request
        return replace(request, headers=request.headers.set("Route", *self.route))
