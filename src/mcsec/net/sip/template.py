"""The fast path of a fan-out: one request for many recipients, rendered from octets; answers matched unread.

All that recipients have in common is written once. For each one the request URI, To, Call-ID, branch and body are
put between the pieces. Of an answer only status and branch are looked at; whoever wants more decodes it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mcsec.errors import InvalidValue
from mcsec.net.sip.message import Request, encode
from mcsec.net.sip.values import MAGIC_COOKIE

# Written for each recipient or by the transport; whatever the prototype says of them is left out.
_OWN: Final = ("Via", "To", "Call-ID")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*:(?=.)")
# What would end a URI between angle brackets or in a request line, besides what is no printable ASCII.
_ENDS: Final = (" ", '"', "<", ">")
_STATUS: Final = re.compile(rb"SIP/2\.0 ([1-6][0-9][0-9])[ \r]")


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """Octets of a request up to what differs. Make it with :meth:`of`."""

    start: bytes
    after_via: bytes
    after_call_id: bytes

    @classmethod
    def of(cls, prototype: Request) -> MessageTemplate:
        """A template of a request outside a dialog.

        Its method, From, CSeq and all other headers are kept; URI, To, Call-ID, Via and body are not.

        :raises InvalidValue: the prototype cannot be written, or is an INVITE, which is no matter for a fan-out.
        """
        if prototype.method in ("INVITE", "ACK", "CANCEL"):
            raise InvalidValue(f"{prototype.method} is not sent to many at once", code="sip.template")
        bare = Request(prototype.method, "sip:x", headers=prototype.headers.without(*_OWN))
        head = encode(bare).partition(b"\r\n")[2].removesuffix(b"Content-Length: 0\r\n\r\n")
        return cls(prototype.method.encode() + b" ", head + b"To: <", b"\r\n" + b"Content-Length: ")

    def render(
        self, uri: str, via: bytes, branch: bytes, call_id: bytes, body: bytes, route: bytes = b""
    ) -> bytes:
        """The request for one recipient. ``via`` is the line up to ``branch=``, as :func:`via_line` gives it.

        ``route`` are its Route headers, as :func:`route_lines` gives them.

        :raises InvalidValue: ``uri`` is none.
        """
        if (
            _SCHEME.match(uri) is None
            or not (uri.isascii() and uri.isprintable())
            or any(map(uri.count, _ENDS))
        ):
            raise InvalidValue("a recipient is a URI", code="sip.template")
        name = uri.encode()
        return b"".join(
            (
                self.start,
                name,
                via,
                branch,
                b";rport\r\n",
                route,
                self.after_via,
                name,
                b">\r\nCall-ID: ",
                call_id,
                self.after_call_id,
                b"%d\r\n\r\n" % len(body),
                body,
            )
        )

    def size(self, uri: str, body: bytes) -> int:
        """About how many octets :meth:`render` gives, not less."""
        return (
            len(self.start) + len(self.after_via) + len(self.after_call_id) + 2 * len(uri) + len(body) + 240
        )


@lru_cache(maxsize=1024)
def route_lines(route: tuple[str, ...]) -> bytes:
    """Route headers with these values.

    :raises InvalidValue: a value cannot stand in a header.
    """
    if not all(value and value.isprintable() for value in route):
        raise InvalidValue("a Route is one line", code="sip.template")
    return "".join(f"Route: {value}\r\n" for value in route).encode()


def via_line(transport: str, host: str, port: int) -> bytes:
    """The rest of the request line and the Via up to its branch; the same for all recipients by one transport."""
    return f" SIP/2.0\r\nVia: SIP/2.0/{transport} {host}:{port};branch=".encode()


class Branches:
    """Branches that tell by themselves which request of ours an answer is for.

    The first part is random, so nobody who has not seen a request can make an answer to it.
    """

    def __init__(self) -> None:
        self._prefix = f"{MAGIC_COOKIE}{secrets.token_hex(8)}-".encode()
        self._pattern = re.compile(re.escape(self._prefix) + rb"([0-9a-f]{1,16})(?![0-9A-Za-z.!%*_+`'~-])")
        self._count = 0

    def next(self) -> tuple[int, bytes]:
        """The next number and its branch."""
        self._count += 1
        return self._count, b"%s%x" % (self._prefix, self._count)

    def answered(self, octets: bytes) -> tuple[int, int] | None:
        """Number and status, when ``octets`` are an answer to one of these branches."""
        found = self._pattern.search(octets)
        if found is None:
            return None
        status = _STATUS.match(octets)
        return None if status is None else (int(found[1], 16), int(status[1]))
