"""One identity's keys across key periods, and the certificates of every KMS: whatever is due is fetched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mcsec.crypto.kms_keys import IdentityKeys, IdentitySecrets
from mcsec.crypto.uid import period_start
from mcsec.errors import CheckFailed
from mcsec.net.kms.book import CertificateBook
from mcsec.net.kms.client import KmsClient, KmsUnreachable
from mcsec.wire.kms.model import Certificate

#: Keys are asked for this long before their period begins, in seconds.
MARGIN = 86_400.0

Connect = Callable[[], Awaitable[KmsClient]]
"""Gives a client of the KMS, not yet entered."""


class Memory(Protocol):
    """Where what the KMS gave outlives the process."""

    async def keep(self, keys: Sequence[IdentitySecrets], books: Sequence[Certificate]) -> None:
        """Write down new keys, and every certificate."""

    async def recall(self) -> tuple[list[IdentitySecrets], list[Certificate]]:
        """What was written down."""


class Upkeep:
    """Keeps an identity provisioned. Connects only while it fetches.

    Keys are asked for once in a key period, for every issue is a record in the KMS's log; what changed about KMSs,
    revoked users among it, whenever ``look`` seconds went by.

    :ivar book: every KMS's certificate.
    :ivar held: the keys by the number of their period: the last, the present and the next, as far as they were had.
    """

    def __init__(
        self,
        connect: Connect,
        book: CertificateBook,
        user: str,
        *,
        look: float,
        now: Callable[[], float] = time.time,
        memory: Memory | None = None,
    ) -> None:
        """:param memory: None: what the KMS gave is forgotten with the process."""
        self.book = book
        self.held: dict[int, IdentityKeys] = {}
        self._connect, self._user, self._look, self._now = connect, user, look, now
        self._looked: float | None = None
        self._memory = memory
        self._unwritten: list[IdentitySecrets] = []
        self._written: list[Certificate] = []

    async def fetch(self) -> None:
        """Ask the KMS for what is due.

        :raises KmsRefused: :raises KmsUnreachable: :raises CheckFailed: it gave no keys that count.
        :raises StoreError: they count, but could not be written down.
        """
        store = None if self._memory is None else self._unwritten.append
        async with await self._connect() as client:
            client.book = self.book
            if self._keys_due() <= self._now():
                self._hold(await client.provision(self._user, store=store))
            await client.certificates()
        self._looked = self._now()
        certificates = self.book.certificates()
        if self._memory is not None and (self._unwritten or certificates != self._written):
            await self._memory.keep(self._unwritten, certificates)
            self._unwritten, self._written = [], certificates

    async def begin(self) -> KmsUnreachable | None:
        """As :meth:`fetch`, for a program that starts: where the KMS does not answer, take up what it gave before.

        Why it did not answer, None where it did.

        :raises KmsRefused: :raises CheckFailed: it gave no keys that count.
        :raises KmsUnreachable: nor is anything of the present key period written down.
        """
        try:
            await self.fetch()
        except KmsUnreachable as error:
            try:
                await self.recall()
            except CheckFailed:
                raise KmsUnreachable(
                    f"{error}; and the store has no keys of {self._user} for the present key period",
                    hint="start the KMS (`mcsec run kms`), or correct its address in mcsec.toml, and start again",
                ) from None
            return error
        return None

    async def recall(self) -> None:
        """Take up what was written down, without the KMS.

        :raises CheckFailed: nothing was, or nothing of the present key period. :raises WrapError: it was changed.
        """
        secrets, certificates = ([], []) if self._memory is None else await self._memory.recall()
        if not secrets or not certificates:
            raise self._none()
        self.book.update(certificates)
        public = self.book.own()
        self._hold([await asyncio.to_thread(IdentityKeys.validate, public, *found) for found in secrets])

    def due(self) -> float:
        """When to fetch again, Unix seconds."""
        return self._now() if self._looked is None else min(self._keys_due(), self._looked + self._look)

    def present(self) -> IdentityKeys:
        """The keys of the present key period.

        :raises CheckFailed: they are not at hand (``kms.no-keys``).
        """
        keys = self.held.get(self.book.own().period_at(self._now())) if self.held else None
        if keys is None:
            raise self._none()
        return keys

    def _none(self) -> CheckFailed:
        return CheckFailed(
            f"no keys of {self._user} for the present key period",
            code="kms.no-keys",
            clause="TS 33.180 F.2.1",
            hint="is the KMS reachable, and the access token for it still good?",
        )

    def _hold(self, found: list[IdentityKeys]) -> None:
        self.held |= {keys.period_no: keys for keys in found}
        # The last period's keys still open messages that were under way.
        last = self.book.own().period_at(self._now()) - 1
        self.held = {number: keys for number, keys in self.held.items() if number >= last}
        self.present()

    def _keys_due(self) -> float:
        if not self.held:
            return self._now()
        public = self.book.own()
        return period_start(max(self.held) + 1, public.period, public.offset) - MARGIN
