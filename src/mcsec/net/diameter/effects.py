"""What the engine brings about: things for the shell to do, and events, all frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcsec.errors import McsecError
from mcsec.net.diameter.config import PeerConfig
from mcsec.wire.diameter.base import ProxyInfo
from mcsec.wire.diameter.header import Header


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a connection, then tell ``connected`` or ``not_connected``."""

    connection: int
    peer: PeerConfig


@dataclass(frozen=True, slots=True)
class Write:
    """Send these octets."""

    connection: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Send what is still to be sent, then close; the engine has forgotten the connection."""

    connection: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """Which request an answer belongs to, and which way it goes back."""

    connection: int
    header: Header
    origin_host: str
    session_id: str
    proxy_info: tuple[ProxyInfo, ...]

    @property
    def identity(self) -> tuple[str, int, str]:
        """What stays the same when the request comes again another way."""
        return self.origin_host, self.header.end_to_end, self.session_id


@dataclass(frozen=True, slots=True)
class Deliver:
    """A request for the application; answer it with ``answer`` and the ticket."""

    ticket: Ticket
    request: Any


@dataclass(frozen=True, slots=True)
class Answered:
    """A request of ours succeeded."""

    request: int
    answer: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A request of ours did not."""

    request: int
    error: McsecError


@dataclass(frozen=True, slots=True)
class PeerUp:
    """Capabilities are exchanged. ``applications`` are those in common."""

    host: str
    dialled: bool
    applications: frozenset[int]


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The connection is gone, or going."""

    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class PeerSuspect:
    """A watchdog request has no answer yet; new requests go elsewhere (RFC 3539 3.4.1)."""

    host: str


@dataclass(frozen=True, slots=True)
class PeerRecovered:
    """The peer answers watchdog requests again."""

    host: str


@dataclass(frozen=True, slots=True)
class PeerRestarted:
    """Origin-State-Id grew: the peer lost its state (RFC 6733 8.16)."""

    host: str
    origin_state_id: int


@dataclass(frozen=True, slots=True)
class DialFailed:
    """No connection came about, or no capabilities exchange on it."""

    host: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionRefused:
    """Somebody connected who may not."""

    remote: str
    origin_host: str | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """A peer sent what it must not. ``code`` is stable; the peer was told where it asked for something."""

    host: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RequestMoved:
    """A pending request went to another peer, marked as possibly a duplicate (RFC 6733 5.5.4)."""

    origin: str
    target: str


@dataclass(frozen=True, slots=True)
class DuplicateAnswered:
    """A request came again and got the answer it had got before."""

    host: str
    origin_host: str


Event = (
    PeerUp
    | PeerDown
    | PeerSuspect
    | PeerRecovered
    | PeerRestarted
    | DialFailed
    | ConnectionRefused
    | MessageRefused
    | RequestMoved
    | DuplicateAnswered
)
Effect = Dial | Write | Close | Deliver | Answered | Failed | Event
