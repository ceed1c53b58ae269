"""Where clients are: bindings of the embedded registrar, or nothing at all, because the SIP core knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mcsec.errors import PeerError, Refused
from mcsec.net.sip.grammar import Params
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.registrar import Binding, Registrar, RegistrarSettings
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import NameAddr
from mcsec.net.sip.ways import Target
from mcsec.store.server import StoredUser

#: Registrations of people who are not authorised for the service (yet): more of them get no room.
_STRANGERS = 20_000


@dataclass(frozen=True, slots=True)
class Place:
    """How a client is reached: request URI, next hop (None: as the URI says), and the way that Path gave (RFC 3327)."""

    uri: str
    target: Target | None
    route: tuple[str, ...] = ()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The Route headers of a request."""
        return [("Route", value) for value in self.route]


class Locations:
    """The registrar of one function, and the flows that are open.

    ``core``: the SIP core is the next hop of everything; it routes by public user identity.
    """

    def __init__(self, core: Hop | None, settings: RegistrarSettings) -> None:
        self._core = core
        self._registrar = Registrar(settings)
        self._open: set[int] = set()

    def register(self, request: Request, peer: Peer, impu: str, now: float) -> tuple[Response, int]:
        """Carry out a REGISTER: the answer, and the seconds that the address is registered for (0: not any more)."""
        response, _ = self._registrar.register(request, peer, now)
        if not response.ok:
            return response, 0
        if peer.reliable:
            self._open.add(peer.flow)
        left = [binding.expires_at - now for binding in self._registrar.lookup(impu, now)]
        return response, max(1, round(max(left))) if left and not _is_farewell(request) else 0

    def check_room(self, authorised: int) -> None:
        """Whether one more may register that is not authorised for the service yet.

        :raises Refused: too many are.
        """
        if len(self._registrar) - authorised >= _STRANGERS:
            raise Refused("too many registrations without authorisation", code="server.crowded")

    def closed(self, peer: Peer) -> None:
        """A connection is gone; whoever was registered over it is reached by a new one, if at all."""
        self._open.discard(peer.flow)

    def restore(self, users: Iterable[StoredUser]) -> None:
        """Bindings that were written down before a restart; their connections are gone."""
        self._registrar.restore(
            Binding(user.impu, user.contact, 1.0, user.expires, "", 0, Params(), user.path, None)
            for user in users
            if user.contact
        )

    def written(self, impu: str) -> tuple[str, tuple[str, ...]]:
        """Contact and Path of an address, as they are written down; empty where there is none."""
        try:
            bindings = self._registrar.lookup(impu, 0.0)
        except PeerError:
            return "", ()
        best = max(bindings, key=self._rank, default=None)
        return ("", ()) if best is None else (best.contact, best.path)

    def where(self, impu: str, now: float) -> Place | None:
        """How a client is reached; None: it is not registered."""
        if self._core is not None:
            return Place(impu, self._core)
        bindings = self._registrar.lookup(impu, now)
        if not bindings:
            return None
        binding = max(bindings, key=self._rank)
        source = binding.source
        if isinstance(source, Peer) and (not source.reliable or source.flow in self._open):
            return Place(binding.contact, source, binding.path)
        return along(binding.contact, binding.path)

    def _rank(self, binding: Binding) -> tuple[bool, float, float]:
        """The better place to reach a client: a connection that is open, then what it prefers, then the newest."""
        source = binding.source
        return (isinstance(source, Peer) and source.flow in self._open, binding.q, binding.expires_at)


def along(contact: str, path: tuple[str, ...]) -> Place | None:
    """How a client is reached without its own connection: by the way that Path gave, else at its contact.

    None: one of them names no place.
    """
    try:
        first = NameAddr.decode(path[0]).uri if path else contact
        return Place(contact, Hop.of(Uri.decode(first)), path)
    except (PeerError, ValueError):
        return None


def _is_farewell(request: Request) -> bool:
    """Whether a REGISTER takes back every contact that it names."""
    usual = request.headers.get("Expires")
    asked = [contact.params.get("expires") or usual for contact in request.contacts]
    return bool(asked) and all(value == "0" for value in asked)
