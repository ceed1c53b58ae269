"""A client of a KMS over HTTPS: tokens, retries, and keys kept across key periods."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx2

from mcsec.crypto.kms_keys import IdentityKeys, IdentitySecrets, KmsPublicKeys
from mcsec.crypto.uid import ntp_seconds, period_start
from mcsec.errors import CheckFailed, PeerError
from mcsec.net.kms.book import CertificateBook
from mcsec.net.kms.exchange import (
    Exchange,
    KmsRefused,
    Received,
    certcache_path,
    check_key_set,
    init_path,
    keyprov_path,
)
from mcsec.net.token_source import TokenSource, bearer
from mcsec.wire.kms.model import CertCache, Init, KeyProv
from mcsec.wire.kms.protect import ProtectionKeys
from mcsec.wire.xml import MAX_OCTETS

#: Worth another try: the KMS is busy or starts, or found the request not fresh (as after its restart).
_AGAIN = frozenset({409, 500, 502, 503, 504})
_UNAUTHORISED = 401


class KmsUnreachable(PeerError):
    """The KMS did not answer, however often it was asked."""

    code = "kms.unreachable"


@dataclass(frozen=True, slots=True)
class KmsClientSettings:
    """How to reach a KMS and how long to try. Times are seconds.

    ``address`` is ``https://HOST:PORT``. ``user`` is the identity that the protection keys belong to.
    """

    address: str
    kms_uri: str
    user: str
    client_id: str = ""
    protection: bool = True
    attempts: int = 5
    timeout: float = 10.0
    back_off: float = 0.2
    back_off_limit: float = 10.0


class KmsClient:
    """One user's or server's client. Use it with ``async with``.

    :param token: where access tokens come from.
    :param tls: believes the CA of the KMS.
    :param keys: protection keys of before; None: the first pair is asked for.
    :param keep: called with every new pair of protection keys, before it is used: write it down wrapped.
    :param now: clock, Unix seconds. :param sleep: waits between attempts.
    """

    def __init__(
        self,
        settings: KmsClientSettings,
        token: TokenSource,
        tls: ssl.SSLContext,
        *,
        keys: ProtectionKeys | None = None,
        keep: Callable[[ProtectionKeys], Awaitable[None]] | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self.book = CertificateBook(settings.kms_uri)
        self._exchange = Exchange(settings.kms_uri, settings.user, settings.client_id, settings.protection)
        self._token = token
        self._keys = keys
        self._keep = keep
        self._now = now
        self._sleep = sleep
        self._identities: dict[tuple[str, int], IdentityKeys] = {}
        # One exchange at a time: each may bring the keys that the next is signed with.
        self._turn = asyncio.Lock()
        self._http = httpx2.AsyncClient(
            verify=tls, timeout=settings.timeout, follow_redirects=False, trust_env=False
        )

    async def __aenter__(self) -> Self:
        """Opens nothing yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes connections."""
        await self._http.aclose()

    async def init(self) -> KmsPublicKeys:
        """Initialize: the certificate of our KMS, and protection keys where we have none.

        :raises KmsRefused, KmsUnreachable: no answer that grants it.
        :raises CheckFailed: an answer that is not our KMS's.
        """
        received = await self._ask(init_path())
        if not isinstance(received.message, Init):
            raise CheckFailed("another answer than Initialize", code="kms.answer")
        self.book.update([received.message.certificate])
        return self.book.own()

    async def provision(
        self,
        uri: str | None = None,
        at: float | None = None,
        *,
        store: Callable[[IdentitySecrets], None] | None = None,
    ) -> list[IdentityKeys]:
        """KeyProvision: validated keys, of ``uri`` or of every identity that the token gives.

        :param at: a time (Unix seconds) in the present key period or the next; needs ``uri``.
        :param store: called with what is stored of each; None: nothing is.
        :raises KmsRefused, KmsUnreachable, CheckFailed: as :meth:`init`; nothing is kept then.
        """
        public = await self._own()
        ntp = None if at is None else (ntp_seconds(at) % (1 << 32)) << 32
        received = await self._ask(keyprov_path(uri, ntp))
        if not isinstance(received.message, KeyProv):
            raise CheckFailed("another answer than KeyProvision", code="kms.answer")
        present = public.period_at(self._now())
        # Around the turn of a period the two clocks may differ by one.
        periods = (present - 1, present, present + 1, present + 2)
        found = []
        for key_set in received.message.key_sets:
            if uri is not None and key_set.user_uri != uri:
                raise CheckFailed("keys of an identity that was not asked for", code="kms.key-set")
            found.append(await asyncio.to_thread(check_key_set, key_set, public, received.keys, periods))
        for keys, secrets in found:
            if store is not None:
                store(secrets)
            self._identities[keys.uri, keys.period_no] = keys
        self._drop_old(present)
        return [keys for keys, _ in found]

    async def identity(self, uri: str) -> IdentityKeys:
        """The keys of an identity in the present key period, from memory where they are known.

        :raises KmsRefused, KmsUnreachable, CheckFailed: as :meth:`provision`.
        """
        public = await self._own()
        present = public.period_at(self._now())
        if (uri, present) not in self._identities:
            await self.provision(uri)
        try:
            return self._identities[uri, present]
        except KeyError:
            raise CheckFailed("the KMS gave no keys for the present key period", code="kms.key-set") from None

    def identities(self) -> list[IdentityKeys]:
        """Every validated key set that is kept: of the last, the present and the next key period."""
        return list(self._identities.values())

    async def renewal_due(self, margin: float) -> float:
        """When to provision again (Unix seconds): ``margin`` seconds before the present key period ends."""
        public = await self._own()
        following = public.period_at(self._now()) + 1
        return period_start(following, public.period, public.offset) - margin

    async def certificates(self) -> CertificateBook:
        """CertCache: what changed about KMSs since the last time.

        :raises KmsRefused, KmsUnreachable, CheckFailed: as :meth:`init`.
        """
        received = await self._ask(certcache_path(self.book.number))
        if not isinstance(received.message, CertCache):
            raise CheckFailed("another answer than CertCache", code="kms.answer")
        self.book.update(received.message.certificates, received.message.number)
        return self.book

    async def _own(self) -> KmsPublicKeys:
        try:
            return self.book.own()
        except PeerError:
            return await self.init()

    def _drop_old(self, present: int) -> None:
        # The last period's keys still open messages that were under way.
        for place in [place for place in self._identities if place[1] < present - 1]:
            del self._identities[place]

    async def _ask(self, path: str) -> Received:
        async with self._turn:
            if self._exchange.protection and self._keys is None and path != init_path():
                first = await self._exchange_with_retries(init_path())
                if isinstance(first.message, Init):
                    self.book.update([first.message.certificate])
            return await self._exchange_with_retries(path)

    async def _exchange_with_retries(self, path: str) -> Received:
        settings = self.settings
        url = settings.address + path
        token = await self._token()
        renewed = False
        wait = settings.back_off
        for attempt in range(1, settings.attempts + 1):
            # Asked anew each time: the KMS takes the same request once only.
            sent = self._exchange.ask(url, self._keys, self._now())
            try:
                answer = await self._http.post(
                    url,
                    content=sent.body,
                    headers=bearer(token) | {"content-type": "application/xml"},
                )
                if len(answer.content) > MAX_OCTETS:
                    raise CheckFailed("an answer that is too large", code="kms.answer")
                received = self._exchange.open(sent, answer.status_code, answer.content, self._now())
            except httpx2.TransportError as error:
                failure: PeerError = KmsUnreachable(f"{settings.address}: {type(error).__name__}")
            except KmsRefused as refused:
                failure = refused
                if refused.status == _UNAUTHORISED and not renewed:
                    # The one reason for which a token is asked for again, and at once.
                    renewed, token = True, await self._token()
                    continue
                if refused.status not in _AGAIN:
                    raise
            else:
                if received.new_keys is not None:
                    if self._keep is not None:
                        await self._keep(received.new_keys)
                    self._keys = received.new_keys
                return received
            if attempt < settings.attempts:
                # Full jitter: clients that failed together do not come back together.
                await self._sleep(random.uniform(0, wait))  # noqa: S311  # no secret
                wait = min(2 * wait, settings.back_off_limit)
        raise failure
