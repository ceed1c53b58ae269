"""MKFCs for groups in Release 13 mode, fetched from the GMS of each group's home domain (TS 33.179 9.4; TS 24.481 7.7).

The one thing that a server asks of another domain, and only for groups that the operator switched. While the GMS is
away what came stays in force; when it says that this server may not have the keys, they are dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mcsec.errors import McsecError, PeerError
from mcsec.keys.events import Event
from mcsec.net.gms import GmsClient, GmsRefused
from mcsec.server.events import MkfcRefused
from mcsec.server.gms_access import Connect
from mcsec.server.release_13 import Partner
from mcsec.server.service import McServer
from mcsec.wire.gktp import GktpDocument

_FORBIDDEN = frozenset({403, 404})


@dataclass(frozen=True, slots=True)
class MkfcSource:
    """A GMS, and the groups in Release 13 mode that are at home with it.

    ``party`` gives the GMS with what its KMS publishes now. ``refresh``: seconds between looks.
    """

    groups: tuple[str, ...]
    party: Callable[[], Partner]
    connect: Connect
    refresh: float = 10.0


class Mkfcs:
    """Keeps one server's MKFCs of one GMS up to date, as long as :meth:`run` runs."""

    def __init__(self, server: McServer, source: MkfcSource, clock: Callable[[], float]) -> None:
        self._server, self._source, self._clock = server, source, clock
        self._etags: dict[str, str] = {}
        self._failures: dict[str, str] = {}

    async def run(self) -> None:
        """Fetch what is new, for ever."""
        async with self._source.connect() as gms:
            while True:
                for group in self._source.groups:
                    await self.fetch(gms, group)
                await asyncio.sleep(self._source.refresh)

    async def fetch(self, gms: GmsClient, group: str) -> None:
        """The MKFCs of one group, if they changed. A failure is told once, until it is another one."""
        server = self._server
        try:
            server.function.engine.release_13_mode(group, self._source.party())
            found = await gms.keys(group, self._etags.get(group))
            if found is not None:
                document, etag = found
                # Kept only when everything in it was taken: what failed is tried again.
                self._etags.pop(group, None)
                await self._take(group, _messages(document))
                self._etags[group] = etag
                if document.mkfc is None:
                    raise PeerError(
                        "its GMS has no MKFC for it",
                        code="server.no-mkfc",
                        hint="the document asks for none, or Release 13 mode is off there",
                    )
        except McsecError as error:
            await self._failed(group, error)
        else:
            if found is not None:
                self._failures.pop(group, None)

    async def _take(self, group: str, messages: Iterable[bytes]) -> None:
        """Each message is judged by itself: one that is broken keeps no other away.

        :raises PeerError: the first that was refused.
        """
        refused: PeerError | None = None
        for octets in messages:
            try:
                await self._note(self._server.function.engine.mkfc_message(group, octets, self._clock()))
            except PeerError as error:
                refused = refused or error
        if refused is not None:
            raise refused

    async def _failed(self, group: str, error: McsecError) -> None:
        now = self._clock()
        if isinstance(error, GmsRefused) and error.status in _FORBIDDEN:
            self._etags.pop(group, None)
            await self._note(self._server.function.engine.drop_mkfcs(group, "its GMS refused", now))
        if self._failures.get(group) != error.code:
            self._failures[group] = error.code
            self._server.tell([MkfcRefused(now, group, error.code, str(error))])

    async def _note(self, happened: list[Event]) -> None:
        await self._server.carry_out(self._server.function.done(happened))


def _messages(document: GktpDocument) -> list[bytes]:
    return [] if document.mkfc is None else [one.message for one in document.mkfc.gktps]
