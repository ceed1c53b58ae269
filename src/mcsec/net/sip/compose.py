"""Writing requests and responses: what RFC 3261 says each must carry (8.1.1, 8.2.6, 9.1, 17.1.1.3)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from mcsec.errors import InvalidValue
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.headers import Headers
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.values import MAGIC_COOKIE, CSeq, NameAddr, Via, decode_address, decode_vias

#: Reason phrases that SIP has and HTTP has not, or words otherwise (RFC 3261 21, 3265, 3323, 4028, 5626).
_REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    302: "Moved Temporarily",
    380: "Alternative Service",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    439: "First Hop Lacks Outbound Support",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}

MAX_FORWARDS: Final = "70"


def reason_of(status: int) -> str:
    """The usual reason phrase of a status."""
    if status in _REASONS:
        return _REASONS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return {1: "Progress", 2: "OK", 3: "Redirected", 4: "Refused", 5: "Failed"}.get(
            status // 100, "Declined"
        )


def new_tag() -> str:
    """A fresh tag for From or To: 64 random bits (RFC 3261 19.3 asks for 32)."""
    return secrets.token_hex(8)


def new_call_id() -> str:
    """A fresh Call-ID that tells nothing of the host."""
    return secrets.token_hex(16)


def new_branch() -> str:
    """A fresh branch of a Via."""
    return MAGIC_COOKIE + secrets.token_hex(12)


def make_request(
    method: str,
    uri: str,
    *,
    from_: str | NameAddr,
    to: str | NameAddr | None = None,
    call_id: str | None = None,
    cseq: int = 1,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> Request:
    """A request outside a dialog, all but its Via, which the transport writes (RFC 3261 8.1.1).

    ``from_`` gets a fresh tag unless it has one; ``to`` is the request URI unless given. ``headers`` come
    after the required ones.

    :raises InvalidValue: a body without content type, or the other way round.
    """
    if (content_type is None) == bool(body):
        raise InvalidValue("a body and its content type come together", clause="RFC 3261 7.4.1")
    sender = NameAddr(from_) if isinstance(from_, str) else from_
    receiver = NameAddr(uri if to is None else to) if to is None or isinstance(to, str) else to
    if sender.tag is None:
        sender = sender.tagged(new_tag())
    lines = [
        ("Max-Forwards", MAX_FORWARDS),
        ("From", sender.encode()),
        ("To", receiver.encode()),
        ("Call-ID", call_id or new_call_id()),
        ("CSeq", CSeq(cseq, method).encode()),
        *headers,
    ]
    if content_type is not None:
        lines.append(("Content-Type", content_type))
    return Request(method, uri, headers=Headers(lines), body=body)


def make_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> Response:
    """The answer to ``request`` with this status (RFC 3261 8.2.6).

    Via, From, Call-ID, CSeq and To are copied; a To without tag gets ``to_tag`` or a fresh one, but for 100.

    :raises InvalidValue: a body without content type, or the other way round.
    """
    if (content_type is None) == bool(body):
        raise InvalidValue("a body and its content type come together", clause="RFC 3261 7.4.1")
    lines = _copied(request.headers, status, to_tag)
    lines += headers
    if content_type is not None:
        lines.append(("Content-Type", content_type))
    return Response(
        status, reason_of(status) if reason is None else reason, headers=Headers(lines), body=body
    )


def refusal(request: Request, status: int, reason: str | None = None) -> Response:
    """A plain refusal; 503 tells when to come back."""
    headers = [("Retry-After", "5")] if status == 503 else []
    return make_response(request, status, reason, headers=headers)


def _copied(headers: Headers, status: int, to_tag: str | None) -> list[tuple[str, str]]:
    lines = [("Via", value) for value in headers.all("Via")]
    lines += [("From", value) for value in headers.all("From")]
    to = headers.get("To", "") or ""
    address = headers.decoded("To", decode_address)
    if status != 100 and address.tag is None:
        # Without brackets a parameter that we add would be read as one of the URI.
        to = f"{to if '<' in to else address.encode()};tag={to_tag or new_tag()}"
    lines.append(("To", to))
    lines += [("Call-ID", value) for value in headers.all("Call-ID")]
    lines += [("CSeq", value) for value in headers.all("CSeq")]
    if status == 100:
        lines += [("Timestamp", value) for value in headers.all("Timestamp")]
    return lines


def answer_to_bad(error: BadMessage) -> Response | None:
    """The answer to a request that could not be read whole; ``None`` when none is due or possible.

    None is due to an ACK, and none is possible where Via, From, To, Call-ID or CSeq cannot be copied.
    """
    headers = error.headers
    if headers is None or error.status is None or error.method in (None, "ACK"):
        return None
    try:
        single = all(len(headers.all(name)) == 1 for name in ("From", "To", "Call-ID", "CSeq"))
        if not single or not headers.decoded("Via", decode_vias):
            return None
        lines = _copied(headers, error.status, None)
    except BadMessage:
        return None
    return Response(error.status, reason_of(error.status), headers=Headers(lines))


def make_ack(request: Request, response: Response) -> Request:
    """The ACK of a client transaction for a final response that is no 2xx (RFC 3261 17.1.1.3)."""
    return _companion(request, "ACK", response.headers.get("To", "") or "")


def make_cancel(request: Request) -> Request:
    """The CANCEL of a request that was sent, with the same Via (RFC 3261 9.1)."""
    return _companion(request, "CANCEL", request.headers.get("To", "") or "")


def _companion(request: Request, method: str, to: str) -> Request:
    """A request that goes the way of another one and is matched to it by the branch."""
    lines = [
        ("Via", request.vias[0].encode()),
        ("Max-Forwards", MAX_FORWARDS),
        ("From", request.headers.get("From", "") or ""),
        ("To", to),
        ("Call-ID", request.call_id),
        ("CSeq", CSeq(request.cseq.number, method).encode()),
        *(("Route", value) for value in request.headers.all("Route")),
    ]
    return Request(method, request.uri, headers=Headers(lines))


def with_via(request: Request, via: Via) -> Request:
    """The request with this Via on top."""
    return replace(request, headers=request.headers.first("Via", via.encode()))
