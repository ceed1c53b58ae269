"""Dialogs (RFC 3261 12): what both sides must remember to send requests to each other. No sockets, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mcsec.errors import DecodeError, InvalidValue, Refused
from mcsec.net.sip.compose import MAX_FORWARDS
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.headers import Headers
from mcsec.net.sip.message import Message, Request, Response
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import CSEQ_LIMIT, CSeq, NameAddr, decode_addresses

#: Methods whose requests and 2xx answers may move the remote target (RFC 3261 12.2, 6665 4.1, 3311).
_REFRESHING = frozenset({"INVITE", "SUBSCRIBE", "NOTIFY", "UPDATE"})


@dataclass(frozen=True, slots=True)
class DialogId:
    """Names a dialog on our side."""

    call_id: str
    local_tag: str
    remote_tag: str

    @classmethod
    def of_request(cls, request: Request) -> DialogId:
        """The dialog that a request of the peer means."""
        return cls(request.call_id, request.to.tag or "", request.from_.tag or "")

    @property
    def half(self) -> DialogId:
        """The same before the peer's tag is known."""
        return DialogId(self.call_id, self.local_tag, "")


class OutOfOrder(Refused):
    """A request of the dialog came late: answer it 500 (RFC 3261 12.2.2)."""

    code = "sip.dialog-order"
    clause = "RFC 3261 12.2.2"


def status_for(error: OutOfOrder | DecodeError) -> int:
    """How a request that a dialog cannot take is answered: 500 when it came late, 400 when it is broken."""
    return 500 if isinstance(error, OutOfOrder) else 400


def _target(message: Message) -> str:
    contacts = message.contacts
    if len(contacts) != 1 or contacts[0].uri == "*":
        raise BadMessage("a dialog needs exactly one Contact", clause="RFC 3261 12.1")
    Uri.decode(contacts[0].uri)
    return contacts[0].uri


