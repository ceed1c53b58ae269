"""Publications of a client (RFC 3903): service settings and affiliation, kept alive until they are taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcsec.client.content import Content
from mcsec.client.link import Link
from mcsec.errors import McsecError, PeerError
from mcsec.net.sip.message import Response
from mcsec.net.sip.refreshing import refresh_after, seconds
from mcsec.wire.mc_sip import FOREVER, NEVER, McpttWarning, publication, read_warning

#: A SIP core answers a REGISTER before it tells the MCX server of it, so the server may know of us a moment later.
PATIENCE = (0.1, 0.3, 1.0)


class ServiceRefused(PeerError):
    """The server answered a request of ours with a refusal. ``status`` is its answer."""

    code = "client.refused-by-server"

    def __init__(self, procedure: str, response: Response) -> None:
        warning = read_warning(response.headers.get("Warning"))
        reason = response.reason if warning is None else str(warning)
        super().__init__(
            f"{procedure}: the server answered {response.status} {reason}",
            hint="the server's events say more",
        )
        self.procedure, self.status = procedure, response.status


class Publication:
    """One event package of one client. Give it up with :meth:`forget`, or take it back with :meth:`end`."""

    def __init__(
        self,
        link: Link,
        procedure: str,
        event: str,
        impu: str,
        failed: Callable[[McsecError], None],
        patience: tuple[float, ...] = PATIENCE,
    ) -> None:
        """:param procedure: what errors call it. :param failed: told when a refresh fails.
        :param patience: pauses in seconds, while the server does not know the user yet.
        """
        self._patience = patience
        self._link, self._procedure, self._event, self._impu = link, procedure, event, impu
        self._failed = failed
        self._etag: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    async def publish(self, write: Callable[[], Content], expires: int = FOREVER) -> None:
        """Publish what ``write`` gives, until it is taken back. It is asked again when that must be sent anew.

        :raises ServiceRefused: the server refuses. :raises PeerError: nobody answered.
        """
        self.forget_timer()
        response = await self._send(write(), expires)
        for pause in self._patience:
            if not _not_known_yet(response):
                break
            await asyncio.sleep(pause)
            response = await self._send(write(), expires)
        if response.status == 412:
            # The server does not know what it once gave us a tag for.
            self._etag = None
            response = await self._send(write(), expires)
        if not response.ok:
            raise ServiceRefused(self._procedure, response)
        self._etag = response.headers.get("SIP-ETag") if expires else None
        granted = seconds(response.headers.get("Expires"))
        if expires != NEVER and granted and granted < FOREVER:
            self._timer = asyncio.get_running_loop().call_later(
                refresh_after(granted), self._refresh, write, expires
            )

    async def end(self, write: Callable[[], Content]) -> None:
        """Take it back. :raises ServiceRefused: :raises PeerError: as for :meth:`publish`."""
        await self.publish(write, NEVER)

    def forget(self) -> None:
        """Nothing is published any more as far as we know, and nothing will be refreshed."""
        self._etag = None
        self.forget_timer()
        if self._task is not None:
            self._task.cancel()

    def forget_timer(self) -> None:
        """No refresh."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _send(self, content: Content | None, expires: int) -> Response:
        headers = publication(self._event, expires, self._impu, self._etag)
        return await self._link.ask("PUBLISH", headers, content)

    def _refresh(self, write: Callable[[], Content], expires: int) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._publish_again(write, expires))

    async def _publish_again(self, write: Callable[[], Content], expires: int) -> None:
        try:
            await self.publish(write, expires)
        except McsecError as error:
            self._failed(error)


def _not_known_yet(response: Response) -> bool:
    warning = read_warning(response.headers.get("Warning")) if response.status == 404 else None
    return warning is not None and warning.number == McpttWarning.USER_UNKNOWN.number
