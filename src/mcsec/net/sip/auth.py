"""Digest authentication with memory: a client that answers challenges, a server that makes and checks them.

The server keeps no state per challenge: its nonces prove themselves. Of nonces in use it remembers the highest
count, so that credentials count once.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from mcsec._core import Secret
from mcsec.errors import CheckFailed, InvalidValue, Refused
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.digest import ALGORITHMS, DigestFields, proof, user_hash
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.uri import Uri

#: Which header answers which, by the status of the challenge.
_HEADERS: Final = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}


class Unauthorized(Refused):
    """A request has no credentials that count. ``stale``: they were right, but for an old nonce."""

    code = "sip.unauthorized"
    clause = "RFC 3261 22"

    def __init__(self, message: str, *, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


@dataclass(slots=True)
class _Challenge:
    fields: DigestFields
    algorithm: str
    header: str
    uses: int = 0


class DigestClient:
    """Credentials of one user. Remembers the last challenge of each realm, so that it can go ahead next time."""

    def __init__(self, username: str, password: Secret) -> None:
        self._username, self._password = username, password
        self._challenges: dict[tuple[str, str], _Challenge] = {}

    def __repr__(self) -> str:
        return f"DigestClient({self._username!r})"

    def authorize(self, request: Request, response: Response) -> Request:
        """The request with an answer to the challenge in ``response``; CSeq and Via are the caller's.

        :raises CheckFailed: the credentials in ``request`` were for this realm and are wrong.
        :raises BadMessage: there is no challenge that can be answered.
        """
        asks, answers = _HEADERS.get(response.status, _HEADERS[401])
        best: _Challenge | None = None
        for value in response.headers.all(asks):
            fields = DigestFields.decode(value)
            if fields is None:
                continue
            algorithm = fields.get("algorithm").upper() or "MD5"
            offered = [qop.strip(" ") for qop in fields.get("qop").split(",")]
            if (
                algorithm not in ALGORITHMS
                or not fields.get("nonce")
                or not {"auth", ""}.intersection(offered)
            ):
                continue
            if best is None or ALGORITHMS.index(algorithm) < ALGORITHMS.index(best.algorithm):
                best = _Challenge(fields, algorithm, answers)
        if best is None:
            raise BadMessage(
                "there is no digest challenge that we can answer", status=None, clause="RFC 3261 22"
            )
        realm = best.fields.get("realm")
        if _tried(request, answers, realm) and best.fields.get("stale").lower() != "true":
            raise CheckFailed("the credentials were refused", code="sip.credentials", clause="RFC 3261 22.2")
        self._challenges[(answers, realm)] = best
        return self.apply(request)

    def apply(self, request: Request) -> Request:
        """The request with credentials for every challenge seen so far; unchanged when there was none."""
        headers = request.headers
        for name in {name for name, _ in self._challenges}:
            values = [
                self._credentials(request, challenge)
                for (header, _), challenge in self._challenges.items()
                if header == name
            ]
            headers = headers.set(name, *values)
        return request if headers is request.headers else replace(request, headers=headers)

    def _credentials(self, request: Request, challenge: _Challenge) -> str:
        asked = challenge.fields
        values = {
            "username": self._username,
            "realm": asked.get("realm"),
            "nonce": asked.get("nonce"),
            "uri": request.uri,
            "algorithm": challenge.algorithm,
        }
        if asked.get("qop"):
            challenge.uses += 1
            values |= {"qop": "auth", "nc": f"{challenge.uses:08x}", "cnonce": secrets.token_hex(8)}
        if "opaque" in asked.values:
            values["opaque"] = asked.get("opaque")
        h_a1 = user_hash(self._username, asked.get("realm"), self._password, challenge.algorithm)
        values["response"] = proof(h_a1, request.method, DigestFields(values), challenge.algorithm)
        return DigestFields(values).encode(challenge=False)


def _tried(request: Request, header: str, realm: str) -> bool:
    found = [DigestFields.decode(value) for value in request.headers.all(header)]
    return any(fields is not None and fields.get("realm") == realm for fields in found)


# Time of issue in milliseconds, random octets, and the tag that proves both are ours; all in hex.
_NONCE: Final = re.compile(r"([0-9a-f]{12})([0-9a-f]{16})([0-9a-f]{32})")
_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}")
# Compared with when the user is unknown, so that both cases take the same time.
_NOBODY: Final = Secret(b"0" * 64)

Lookup = Callable[[str, str], Secret | None]


class DigestServer:
    """Challenges and checks for one realm.

    ``lookup(username, algorithm)`` gives H(A1) as :func:`mcsec.net.sip.digest.user_hash` makes it, or ``None``.
    ``nonce_life`` in seconds. ``algorithms`` in order of preference. ``proxy``: ask with 407. ``key``
    proves our nonces; servers that share a realm may share it, but each counts uses for itself. ``remembered``:
    nonces in use whose count is kept; when more are in use, the oldest must be asked for again. ``check_uri``:
    the credentials must be for the request URI; switch it off only behind proxies that rewrite it.
    """

    def __init__(
        self,
        realm: str,
        lookup: Lookup,
        *,
        nonce_life: float = 300.0,
        algorithms: tuple[str, ...] = ALGORITHMS,
        proxy: bool = False,
        key: Secret | None = None,
        remembered: int = 50_000,
        check_uri: bool = True,
    ) -> None:
        if not algorithms or not set(algorithms) <= set(ALGORITHMS):
            raise InvalidValue(f"digest knows {', '.join(ALGORITHMS)}", code="sip.digest-algorithm")
        self.realm = realm
        self._lookup = lookup
        self._life, self._algorithms = nonce_life, algorithms
        self._status = 407 if proxy else 401
        self._key = Secret.random(32) if key is None else key
        self._remembered = remembered
        self._check_uri = check_uri
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._not_before = 0

    def challenge(self, request: Request, now: float, *, stale: bool = False) -> Response:
        """The 401 or 407 that asks for credentials, one challenge for each algorithm."""
        name, _ = _HEADERS[self._status]
        nonce = self._nonce(now)
        lines = []
        for algorithm in self._algorithms:
            values = {"realm": self.realm, "nonce": nonce, "qop": "auth", "algorithm": algorithm}
            if stale:
                values["stale"] = "true"
            lines.append((name, DigestFields(values).encode(challenge=True)))
        return make_response(request, self._status, headers=lines)

    def verify(self, request: Request, now: float) -> str:
        """The user name whose credentials the request carries.

        :raises Unauthorized: none, wrong ones, or right ones for a nonce that is too old or was used.
        :raises BadMessage: they are broken.
        """
        fields = self._own(request)
        algorithm = fields.get("algorithm").upper() or "MD5"
        count = fields.get("nc")
        if algorithm not in self._algorithms or fields.get("qop") != "auth" or not fields.get("cnonce"):
            raise Unauthorized("the credentials are for another challenge")
        right_uri = not self._check_uri or Uri.decode(fields.get("uri")).matches(request.parsed_uri())
        if _COUNT.fullmatch(count) is None or not right_uri:
            raise Unauthorized("the credentials are for another request")
        h_a1 = self._lookup(fields.get("username"), algorithm)
        expected = proof(h_a1 or _NOBODY, request.method, fields, algorithm)
        right = hmac.compare_digest(expected.encode(), fields.get("response").lower().encode())
        if not right or h_a1 is None:
            raise Unauthorized("the credentials are wrong")
        self._use(fields.get("nonce"), int(count, 16), now)
        return fields.get("username")

    def _own(self, request: Request) -> DigestFields:
        _, name = _HEADERS[self._status]
        for value in request.headers.all(name):
            fields = DigestFields.decode(value)
            if fields is not None and fields.get("realm") == self.realm:
                return fields
        raise Unauthorized("there are no credentials for this realm")

    def _nonce(self, now: float) -> str:
        body = f"{int(now * 1000) & 0xFFFFFFFFFFFF:012x}{secrets.token_hex(8)}"
        return body + self._tag(body)

    def _tag(self, body: str) -> str:
        return hmac.digest(self._key.reveal(), f"{self.realm}:{body}".encode(), "sha256").hex()[:32]

    def _issued(self, nonce: str) -> int:
        match = _NONCE.fullmatch(nonce)
        if match is None or not hmac.compare_digest(self._tag(match[1] + match[2]), match[3]):
            # Perhaps it was ours before a restart: the password is right, so ask again and do not refuse.
            raise Unauthorized("the nonce is not ours", stale=True)
        return int(match[1], 16)

    def _use(self, nonce: str, count: int, now: float) -> None:
        """Count a use. Only credentials that are right get here, so a stranger fills no memory."""
        issued = self._issued(nonce)
        age = int(now * 1000) - issued
        known = self._counts.get(nonce, 0)
        if not 0 <= age <= self._life * 1000 or count <= known or (not known and issued < self._not_before):
            raise Unauthorized("the nonce is used or too old", stale=True)
        self._counts[nonce] = count
        while len(self._counts) > self._remembered:
            forgotten, _ = self._counts.popitem(last=False)
            # What is forgotten could be replayed: nothing as old as that is taken as new any more.
            self._not_before = max(self._not_before, int(forgotten[:12], 16) + 1)
