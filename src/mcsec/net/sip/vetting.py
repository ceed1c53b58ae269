"""What is done to every message before anybody acts on it (RFC 3261 8.2, 18.2.1; RFC 3325 5; RFC 3581)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from mcsec.net.sip.compose import make_response
from mcsec.net.sip.headers import Headers
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import ASSERTIONS, Peer, Trust
from mcsec.net.sip.values import Via

METHODS: Final = (
    "INVITE",
    "ACK",
    "CANCEL",
    "BYE",
    "OPTIONS",
    "REGISTER",
    "MESSAGE",
    "PUBLISH",
    "SUBSCRIBE",
    "NOTIFY",
)
_SCHEMES: Final = frozenset({"sip", "sips", "tel", "urn"})


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this endpoint speaks: ``methods`` (Allow) and ``extensions`` (Supported)."""

    methods: tuple[str, ...] = METHODS
    extensions: tuple[str, ...] = ("path", "timer")


def without_false_assertions(headers: Headers, peer: Peer, trust: Trust) -> Headers:
    """The headers without what only a trusted neighbour may assert, unless the peer is one (RFC 3325 5)."""
    return headers if trust.covers(peer) else headers.without(*ASSERTIONS)


def stamped(request: Request, peer: Peer) -> tuple[Request, Peer]:
    """The request with ``received`` and ``rport`` in its top Via, and the peer with the port for answers.

    RFC 3261 18.2.1 and 18.2.2, RFC 3581 4. ``maddr`` is not followed: no answer of ours goes to a multicast
    address because a stranger asked for it.
    """
    via = request.vias[0]
    params = via.params
    wants_port = params.has("rport")
    if wants_port:
        params = params.with_("rport", peer.port).with_("received", peer.host)
    elif via.host.strip("[]").lower() != peer.host.lower():
        params = params.with_("received", peer.host)
    if params is not via.params:
        vias = [Via(via.transport, via.host, via.port, params), *request.vias[1:]]
        written = [each.encode() for each in vias]
        request = replace(request, headers=request.headers.set("Via", *written, decoded=vias))
    if peer.reliable or wants_port or via.sent_by[1] == peer.port:
        return request, peer
    return request, replace(peer, reply_port=via.sent_by[1])


def objection(request: Request, abilities: Abilities) -> Response | None:
    """The refusal that a request earns before its method is looked at (RFC 3261 8.2.1, 8.2.2)."""
    if request.method not in abilities.methods:
        return make_response(request, 405, headers=[("Allow", ", ".join(abilities.methods))])
    if request.parsed_uri().scheme not in _SCHEMES:
        return make_response(request, 416)
    if "Require" in request.headers and request.method not in ("ACK", "CANCEL"):
        unknown = [
            tag for tag in request.headers.listed("Require") if tag.lower() not in abilities.extensions
        ]
        if unknown:
            return make_response(request, 420, headers=[("Unsupported", ", ".join(unknown))])
    return None
