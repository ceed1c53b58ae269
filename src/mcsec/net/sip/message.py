"""SIP requests and responses: tolerant reading, strict writing (RFC 3261 7, 18.3, 20, 25).

Read tolerantly: folded lines, compact names, blanks before the colon, CRLF before the start line, odd blanks
in the start line, host names with an underscore, request URIs of any scheme. Written strictly: one line per
header, full names as given, ``Content-Length`` always and always right, nothing that could start a new line.

A message holds header values as text; what the transaction layer needs is parsed once and remembered.
``Content-Length`` is no header here: it belongs to the framing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from mcsec.errors import InvalidValue
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.grammar import is_token
from mcsec.net.sip.headers import COMPACT, Headers
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import CSeq, NameAddr, Via, decode_address, decode_addresses, decode_vias

VERSION: Final = "SIP/2.0"

_BLANKS = " \t"
_FOLD = re.compile(r"\r\n[ \t]+")
_STATUS = re.compile(r"[1-6][0-9][0-9]")
# Exactly one line of each of these, Content-Length and Max-Forwards at most one (RFC 3261 8.1.1, 20).
_REQUIRED = ("Via", "From", "To", "Call-ID", "CSeq")
_SINGLE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a message is read before it is refused.

    ``head`` and ``body`` in octets, ``headers`` in lines, ``uri`` in octets of the request URI.
    """

    head: int = 32_768
    headers: int = 256
    uri: int = 4_096
    body: int = 1 << 20


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class _Message:
    headers: Headers = field(kw_only=True, default_factory=Headers)
    body: bytes = field(kw_only=True, default=b"")

    @property
    def vias(self) -> list[Via]:
        """All Via values, topmost first."""
        return self.headers.decoded("Via", decode_vias)

    @property
    def from_(self) -> NameAddr:
        """The From header."""
        return self.headers.decoded("From", decode_address)

    @property
    def to(self) -> NameAddr:
        """The To header."""
        return self.headers.decoded("To", decode_address)

    @property
    def cseq(self) -> CSeq:
        """The CSeq header."""
        return self.headers.decoded("CSeq", _single_cseq)

    @property
    def call_id(self) -> str:
        """The Call-ID, compared octet by octet."""
        return self.headers.get("Call-ID", "") or ""

    @property
    def contacts(self) -> list[NameAddr]:
        """All Contact values; ``*`` shows as an address with that URI."""
        return self.headers.decoded("Contact", decode_addresses)

    @property
    def content_type(self) -> str:
        """The media type without parameters in lower case, or an empty string."""
        value = self.headers.get("Content-Type", "") or ""
        return value.partition(";")[0].strip(_BLANKS).lower()


@dataclass(frozen=True, slots=True, repr=False)
class Request(_Message):
    """A request. ``uri`` is the request URI as written; ``body`` may be binary."""

    method: str
    uri: str

    def parsed_uri(self) -> Uri:
        """The request URI in its parts."""
        return Uri.decode(self.uri)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri!r}, {len(self.body)} octets of body>"


@dataclass(frozen=True, slots=True, repr=False)
class Response(_Message):
    """A response. ``status`` is 100 to 699."""

    status: int
    reason: str = ""

    @property
    def final(self) -> bool:
        """Whether no other response follows."""
        return self.status >= 200

    @property
    def ok(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason!r}, {len(self.body)} octets of body>"


Message = Request | Response


def _single_cseq(values: tuple[str, ...]) -> CSeq:
    return CSeq.decode(values[0] if values else "")


def decode(octets: bytes, *, stream: bool = False, limits: Limits = DEFAULT_LIMITS) -> Message:
    """Read one message.

    From a datagram what follows ``Content-Length`` octets of body is dropped, and without that header the
    body reaches to the end. On a ``stream`` the octets are exactly one message, and the header must be there.

    :raises BadMessage: they are none; says which answer is due.
    """
    start = 0
    while octets.startswith(b"\r\n", start):
        start += 2
    end = octets.find(b"\r\n\r\n", start)
    if end < 0:
        raise BadMessage("the headers do not end", len(octets), status=None)
    if end - start > limits.head:
        raise BadMessage("the headers are too long", limits.head, status=None)
    try:
        text = octets[start:end].decode()
    except UnicodeDecodeError as error:
        raise BadMessage("the headers are no UTF-8", start + error.start, status=None) from None
    first, *lines = (_FOLD.sub(" ", text) if "\r\n " in text or "\r\n\t" in text else text).split("\r\n")
    if len(lines) > limits.headers:
        raise BadMessage("there are too many headers", start, status=None)
    method = None if first[:4].upper() == "SIP/" else first.lstrip(_BLANKS).partition(" ")[0]
    headers, length, problem = _decode_headers(lines)
    try:
        if problem is not None:
            raise problem
        body = _cut_body(octets, end + 4, length, stream, limits)
        message = _decode_start(first, headers, body, limits)
        _check(message)
    except BadMessage as error:
        error.method, error.headers = method, headers
        if method is None:
            error.status = None
        raise
    return message


