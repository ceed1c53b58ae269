"""Listening reports on their way (TS 24.379 14.3.3): one by one, the latest of each kind, until the server has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcsec.client.content import Content, ContentWriter
from mcsec.client.events import ListeningReported
from mcsec.client.link import Link
from mcsec.client.publishing import ServiceRefused
from mcsec.client.radio import Report
from mcsec.errors import McsecError
from mcsec.ids import Tmgi
from mcsec.keys.events import Event
from mcsec.net.sip.errors import NoAnswer, Unreachable
from mcsec.wire.mbms_usage import Suspension
from mcsec.wire.mc_sip import from_client

#: Seconds between tries when nobody answers; then it is given up.
PAUSES = (1.0, 2.0, 4.0)


class Reporter:
    """Sends one client's reports. What is out of date before it left is not sent."""

    def __init__(
        self,
        link: Link,
        writer: ContentWriter,
        impu: str,
        on_event: Callable[[Event], None],
        failed: Callable[[McsecError], None],
        clock: Callable[[], float],
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._link, self._writer, self._impu = link, writer, impu
        self._tell, self._failed, self._clock, self._pauses = on_event, failed, clock, pauses
        self._waiting: dict[tuple[Tmgi, str | None], Report] = {}
        self._task: asyncio.Task[None] | None = None
        #: MCPTT session identity of each group's call; a group without one is named itself.
        self.sessions: dict[str, str] = {}

    def report(self, report: Report) -> None:
        """Tell the server, soon."""
        about = (report.tmgi, report.group)
        self._waiting.pop(about, None)
        self._waiting[about] = report
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def suspension(self, suspension: Suspension) -> None:
        """Send a suspension report (14.3.4).

        :raises ServiceRefused: the server refuses. :raises PeerError: nobody answered.
        """
        await self._send("suspension report", self._writer.suspension(suspension, self._clock()))

    async def settled(self) -> None:
        """Wait until nothing is on its way."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def stop(self) -> None:
        """Forget what was not sent."""
        self._waiting.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            about = next(iter(self._waiting))
            report = self._waiting.pop(about)
            try:
                await self._persist(report, about)
            except McsecError as error:
                self._failed(error)

    async def _persist(self, report: Report, about: tuple[Tmgi, str | None]) -> None:
        for pause in (*self._pauses, None):
            session = None if report.group is None else self.sessions.get(report.group, report.group)
            try:
                await self._send("listening report", self._writer.listening(report, session, self._clock()))
            except (NoAnswer, Unreachable, ServiceRefused) as error:
                if pause is None or not _may_pass(error):
                    raise
                await asyncio.sleep(pause)
                if about in self._waiting:
                    # A later report says something else.
                    return
                continue
            self._tell(ListeningReported(self._clock(), report.tmgi, report.listening, report.group or ""))
            return

    async def _send(self, procedure: str, content: Content) -> None:
        response = await self._link.ask("MESSAGE", from_client(self._impu), content)
        if not response.ok:
            raise ServiceRefused(procedure, response)


def _may_pass(error: McsecError) -> bool:
    """Whether asking again may help: nobody answered, or the server is busy (RFC 3261 21.5)."""
    return not isinstance(error, ServiceRefused) or error.status in (408, 480, 500, 503, 504)
