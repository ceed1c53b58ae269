"""Access tokens (JWT) of OpenID Connect issuers: their keys fetched, kept and renewed, their claims checked.

Only signatures of the allow-list count: no ``none``, no shared keys. A token must name issuer, audience and expiry.
What a token says is returned as :class:`Claims`; who may do what with it is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from mcsec.errors import CheckFailed, DecodeError, McsecError

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
#: Claims that hold MC service IDs (TS 33.180 annex B; a reading: the list can be configured).
ID_CLAIMS = ("mcptt_id", "mcvideo_id", "mcdata_id")

_MAX_TOKEN_OCTETS = 8192
_MAX_SERVICE_IDS = 100
_REMEMBERED = 10_000

FetchJwks = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gives an issuer's JWKS, from its address or from a file."""


class TokenRefused(CheckFailed):
    """An access token does not count; ``code`` starts with ``token.``."""

    code = "token.invalid"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says: its bearer, who issued it, MC service IDs, scopes, expiry (Unix seconds).

    ``token_id`` is the ``jti``, or a digest of the token where it has none: good for logs.
    """

    subject: str
    issuer: str
    token_id: str
    service_ids: tuple[str, ...]
    scopes: frozenset[str]
    expires: float
    not_before: float


@dataclass(slots=True)
class Issuer:
    """An issuer that is believed.

    :ivar name: its ``iss``.
    :ivar audience: at least one of these must be in ``aud``.
    :ivar fetch: where its keys come from.
    :ivar keep: seconds until the keys are fetched again.
    :ivar patience: seconds between fetches for the sake of a key ID that is not known.
    :ivar stale: seconds that keys are still believed when they cannot be fetched.
    """

    name: str
    audience: tuple[str, ...]
    fetch: FetchJwks
    keep: float = 300
    patience: float = 10
    stale: float = 86_400
    _keys: KeySet | None = field(default=None, repr=False)
    _document: Mapping[str, Any] | None = field(default=None, repr=False)
    _fetched: float = field(default=0.0, repr=False)
    _tried: float = field(default=-1e18, repr=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    async def keys(self, key_id: str | None, now: float) -> KeySet:
        """The issuer's keys, fetched when it is time, or when ``key_id`` is not among them.

        :raises TokenRefused: there are none to be had (``token.no-keys``).
        """
        if self._wants(key_id, now):
            async with self._turn:
                # Whoever comes while the keys are fetched waits for them.
                if self._wants(key_id, now) and now - self._tried > self.patience:
                    await self._renew(now)
        if self._keys is None or now - self._fetched > self.stale:
            raise TokenRefused(f"no fresh keys of issuer {self.name}", code="token.no-keys")
        return self._keys

    def _wants(self, key_id: str | None, now: float) -> bool:
        if self._keys is None or now - self._fetched > self.keep:
            return True
        return key_id is not None and not _has(self._keys, key_id)

    async def _renew(self, now: float) -> None:
        self._tried = now
        try:
            document = await self.fetch()
            # The same keys stay the same object: what they verified need not be verified again.
            if self._keys is None or document != self._document:
                self._keys = KeySet.import_key_set(document)  # type: ignore[arg-type]  # its TypedDict
                self._document = document
            self._fetched = now
        except (McsecError, OSError, ValueError, TypeError, KeyError, JoseError) as error:
            if self._keys is None:
                raise TokenRefused(
                    f"no keys of issuer {self.name}: {type(error).__name__}",
                    code="token.no-keys",
                    hint="check that the address of its JWKS can be reached from here",
                ) from None


def _has(keys: KeySet, key_id: str) -> bool:
    return any(key.kid == key_id for key in keys.keys)


class TokenValidator:
    """Checks tokens of a few issuers. Remembers, within bounds, which it has checked.

    :param skew: seconds that an issuer's clock may be off.
    """

    def __init__(
        self,
        issuers: Sequence[Issuer],
        *,
        skew: float = 60,
        id_claims: Sequence[str] = ID_CLAIMS,
        algorithms: Sequence[str] = ALGORITHMS,
    ) -> None:
        if not set(algorithms) <= set(ALGORITHMS):
            raise ValueError("an algorithm that is not offered")
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._skew = skew
        self._id_claims = tuple(id_claims)
        self._algorithms = list(algorithms)
        self._checked: OrderedDict[bytes, tuple[Claims, KeySet]] = OrderedDict()

    async def validate(self, token: str, now: float) -> Claims:
        """The claims of a token.

        :param token: the compact form, as after ``Bearer``.
        :raises TokenRefused: it does not count; the code says why, for the log and not for the peer.
        """
        if len(token) > _MAX_TOKEN_OCTETS or not token.isascii():
            raise TokenRefused("a token that is too long or no token", code="token.malformed")
        digest = hashlib.sha256(token.encode()).digest()
        remembered = self._checked.get(digest)
        if remembered is not None:
            claims, keys = remembered
            # Keys that were renewed may no longer hold the one that signed.
            if await self._issuers[claims.issuer].keys(None, now) is keys:
                self._check_times(claims, now)
                self._checked.move_to_end(digest)
                return claims
            del self._checked[digest]
        issuer, key_id = self._issuer_of(token)
        keys = await issuer.keys(key_id, now)
        claims = self._claims(self._decode(token, keys), issuer, digest)
        self._check_times(claims, now)
        self._checked[digest] = claims, keys
        if len(self._checked) > _REMEMBERED:
            self._checked.popitem(last=False)
        return claims

    def _issuer_of(self, token: str) -> tuple[Issuer, str | None]:
        """The issuer that a token claims, not yet believed, and the ID of its key."""
        header, payload = _peek(token)
        if header.get("alg") not in self._algorithms:
            raise TokenRefused("a token under an algorithm that is not allowed", code="token.algorithm")
        name, key_id = payload.get("iss"), header.get("kid")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise TokenRefused("a token of an issuer that is not configured", code="token.issuer")
        return issuer, key_id if isinstance(key_id, str) else None

    def _decode(self, token: str, keys: KeySet) -> Mapping[str, Any]:
        try:
            return jwt.decode(token, keys, algorithms=self._algorithms).claims
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            # The library's text may quote the token.
            raise TokenRefused(
                f"a token that does not verify: {type(error).__name__}", code="token.signature"
            ) from None

    def _claims(self, claims: Mapping[str, Any], issuer: Issuer, digest: bytes) -> Claims:
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != issuer.name or not any(name in audiences for name in issuer.audience):
            raise TokenRefused(
                "a token for another audience", code="token.audience", hint=f"expected {issuer.audience[0]}"
            )
        subject, token_id = claims.get("sub"), claims.get("jti")
        if not isinstance(subject, str) or not subject:
            raise TokenRefused("a token without subject", code="token.claims")
        ids: list[str] = []
        for name in self._id_claims:
            value = claims.get(name, [])
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(item, str) and item for item in values):
                raise TokenRefused("an MC service ID that is no text", code="token.claims")
            ids += values
        ids = list(dict.fromkeys(ids))
        if len(ids) > _MAX_SERVICE_IDS:
            raise TokenRefused("too many MC service IDs", code="token.claims")
        return Claims(
            subject=subject,
            issuer=issuer.name,
            token_id=token_id
            if isinstance(token_id, str) and 0 < len(token_id) <= 128
            else digest.hex()[:32],
            service_ids=tuple(ids),
            scopes=_scopes(claims.get("scope")),
            expires=_number(claims, "exp"),
            not_before=_number(claims, "nbf") if "nbf" in claims else 0.0,
        )

    def _check_times(self, claims: Claims, now: float) -> None:
        if now > claims.expires + self._skew:
            raise TokenRefused("a token that has expired", code="token.expired")
        if now < claims.not_before - self._skew:
            raise TokenRefused("a token that is not yet valid", code="token.early")


def _peek(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from base64 import urlsafe_b64decode

    parts = token.split(".")
    try:
        header, payload = (json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
        if len(parts) != 3 or not isinstance(header, dict) or not isinstance(payload, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise TokenRefused("no token", code="token.malformed") from None
    return header, payload


def _scopes(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(item for item in value if isinstance(item, str))
    return frozenset()


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise TokenRefused(f"a token without a usable {name}", code="token.claims")
    return float(value)


def bearer(header: str | None) -> str:
    """The token in an ``Authorization`` header.

    :raises TokenRefused: there is none (``token.missing``).
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused("no access token", code="token.missing")
    return token.strip()


def read_jwks(document: bytes) -> Mapping[str, Any]:
    """A JWKS document.

    :raises DecodeError: it is none.
    """
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("keys"), list) or not value["keys"]:
        raise DecodeError("no JWKS", code="token.jwks")
    return value
