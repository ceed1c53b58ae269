"""The arithmetic and the syntax of digest authentication (RFC 3261 22.4, RFC 7616 as RFC 8760 takes it for SIP)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from mcsec._core import Secret
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.grammar import quote, split, unquote

#: Hashes by their name in ``algorithm``, the preferred one first. MD5 is here because deployed SIP asks for it.
ALGORITHMS: Final = ("SHA-256", "MD5")
# Written without quotes in credentials (RFC 3261 25.1); ``qop`` joins them there, but not in a challenge.
_BARE_IN_CREDENTIALS: Final = frozenset({"algorithm", "nc", "qop"})
_BARE_IN_CHALLENGE: Final = frozenset({"algorithm", "stale"})


def digest(algorithm: str, data: bytes) -> str:
    """The hash that ``algorithm`` names, in lower-case hex."""
    if algorithm == "SHA-256":
        return hashlib.sha256(data).hexdigest()
    # MD5 guards nothing but the exchange with peers that know no other hash; the operator can leave it out.
    return hashlib.md5(data).hexdigest()  # noqa: S324


@dataclass(frozen=True, slots=True)
class DigestFields:
    """A challenge or credentials: parameter names in lower case, values without quotes."""

    values: dict[str, str]

    @classmethod
    def decode(cls, text: str) -> DigestFields | None:
        """Read a header value; ``None`` for another scheme than Digest.

        :raises BadMessage: a parameter is broken or stands there twice.
        """
        scheme, _, rest = text.strip(" \t").partition(" ")
        if scheme.lower() != "digest":
            return None
        values: dict[str, str] = {}
        for item in split(rest, ","):
            name, equals, value = item.partition("=")
            name = name.strip(" \t").lower()
            if not item:
                continue
            if not equals or not name or name in values:
                raise BadMessage("a digest parameter is broken", clause="RFC 3261 25.1")
            values[name] = unquote(value.strip(" \t"))
        return cls(values)

    def get(self, name: str) -> str:
        """A value; an empty string for one that is not there."""
        return self.values.get(name, "")

    def encode(self, *, challenge: bool) -> str:
        """The header value, quoted as challenges or credentials are."""
        bare = _BARE_IN_CHALLENGE if challenge else _BARE_IN_CREDENTIALS
        return "Digest " + ", ".join(
            f"{name}={value if name in bare else quote(value)}" for name, value in self.values.items()
        )

    def __repr__(self) -> str:
        return f"DigestFields({', '.join(self.values)})"


def user_hash(username: str, realm: str, password: Secret, algorithm: str) -> Secret:
    """H(A1) in lower-case hex: what a server needs to know of a password (RFC 3261 22.4)."""
    return Secret(digest(algorithm, f"{username}:{realm}:".encode() + password.reveal()).encode())


def proof(h_a1: Secret, method: str, fields: DigestFields, algorithm: str) -> str:
    """``response`` of these credentials, with ``qop`` when they have one."""
    h_a2 = digest(algorithm, f"{method}:{fields.get('uri')}".encode())
    middle = fields.get("nonce")
    if fields.get("qop"):
        middle += f":{fields.get('nc')}:{fields.get('cnonce')}:{fields.get('qop')}"
    return digest(algorithm, h_a1.reveal() + f":{middle}:{h_a2}".encode())
