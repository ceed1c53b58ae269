"""All calls of one client: made, taken, refused, left (TS 24.379 10.1.1.2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container
from typing import TYPE_CHECKING

from mcsec.client.calls.engine import CallEngine, Wish
from mcsec.client.calls.events import InviteRefused
from mcsec.client.calls.invitation import read_invitation, read_terms
from mcsec.client.calls.service import McCall
from mcsec.client.calls.states import CallState
from mcsec.client.calls.uplink import key_for
from mcsec.client.copies import Copies
from mcsec.client.events import FloorHeard, MediaHeard
from mcsec.client.floor import ParticipantPolicy
from mcsec.client.publishing import ServiceRefused
from mcsec.client.refusals import Answer, answer_to
from mcsec.errors import LocalError, McsecError, PeerError, WrongState
from mcsec.keys.events import Event, KeyEvent
from mcsec.keys.kinds import Traffic
from mcsec.keys.reservation import draw_ssrc
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.errors import NoAnswer
from mcsec.net.sip.invited import IncomingCall
from mcsec.net.sip.inviting import CallRefused
from mcsec.net.sip.message import Request, Response
from mcsec.wire import sdp
from mcsec.wire.mc_sip import FEATURE_TAGS, from_client
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.sdp import Session

if TYPE_CHECKING:
    from mcsec.client.content import Content, ContentWriter
    from mcsec.client.engine import ClientEngine
    from mcsec.client.inbox import Inbox
    from mcsec.client.link import Link
    from mcsec.client.profile import Profile
    from mcsec.net.media_ports import PortPool

#: Calls at a time.
MOST = 16
#: Who waited and still presses talks when the turn comes.
POLICY = ParticipantPolicy(talk_when_granted=True)


class CallDesk:
    """The calls of one client, by group.

    :ivar calls: those that go on. :ivar left: groups whose last call was left or ended: what a bearer says of them is
        passed over until there is a call again. :ivar refused: INVITEs that changed nothing, counted by code.
    """

    def __init__(
        self,
        profile: Profile,
        engine: ClientEngine,
        link: Link,
        inbox: Inbox,
        writer: ContentWriter,
        pool: PortPool,
        *,
        copies: Copies,
        on_event: Callable[[Event], None],
        on_call: Callable[[McCall], None],
        on_lost: Callable[[McCall], None],
        on_calls: Callable[[str], None],
        on_timers: Callable[[], None],
        refused: Counter[str],
        clock: Callable[[], float],
        policy: ParticipantPolicy = POLICY,
    ) -> None:
        """:param on_call: told each call that begins, before anything is heard of it.
        :param on_lost: told each call that the server lost, when it is over.
        :param on_calls: told the group whose call came or went.
        :param on_timers: told when the timers of the keys may have moved.
        """
        self._profile, self._engine, self._link = profile, engine, link
        self._inbox, self._writer, self._pool = inbox, writer, pool
        self._copies, self._tell, self._clock, self._policy = copies, on_event, clock, policy
        self._begun, self._lost, self._calls_moved, self._timers_moved = on_call, on_lost, on_calls, on_timers
        self.calls: dict[str, McCall] = {}
        self.left: set[str] = set()
        self.refused = refused
        self._ssrcs: set[int] = set()

    async def call(self, wish: Wish) -> McCall:
        """Call a group, or join its call that goes on.

        :raises ServiceRefused: the server refuses. :raises PeerError: nobody answered, or its answer will not do.
        :raises WrongState: there is a call of the group already, or too many; or it was left before the answer.
        :raises Forbidden: there is no CSK, or, with ``talk``, no GMK. :raises LocalError: no port is left.
        """
        now = self._clock()
        if wish.group in self.calls or len(self.calls) >= MOST:
            raise WrongState(f"no further call, of {wish.group}, is possible now", code="call.exists")
        key_for(self._engine, Traffic.UNICAST_FLOOR, self._engine.uri, now)
        if wish.talk:
            key_for(self._engine, Traffic.GROUP_MEDIA, wish.group, now)
        call = self._new(wish)
        try:
            await self._invite(call, wish)
        except asyncio.CancelledError:
            left = call.state is CallState.LEAVING
            if call.state is CallState.CALLING:
                call.carry_out(call.engine.leave(self._clock()))
            call.ended("left")
            if left:
                raise _left() from None
            raise
        except McsecError as error:
            self._failed(call, error)
            raise
        return call

    async def invited(self, incoming: IncomingCall, groups: Container[str]) -> None:
        """An INVITE came: take the call at once, or refuse it.

        :param groups: those that the user is affiliated to.
        """
        request = incoming.request
        try:
            invitation = read_invitation(request, self._inbox, groups, self.calls, self._clock())
            if len(self.calls) >= MOST:
                raise WrongState("too many calls at a time", code="call.busy")
            call = self._new(Wish(group=invitation.group))
        except PeerError as error:
            self.refuse(incoming, error)
            return
        except LocalError as error:
            self._refuse(incoming, Answer(486), error)
            return
        try:
            outputs = call.engine.invited(
                invitation.terms, invitation.inviter, invitation.session_id, self._clock()
            )
        except PeerError as error:
            call.close()
            self.refuse(incoming, error)
            return
        call.carry_out(outputs)
        incoming.features(FEATURE_TAGS)
        try:
            sip = await incoming.accept(
                body=sdp.encode(call.description(offering=False)),
                content_type=sdp.CONTENT_TYPE,
                on_reinvite=lambda again: self._reinvited(call, again),
            )
        except (NoAnswer, WrongState) as error:
            call.ended(str(error))
            return
        except asyncio.CancelledError:
            call.ended("cancelled")
            raise
        call.connected(sip)

    def refuse(self, incoming: IncomingCall, error: PeerError) -> None:
        """Answer an INVITE with a refusal: one event and one count."""
        self._refuse(incoming, answer_to(error), error)

    def from_bearer(self, event: Event) -> None:
        """What was heard on a bearer, authentic, and told already."""
        if isinstance(event, FloorHeard | MediaHeard) and (call := self.calls.get(event.group)) is not None:
            call.carry_out(call.engine.from_bearer(event, self._clock()))

    async def close(self) -> None:
        """Leave every call."""
        await asyncio.gather(*(call.leave() for call in tuple(self.calls.values())))

    # --- inside

    def _new(self, wish: Wish) -> McCall:
        ssrc = draw_ssrc(self._ssrcs)
        self._ssrcs.add(ssrc)
        engine = CallEngine(self._engine, wish, ssrc, self._copies, self._policy)
        call = McCall(
            engine,
            self._pool,
            self._heard,
            self._over,
            self._written,
            self._clock,
            self._profile.priorities,
        )
        self.calls[wish.group] = call
        self._begun(call)
        self.left.discard(wish.group)
        self._calls_moved(wish.group)
        return call

    async def _invite(self, call: McCall, wish: Wish) -> None:
        info = McpttInfo(
            session_type=wish.session_type,
            request_uri=wish.group,
            emergency_ind=True if wish.emergency else None,
            imminentperil_ind=True if wish.imminent_peril else None,
            broadcast_ind=True if wish.broadcast else None,
        )
        content = self._written(info, call.description(offering=True))
        call.engine.calling()
        call.inviting = asyncio.ensure_future(
            self._link.call(
                (*from_client(self._profile.impu), *self._profile.priorities.headers(info)),
                content,
                seconds=wish.seconds,
                on_reinvite=lambda again: self._reinvited(call, again),
            )
        )
        try:
            sip = await call.inviting
        except CallRefused as refusal:
            raise ServiceRefused("group call", refusal.response) from None
        try:
            body = self._inbox.body(sip.remote_type, sip.remote_body, self._clock())
            call.accepted(sip, read_terms(body))
        except PeerError:
            await sip.hang_up()
            raise
        if call.state is CallState.LEAVING:
            raise _left()

    def _failed(self, call: McCall, error: McsecError) -> None:
        """Our call did not come about."""
        if call.state is CallState.IDLE:
            call.close()
        elif call.state is CallState.CALLING:
            status = error.status if isinstance(error, ServiceRefused) else 0
            call.carry_out(call.engine.refused(status, str(error), self._clock()))

    def _reinvited(self, call: McCall, request: Request) -> Response:
        """The server describes the session anew, or refreshes it."""
        try:
            if request.body:
                kind = request.headers.get("Content-Type") or ""
                call.engine.changed(read_terms(self._inbox.body(kind, request.body, self._clock())))
        except PeerError as error:
            answer = self._told(request, answer_to(error), error)
            return make_response(request, answer.status, headers=self._warning(answer))
        body = sdp.encode(call.description(offering=False))
        return make_response(request, 200, body=body, content_type=sdp.CONTENT_TYPE)

    def _refuse(self, incoming: IncomingCall, answer: Answer, error: McsecError) -> None:
        self._told(incoming.request, answer, error)
        incoming.refuse(answer.status, headers=self._warning(answer))

    def _told(self, request: Request, answer: Answer, error: McsecError) -> Answer:
        self.refused[error.code] += 1
        sender = request.headers.get("P-Asserted-Identity") or request.from_.uri
        self._tell(InviteRefused(self._clock(), sender, answer.status, error.code, str(error)))
        return answer

    def _warning(self, answer: Answer) -> list[tuple[str, str]]:
        warning = answer.warning_header(self._profile.domain)
        return [] if warning is None else [warning]

    def _heard(self, event: Event) -> None:
        self._tell(event)
        if isinstance(event, KeyEvent):
            self._timers_moved()

    def _written(self, info: McpttInfo, session: Session) -> Content:
        return self._writer.call(info, session, self._clock())

    def _over(self, call: McCall) -> None:
        if self.calls.get(call.group) is call:
            del self.calls[call.group]
            self.left.add(call.group)
            self._calls_moved(call.group)
            if call.lost:
                self._lost(call)


def _left() -> WrongState:
    return WrongState("the call was left before it was answered", code="call.left")
