"""What the demo's story wants of a GMS, without HTTPS and store: keys come at once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from mcsec.client.engine import Carrier, ClientEngine
from mcsec.gms.engine import GmsEngine
from mcsec.ids import PurposeTag
from mcsec.keys.key import Key
from mcsec.lab.domain import gms_of
from mcsec.mikey.build import Initiator, Recipient


class PaperGms:
    def __init__(self, home: Any, partners: Iterable[Any], now: float) -> None:
        domain = home.public.kms_uri.removeprefix("kms.")
        self._engine = GmsEngine(domain, Initiator(home.made.identity(gms_of(domain), now), home.public))
        self._publics = {kms.public.kms_uri: kms.public for kms in (home, *partners)}
        self._made: dict[str, list[Key]] = {}

    @property
    def keys(self) -> tuple[Key, ...]:
        return self._engine.keys

    async def make_group(self, group: str, members: Iterable[str], *, multicast_floor: bool = False) -> None:
        self._made[group] = [self._engine.make(PurposeTag.GMK, group, time.time())]

    async def release_13(self, group: str) -> None:
        self._made[group].append(self._engine.make(PurposeTag.MKFC, group, time.time()))

    async def give_keys(self, group: str, client: ClientEngine) -> None:
        for key in self._made[group]:
            client.key_message(self._message(key, client.uri), Carrier.GROUP_KEYS, time.time())

    async def mkfc(self, group: str, server: str) -> bytes:
        return self._message(self._made[group][-1], server)

    def _message(self, key: Key, uri: str) -> bytes:
        domain = uri.rpartition("@")[2].removeprefix("mcx.")
        recipient = Recipient(uri, self._publics[f"kms.{domain}"])
        return self._engine.messages(key.key_id, [recipient], time.time())[0]


@asynccontextmanager
async def paper_gms(home: Any, partners: Iterable[Any], now: float) -> AsyncIterator[PaperGms]:
    yield PaperGms(home, partners, now)
