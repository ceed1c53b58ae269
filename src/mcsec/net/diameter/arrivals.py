"""Requests of others: read, judged, handed to the application, answered, and answered again when they come again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mcsec.net.diameter.duplicates import AnswerCache
from mcsec.net.diameter.effects import Deliver, DuplicateAnswered, Ticket
from mcsec.net.diameter.peer import Peer
from mcsec.net.diameter.shared import Connection, Shared
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode_body, peek_envelope
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.table import BASE
from mcsec.wire.diameter.violation import Violation


class Arrivals:
    """The way of a request from the connection to the application, and of its answer back."""

    def __init__(self, shared: Shared) -> None:
        config = shared.config
        self._shared = shared
        self._classes = {app.identifier: app.request_classes() for app in config.applications}
        self._cache = AnswerCache(config.limits.answers, config.timings.duplicates)
        self._host, self._realm = config.host.lower(), config.realm.lower()

    def arrived(self, peer: Peer, connection: Connection, header: Header, octets: bytes, now: float) -> None:
        """A request of an application arrived on the peer's open connection."""
        try:
            request = decode_body(octets, self._class_of(header))
            self._check_origin(peer, request)
            self._check_destination(request)
            if connection.handling >= self._shared.config.limits.handling:
                raise Violation("too many requests await an answer", ResultCode.TOO_BUSY)
        except Violation as violation:
            self.refuse(connection, header, octets, violation)
            return
        ticket = Ticket(
            connection.number, header, request.origin_host, request.session_id, request.proxy_info
        )
        if header.is_retransmission and self._again(peer, ticket, now):
            return
        self._cache.begin(ticket.identity, now)
        connection.handling += 1
        self._shared.effects.append(Deliver(ticket, request))

    def answer(self, ticket: Ticket, answer: Any) -> None:
        """Send the application's answer, wherever it is awaited by now."""
        self._handled(ticket)
        self._write(ticket, answer)
        for again in self._cache.finish(ticket.identity, answer):
            self._write(again, answer)

    def withdraw(self, ticket: Ticket, reason: str) -> None:
        """The application has no answer: say UNABLE_TO_COMPLY, and execute the request if it comes again."""
        self._handled(ticket)
        self._cache.forget(ticket.identity)
        self._write(
            ticket, self._shared.error_answer(ticket.session_id, ResultCode.UNABLE_TO_COMPLY, reason, None)
        )

    def leave_unanswered(self, ticket: Ticket) -> None:
        """There will be no answer at all."""
        self._handled(ticket)
        self._cache.forget(ticket.identity)

    def refuse(self, connection: Connection, header: Header, octets: bytes, violation: Violation) -> None:
        """Answer a request that is wrong in itself, in the grammar that always fits (RFC 6733 7.2)."""
        self._shared.refuse(connection, violation.code, str(violation))
        session_id, proxies = peek_envelope(octets)
        answer = self._shared.error_answer(
            session_id, violation.result_code, violation.reason, violation.failed
        )
        self._shared.send_answer(connection, replace(answer, proxy_info=proxies), header)

    def _class_of(self, header: Header) -> type[Any]:
        commands = self._classes.get(header.application)
        if commands is None and header.application != BASE:
            raise Violation(f"application {header.application}", ResultCode.APPLICATION_UNSUPPORTED, 8)
        cls = (commands or {}).get(header.command)
        if cls is None:
            raise Violation(f"command {header.command}", ResultCode.COMMAND_UNSUPPORTED, 5)
        return cls

    def _check_origin(self, peer: Peer, request: Any) -> None:
        """A peer speaks for itself; only an agent speaks for others, and only for its realms."""
        config, realm = peer.config, request.origin_realm.lower()
        itself = request.origin_host.lower() == config.host.lower() and realm == config.realm.lower()
        if not itself and realm not in config.realms:
            raise Violation(f"it may not speak for {request.origin_host}", ResultCode.AUTHORIZATION_REJECTED)

    def _check_destination(self, request: Any) -> None:
        if any(host.lower() == self._host for host in request.route_record):
            raise Violation("the request was here before", ResultCode.LOOP_DETECTED)
        if request.destination_realm.lower() != self._realm:
            raise Violation(f"realm {request.destination_realm} is not served", ResultCode.REALM_NOT_SERVED)
        if request.destination_host is not None and request.destination_host.lower() != self._host:
            raise Violation(f"no way to {request.destination_host}", ResultCode.UNABLE_TO_DELIVER)

    def _again(self, peer: Peer, ticket: Ticket, now: float) -> bool:
        """Whether a request marked as possible duplicate is one, and so needs no second execution."""
        known = self._cache.find(ticket.identity, now)
        if known is None:
            return False
        self._shared.tell(DuplicateAnswered(peer.config.host, ticket.origin_host))
        if known.answer is None:
            known.awaited.append(ticket)
        else:
            self._write(ticket, known.answer)
        return True

    def _handled(self, ticket: Ticket) -> None:
        connection = self._shared.connections.get(ticket.connection)
        if connection is not None:
            connection.handling -= 1

    def _write(self, ticket: Ticket, answer: Any) -> None:
        """An answer carries the Proxy-Info of the very request that it goes back to (RFC 6733 6.2)."""
        connection = self._shared.connections.get(ticket.connection)
        if connection is None:
            self._shared.counters["unsent.answer"] += 1
            return
        if ticket.proxy_info:
            answer = replace(answer, proxy_info=ticket.proxy_info)
        self._shared.send_answer(connection, answer, ticket.header)