def _decode_headers(lines: list[str]) -> tuple[Headers, list[str], BadMessage | None]:
    """Headers without Content-Length, the values of all lines of that name, and the first thing wrong."""
    items: list[tuple[str, str]] = []
    length: list[str] = []
    problem: BadMessage | None = None
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.rstrip(_BLANKS)
        if not colon or not _is_header_name(name) or "\r" in value or "\n" in value:
            problem = problem or BadMessage("a line is no header", clause="RFC 3261 7.3.1")
            continue
        if len(name) == 1:
            name = COMPACT.get(name.lower(), name)
        value = value.strip(_BLANKS)
        if name.lower() == "content-length":
            length.append(value)
        else:
            items.append((name, value))
    return Headers(items), length, problem


@lru_cache(maxsize=1024)
def _is_header_name(name: str) -> bool:
    return len(name) <= 128 and is_token(name)


def _cut_body(octets: bytes, start: int, length: list[str], stream: bool, limits: Limits) -> bytes:
    there = len(octets) - start
    if not length:
        if stream:
            raise BadMessage("a stream needs Content-Length", start, clause="RFC 3261 18.3")
        wanted = there
    else:
        wanted = body_length(length)
    if wanted > limits.body:
        raise BadMessage("the body is too long", start, status=413, clause="RFC 3261 21.4.11")
    if wanted > there or (stream and wanted != there):
        raise BadMessage(f"{wanted} octets of body are announced, {there} are there", start)
    return octets[start : start + wanted]


def body_length(values: list[str]) -> int:
    """The octets of body that the Content-Length lines announce.

    :raises BadMessage: several lines, or no number.
    """
    if len(values) != 1 or not (values[0].isascii() and values[0].isdigit() and len(values[0]) <= 10):
        raise BadMessage("Content-Length is one number", clause="RFC 3261 20.14")
    return int(values[0])


def _decode_start(line: str, headers: Headers, body: bytes, limits: Limits) -> Message:
    if line[:4].upper() == "SIP/":
        return _decode_status_line(line, headers, body)
    parts = [part for part in line.replace("\t", " ").split(" ") if part]
    if len(parts) != 3 or not is_token(parts[0]):
        raise BadMessage("the first line is no request line", clause="RFC 3261 7.1")
    method, uri, version = parts
    if version.upper() != VERSION:
        raise BadMessage(
            "another version of SIP",
            status=505 if version[:4].upper() == "SIP/" else 400,
            clause="RFC 3261 21.5.6",
        )
    if len(uri) > limits.uri:
        raise BadMessage("the request URI is too long", status=414, clause="RFC 3261 21.4.14")
    Uri.decode(uri)
    return Request(method, uri, headers=headers, body=body)


def _decode_status_line(line: str, headers: Headers, body: bytes) -> Response:
    version, _, rest = line.partition(" ")
    status, _, reason = rest.lstrip(" ").partition(" ")
    if version.upper() != VERSION or _STATUS.fullmatch(status) is None:
        raise BadMessage("the first line is no status line", status=None, clause="RFC 3261 7.2")
    return Response(int(status), reason.strip(_BLANKS), headers=headers, body=body)


def _check(message: Message) -> None:
    """What the transaction layer relies on: the headers of every message are there, once, and can be read."""
    headers = message.headers
    for name in _REQUIRED:
        if name not in headers:
            raise BadMessage(f"{name} is missing", clause="RFC 3261 8.1.1")
    for name in _SINGLE:
        if headers.count(name) > 1:
            raise BadMessage(f"{name} stands there more than once", clause="RFC 3261 7.3.1")
    forwards = headers.get("Max-Forwards")
    if forwards is not None and not (
        forwards.isascii() and forwards.isdigit() and 0 <= int(forwards[:4]) <= 255
    ):
        raise BadMessage("Max-Forwards is 0 to 255", clause="RFC 3261 20.22")
    if not message.call_id or not message.vias:
        raise BadMessage("a required header is empty", clause="RFC 3261 8.1.1")
    for address in (message.from_, message.to):
        Uri.decode(address.uri)
    if isinstance(message, Request) and message.cseq.method != message.method:
        raise BadMessage("CSeq names another method", clause="RFC 3261 8.1.1.5")
    assert message.cseq is not None


@lru_cache(maxsize=1024)
def _check_header_name(name: str) -> None:
    if not is_token(name) or name.lower() == "content-length":
        raise InvalidValue(f"{name!r} cannot be the name of a header here")


def encode(message: Message) -> bytes:
    """The message for the wire, ``Content-Length`` added.

    :raises InvalidValue: a method, URI, reason or header that would not be what it says on the wire.
    """
    if isinstance(message, Request):
        if not is_token(message.method) or any(char in message.uri for char in " \t\r\n"):
            raise InvalidValue("a request line has three words", clause="RFC 3261 7.1")
        start = f"{message.method} {message.uri} {VERSION}"
    else:
        if not 100 <= message.status <= 699:
            raise InvalidValue(f"{message.status} is no status")
        start = f"{VERSION} {message.status} {message.reason}"
    lines = [start]
    for name, value in message.headers:
        _check_header_name(name)
        lines.append(f"{name}: {value}")
    lines.append(f"Content-Length: {len(message.body)}\r\n\r\n")
    text = "\r\n".join(lines)
    # Nothing but the ends of our own lines may look like one: no header can be smuggled in by a value.
    ends = len(lines) + 1
    if text.count("\n") != ends or text.count("\r") != ends:
        raise InvalidValue("a header value has no line end", clause="RFC 3261 7.3.1")
    try:
        return text.encode() + message.body
    except UnicodeEncodeError:
        raise InvalidValue("a header value is no text that UTF-8 can write") from None
