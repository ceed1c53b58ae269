"""What a client is affiliated to, as the server says: a subscription for as long as it is wanted (24.379 9.2.1.3).

Affiliations may end without the client's doing: an operator takes a user off a group, or a group is no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcsec.client.content import ContentWriter
from mcsec.client.events import AffiliationsTold
from mcsec.client.inbox import Inbox
from mcsec.client.link import Link
from mcsec.client.profile import Profile
from mcsec.errors import McsecError, PeerError, Refused
from mcsec.keys.events import Event
from mcsec.net.sip.subscribing import Notification, Subscription
from mcsec.wire import affiliation, multipart
from mcsec.wire.affiliation import Status
from mcsec.wire.mc_sip import PRESENCE_EVENT, from_client

#: Seconds until a subscription that ended is asked for again, doubled each time up to the second.
_AGAIN = (1.0, 60.0)


class AffiliationWatch:
    """The subscription of one client to its own affiliations."""

    def __init__(
        self,
        link: Link,
        profile: Profile,
        inbox: Inbox,
        writer: ContentWriter,
        on_event: Callable[[Event], None],
        failed: Callable[[McsecError], None],
        clock: Callable[[], float],
    ) -> None:
        self._link, self._profile, self._inbox, self._writer = link, profile, inbox, writer
        self._tell, self._failed, self._clock = on_event, failed, clock
        self._subscription: Subscription | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe, and stay subscribed until :meth:`stop`.

        :raises SubscriptionRefused: the server refuses. :raises PeerError: nobody answered.
        """
        if self._keeping is None:
            subscription = await self._subscribe()
            self._keeping = asyncio.get_running_loop().create_task(self._keep(subscription))

    async def stop(self) -> None:
        """Be told no more."""
        keeping, self._keeping = self._keeping, None
        if keeping is None:
            return
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def _subscribe(self) -> Subscription:
        accept = ("Accept", f"{multipart.MIXED}, {affiliation.CONTENT_TYPE}")
        headers = (("Event", PRESENCE_EVENT), accept, *from_client(self._profile.impu))
        content = self._writer.about_itself(self._clock())
        self._subscription = await self._link.subscribe(headers, content, self._notified)
        return self._subscription

    async def _keep(self, subscription: Subscription) -> None:
        wait, longest = _AGAIN
        while True:
            await subscription.ended.wait()
            await asyncio.sleep(wait)
            try:
                subscription = await self._subscribe()
                wait = _AGAIN[0]
            except PeerError as error:
                wait = min(2 * wait, longest)
                self._failed(error)

    def _notified(self, notification: Notification) -> None:
        if not notification.body:
            return
        now = self._clock()
        try:
            body = self._inbox.body(notification.content_type, notification.body, now)
            presence = affiliation.decode(body.needed(affiliation.CONTENT_TYPE).content)
            if presence.user != self._profile.mc_service_id:
                raise Refused("the affiliations of another user", code="client.not-us")
        except PeerError as error:
            self._failed(error)
            return
        told = [
            one.group
            for client in presence.clients
            if client.client_id == self._profile.client_id
            for one in client.affiliations
            if one.status in (None, Status.AFFILIATED)
        ]
        self._tell(AffiliationsTold(now, presence.user, tuple(told), presence.p_id or ""))
