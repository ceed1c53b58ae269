"""MESSAGEs that come to a client: every check of a carrier, then the procedure (TS 24.379 7.2.5, 14.3.2).

Sans-I/O. The checks stand in the order of TS 33.180 5.2.2 and TS 24.379: service and sender, protection of the XML,
whom it is for; what the MIKEY message itself must pass is in :mod:`mcsec.mikey.open`. A message that fails anywhere
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mcsec.client import groupmail, keydown
from mcsec.client.announcement import Announcements, read_usage
from mcsec.client.csks import CskKeys
from mcsec.client.engine import ClientEngine
from mcsec.client.profile import Profile
from mcsec.client.radio import Output
from mcsec.errors import Refused
from mcsec.keys.events import Event
from mcsec.net.sip.message import Request
from mcsec.net.sip.values import decode_addresses
from mcsec.wire import mbms_usage, mc_bodies, mikey_body, multipart
from mcsec.wire.mc_bodies import Body
from mcsec.wire.mc_sip import is_for_mcptt
from mcsec.wire.xcap import GKTP_TYPE

#: What a 415 says is understood.
ACCEPT = ", ".join((multipart.MIXED, mikey_body.CONTENT_TYPE, mbms_usage.CONTENT_TYPE, GKTP_TYPE))
_CLAUSE = "TS 24.379 7.2.5"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A MESSAGE or INVITE, as far as it counts here.

    ``service`` and ``identities`` are what a trusted neighbour asserted: P-Asserted-Service, and the URIs of
    P-Asserted-Identity.
    """

    service: str | None
    identities: tuple[str, ...]
    content_type: str
    body: bytes

    @classmethod
    def of(cls, request: Request) -> Self:
        """What a request says.

        :raises BadMessage: an asserted identity is none.
        """
        asserted = decode_addresses(request.headers.all("P-Asserted-Identity"))
        return cls(
            request.headers.get("P-Asserted-Service"),
            tuple(address.uri for address in asserted),
            request.headers.get("Content-Type") or "text/plain",
            request.body,
        )


class Inbox:
    """Decides about what one client is sent."""

    def __init__(self, profile: Profile, engine: ClientEngine, announcements: Announcements) -> None:
        self._profile, self._engine = profile, engine
        self._announcements = announcements
        self._csks = CskKeys(engine)

    def message(self, arrival: Arrival, now: float) -> tuple[list[Event], list[Output]]:
        """What a MESSAGE brings about: events, and what the radio side is to do.

        :raises PeerError: it must be refused (:func:`mcsec.client.refusals.answer_to`); nothing has changed.
        """
        self._check_service(arrival)
        parts = multipart.decode(arrival.content_type, arrival.body)
        if groupmail.is_group_mail(parts):
            # It comes from the GMS of a group, with which a client shares no CSK.
            return groupmail.take(parts, arrival.identities, self._engine, now), []
        body = self.read(arrival, now)
        usage = read_usage(body)
        if usage is not None and usage.announcements:
            return self._announcements.take(body, usage, now)
        if keydown.is_download(body):
            return keydown.take(body, self._engine, now), []
        raise Refused(
            "a MESSAGE with nothing that is understood", code="client.not-understood", clause=_CLAUSE
        )

    def read(self, arrival: Arrival, now: float) -> Body:
        """The body of a request that is from our participating function and for us.

        :raises PeerError: it is not, or is not protected as it must be.
        """
        self._check_sender(arrival)
        return self.body(arrival.content_type, arrival.body, now)

    def body(self, content_type: str, octets: bytes, now: float) -> Body:
        """A body of our participating function, wherever it came, that is for us.

        :raises PeerError: it is broken, not protected as it must be, or for another user.
        """
        parts = multipart.decode(content_type, octets)
        shared = self._csks.current(now) is not None
        body = mc_bodies.read(
            parts, self._csks.lookup, protected=shared and self._profile.require_protected_xml
        )
        if body.info.request_uri not in (None, self._profile.mc_service_id):
            raise Refused("the message is for another user", code="client.not-us", clause=_CLAUSE)
        return body

    # --- inside

    def _check_service(self, arrival: Arrival) -> None:
        if not is_for_mcptt(arrival.service):
            raise Refused(
                "the request is not asserted to be of MCPTT",
                code="client.not-mcptt",
                clause=_CLAUSE,
                hint="assertions count only from neighbours that are trusted",
            )

    def _check_sender(self, arrival: Arrival) -> None:
        self._check_service(arrival)
        if self._profile.psi not in arrival.identities:
            raise Refused(
                "the request is not asserted to be of our participating function",
                code="client.not-our-server",
                clause=_CLAUSE,
                hint="compare the PSI in the configuration with what the server asserts",
            )
