"""What the transaction layer brings about: things to send, and things that happened, in frozen objects."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from mcsec.net.sip.message import Request, Response

#: Where a message goes or came from: the layer only hands it on.
Target = Hashable


@dataclass(frozen=True, slots=True)
class ClientKey:
    """Names a client transaction (RFC 3261 17.1.3)."""

    branch: str
    method: str


@dataclass(frozen=True, slots=True)
class ServerKey:
    """Names a server transaction (RFC 3261 17.2.3); ACK has the key of its INVITE."""

    branch: str
    sent_by: tuple[str, int]
    method: str


Key = ClientKey | ServerKey


@dataclass(frozen=True, slots=True)
class Send:
    """Put these octets on the way; on failure tell :meth:`TransactionLayer.transport_failed`.

    ``again`` marks a retransmission that a timer asked for: a sign of loss.
    """

    octets: bytes
    target: Target
    key: Key | None
    again: bool = False


@dataclass(frozen=True, slots=True)
class RequestArrived:
    """A request that starts a server transaction; answer with :meth:`TransactionLayer.respond`.

    For a CANCEL, ``cancels`` is the INVITE transaction that it means, if that is still there.
    """

    key: ServerKey
    request: Request
    source: Target
    cancels: ServerKey | None = None


@dataclass(frozen=True, slots=True)
class AckArrived:
    """An ACK for a 2xx: it belongs to no transaction and is never answered."""

    request: Request
    source: Target


@dataclass(frozen=True, slots=True)
class ResponseArrived:
    """A response for a client transaction; for INVITE there may be several with 2xx."""

    key: ClientKey
    response: Response


@dataclass(frozen=True, slots=True)
class StrayResponse:
    """A response that belongs to nothing; it was dropped (RFC 6026 7.2)."""

    response: Response
    source: Target


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A request that no transaction can be made of; its answer, if one is due, is on the way."""

    request: Request
    source: Target
    reason: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nobody answered a request of ours, or acknowledged a refusal of ours, in time."""

    key: Key


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """What the transaction sent could not be put on the way."""

    key: Key
    reason: str


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    """The transaction is forgotten."""

    key: Key


Effect = (
    Send
    | RequestArrived
    | AckArrived
    | ResponseArrived
    | StrayResponse
    | RequestRefused
    | TimedOut
    | TransportFailed
    | TransactionEnded
)
