"""What a SIP peer can do wrong on the wire, with the answer that it deserves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcsec.errors import DecodeError, PeerError

if TYPE_CHECKING:
    from mcsec.net.sip.headers import Headers
    from mcsec.net.sip.message import Response


class BadMessage(DecodeError):
    """The octets are no SIP message that can be acted on.

    ``status`` is the response code to answer with (RFC 3261 21.4), or ``None`` where no answer may be sent.
    ``method`` and ``headers`` are those of the request as far as they could be read: enough for an answer.
    """

    code = "sip.message"
    clause = "RFC 3261 7"

    def __init__(
        self,
        message: str,
        offset: int = 0,
        *,
        status: int | None = 400,
        method: str | None = None,
        headers: Headers | None = None,
        code: str | None = None,
        clause: str | None = None,
    ) -> None:
        super().__init__(message, offset, code=code, clause=clause)
        self.status = status
        self.method = method
        self.headers = headers


class Unreachable(PeerError):
    """A request could not be put on the way: nobody listens there, or the connection broke."""

    code = "sip.unreachable"
    clause = "RFC 3261 8.1.3.1"


class NotAccepted(PeerError):
    """What we asked for was refused; ``response`` says how."""

    what = "request"

    def __init__(self, response: Response) -> None:
        super().__init__(f"the {self.what} was answered {response.status}")
        self.response = response


class NoAnswer(PeerError):
    """A request got no final answer in time."""

    code = "sip.no-answer"
    clause = "RFC 3261 17.1"
