"""INVITEs that come: from clients of our own, and from the functions of partners (TS 24.379 10.1.1.3, 10.1.1.4).

Every check comes before any change; whatever fails is answered, counted and told.
"""

from __future__ import annotations

from mcsec.errors import LocalError, McsecError, PeerError, Refused
from mcsec.net.sip.calls import Call, OnReinvite
from mcsec.net.sip.invited import IncomingCall
from mcsec.server.calls import bodies
from mcsec.server.calls.bodies import Audio, Terms
from mcsec.server.calls.book import Book
from mcsec.server.calls.events import PartnerRefused
from mcsec.server.calls.focus import OwnWay, check_kind
from mcsec.server.calls.groups import Group, found
from mcsec.server.calls.legs import PartnerLeg, PartnerSaysNo
from mcsec.server.calls.links import Partner
from mcsec.server.calls.outgoing import (
    FEATURES,
    Outgoing,
    answering_member,
    member_leg,
    watch_member,
)
from mcsec.server.calls.reinvites import answering
from mcsec.server.calls.serving import ClientLeg, Serving
from mcsec.server.refusals import answer_to
from mcsec.wire import mc_bodies, multipart, sdp
from mcsec.wire.mc_bodies import Body
from mcsec.wire.mcptt_info import McpttInfo

#: Headers of a refusal that go with it.
_KEPT = ("Warning", "WWW-Authenticate", "Retry-After", "Accept")


