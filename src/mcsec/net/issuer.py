"""A small token issuer for one machine: one ES256 key, its JWKS, and tokens for the identities of a domain."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Self

from joserfc import jwt
from joserfc.jwk import ECKey

from mcsec._core import Secret
from mcsec.errors import InvalidValue
from mcsec.net.tokens import ID_CLAIMS

#: Seconds that a token is good for.
LIFETIME = 3600


class LocalIssuer:
    """Issues tokens under its own key.

    :param name: ``iss`` of its tokens.
    """

    def __init__(self, name: str, key: ECKey) -> None:
        self.name = name
        self._key = key
        self._key_id = key.thumbprint()

    @classmethod
    def generate(cls, name: str) -> Self:
        """With a fresh key."""
        return cls(name, ECKey.generate_key("P-256", private=True))

    @classmethod
    def from_secret(cls, name: str, secret: Secret) -> Self:
        """From what :meth:`export` gave.

        :raises InvalidValue: it is no key.
        """
        try:
            return cls(name, ECKey.import_key(secret.reveal()))
        except ValueError:
            raise InvalidValue("no key of a token issuer") from None

    def export(self) -> Secret:
        """The private key (PKCS #8, DER), for storage under wrap."""
        return Secret(self._key.as_der(private=True))

    def jwks(self) -> dict[str, Any]:
        """What everybody may know."""
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self._key_id, "use": "sig", "alg": "ES256"}]}

    def issue(
        self,
        subject: str,
        *,
        audience: str,
        scopes: Sequence[str],
        now: float,
        service_ids: Sequence[str] | None = None,
        lifetime: float = LIFETIME,
    ) -> str:
        """A token for ``subject``, whose MC service IDs are ``service_ids`` (itself, where they are not given)."""
        ids = list(service_ids) if service_ids is not None else [subject]
        claims: dict[str, Any] = {
            "iss": self.name,
            "aud": audience,
            "sub": subject,
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now + lifetime),
            "jti": secrets.token_hex(16),
            "scope": " ".join(scopes),
        }
        claims |= {name: ids[0] if len(ids) == 1 else ids for name in ID_CLAIMS}
        return jwt.encode({"alg": "ES256", "kid": self._key_id, "typ": "at+jwt"}, claims, self._key)
