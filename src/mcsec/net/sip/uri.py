"""SIP and SIPS URIs (RFC 3261 19.1); every other scheme stays in one piece."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import unquote

from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.grammar import Params

# Printable ASCII but for what would end the URI where it stands.
_ALLOWED = re.compile(r"[!#-;=?-~]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*")
# An underscore is no host name (RFC 1123), but deployed domains have it, so reading lets it pass.
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9_](?:[A-Za-z0-9._\-]*[A-Za-z0-9_.])?)")
_SIP = frozenset({"sip", "sips"})
# These make two URIs differ even when only one of them has the parameter (RFC 3261 19.1.4).
_DISTINGUISHING = ("user", "ttl", "method", "maddr", "transport")


# The same few hosts stand in most messages; the size bounds what a stranger can fill.
@lru_cache(maxsize=4096)
def decode_host_port(text: str) -> tuple[str, int | None]:
    """Read ``host`` or ``host:port``; an IPv6 address is in brackets and keeps them.

    :raises BadMessage: no host, or a port outside 1 to 65535.
    """
    host = _HOST.match(text)
    if host is None:
        raise BadMessage("there is no host", clause="RFC 3261 25.1")
    if host[1] is not None:
        try:
            IPv6Address(host[1])
        except AddressValueError:
            raise BadMessage("what stands in brackets is no IPv6 address") from None
    rest = text[host.end() :].strip(" \t")
    if not rest:
        return host[0], None
    digits = rest[1:].lstrip(" \t")
    if rest[0] != ":" or not (digits.isascii() and digits.isdigit() and len(digits) <= 5):
        raise BadMessage("there is no port after the host", host.end())
    port = int(digits)
    if not 1 <= port <= 65535:
        raise BadMessage(f"{port} is no port", host.end())
    return host[0], port


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI in its parts, each as written (percent escapes too).

    For ``sip`` and ``sips``: ``user`` (with a password, if someone still sends one), ``host``, ``port``,
    ``params``, ``headers`` (after the question mark). For other schemes ``opaque`` is all after the colon.
    """

    scheme: str
    user: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = field(default_factory=Params)
    headers: str = ""
    opaque: str = ""

    @staticmethod
    def decode(text: str) -> Uri:
        """Read an absolute URI of any scheme.

        :raises BadMessage: no scheme, a character that no URI has, or a broken SIP URI.
        """
        return _decode(text)

    def encode(self) -> str:
        """The URI as text."""
        if self.scheme not in _SIP:
            return f"{self.scheme}:{self.opaque}"
        user = "" if self.user is None else f"{self.user}@"
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{self.params.encode()}{headers}"

    def __str__(self) -> str:
        return self.encode()

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case."""
        value = self.params.get("transport")
        return None if value is None else value.lower()

    @property
    def loose(self) -> bool:
        """Whether the element behind this URI routes loosely (``lr``)."""
        return self.params.has("lr")

    def address_of_record(self) -> str:
        """The key of this URI in a location service (RFC 3261 10.3 step 5).

        No port, parameters or headers, no escapes, the host in lower case.
        """
        if self.scheme not in _SIP:
            return self.encode()
        user = "" if self.user is None else f"{unquote(self.user)}@"
        return f"{self.scheme}:{user}{self.host.lower()}"

    def matches(self, other: Uri) -> bool:
        """Whether both name the same resource by the rules of RFC 3261 19.1.4."""
        if self.scheme not in _SIP or other.scheme not in _SIP:
            return self == other
        mine, theirs = self._parameters(), other._parameters()
        return (
            self.scheme == other.scheme
            and (self.user is None) == (other.user is None)
            and unquote(self.user or "") == unquote(other.user or "")
            and self.host.lower() == other.host.lower()
            and self.port == other.port
            and all(mine.get(name) == theirs.get(name) for name in _DISTINGUISHING)
            and all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())
            and self._headers() == other._headers()
        )

    def _parameters(self) -> dict[str, str]:
        return {name.lower(): unquote(value or "").lower() for name, value in self.params.items}

    def _headers(self) -> list[str]:
        return sorted(unquote(header).lower() for header in self.headers.split("&") if header)


# One message names the same URI two or three times.
@lru_cache(maxsize=4096)
def _decode(text: str) -> Uri:
    scheme, colon, rest = text.partition(":")
    if not colon or _SCHEME.fullmatch(scheme) is None or not rest:
        raise BadMessage("a URI starts with its scheme", clause="RFC 3261 25.1")
    if _ALLOWED.fullmatch(rest) is None:
        raise BadMessage("a character in the URI is not allowed there", len(scheme) + 1)
    scheme = scheme.lower()
    if scheme not in _SIP:
        return Uri(scheme, opaque=rest)
    user: str | None = None
    if "@" in rest:
        user, _, rest = rest.partition("@")
        if not user:
            raise BadMessage("the user part is empty", len(scheme) + 1)
    rest, _, headers = rest.partition("?")
    host_port, semicolon, params = rest.partition(";")
    host, port = decode_host_port(host_port)
    return Uri(scheme, user, host, port, Params.decode(semicolon + params), headers)