class Incoming:
    """Answers INVITEs."""

    def __init__(self, book: Book, outgoing: Outgoing) -> None:
        self._book, self._around, self._outgoing = book, book.around, outgoing

    async def invited(self, incoming: IncomingCall) -> None:
        """One INVITE outside a dialog."""
        links = self._around.links.values()
        partner = next((link.partner for link in links if link.partner.is_at(incoming.peer)), None)
        if partner is None:
            await self._of_client(incoming)
        else:
            await self._of_partner(incoming, partner)

    # --- clients of our own

    async def _of_client(self, incoming: IncomingCall) -> None:
        request, peer = incoming.request, incoming.peer
        requests = self._around.server.requests
        try:
            user, body = requests.invited(request, peer)
            group = self._group(body.info)
            if group.group_id not in user.groups:
                raise Refused(
                    f"{user.mc_service_id} is not affiliated to {group.group_id}",
                    code="call.not-affiliated",
                    clause="TS 24.379 10.1.1.3.1.1",
                )
            check_kind(group, body.info.session_type)
            terms = bodies.read(body.needed(sdp.CONTENT_TYPE).content, group.rules)
            await self._take_in(incoming, user.mc_service_id, group, terms, body.info)
        except PartnerSaysNo as error:
            headers = [] if error.warning is None else [("Warning", error.warning)]
            requests.refusal(request, peer, error)
            incoming.refuse(error.status, headers=headers)
        except (PeerError, LocalError) as error:
            answer = requests.refusal(request, peer, error)
            if incoming.open:
                kept = [(name, value) for name in _KEPT for value in answer.headers.all(name)]
                incoming.refuse(answer.status, answer.reason, headers=kept)

    async def _take_in(
        self, incoming: IncomingCall, user: str, group: Group, terms: Terms, info: McpttInfo
    ) -> None:
        """One of our users calls, enters a chat, or joins a call that goes on."""
        serving = self._book.serving(group)
        leg = serving.open(user)
        leg.terms = terms
        try:
            if group.home == self._around.domain:
                audio = self._enter(leg, group, terms, info)
            else:
                _, offered = await self._outgoing.controlling(serving, leg, terms, info)
                audio = offered.common(terms.audio)
            await self._accept_client(incoming, serving, leg, terms, audio, group)
        except BaseException:
            if serving.legs.get(user) is leg:
                serving.close(user, "the call was not set up")
            raise

    def _enter(self, leg: ClientLeg, group: Group, terms: Terms, info: McpttInfo) -> Audio:
        """One of our users comes into a call that we control; how media is coded there.

        :raises PeerError: it may not, or there is no codec in common. :raises LocalError: the call is being released.
        """
        entry = terms.entry(info)
        focus = self._book.focus(group, leg.user, entry, terms.audio, self._outgoing.invite)
        try:
            audio = focus.audio.common(terms.audio)
            leg.way = OwnWay(focus, leg.user)
            focus.enter(leg.user, entry)
        except BaseException:
            self._book.discard(focus)
            raise
        return audio

    async def _accept_client(
        self,
        incoming: IncomingCall,
        serving: Serving,
        leg: ClientLeg,
        terms: Terms,
        audio: Audio,
        group: Group,
    ) -> None:
        priority = group.members[leg.user].priority if leg.user in group.members else 255
        parameters = bodies.answered(
            terms.parameters, leg.ssrc, priority=priority, queueing=group.floor.queueing
        )
        description = leg.describe(audio, parameters)
        incoming.features(FEATURES)
        call = await self._accept(
            incoming, description, answering(self._around, serving, leg, description, incoming.request.body)
        )
        if serving.legs.get(leg.user) is leg:
            serving.begin(leg, call)
        else:
            # The call was released while the answer was under way.
            self._around.spawn(call.hang_up())

    # --- partners

    async def _of_partner(self, incoming: IncomingCall, partner: Partner) -> None:
        try:
            body = self._partner_body(incoming)
            if body.info.calling_group_id is not None:
                await self._as_participating(incoming, partner, body)
            else:
                await self._as_controlling(incoming, partner, body)
        except (PeerError, LocalError) as error:
            self._refuse(incoming, partner, error)

    def _partner_body(self, incoming: IncomingCall) -> Body:
        request = incoming.request
        functions = (self._around.participating, self._around.controlling)
        if request.uri not in functions:
            raise Refused(f"{request.uri} is no function of ours", code="call.unknown-group")
        content_type = request.headers.get("Content-Type")
        parts = multipart.decode(content_type, request.body) if content_type and request.body else ()
        return mc_bodies.read(parts)

    async def _as_controlling(self, incoming: IncomingCall, partner: Partner, body: Body) -> None:
        """A partner's participating function brings one of its users into a call that is homed here."""
        user, group = body.info.calling_user_id, self._group(body.info)
        if not isinstance(user, str) or not partner.speaks_for(user):
            raise Refused(
                f"{partner.domain} does not speak for {user}", code="call.peer", clause="RFC 3325 5"
            )
        if group.home != self._around.domain:
            raise Refused(f"{group.group_id} is not homed here", code="call.unknown-group")
        check_kind(group, body.info.session_type)
        terms = bodies.read(body.needed(sdp.CONTENT_TYPE).content, group.rules)
        entry = terms.entry(body.info)
        focus = self._book.focus(group, user, entry, terms.audio, self._outgoing.invite)
        try:
            audio = focus.audio.common(terms.audio)
            leg = member_leg(self._book, focus, user, partner.domain)
        except BaseException:
            self._book.discard(focus)
            raise
        try:
            leg.agree(terms)
            member = group.member(user)
            parameters = bodies.answered(
                terms.parameters, leg.ssrc, priority=member.priority, queueing=group.floor.queueing
            )
            description = leg.describe(audio, parameters, None)
            focus.enter(user, entry, leg)
            incoming.features(FEATURES)
            leg.call = call = await self._accept(
                incoming, description, answering_member(leg, focus, description, incoming.request.body)
            )
        except BaseException:
            focus.left(user, "the call was not set up", leg)
            leg.close()
            self._book.discard(focus)
            raise
        watch_member(self._around, focus, user, leg, call)

    async def _as_participating(self, incoming: IncomingCall, partner: Partner, body: Body) -> None:
        """A partner's controlling function invites one of our users."""
        user, name = body.info.request_uri, body.info.calling_group_id
        if not isinstance(user, str) or not isinstance(name, str):
            raise Refused("nobody is invited", code="call.peer", clause="TS 24.379 6.3.3.1.2")
        group = found(self._book.directory, name)
        if group.home != partner.domain:
            raise Refused(
                f"{name} is not homed at {partner.domain}", code="call.peer", clause="TS 24.379 10.1.1.3.2"
            )
        # Whom the home domain invites is a member again, whatever it said before.
        await self._around.server.unbar(user, name)
        terms = bodies.read(body.needed(sdp.CONTENT_TYPE).content, group.rules)
        inviter = (
            body.info.calling_user_id if isinstance(body.info.calling_user_id, str) else partner.controlling
        )
        serving = self._book.serving(group)
        urgency = bodies.urgency_of(body.info)
        leg, reached = await self._outgoing.client(serving, user, inviter, terms.audio, urgency)
        try:
            way = PartnerLeg(
                self._around,
                group,
                user,
                partner.domain,
                lambda message: serving.down(message, user=user),
                lambda packet, ssrc: serving.media(packet, user=user),
            )
            try:
                way.agree(terms)
                asked = reached.terms.parameters
                parameters = bodies.answered(asked, way.ssrc, priority=255, queueing=asked.queueing)
                description = way.describe(reached.terms.audio, parameters, reached.terms.speaks_as)
                incoming.features(FEATURES)
                serving.begin(leg, reached.call)
                way.call = await self._accept(incoming, description, None)
            except BaseException:
                way.close()
                raise
        except BaseException:
            serving.drop(leg, "the call was not set up")
            raise
        self._outgoing.attend(serving, leg, way)

    # --- inside

    def _group(self, info: McpttInfo) -> Group:
        if not isinstance(info.request_uri, str):
            raise Refused("no group is called", code="call.unknown-group", clause="TS 24.379 10.1.1.3.1.1")
        return found(self._book.directory, info.request_uri)

    async def _accept(
        self, incoming: IncomingCall, description: bytes, on_reinvite: OnReinvite | None
    ) -> Call:
        return await incoming.accept(
            body=description,
            content_type=sdp.CONTENT_TYPE,
            session_interval=self._around.policy.session_interval,
            on_reinvite=on_reinvite,
        )

    def _refuse(self, incoming: IncomingCall, partner: Partner, error: McsecError) -> None:
        around = self._around
        around.refused[error.code] += 1
        around.tell(PartnerRefused(around.clock(), partner.domain, error.code, str(error)))
        if incoming.open:
            answer = answer_to(error)
            headers = [] if answer.warning is None else [answer.warning.header(around.domain)]
            incoming.refuse(answer.status, headers=headers)
