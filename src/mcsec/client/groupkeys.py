"""Group keys of a client, fetched from the GMSs of its groups' home domains (TS 24.481 6.3.13, 7.7; TS 33.180 5.7.1).

What a GMS hands out is checked by the keyring's gatekeeper like any key message: signed by the GMS of that group, for
this user, fresh. It is looked for again from time to time, and at once when media comes under a key that is not held.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from mcsec.client.engine import Party
from mcsec.client.events import PacketDropped
from mcsec.client.groupmail import adopt, messages
from mcsec.client.service import McClient
from mcsec.errors import McsecError
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.keys.kinds import Traffic
from mcsec.net.gms import GmsClient

#: Seconds between two looks at least, whatever comes.
_LEAST = 1.0


@dataclass(frozen=True, slots=True)
class GmsSource:
    """One GMS: who it is, which groups are at home with it, how to reach it, and seconds between looks."""

    party: Party
    groups: tuple[str, ...]
    connect: Callable[[], GmsClient]
    refresh: float = 30.0


class GroupKeys:
    """Keeps the keys of one GMS's groups up to date at one client, as long as :meth:`run` runs."""

    def __init__(self, client: McClient, source: GmsSource) -> None:
        self._client, self._source = client, source
        self._etags: dict[str, str] = {}
        self._taken: dict[str, set[bytes]] = {}
        self._failures: dict[str, str] = {}
        self._wanted = asyncio.Event()

    def heard(self, event: Event) -> None:
        """Something happened at the client: what came is perhaps under a key that a GMS has and we have not."""
        if (
            isinstance(event, PacketDropped)
            and event.code == "keyring.unknown"
            and event.subject in self._source.groups
            and (event.traffic == Traffic.GROUP_MEDIA.name or self._release_13(event))
        ):
            self._wanted.set()

    def _release_13(self, event: PacketDropped) -> bool:
        """Whether it is floor control of a group that had an MKFC; under a MuSiK, a GMS cannot help."""
        keys = self._client.engine.keyring.keys
        return event.traffic == Traffic.MBMS_FLOOR.name and any(
            key.key_id.tag is PurposeTag.MKFC and key.scope.covers(event.subject) for key in keys
        )

    async def run(self) -> None:
        """Fetch what is new, for ever."""
        async with self._source.connect() as gms:
            while True:
                self._wanted.clear()
                for group in self._source.groups:
                    await self.fetch(gms, group)
                await asyncio.sleep(_LEAST)
                try:
                    async with asyncio.timeout(max(0.0, self._source.refresh - _LEAST)):
                        await self._wanted.wait()
                except TimeoutError:
                    continue

    async def fetch(self, gms: GmsClient, group: str) -> None:
        """The keys of one group, if they changed. A failure is told once, until it is another one."""
        try:
            found = await gms.keys(group, self._etags.get(group))
        except McsecError as error:
            if self._failures.get(group) != error.code:
                self._failures[group] = error.code
                self._client.failed(error)
            return
        self._failures.pop(group, None)
        if found is None:
            return
        document, etag = found
        adopt(document, self._source.party, self._client.engine)
        brought = {hashlib.sha256(message).digest(): message for message in messages(document)}
        for digest, message in brought.items():
            if digest not in self._taken.get(group, ()):
                self._client.group_key(message, self._source.party.uri)
        # What is not handed out any more need not be known any more.
        self._taken[group] = set(brought)
        self._etags[group] = etag
