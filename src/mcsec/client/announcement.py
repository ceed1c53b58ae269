"""Receiving bearer announcements (TS 24.379 14.3.2): what is announced, described by which SDP, under which MSCCK.

A description and its key belong to the general purpose subchannel that the same message announces; a new description
replaces the one before it, its MSCCK too. Everything is checked before anything changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.client.engine import Carrier, ClientEngine
from mcsec.client.events import BearerAnnounced, BearerCancelled
from mcsec.client.radio import Output, Place, RadioSide
from mcsec.errors import DecodeError, Refused
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.events import Event
from mcsec.wire import mbms_usage, mikey_body, sdp, sdp_mcptt
from mcsec.wire.mbms_usage import Announcement, MbmsUsage
from mcsec.wire.mc_bodies import Body
from mcsec.wire.sdp import Session

_CLAUSE = "TS 24.379 14.3.2"
#: Announcements that are kept; a message that would bring more is refused.
CAPACITY = 64


@dataclass(frozen=True, slots=True)
class Announced:
    """A bearer as it stands announced; ``place`` and ``session`` are of its general purpose subchannel."""

    tmgi: Tmgi
    areas: tuple[int, ...]
    place: Place | None = None
    session: Session | None = None
    report_suspension: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a message will change: bearers to store, bearers to forget, and the I_MESSAGE of one of them."""

    stored: tuple[Announced, ...]
    cancelled: tuple[Tmgi, ...]
    described: Tmgi | None = None
    key_message: bytes | None = None


class Announcements:
    """What is announced to one client."""

    def __init__(self, engine: ClientEngine, radio: RadioSide, capacity: int = CAPACITY) -> None:
        self._engine, self._radio = engine, radio
        self._capacity = capacity
        self._bearers: dict[Tmgi, Announced] = {}

    @property
    def bearers(self) -> tuple[Announced, ...]:
        """Every bearer that is announced."""
        return tuple(self._bearers.values())

    def take(self, body: Body, usage: MbmsUsage, now: float) -> tuple[list[Event], list[Output]]:
        """What a message with at least one announcement changes.

        :raises PeerError: it must be refused; nothing has changed.
        """
        if body.part(mikey_body.CONTENT_TYPE) is not None:
            raise DecodeError(
                "an announcement and a key download in one", code="client.ambiguous", clause=_CLAUSE
            )
        part = body.part(sdp.CONTENT_TYPE)
        plan = self._plan(usage, None if part is None else sdp.decode(part.content))
        return self._carry_out(plan, now)

    def instructed_to_report_suspension(self) -> bool:
        """Whether the server asked this client for suspension reports, for any of the bearers (14.3.4)."""
        return any(bearer.report_suspension for bearer in self._bearers.values())

    def clear(self) -> list[Output]:
        """Log-off: nothing is announced any more."""
        gone = list(self._bearers)
        self._bearers.clear()
        return [output for tmgi in gone for output in self._radio.cancelled(tmgi)]

    # --- inside

    def _plan(self, usage: MbmsUsage, session: Session | None) -> _Plan:
        named = [announcement.tmgi for announcement in usage.announcements]
        if len(set(named)) != len(named):
            raise DecodeError("a bearer is announced twice", code="client.ambiguous", clause=_CLAUSE)
        present = [announcement for announcement in usage.announcements if announcement.service_area]
        # GPMS may stand beside the announcements; then it is about the first of them.
        general = next((announcement for announcement in present if announcement.gpms is not None), None)
        stored = [self._stored(announcement) for announcement in present if announcement is not general]
        plan = _Plan(tuple(stored), tuple(set(named) - {announcement.tmgi for announcement in present}))
        if general is None and session is not None:
            raise DecodeError("a description of no subchannel", code="client.ambiguous", clause=_CLAUSE)
        if general is not None:
            plan = self._with_general_purpose(plan, general, session)
        after = (self._bearers.keys() - set(plan.cancelled)) | {bearer.tmgi for bearer in plan.stored}
        if len(after) > self._capacity:
            raise Refused(
                f"more than {self._capacity} bearers", code="client.too-many-bearers", clause=_CLAUSE
            )
        return plan

    def _stored(
        self, announcement: Announcement, place: Place | None = None, session: Session | None = None
    ) -> Announced:
        """An announcement replaces the one before it; a description that is not mentioned stays."""
        known = self._bearers.get(announcement.tmgi)
        if place is None and known is not None:
            place, session = known.place, known.session
        assert announcement.service_area is not None
        return Announced(
            announcement.tmgi,
            announcement.service_area.codes,
            place,
            session,
            bool(announcement.report_suspension),
        )

    def _with_general_purpose(self, plan: _Plan, general: Announcement, session: Session | None) -> _Plan:
        if session is None:
            kept = self._stored(general)
            if kept.place is None:
                raise Refused(
                    f"{general.tmgi} was never described", code="client.no-description", clause=_CLAUSE
                )
            return _Plan((*plan.stored, kept), plan.cancelled)
        assert general.gpms is not None
        subchannel = sdp_mcptt.general_purpose(session, general.gpms)
        if not subchannel.address.is_multicast:
            raise Refused(
                f"{subchannel.address} is no multicast address", code="client.not-multicast", clause=_CLAUSE
            )
        bearer = self._stored(general, (subchannel.address, subchannel.port), session)
        return _Plan((*plan.stored, bearer), plan.cancelled, general.tmgi, subchannel.key_message)

    def _carry_out(self, plan: _Plan, now: float) -> tuple[list[Event], list[Output]]:
        happened: list[Event] = []
        outputs: list[Output] = []
        if plan.key_message is not None:
            # The only step that can fail, so it comes first.
            happened += self._engine.key_message(
                plan.key_message, Carrier.ANNOUNCEMENT, now, bearer=plan.described
            )
        elif plan.described is not None:
            happened += self._engine.revoke(
                PurposeTag.MSCCK, str(plan.described), "replaced by a description without a key", now
            )
        for tmgi in plan.cancelled:
            if self._bearers.pop(tmgi, None) is not None:
                happened.append(BearerCancelled(now, tmgi))
                happened += self._engine.revoke(PurposeTag.MSCCK, str(tmgi), "its bearer was cancelled", now)
            outputs += self._radio.cancelled(tmgi)
        for bearer in plan.stored:
            known = self._bearers.get(bearer.tmgi)
            self._bearers[bearer.tmgi] = bearer
            if known != bearer:
                happened.append(BearerAnnounced(now, bearer.tmgi, bearer.areas))
            outputs += self._radio.announced(bearer.tmgi, bearer.areas, bearer.place, now)
        return happened, outputs


def read_usage(body: Body) -> MbmsUsage | None:
    """The usage-info of a message, if it has one.

    :raises DecodeError: it is none.
    """
    part = body.part(mbms_usage.CONTENT_TYPE)
    return None if part is None else mbms_usage.decode(part.content)
