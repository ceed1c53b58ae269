"""Who wants to hear of a user's affiliations: subscriptions, and a NOTIFY for each change (TS 24.379 9.2.2.2).

A user is told of its own. The document goes under the user's CSK like everything else; after a restart the client's
refresh finds nobody, and it subscribes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from mcsec.errors import McsecError, PeerError, Refused
from mcsec.keys.events import Event
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.notifying import Subscriber
from mcsec.net.sip.peer import Peer
from mcsec.server import affiliation
from mcsec.server.events import AffiliationChanged, ClientLeft
from mcsec.server.function import Function
from mcsec.server.users import User
from mcsec.store.database import StoreError
from mcsec.wire import mc_bodies, multipart
from mcsec.wire.mc_bodies import Body
from mcsec.wire.mc_sip import PRESENCE_EVENT
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.xmlsec import XmlKeys

#: Subscriptions of one user at a time; the oldest goes.
_MOST = 4
#: What a refusal says besides its status.
_TOLD = ("Warning", "Allow-Events", "Retry-After", "WWW-Authenticate", "Accept")


class AffiliationNotices:
    """The subscriptions of one server's users to their affiliations."""

    def __init__(
        self,
        function: Function,
        sender: Callable[[Request, Peer], tuple[User, Body]],
        refusal: Callable[[Request, Peer, McsecError], Response],
    ) -> None:
        """:param sender: who of our users sent a request, and its body. :param refusal: the answer to an error."""
        self._function, self._sender, self._refusal = function, sender, refusal
        self._subscribers: dict[str, list[Subscriber]] = {}
        self._p_ids: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def subscribed(self, subscriber: Subscriber) -> None:
        """A SUBSCRIBE came: accepted and told the state at once, or refused."""
        request, peer = subscriber.request, subscriber.peer
        try:
            user = self._allowed(subscriber)
        except (PeerError, StoreError) as error:
            response = self._refusal(request, peer, error)
            headers = [(name, value) for name in _TOLD for value in response.headers.all(name)]
            subscriber.refuse(response.status, headers=headers)
            return
        subscriber.accept()
        known = self._subscribers.setdefault(user, [])
        known.append(subscriber)
        subscriber.on_refresh = lambda again: self._spawn(self._notify(user, again))
        for oldest in known[:-_MOST]:
            self._spawn(oldest.terminate("deactivated"))
        await self._notify(user, subscriber)
        await subscriber.ended.wait()
        known.remove(subscriber)
        if not known:
            self._subscribers.pop(user, None)

    def hear(self, event: Event) -> None:
        """Something happened at the server."""
        if isinstance(event, AffiliationChanged):
            if event.p_id:
                self._p_ids[event.user] = event.p_id
            for subscriber in self._subscribers.get(event.user, ()):
                self._spawn(self._notify(event.user, subscriber))
        elif isinstance(event, ClientLeft):
            self._p_ids.pop(event.user, None)
            for subscriber in self._subscribers.get(event.user, ()):
                self._spawn(subscriber.terminate("noresource"))

    async def close(self) -> None:
        """No further NOTIFY."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _allowed(self, subscriber: Subscriber) -> str:
        event = subscriber.event.partition(";")[0].strip().lower()
        if event != PRESENCE_EVENT:
            raise Refused(f"no event {event} here", code="server.event", clause="RFC 6665 4.2.1")
        user, body = self._sender(subscriber.request, subscriber.peer)
        if body.info.request_uri not in (None, user.mc_service_id):
            raise Refused(
                "the affiliations of another user", code="server.sender", clause="TS 24.379 9.2.2.2.4"
            )
        return user.mc_service_id

    async def _notify(self, name: str, subscriber: Subscriber) -> None:
        user = self._function.users.get(name)
        if user is None:
            await subscriber.terminate("noresource")
        elif not subscriber.ended.is_set():
            content_type, body = self._document(user)
            await subscriber.notify(body, content_type)

    def _document(self, user: User) -> tuple[str, bytes]:
        name = user.mc_service_id
        presence = affiliation.document(user, self._p_ids.get(name))
        parts = mc_bodies.affiliations(McpttInfo(request_uri=name), presence)
        csk = self._function.protecting(name)
        if csk is not None:
            keys = XmlKeys.derive(csk.secret, csk.key_id, name)
            parts = mc_bodies.protect(parts, keys, self._function.settings.domain)
        return multipart.encode(parts)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
