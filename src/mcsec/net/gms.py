"""A client of a GMS over HTTPS (XCAP): group documents and group keys, fetched only when they changed."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx2

from mcsec.errors import CheckFailed, DecodeError, PeerError, Refused
from mcsec.net.token_source import TokenSource, bearer
from mcsec.wire import gktp, groups, xcap
from mcsec.wire.gktp import GktpDocument
from mcsec.wire.groups import GroupDocument
from mcsec.wire.xcap import DIRECTORY, GKTPS, GROUPS, Conflict, Listed, Place
from mcsec.wire.xml import MAX_OCTETS

#: Worth another try.
_AGAIN = frozenset({429, 500, 502, 503, 504})
_UNAUTHORISED = 401
_UNCHANGED = 304


class GmsUnreachable(PeerError):
    """The GMS did not answer, however often it was asked."""

    code = "gms.unreachable"


class GmsRefused(Refused):
    """The GMS refused; ``status`` is that of HTTP, ``conflict`` what a 409 says."""

    code = "gms.refused"

    def __init__(self, status: int, conflict: Conflict | None = None) -> None:
        told = f"{status} {conflict.value}" if conflict is not None else str(status)
        super().__init__(f"the GMS refused: {told}", code=f"gms.refused-{status}", hint="its log says why")
        self.status, self.conflict = status, conflict


@dataclass(frozen=True, slots=True)
class GmsClientSettings:
    """How to reach a GMS (``https://HOST:PORT``) and how long to try. Times are seconds."""

    address: str
    attempts: int = 4
    timeout: float = 10.0
    back_off: float = 0.2
    back_off_limit: float = 5.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document with its entity tag."""

    document: bytes
    etag: str


class GmsClient:
    """One user's or server's client. Use it with ``async with``.

    :param token: where access tokens come from. :param tls: believes the CA of the GMS.
    :param sleep: waits between attempts.
    """

    def __init__(
        self,
        settings: GmsClientSettings,
        token: TokenSource,
        tls: ssl.SSLContext,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self._token, self._sleep = token, sleep
        self._http = httpx2.AsyncClient(
            verify=tls, timeout=settings.timeout, follow_redirects=False, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes connections."""
        await self._http.aclose()

    async def group(self, group_id: str, known: str | None = None) -> tuple[GroupDocument, str] | None:
        """A group's document and its entity tag; None: it is the one with the tag ``known`` still.

        :raises GmsRefused, GmsUnreachable: no answer that grants it. :raises DecodeError: it is no such document.
        :raises CheckFailed: it is another group's.
        """
        fetched = await self._fetch(Place(GROUPS, group_id), known)
        if fetched is None:
            return None
        document = groups.decode(fetched.document)
        if document.uri != group_id:
            raise CheckFailed("the document of another group", code="gms.answer", clause="TS 24.481 7.2")
        return document, fetched.etag

    async def keys(self, group_id: str, known: str | None = None) -> tuple[GktpDocument, str] | None:
        """The messages with the keys of a group for the bearer of our token, and their entity tag; None: nothing new.

        What is in them was not checked: that is the keyring's gatekeeper's, with the GMS as the one who may send them.

        :raises GmsRefused, GmsUnreachable: no answer that grants it. :raises DecodeError: it is no such document.
        """
        fetched = await self._fetch(Place(GKTPS, group_id), known)
        return None if fetched is None else (gktp.decode(fetched.document), fetched.etag)

    async def directory(self, identity: str) -> tuple[Listed, ...]:
        """Every group document that ``identity`` may read.

        :raises GmsRefused, GmsUnreachable, DecodeError: as :meth:`group`.
        """
        fetched = await self._fetch(Place(DIRECTORY, identity), None)
        assert fetched is not None, "nothing was known"
        return xcap.read_directory(fetched.document)

    async def put(self, document: GroupDocument, *, instead_of: str | None = None, new: bool = False) -> str:
        """Write a group's document; its new entity tag.

        :param instead_of: only where the present one has this tag. :param new: only where there is none.
        :raises GmsRefused: 412 where the condition is not met, 409 where the document is not taken.
        :raises GmsUnreachable: nobody answered; whether it was written is not known.
        """
        headers = {"content-type": groups.CONTENT_TYPE}
        if instead_of is not None:
            headers["if-match"] = instead_of
        if new:
            headers["if-none-match"] = "*"
        place = Place(GROUPS, document.uri)
        answer = await self._ask("PUT", place, headers, groups.encode(document))
        return _etag(answer)

    async def delete(self, group_id: str, *, instead_of: str | None = None) -> None:
        """Remove a group.

        :raises GmsRefused, GmsUnreachable: as :meth:`put`.
        """
        await self._ask(
            "DELETE", Place(GROUPS, group_id), {} if instead_of is None else {"if-match": instead_of}
        )

    async def _fetch(self, place: Place, known: str | None) -> Fetched | None:
        answer = await self._ask("GET", place, {} if known is None else {"if-none-match": known})
        if answer.status_code == _UNCHANGED:
            return None
        return Fetched(answer.content, _etag(answer))

    async def _ask(
        self, method: str, place: Place, headers: dict[str, str], body: bytes | None = None
    ) -> httpx2.Response:
        settings = self.settings
        url = settings.address + place.path()
        token = await self._token()
        renewed, wait = False, settings.back_off
        for attempt in range(1, settings.attempts + 1):
            try:
                answer = await self._http.request(method, url, content=body, headers=headers | bearer(token))
            except httpx2.TransportError as error:
                failure: PeerError = GmsUnreachable(f"{settings.address}: {type(error).__name__}")
            else:
                if len(answer.content) > MAX_OCTETS:
                    raise CheckFailed("an answer that is too large", code="gms.answer")
                status = answer.status_code
                if status in (200, 201) or (status == _UNCHANGED and "if-none-match" in headers):
                    return answer
                failure = GmsRefused(status, _conflict(answer))
                if status == _UNAUTHORISED and not renewed:
                    # The one reason for which a token is asked for again, and at once.
                    renewed, token = True, await self._token()
                    continue
                if status not in _AGAIN:
                    raise failure
            if attempt < settings.attempts:
                # Full jitter: clients that failed together do not come back together.
                await self._sleep(random.uniform(0, wait))  # noqa: S311  # no secret
                wait = min(2 * wait, settings.back_off_limit)
        raise failure


def _conflict(answer: httpx2.Response) -> Conflict | None:
    if answer.status_code != 409:
        return None
    try:
        return xcap.read_conflict(answer.content)
    except DecodeError:
        return None


def _etag(answer: httpx2.Response) -> str:
    etag = answer.headers.get("etag", "")
    if not etag:
        raise CheckFailed("an answer without entity tag", code="gms.answer", clause="RFC 4825 7.11")
    return str(etag)
