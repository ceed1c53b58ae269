"""Requests of ours: which peer takes them, who waits for what, and what happens when a peer goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcsec.errors import LocalError, McsecError
from mcsec.net.diameter.effects import Answered, Failed, RequestMoved
from mcsec.net.diameter.errors import PeerLost, RequestRefused, RequestTimeout, Unreachable
from mcsec.net.diameter.peer import Peer
from mcsec.net.diameter.shared import Shared
from mcsec.wire.diameter.base import ErrorAnswer, SessionRequest
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode_body, encode_request, retransmission
from mcsec.wire.diameter.results import is_success
from mcsec.wire.diameter.violation import Violation


@dataclass(slots=True, eq=False)
class Pending:
    """A request without answer."""

    number: int
    octets: bytes
    command: int
    answer: type[Any]
    application: int
    destination_host: str | None
    destination_realm: str
    hop_by_hop: int
    end_to_end: int
    peer: Peer


class Requests:
    """All requests without answer, each with exactly one peer."""

    def __init__(self, shared: Shared, peers: Mapping[str, Peer]) -> None:
        self._shared, self._peers = shared, peers
        self._answers = {cls: app for app in shared.config.applications for cls, _ in app.exchanges}
        self._number = 0
        self._pending: dict[int, Pending] = {}

    def send(self, message: SessionRequest[Any], now: float, timeout: float) -> int:
        """Send a request; its number comes back in ``Answered`` or ``Failed``.

        :raises LocalError: too many are pending, or the application is not this node's.
        :raises Unreachable: no open peer takes it.
        :raises InvalidValue: a value does not fit its AVP.
        """
        application = self._answers.get(type(message))
        if application is None:
            raise LocalError(
                f"{type(message).__name__} is of no application of this node", code="diameter.application"
            )
        if len(self._pending) >= self._shared.config.limits.in_flight:
            raise LocalError("too many requests without answer", code="diameter.in-flight")
        host, realm = message.destination_host, message.destination_realm
        peer = self._route(application.identifier, host, realm, None)
        if peer is None:
            raise Unreachable(f"no open peer for {host or realm}")
        hop_by_hop, end_to_end = self._shared.next_hop_by_hop(), self._shared.next_end_to_end()
        octets = encode_request(message, hop_by_hop, end_to_end)
        self._number += 1
        pending = Pending(
            self._number,
            octets,
            int.from_bytes(octets[5:8]),
            application.answer_of(type(message)),
            application.identifier,
            host,
            realm,
            hop_by_hop,
            end_to_end,
            peer,
        )
        self._pending[pending.number] = pending
        self._give(pending, peer)
        self._shared.timers.set(
            ("request", pending.number), now + timeout, lambda _: self._timed_out(pending)
        )
        return pending.number

    def cancel(self, number: int) -> None:
        """Nobody waits for this answer any more."""
        pending = self._pending.get(number)
        if pending is not None:
            self._forget(pending)

    def answered(self, peer: Peer, header: Header, octets: bytes) -> None:
        """An answer arrived from ``peer``."""
        pending: Pending | None = peer.pending.get(header.hop_by_hop)
        connection = peer.connection
        assert connection is not None
        if pending is None:
            # Late, after a time-out or a fail-over; or made up. Either way nobody waits for it.
            self._shared.counters["stray.answer"] += 1
            return
        if (header.command, header.end_to_end) != (pending.command, pending.end_to_end):
            self._shared.refuse(connection, "diameter.answer-mismatch", "an answer is to another request")
            return
        try:
            answer = self._read(pending, header, octets)
        except RequestRefused as refused:
            self._fail(pending, refused)
        except Violation as violation:
            self._shared.refuse(connection, violation.code, f"an answer: {violation}")
            self._fail(pending, violation)
        else:
            self._forget(pending)
            self._shared.effects.append(Answered(pending.number, answer))

    def leave(self, peer: Peer, now: float, *, fail: bool) -> None:
        """Give the peer's requests to others; ``fail`` those that nobody takes."""
        for pending in list(peer.pending.values()):
            other = self._route(
                pending.application, pending.destination_host, pending.destination_realm, peer
            )
            if other is not None and not self._shared.stopping:
                del peer.pending[pending.hop_by_hop]
                pending.hop_by_hop = self._shared.next_hop_by_hop()
                pending.octets = retransmission(pending.octets, pending.hop_by_hop)
                self._give(pending, other)
                self._shared.tell(RequestMoved(peer.config.host, other.config.host))
            elif fail:
                self._fail(pending, PeerLost(f"{peer.config.host} went while a request was pending"))

    def _route(self, application: int, host: str | None, realm: str, without: Peer | None) -> Peer | None:
        candidates = [
            peer
            for peer in self._peers.values()
            if peer is not without and _reaches(peer, application, host, realm)
        ]
        trusted = (peer for peer in candidates if peer.takes_requests)
        return next(trusted, None) or next(
            (peer for peer in candidates if peer.takes_requests_if_need_be), None
        )

    def _give(self, pending: Pending, peer: Peer) -> None:
        connection = peer.connection
        assert connection is not None
        pending.peer = peer
        peer.pending[pending.hop_by_hop] = pending
        self._shared.counters["sent.request"] += 1
        self._shared.write(connection, pending.octets)

    def _read(self, pending: Pending, header: Header, octets: bytes) -> Any:
        if header.is_error:
            raise RequestRefused(decode_body(octets, ErrorAnswer))
        try:
            answer = decode_body(octets, pending.answer)
        except Violation as violation:
            # A failure may be told without the AVPs that a success must have (RFC 6733 7.1.5).
            failure = _failure(octets)
            if failure is not None:
                raise RequestRefused(failure) from None
            raise violation from None
        if answer.result_code is None or not is_success(answer.result_code):
            raise RequestRefused(answer)
        return answer

    def _timed_out(self, pending: Pending) -> None:
        self._fail(pending, RequestTimeout(f"{pending.peer.config.host} gives no answer"))

    def _fail(self, pending: Pending, error: McsecError) -> None:
        self._forget(pending)
        self._shared.counters[error.code] += 1
        self._shared.effects.append(Failed(pending.number, error))

    def _forget(self, pending: Pending) -> None:
        del self._pending[pending.number]
        self._shared.timers.cancel(("request", pending.number))
        del pending.peer.pending[pending.hop_by_hop]


def _reaches(peer: Peer, application: int, host: str | None, realm: str) -> bool:
    """Whether the peer is the destination, serves its realm, or is an agent on the way to it."""
    if application not in peer.applications:
        return False
    if realm.lower() in peer.config.realms:
        return True
    if host is not None:
        return host.lower() == peer.config.host.lower()
    return realm.lower() == peer.config.realm.lower()


def _failure(octets: bytes) -> ErrorAnswer | None:
    try:
        answer = decode_body(octets, ErrorAnswer)
    except Violation:
        return None
    failed = answer.result_code is not None and not is_success(answer.result_code)
    return answer if failed or answer.experimental_result is not None else None
