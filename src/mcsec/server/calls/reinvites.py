"""re-INVITEs in the dialogs of calls: session refresh, another address, another urgency (TS 24.379 10.1.1.2.1.3)."""

from __future__ import annotations

from collections.abc import Callable

from mcsec.errors import LocalError, McsecError, PeerError
from mcsec.keys.policy import GroupRules
from mcsec.net.sip.calls import OnReinvite
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.message import Request, Response
from mcsec.server.calls import bodies
from mcsec.server.calls.around import Around
from mcsec.server.calls.bodies import Terms
from mcsec.server.calls.serving import ClientLeg, Serving
from mcsec.server.floor import Urgency
from mcsec.server.refusals import answer_to
from mcsec.wire import mc_bodies, multipart, sdp
from mcsec.wire.mc_bodies import Body
from mcsec.wire.xmlsec import KeyLookup

Agree = Callable[[Terms], None]
Urge = Callable[[Urgency], None]


def answering(
    around: Around, serving: Serving, leg: ClientLeg, description: bytes, seen: bytes = b""
) -> OnReinvite:
    """Answers re-INVITEs of one of our users' clients; ``seen`` as for :func:`answers`."""

    def agree(terms: Terms) -> None:
        leg.terms = terms

    def urge(urgency: Urgency) -> None:
        if leg.way is not None:
            leg.way.urge(urgency)

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
    :param seen: the body of its INVITE. A session refresh brings it again, perhaps under a key that is gone by then.
    """

    def answer(request: Request) -> Response:
        try:
            content_type = request.headers.get("Content-Type")
            if content_type and request.body not in (b"", seen):
                lookup, protected = keys()
                body = mc_bodies.read(
                    multipart.decode(content_type, request.body), lookup, protected=protected
                )
                _take(body, rules, agree, urge)
        except (PeerError, LocalError) as error:
            return _refused(around, request, error)
        return make_response(request, 200, body=description, content_type=sdp.CONTENT_TYPE)

    return answer


def in_clear() -> tuple[KeyLookup | None, bool]:
    """Between servers XML is protected by TLS only (``docs/readings/calls.md``)."""
    return None, False


def _take(body: Body, rules: GroupRules, agree: Agree, urge: Urge) -> None:
    described = body.part(sdp.CONTENT_TYPE)
    terms = None if described is None else bodies.read(described.content, rules)
    if body.info.emergency_ind is not None or body.info.imminentperil_ind is not None:
        urge(bodies.urgency_of(body.info))
    if terms is not None:
        agree(terms)


def _refused(around: Around, request: Request, error: McsecError) -> Response:
    answer = answer_to(error)
    headers = [] if answer.warning is None else [answer.warning.header(around.domain)]
    return make_response(request, answer.status, headers=headers)
