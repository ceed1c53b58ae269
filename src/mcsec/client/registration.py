"""Keeping a client registered (TS 24.379 7.2.1): REGISTER, with service authorisation in it where that is the way.

What must be fresh is made fresh: a REGISTER that starts anew carries a new CSK upload; a refresh carries none, because
nothing has changed. Where the service is authorised by PUBLISH, no REGISTER carries one, unless the registrar refuses a
bare one: it has no other way to tell who is there on a new connection.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from mcsec.client.content import Content
from mcsec.client.link import Link
from mcsec.client.profile import Authorisation, Profile
from mcsec.client.publishing import ServiceRefused
from mcsec.errors import McsecError, PeerError
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.grammar import Params
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.registering import keep_registered
from mcsec.net.sip.registration import Registered, Registration, RegistrationEvent, Unproven
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import NameAddr
from mcsec.wire.mc_sip import ICSI_REF, from_client

_PROCEDURE = "registration"


class _Remembering(Registration):
    """A registration that keeps the last refusal, for its warning."""

    refusal: Response | None = None

    def answered(self, response: Response, now: float) -> Request | None:
        self.refusal = None if response.ok else response
        return super().answered(response, now)


class Registering:
    """The registration of one client, from :meth:`start` to :meth:`stop`.

    :ivar contact_user: the user part of the Contact, by which requests to this client are told from others.
    """

    def __init__(
        self,
        link: Link,
        profile: Profile,
        write: Callable[[], Content],
        on_change: Callable[[int, str], None],
        failed: Callable[[McsecError], None],
        credentials: DigestClient | None = None,
    ) -> None:
        """:param write: the body of a REGISTER that authorises the service.
        :param on_change: told with the granted seconds when it starts anew, with 0 and a reason when it is lost.
        :param credentials: for a registrar that asks for digest authentication.
        """
        self.contact_user = secrets.token_hex(8)
        self._link, self._profile, self._write = link, profile, write
        self._on_change, self._failed, self._credentials = on_change, failed, credentials
        self._authorises = profile.authorisation is Authorisation.REGISTER
        self._registration: _Remembering | None = None
        self._registered = False
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Register; then stay registered in the background.

        :raises ServiceRefused: the registrar or the server refuses. :raises PeerError: nobody answered.
        """
        endpoint = self._link.endpoint
        peer = await self._link.settle()
        content = self._write() if self._authorises else None
        self._registration = _Remembering(
            self._profile.registrar,
            self._profile.impu,
            self._contact(peer),
            expires=self._profile.expires,
            headers=from_client(),
            body=content.body if content is not None else b"",
            content_type=content.content_type if content is not None else None,
            provable=True,
            retry=self._profile.retry,
        )
        self._first = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(
            keep_registered(
                endpoint,
                self._registration,
                self._happened,
                self._link.server,
                credentials=self._credentials,
            )
        )
        self._task.add_done_callback(self._ended)
        try:
            await self._first
        except PeerError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Take the contact back. No answer is no reason to stay."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # --- inside

    def _contact(self, peer: Peer) -> NameAddr:
        uri = Uri.decode(NameAddr.decode(self._link.endpoint.contact_towards(self._profile.impu, peer)).uri)
        tags = Params(
            (
                ("+g.3gpp.mcptt", None),
                ("+g.3gpp.icsi-ref", ICSI_REF),
                ("+sip.instance", f"<{self._profile.client_id}>"),
            )
        )
        return NameAddr(Uri("sip", self.contact_user, uri.host, uri.port, uri.params).encode(), params=tags)

    def _happened(self, event: RegistrationEvent) -> None:
        assert self._registration is not None
        assert self._first is not None
        if isinstance(event, Registered):
            fresh, self._registered = not self._registered, True
            self._registration.replace_content(b"", None)
            self._link.route = self._registration.service_route
            if fresh:
                self._on_change(event.expires, "")
            if not self._first.done():
                self._first.set_result(None)
            return
        lost, self._registered = self._registered, False
        if isinstance(event, Unproven):
            # This registrar wants it, so it gets it at once next time.
            self._authorises = True
            self._prove()
            return
        if not self._first.done():
            refusal = self._registration.refusal
            self._first.set_exception(
                PeerError(f"{_PROCEDURE}: {event.reason}", code="client.no-answer")
                if refusal is None
                else ServiceRefused(_PROCEDURE, refusal)
            )
        elif lost or event.retry is None:
            self._on_change(0, event.reason)
        if event.retry is not None and self._authorises:
            # The next REGISTER meets a registrar that may know nothing.
            self._prove()

    def _prove(self) -> None:
        """Let the next REGISTER authorise the service."""
        assert self._registration is not None
        try:
            content = self._write()
        except McsecError as error:
            self._failed(error)
            return
        self._registration.replace_content(content.body, content.content_type)

    def _ended(self, task: asyncio.Task[None]) -> None:
        assert self._first is not None
        if not task.cancelled() and (error := task.exception()) is not None:
            if not self._first.done():
                self._first.set_exception(error)
            elif isinstance(error, McsecError):
                self._failed(error)
