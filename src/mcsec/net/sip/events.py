"""What happened at an endpoint, for logs, metrics and tests, and the counters of it.

No event holds a header value or a body: those may hold credentials and keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.net.sip.peer import Peer


@dataclass(frozen=True, slots=True)
class MessageMalformed:
    """Octets came that are no SIP message. ``answered`` is the status of our answer, if there was one."""

    peer: Peer
    code: str
    reason: str
    answered: int | None


@dataclass(frozen=True, slots=True)
class RequestRejected:
    """A request was refused before any handler saw it."""

    peer: Peer
    method: str
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class ResponseUnmatched:
    """A response came that belongs to no request of ours; it was dropped."""

    peer: Peer
    status: int


@dataclass(frozen=True, slots=True)
class HandlerFailed:
    """A handler raised what it should not have; the peer was answered 500. ``error`` is the exception's type."""

    method: str
    error: str


@dataclass(frozen=True, slots=True)
class ConnectionOpened:
    """A TCP or TLS connection is there."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """A TCP or TLS connection is gone."""

    peer: Peer
    reason: str


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """A request or response of ours could not be delivered: the flow broke or nobody answered."""

    method: str
    reason: str


SipEvent = (
    MessageMalformed
    | RequestRejected
    | ResponseUnmatched
    | HandlerFailed
    | ConnectionOpened
    | ConnectionClosed
    | DeliveryFailed
)


@dataclass(slots=True)
class Counters:
    """Totals since the endpoint started."""

    requests_received: int = 0
    responses_received: int = 0
    requests_sent: int = 0
    responses_sent: int = 0
    retransmissions_sent: int = 0
    malformed: int = 0
    rejected: int = 0
    unmatched: int = 0
    handlers_failed: int = 0
    deliveries_failed: int = 0
