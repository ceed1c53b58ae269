"""SIP bodies with several parts (RFC 2046 5.1, RFC 3261 7.4), octet for octet.

SIP carries parts in binary: a MIKEY message is a part that may start and end with any octet, white space and line
ends too. Each part is therefore exactly what stands between its empty line and the CRLF of the next delimiter;
nothing is trimmed, unfolded or decoded here.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire.media_type import MediaType

MIXED = "multipart/mixed"
#: More parts than any procedure of TS 24.379 has.
MAX_PARTS = 32
_MAX_HEADER_OCTETS = 4096
_CLAUSE = "RFC 2046 5.1.1"
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]\Z")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:([^\r\n]*)\Z")
_FOLD = re.compile(rb"\r\n[ \t]+")
_WHITE = re.compile(rb"[ \t]*")


@dataclass(frozen=True, slots=True)
class Part:
    """One body: its Content-Type, its octets, and its other headers by name as written."""

    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def essence(self) -> str:
        """``type/subtype`` in lower case."""
        return MediaType.parse(self.content_type).essence

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def content_id(self) -> str | None:
        """What a ``cid:`` URI calls this part: Content-ID without its angle brackets (RFC 2392)."""
        value = self.header("Content-ID")
        return value[1:-1] if value and value.startswith("<") and value.endswith(">") else None

    @property
    def content(self) -> bytes:
        """The body with its Content-Transfer-Encoding undone. SIP needs none, some senders use base64.

        :raises DecodeError: an encoding that is not known, or broken base64.
        """
        encoding = (self.header("Content-Transfer-Encoding") or "binary").lower()
        if encoding in ("binary", "8bit", "7bit"):
            return self.body
        if encoding != "base64":
            raise DecodeError("a transfer encoding that is not known", code="mime.encoding")
        return unbase64(self.body)


def unbase64(octets: bytes) -> bytes:
    """Base64 with line ends and blanks anywhere.

    :raises DecodeError: other characters, or missing padding.
    """
    try:
        return b64decode(octets.translate(None, b" \t\r\n"), validate=True)
    except (Base64Error, ValueError):
        raise DecodeError("no base64", code="mime.base64") from None


def encode(parts: Sequence[Part], *, essence: str = MIXED, boundary: str | None = None) -> tuple[str, bytes]:
    """Content-Type and body of ``parts``.

    :param boundary: for vectors. Without it one is chosen that does not occur in the parts.
    :raises InvalidValue: no parts, too many, the boundary occurs in one, or a header cannot be written.
    """
    if not 1 <= len(parts) <= MAX_PARTS:
        raise InvalidValue(f"1 to {MAX_PARTS} parts, not {len(parts)}", code="mime.parts")
    blocks = [_head(part) + b"\r\n\r\n" + part.body for part in parts]
    if boundary is None:
        boundary = _fresh_boundary(blocks)
    elif not _BOUNDARY.match(boundary) or _occurs(boundary, blocks):
        raise InvalidValue("the boundary is none, or occurs in a part", code="mime.boundary", clause=_CLAUSE)
    delimiter = b"--" + boundary.encode()
    body = b"".join(delimiter + b"\r\n" + block + b"\r\n" for block in blocks) + delimiter + b"--\r\n"
    return str(MediaType(essence, {"boundary": boundary})), body


def decode(content_type: str, body: bytes) -> tuple[Part, ...]:
    """The parts of a body. A body whose type is not ``multipart/...`` is one part.

    :raises DecodeError: no boundary, no closing delimiter, no or too many parts, or broken part headers.
    """
    media_type = MediaType.parse(content_type)
    if not media_type.essence.startswith("multipart/"):
        return (Part(content_type, body),)
    boundary = media_type.parameters.get("boundary", "")
    if not _BOUNDARY.match(boundary):
        raise DecodeError("a multipart body without a boundary", code="mime.boundary", clause=_CLAUSE)
    spans, end = _delimiters(body, b"--" + boundary.encode())
    starts = [stop for _, stop in spans]
    ends = [start for start, _ in spans[1:]] + [end]
    return tuple(_part(body, start, stop) for start, stop in zip(starts, ends, strict=True))


def first(parts: Iterable[Part], essence: str) -> Part | None:
    """The first part of a type, such as ``application/mikey``."""
    return next((part for part in parts if part.essence == essence), None)


def _delimiters(body: bytes, delimiter: bytes) -> tuple[list[tuple[int, int]], int]:
    """Start and end of each delimiter line that opens a part, and the start of the closing one.

    The CRLF before a delimiter belongs to it, so that a part may end with line ends of its own. What stands before
    the first delimiter and after the closing one is ignored.
    """
    spans: list[tuple[int, int]] = []
    at = -2 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter)
    while at != -1:
        stop = at + 2 + len(delimiter)
        closing = body.startswith(b"--", stop)
        after = _WHITE.match(body, stop + 2 * closing)
        assert after is not None
        line_end = body.startswith(b"\r\n", after.end())
        if closing and (line_end or after.end() == len(body)):
            if not spans:
                raise DecodeError("a multipart body without parts", stop, code="mime.parts", clause=_CLAUSE)
            return spans, at
        if line_end and not closing:
            spans.append((at, after.end() + 2))
            if len(spans) > MAX_PARTS:
                raise DecodeError(f"more than {MAX_PARTS} parts", stop, code="mime.parts")
            # The CRLF that ends this line may be the one that starts the next delimiter: an empty header block.
            stop = after.end()
        at = body.find(b"\r\n" + delimiter, stop)
    raise DecodeError("the closing delimiter is missing", len(body), code="mime.boundary", clause=_CLAUSE)


def _part(body: bytes, start: int, end: int) -> Part:
    if body.startswith(b"\r\n", start):
        head, content = b"", start + 2
    else:
        blank = body.find(b"\r\n\r\n", start, end)
        if blank == -1 or blank - start > _MAX_HEADER_OCTETS:
            raise DecodeError("the headers of a part do not end", start, code="mime.headers", clause=_CLAUSE)
        head, content = body[start:blank], blank + 4
    if content > end:
        raise DecodeError("a part without an empty line", start, code="mime.headers", clause=_CLAUSE)
    headers = []
    content_type = "text/plain"
    for line in _FOLD.sub(b" ", head).split(b"\r\n") if head else ():
        found = _HEADER.match(line)
        if found is None:
            raise DecodeError("no header of a part", start, code="mime.headers", clause=_CLAUSE)
        name, value = found[1].decode(), found[2].strip(b" \t").decode(errors="replace")
        if name.lower() == "content-type":
            content_type = value
        else:
            headers.append((name, value))
    return Part(content_type, body[content:end], tuple(headers))


def _head(part: Part) -> bytes:
    lines = [("Content-Type", part.content_type), *part.headers]
    try:
        written = [f"{name}: {value}".encode() for name, value in lines]
    except UnicodeEncodeError:
        raise InvalidValue("a header that is no Unicode text", code="mime.headers") from None
    if any(b"\r" in line or b"\n" in line or not _HEADER.match(line) for line in written):
        raise InvalidValue("a header of a part cannot be written", code="mime.headers")
    return b"\r\n".join(written)


def _fresh_boundary(blocks: Sequence[bytes]) -> str:
    while True:
        boundary = f"mc-{secrets.token_hex(12)}"
        if not _occurs(boundary, blocks):
            return boundary


def _occurs(boundary: str, blocks: Sequence[bytes]) -> bool:
    return any(b"--" + boundary.encode() in block for block in blocks)
