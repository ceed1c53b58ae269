"""INVITEs that the server sends: to clients of its own, and to the functions of partners (TS 24.379 6.3.2, 6.3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mcsec.errors import LocalError, McsecError, PeerError, Refused
from mcsec.net.sip.calls import Call, OnReinvite
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.inviting import CallRefused
from mcsec.net.sip.message import Request
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.ways import Target
from mcsec.server.calls import bodies
from mcsec.server.calls.around import Around
from mcsec.server.calls.bodies import Audio, Terms
from mcsec.server.calls.book import Book
from mcsec.server.calls.controlling import NO_MEMBER, Invite
from mcsec.server.calls.events import MemberRemoved
from mcsec.server.calls.focus import Focus, OwnWay
from mcsec.server.calls.groups import Group
from mcsec.server.calls.legs import PartnerLeg, PartnerSaysNo, PartnerWay
from mcsec.server.calls.reinvites import answering, answers, in_clear
from mcsec.server.calls.serving import ClientLeg, Serving
from mcsec.server.floor import Urgency
from mcsec.wire import mc_bodies, multipart
from mcsec.wire.mc_sip import FEATURE_TAGS, from_server
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.multipart import Part
from mcsec.wire.sdp_mcptt import FloorParameters
from mcsec.wire.xmlsec import XmlKeys

#: What our Contact says of us (RFC 3840, RFC 4579).
FEATURES = f"isfocus;{FEATURE_TAGS}"


@dataclass(frozen=True, slots=True)
class Reached:
    """A call that was answered, and what the other side described."""

    call: Call
    terms: Terms


class Outgoing:
    """Invites."""

    def __init__(self, book: Book) -> None:
        self._book, self._around = book, book.around

    # --- from our controlling function

    def invite(self, focus: Focus, invite: Invite) -> asyncio.Task[None]:
        """A member is invited, wherever it is served."""
        return self._around.spawn(self._invite(focus, invite))

    async def _invite(self, focus: Focus, invite: Invite) -> None:
        try:
            if invite.home == self._around.domain:
                await self._invite_own(focus, invite)
            else:
                await self._invite_elsewhere(focus, invite)
        except (PeerError, LocalError) as error:
            focus.declined(invite.user, reason_of(error))

    async def _invite_own(self, focus: Focus, invite: Invite) -> None:
        serving = self._book.serving(focus.group)
        leg, reached = await self.client(
            serving, invite.user, invite.inviter, focus.audio, focus.call.urgency
        )
        leg.way = OwnWay(focus, invite.user)
        try:
            focus.enter(invite.user, reached.terms.entry(late=True))
        except (PeerError, LocalError) as error:
            serving.drop(leg, str(error))
            raise
        serving.begin(leg, reached.call)

    async def _invite_elsewhere(self, focus: Focus, invite: Invite) -> None:
        group, user = focus.group, invite.user
        leg = member_leg(self._book, focus, user, invite.home)
        partner = self._around.link(invite.home).partner
        info = invitation(group, user, invite.inviter, focus.call.urgency)
        parameters = FloorParameters(queueing=group.floor.queueing, ssrc=leg.ssrc)
        try:
            reached = await self._partner(
                partner.participating,
                invite.inviter,
                leg,
                group,
                info,
                focus.audio,
                parameters,
                None,
                lambda description: answering_member(leg, focus, description),
            )
            leg.call = reached.call
            leg.agree(reached.terms)
            focus.enter(user, reached.terms.entry(late=True), leg)
        except BaseException:
            leg.close()
            raise
        watch_member(self._around, focus, user, leg, reached.call)

    # --- from our participating function

    async def client(
        self, serving: Serving, user: str, inviter: str, audio: Audio, urgency: Urgency = Urgency.NORMAL
    ) -> tuple[ClientLeg, Reached]:
        """One of our users is invited; its leg, and its client's answer.

        :raises Refused: it is not there, or not in the group. :raises PeerError: its client does not want to.
        """
        around, group = self._around, serving.group
        known = around.server.function.users.get(user)
        if known is None or group.group_id not in known.groups:
            raise Refused(
                f"{user} is not affiliated to {group.group_id}",
                code="call.not-affiliated",
                clause="TS 24.379 6.3.2.2.5",
            )
        if user in serving.legs:
            raise Refused(f"{user} is in the call already", code="call.unreachable")
        place = around.server.where(user)
        if place is None:
            raise Refused(f"{user} is not registered", code="call.unreachable", clause="TS 24.379 6.3.2.2.5")
        leg = serving.open(user)
        info = invitation(group, user, inviter, urgency)
        description = leg.describe(audio, FloorParameters(queueing=group.floor.queueing, ssrc=leg.ssrc))
        try:
            request, flow = await self._request(
                place.uri,
                around.participating,
                known.impu,
                self._protected(user, bodies.parts(info, description)),
                [
                    *from_server(around.participating),
                    *place.headers,
                    ("Answer-Mode", "Auto"),
                    *around.policy.priorities.headers(info),
                ],
                place.target,
            )
            call = await around.endpoint.invite(
                request,
                flow,
                ring=around.policy.ring,
                session_interval=around.policy.session_interval,
                on_reinvite=answering(around, serving, leg, description),
            )
            if serving.legs.get(user) is not leg:
                around.spawn(call.hang_up())
                raise Refused(f"{user} called by itself meanwhile", code="call.unreachable")
            leg.call = call
            leg.terms = terms = bodies.read(call.remote_body, group.rules)
            terms.audio.common(audio)
        except BaseException:
            # Whoever waits for this is told by the error; the controlling function knows of no leg yet.
            serving.drop(leg, "not reached")
            raise
        return leg, Reached(call, terms)

    async def controlling(
        self, serving: Serving, leg: ClientLeg, terms: Terms, info: McpttInfo
    ) -> tuple[PartnerLeg, Audio]:
        """The controlling function of a partner is asked to take one of our users in; the way to it, and how media is
        coded there.

        :raises PeerError: it does not.
        """
        group, user = serving.group, leg.user
        partner = self._around.link(group.home).partner
        way = PartnerLeg(
            self._around,
            group,
            user,
            group.home,
            lambda message: serving.down(message, user=user),
            lambda packet, ssrc: serving.media(packet, user=user),
        )
        wanted = FloorParameters(
            queueing=terms.parameters.queueing,
            priority=terms.parameters.priority,
            granted=terms.parameters.granted,
            implicit_request=terms.parameters.implicit_request,
            ssrc=way.ssrc,
        )
        asked = McpttInfo(
            session_type=info.session_type or group.kind.value,
            request_uri=group.group_id,
            calling_user_id=user,
            emergency_ind=info.emergency_ind,
            imminentperil_ind=info.imminentperil_ind,
            broadcast_ind=info.broadcast_ind,
        )
        try:
            reached = await self._partner(
                partner.controlling, user, way, group, asked, terms.audio, wanted, terms.speaks_as
            )
            way.call = reached.call
            way.agree(reached.terms)
        except BaseException:
            way.close()
            raise
        self.attend(serving, leg, way)
        return way, reached.terms.audio

    def attend(self, serving: Serving, leg: ClientLeg, way: PartnerLeg) -> None:
        """A user's leg has a way to a partner's controlling function."""
        leg.way = PartnerWay(way, self._urge)
        self._book.remote.add(way)
        assert way.call is not None, "it was answered"
        self._around.spawn(self._watch(serving, leg, way, way.call))
        self._around.remember(serving.group.group_id, f"@{way.domain}", way.call)

    # --- inside

    async def _watch(self, serving: Serving, leg: ClientLeg, way: PartnerLeg, call: Call) -> None:
        await call.ended.wait()
        way.close(hang_up=False)
        self._book.remote.discard(way)
        if serving.legs.get(leg.user) is leg:
            serving.close(leg.user, call.reason, leave=False, because=call.because)
        if call.because is not None and call.because.cause == NO_MEMBER:
            await self._removed(leg.user, serving.group.group_id, way.domain)

    async def _removed(self, user: str, group: str, domain: str) -> None:
        """The group's home domain took one of our users off it: nothing is sent any more under what it holds."""
        around = self._around
        around.tell(MemberRemoved(around.clock(), group, user, domain))
        await around.server.bar(user, group)

    async def _partner(
        self,
        function: str,
        caller: str,
        leg: PartnerLeg,
        group: Group,
        info: McpttInfo,
        audio: Audio,
        parameters: FloorParameters,
        audio_ssrc: int | None,
        answering: Callable[[bytes], OnReinvite] | None = None,
    ) -> Reached:
        """INVITE to a function of a partner. ``answering``: what answers its re-INVITEs, with our description."""
        around = self._around
        hop = around.link(leg.domain).partner.hop
        description = leg.describe(audio, parameters, audio_ssrc)
        headers = [
            ("P-Asserted-Identity", f"<{caller}>"),
            *((name, value) for name, value in from_server(function) if name != "P-Asserted-Identity"),
            *around.policy.priorities.headers(info),
        ]
        own = around.controlling if info.calling_group_id is not None else around.participating
        parts = bodies.parts(info, description)
        request, flow = await self._request(function, own, function, parts, headers, hop)
        try:
            call = await around.endpoint.invite(
                request,
                flow,
                ring=around.policy.ring + 5.0,
                session_interval=around.policy.session_interval,
                on_reinvite=None if answering is None else answering(description),
            )
        except CallRefused as error:
            raise PartnerSaysNo(error.response) from None
        try:
            return Reached(call, bodies.read(call.remote_body, group.rules))
        except PeerError:
            around.spawn(call.hang_up())
            raise

    async def _request(
        self,
        uri: str,
        own: str,
        to: str,
        parts: Iterable[Part],
        headers: Iterable[tuple[str, str]],
        target: Target | None,
    ) -> tuple[Request, Target | None]:
        """An INVITE whose Contact says what we are, and the connection that it and all that follows it go by."""
        endpoint = self._around.endpoint
        content_type, body = multipart.encode(tuple(parts))
        contact = []
        flow = await endpoint.reach(target, len(body)) if isinstance(target, Hop) else target
        if flow is not None:
            contact.append(("Contact", f"{endpoint.contact_towards(own, flow)};{FEATURES}"))
        request = make_request(
            "INVITE",
            uri,
            from_=own,
            to=to,
            headers=[*headers, *contact],
            body=body,
            content_type=content_type,
        )
        return request, flow

    def _protected(self, user: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        csk = self._around.server.function.protecting(user)
        if csk is None:
            return parts
        keys = XmlKeys.derive(csk.secret, csk.key_id, user)
        return mc_bodies.protect(parts, keys, self._around.domain)

    async def _urge(self, leg: PartnerLeg, urgency: Urgency) -> None:
        """The partner's controlling function is asked by re-INVITE (TS 24.379 10.1.1.2.1.3).

        :raises PartnerSaysNo: it refuses. :raises McsecError: it could not be asked.
        """
        call = leg.call
        if call is None or leg.terms is None:
            raise Refused("the call is not set up yet", code="call.releasing")
        info = bodies.urgent(McpttInfo(calling_user_id=leg.user), urgency)
        description = leg.describe(leg.terms.audio, FloorParameters(ssrc=leg.ssrc), None)
        content_type, body = multipart.encode(bodies.parts(info, description))
        answer = await call.reinvite(body, content_type, self._around.policy.priorities.headers(info))
        if not answer.ok:
            raise PartnerSaysNo(answer)


def member_leg(book: Book, focus: Focus, user: str, domain: str) -> PartnerLeg:
    """The leg of a member whom a partner serves.

    :raises Refused: the domain is no partner. :raises LocalError: no ports are left.
    """
    return PartnerLeg(
        book.around,
        focus.group,
        user,
        domain,
        lambda message: focus.floor(user, message),
        lambda packet, ssrc: focus.media(user, packet, ssrc),
    )


def answering_member(leg: PartnerLeg, focus: Focus, description: bytes, seen: bytes = b"") -> OnReinvite:
    """Answers re-INVITEs on the leg of a member whom a partner serves, whoever invited whom; ``seen`` as for
    :func:`answers`.
    """
    return answers(
        leg.around,
        leg.group.rules,
        description,
        in_clear,
        leg.agree,
        lambda urgency: focus.urge(leg.user, urgency),
        seen,
    )


def watch_member(around: Around, focus: Focus, user: str, leg: PartnerLeg, call: Call) -> None:
    """A member whom a partner serves is out of the call when its dialog is over."""

    async def watch() -> None:
        await call.ended.wait()
        focus.left(user, call.reason, leg)

    around.spawn(watch())
    around.remember(focus.group.group_id, f"@{leg.domain}", call)


def reason_of(error: McsecError) -> str:
    """Why a member was not reached, for people."""
    if isinstance(error, CallRefused):
        return f"it answered {error.response.status}"
    return error.code


def invitation(group: Group, user: str, inviter: str, urgency: Urgency) -> McpttInfo:
    """Who is invited, by whom, to which group's call (TS 24.379 6.3.3.1.2)."""
    info = McpttInfo(
        session_type=group.kind.value,
        request_uri=user,
        calling_user_id=inviter,
        calling_group_id=group.group_id,
    )
    return info if urgency is Urgency.NORMAL else bodies.urgent(info, urgency)
