"""What an MCX server tells besides what happens to keys: frozen, named for what happened. No token, no key octets."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.ids import KeyId
from mcsec.keys.events import Event


@dataclass(frozen=True, slots=True)
class ClientAuthorised(Event):
    """A client may use the service: IMPU, MC service ID, client ID and CSK are bound."""

    user: str
    impu: str
    client_id: str
    csk: KeyId | None


@dataclass(frozen=True, slots=True)
class ClientLeft(Event):
    """A client logged off, or its registration expired; what bound it is gone."""

    user: str
    reason: str


@dataclass(frozen=True, slots=True)
class AffiliationChanged(Event):
    """A user's set of groups is another one; ``p_id`` names the PUBLISH that asked for it, if one did."""

    user: str
    joined: tuple[str, ...]
    left: tuple[str, ...]
    p_id: str = ""


@dataclass(frozen=True, slots=True)
class ListeningReported(Event):
    """A client says whether it receives bearers; ``group`` is empty for the general purpose subchannel."""

    user: str
    listening: bool
    tmgis: tuple[str, ...]
    group: str


@dataclass(frozen=True, slots=True)
class SuspensionReported(Event):
    """A client says which bearers the network suspends."""

    user: str
    suspended: bool
    tmgis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoreRestored(Event):
    """The store is a copy of the past, for the ``number``-th time: every key that was sent under is replaced."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class ClockJumped(Event):
    """The clock was set by ``seconds``; deliveries that would have waited for that are due now."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StandingBy(Event):
    """Another server is on duty; this one takes its place when it is gone."""

    store: str


@dataclass(frozen=True, slots=True)
class DutyTaken(Event):
    """This server serves the domain, as the ``term``-th that does."""

    term: int


@dataclass(frozen=True, slots=True)
class DutyLost(Event):
    """Another server may serve the domain: this one sends nothing any more, and ends."""

    term: int


@dataclass(frozen=True, slots=True)
class DeliveringToo(Event):
    """Another server is on duty, and this one delivers keys for it."""

    store: str


@dataclass(frozen=True, slots=True)
class NodeCame(Event):
    """Another server shares the store, or does something else now: ``task`` says what."""

    node: str
    place: str
    task: str


@dataclass(frozen=True, slots=True)
class NodeGone(Event):
    """A server that shared the store ended, was killed, or is cut off from it."""

    node: str
    place: str


@dataclass(frozen=True, slots=True)
class RequestRefused(Event):
    """A request changed nothing. ``sender`` is what it claimed, or what was proven."""

    method: str
    sender: str
    peer: str
    status: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeliveryRetried(Event):
    """No answer that counts came; the key is sent again at ``due``."""

    user: str
    key_id: KeyId
    attempts: int
    reason: str
    due: float


@dataclass(frozen=True, slots=True)
class DeliveryGivenUp(Event):
    """A key is not sent to ``user`` any more, until its client registers anew."""

    user: str
    key_id: KeyId
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class NextHopGone(Event):
    """The SIP core, or a proxy of clients, cannot be reached: nothing is sent to it but probes, until it answers."""

    hop: str
    reason: str


@dataclass(frozen=True, slots=True)
class NextHopBack(Event):
    """A next hop answers again, after ``seconds``; what waited for it goes on."""

    hop: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StoreRefused(Event):
    """The store did not take a transaction; it is tried again, and requests are answered 503 meanwhile."""

    code: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class MkfcRefused(Event):
    """A group in Release 13 mode has no MKFC from its GMS, or not the newest; asked for again from time to time."""

    group: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class UpkeepFailed(Event):
    """Something that is tried again did not work: the KMS gave no keys for the next key period."""

    code: str
    reason: str
    hint: str
