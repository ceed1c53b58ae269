"""Calls that come to a client: every check of an INVITE, in order (TS 24.379 10.1.1.2.2; TS 33.180 9.3).

Sans-I/O. An INVITE counts when it is of our own participating function, its XML is protected under our CSK, it is for
us and about a group of ours, and its description will do. It is answered automatically; one that fails is refused, one
event and one count, and nothing has changed.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from mcsec.client.calls.session import Terms, read
from mcsec.client.inbox import Arrival, Inbox
from mcsec.errors import Refused
from mcsec.net.sip.message import Request
from mcsec.wire import sdp
from mcsec.wire.mc_bodies import Body

_CLAUSE = "TS 24.379 10.1.1.2.2"


@dataclass(frozen=True, slots=True)
class Invitation:
    """A call that we are invited to. ``inviter`` and ``session_id`` are empty where the server does not say."""

    group: str
    inviter: str
    session_id: str
    terms: Terms


def read_invitation(
    request: Request, inbox: Inbox, groups: Container[str], busy: Container[str], now: float
) -> Invitation:
    """What an INVITE invites us to.

    :param groups: those that the user is affiliated to. :param busy: those that there is a call with.
    :raises PeerError: it must be refused (:func:`mcsec.client.refusals.answer_to`).
    """
    body = inbox.read(Arrival.of(request), now)
    if body.info.session_type != "prearranged":
        # Members of a chat group join by themselves; private calls are no group calls.
        raise Refused(
            f"no session of type {body.info.session_type!r} is taken",
            code="call.session-type",
            clause=_CLAUSE,
        )
    group, inviter = body.info.calling_group_id, body.info.calling_user_id
    if not isinstance(group, str) or group not in groups:
        raise Refused(f"no call of {group} is expected", code="call.not-affiliated", clause="TS 24.379 9.2.1")
    if group in busy:
        raise Refused(f"there is a call of {group} already", code="call.busy", clause=_CLAUSE)
    if (request.headers.get("Answer-Mode") or "Auto").partition(";")[0].strip().lower() != "auto":
        raise Refused("nobody is here to answer by hand", code="call.manual", clause="RFC 5373 4")
    contacts = request.contacts
    return Invitation(
        group,
        inviter if isinstance(inviter, str) else "",
        contacts[0].uri if contacts else "",
        read_terms(body),
    )


def read_terms(body: Body) -> Terms:
    """The description in a body.

    :raises DecodeError: there is none, or it is broken. :raises Refused: it will not do.
    """
    return read(sdp.decode(body.needed(sdp.CONTENT_TYPE).content))
