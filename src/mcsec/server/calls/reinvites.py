"""re-INVITEs in the dialogs of calls: session refresh, another address, another urgency (TS 24.379 10.1.1.2.1.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mcsec.errors import LocalError, McsecError, PeerError, Refused
from mcsec.keys.policy import GroupRules
from mcsec.net.sip.calls import OnReinvite
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.message import Request, Response
from mcsec.server.calls import bodies
from mcsec.server.calls.around import Around
from mcsec.server.calls.bodies import Terms
from mcsec.server.calls.legs import PartnerSaysNo
from mcsec.server.calls.serving import ClientLeg, Serving
from mcsec.server.floor import Urgency
from mcsec.server.refusals import answer_to
from mcsec.wire import mc_bodies, multipart, sdp
from mcsec.wire.xmlsec import KeyLookup

Agree = Callable[[Terms], None]
Urge = Callable[[Urgency], Awaitable[None] | None]
"""Takes another urgency; what it gives is waited for."""


def answering(
    around: Around, serving: Serving, leg: ClientLeg, description: bytes, seen: bytes = b""
) -> OnReinvite:
    """Answers re-INVITEs of one of our users' clients; ``seen`` as for :func:`answers`."""

    def agree(terms: Terms) -> None:
        leg.terms = terms

    def urge(urgency: Urgency) -> Awaitable[None] | None:
        if leg.way is None:
            raise Refused("the call is not set up yet", code="call.releasing")
        return leg.way.urge(urgency)

    def keys() -> tuple[KeyLookup | None, bool]:
        function = around.server.function
        found = function.lookup(leg.user)
        return found, found is not None and function.settings.protection

    return answers(around, serving.group.rules, description, keys, agree, urge, seen)


def answers(
    around: Around,
    rules: GroupRules,
    description: bytes,
    keys: Callable[[], tuple[KeyLookup | None, bool]],
    agree: Agree,
    urge: Urge,
    seen: bytes = b"",
) -> OnReinvite:
    """Answers re-INVITEs.

    :param description: ours, which stays. :param keys: opens protected XML, and whether it must be.
    :param agree: takes what the other side describes now. :param urge: takes another urgency.
    :param seen: the body of its INVITE. A session refresh brings the last one again, perhaps under a key that is gone
        by then, and says nothing new: what it asked for may have been taken back by others.
    """

    def answer(request: Request) -> Response | Awaitable[Response]:
        try:
            content_type = request.headers.get("Content-Type")
            if content_type and request.body not in (b"", seen):
                lookup, protected = keys()
                body = mc_bodies.read(
                    multipart.decode(content_type, request.body), lookup, protected=protected
                )
                described = body.part(sdp.CONTENT_TYPE)
                terms = None if described is None else bodies.read(described.content, rules)
                urgent = body.info.emergency_ind is not None or body.info.imminentperil_ind is not None
                deciding = urge(bodies.urgency_of(body.info)) if urgent else None
                if deciding is not None:
                    return wait(deciding, request, terms)
                take(request, terms)
        except (PeerError, LocalError) as error:
            return _refused(around, request, error)
        return accepted(request)

    async def wait(deciding: Awaitable[None], request: Request, terms: Terms | None) -> Response:
        try:
            await deciding
            take(request, terms)
        except (PeerError, LocalError) as error:
            return _refused(around, request, error)
        return accepted(request)

    def take(request: Request, terms: Terms | None) -> None:
        nonlocal seen
        if terms is not None:
            agree(terms)
        seen = request.body

    def accepted(request: Request) -> Response:
        return make_response(request, 200, body=description, content_type=sdp.CONTENT_TYPE)

    return answer


def in_clear() -> tuple[KeyLookup | None, bool]:
    """Between servers XML is protected by TLS only (``docs/readings/calls.md``)."""
    return None, False


def _refused(around: Around, request: Request, error: McsecError) -> Response:
    if isinstance(error, PartnerSaysNo):
        warning = [] if error.warning is None else [("Warning", error.warning)]
        return make_response(request, error.status, headers=warning)
    answer = answer_to(error)
    headers = [] if answer.warning is None else [answer.warning.header(around.domain)]
    return make_response(request, answer.status, headers=headers)