class Dialog:
    """One dialog. ``contact`` is our own Contact value; ``target`` is where the peer wants its requests."""

    def __init__(
        self,
        *,
        call_id: str,
        local: NameAddr,
        remote: NameAddr,
        target: str,
        routes: Iterable[str],
        contact: str,
        local_cseq: int,
        remote_cseq: int | None,
    ) -> None:
        self.id = DialogId(call_id, local.tag or "", remote.tag or "")
        self.local, self.remote = local, remote
        self.target = target
        self.routes = tuple(routes)
        self.contact = contact
        self._check_way()
        self._local_cseq, self._remote_cseq = local_cseq, remote_cseq

    @classmethod
    def of_response(cls, request: Request, response: Response) -> Dialog:
        """The caller's side: from its request and an answer that has a To tag.

        :raises BadMessage: the answer has no tag or no Contact.
        """
        if response.to.tag is None:
            raise BadMessage("there is no dialog without a To tag", status=None, clause="RFC 3261 12.1.2")
        recorded = response.headers.listed("Record-Route")
        return cls(
            call_id=request.call_id,
            local=request.from_,
            remote=response.to,
            target=_target(response),
            routes=reversed(recorded),
            contact=request.headers.get("Contact", "") or "",
            local_cseq=request.cseq.number,
            remote_cseq=None,
        )

    @classmethod
    def of_request(cls, request: Request, local_tag: str, contact: str) -> Dialog:
        """The called side: from the request, the tag that our answer gives it, and our Contact.

        :raises BadMessage: the request has no Contact.
        """
        return cls(
            call_id=request.call_id,
            local=request.to.tagged(local_tag),
            remote=request.from_,
            target=_target(request),
            routes=request.headers.listed("Record-Route"),
            contact=contact,
            local_cseq=0,
            remote_cseq=request.cseq.number,
        )

    def request(
        self,
        method: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Request:
        """The next request in the dialog, all but its Via (RFC 3261 12.2.1.1).

        :raises InvalidValue: a body without content type, or the other way round.
        """
        if self._local_cseq + 1 >= CSEQ_LIMIT:
            raise InvalidValue("the dialog has no CSeq number left", code="sip.cseq")
        self._local_cseq += 1
        return self._request(method, self._local_cseq, headers, body, content_type)

    def ack(self, invite: Request, headers: Iterable[tuple[str, str]] = ()) -> Request:
        """The ACK for a 2xx to ``invite``; credentials of the INVITE go with it (RFC 3261 13.2.2.4)."""
        kept = [
            (name, value)
            for name, value in invite.headers
            if name.lower() in ("authorization", "proxy-authorization")
        ]
        return self._request("ACK", invite.cseq.number, [*kept, *headers], b"", None)

    def _request(
        self,
        method: str,
        cseq: int,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        content_type: str | None,
    ) -> Request:
        if (content_type is None) == bool(body):
            raise InvalidValue("a body and its content type come together", clause="RFC 3261 7.4.1")
        uri, routes = self.target, list(self.routes)
        if routes and not NameAddr.decode(routes[0]).parsed().loose:
            # A strict router wants itself in the request URI and the target at the end (RFC 3261 12.2.1.1).
            uri = NameAddr.decode(routes[0]).uri
            routes = [*routes[1:], NameAddr(self.target).encode()]
        lines = [("Max-Forwards", MAX_FORWARDS)]
        lines += [("Route", route) for route in routes]
        lines += [
            ("From", self.local.encode()),
            ("To", self.remote.encode()),
            ("Call-ID", self.id.call_id),
            ("CSeq", CSeq(cseq, method).encode()),
        ]
        if method in _REFRESHING and self.contact:
            lines.append(("Contact", self.contact))
        lines += headers
        if content_type is not None:
            lines.append(("Content-Type", content_type))
        return Request(method, uri, headers=Headers(lines), body=body)

    def received(self, request: Request) -> None:
        """Take note of a request of the peer; a re-INVITE or the like may move its target.

        :raises OutOfOrder: its CSeq is not above the last one.
        :raises BadMessage: it would move the target and has no proper Contact.
        """
        if request.method != "ACK":
            if self._remote_cseq is not None and request.cseq.number <= self._remote_cseq:
                raise OutOfOrder("a request of the dialog came late")
            self._remote_cseq = request.cseq.number
        self._refresh(request.method, request)

    def answered(self, response: Response) -> None:
        """Take note of an answer of the peer: a 2xx to a re-INVITE or the like may move its target.

        :raises BadMessage: its Contact is none.
        """
        if response.ok:
            self._refresh(response.cseq.method, response)

    def _check_way(self) -> None:
        """A dialog whose requests could go nowhere is refused when it is made, not found out when it must end."""
        first = NameAddr.decode(self.routes[0]).uri if self.routes else self.target
        try:
            Hop.of(Uri.decode(first))
        except InvalidValue as error:
            raise BadMessage(f"no request can follow to {first!r}: {error}", clause="RFC 3261 12.1") from None

    def continue_from(self, cseq: int) -> None:
        """Number our requests from here on, for a dialog that a NOTIFY made out of our SUBSCRIBE."""
        self._local_cseq = max(self._local_cseq, cseq)

    def learn_routes(self, response: Response) -> None:
        """Take the route set from the answer when a NOTIFY came first and proxies recorded nothing in it."""
        if not self.routes and response.to.tag == self.id.remote_tag:
            self.routes = tuple(reversed(response.headers.listed("Record-Route")))
            self._check_way()

    def _refresh(self, method: str, message: Message) -> None:
        if method in _REFRESHING and "Contact" in message.headers:
            before, self.target = self.target, _target(message)
            try:
                self._check_way()
            except BadMessage:
                self.target = before
                raise


def first_hop(request: Request) -> str | None:
    """The URI of the first Route when it routes loosely; else the request URI decides (RFC 3261 8.1.2)."""
    routes = request.headers.decoded("Route", decode_addresses)
    if routes and routes[0].parsed().loose:
        return routes[0].uri
    return None
