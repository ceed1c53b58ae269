"""What clients ask of the participating function by SIP: who sent it, what it asks, and the answer.

Every check comes before any change; every change is committed before the answer leaves; every refusal is one event and
one count, and leaves everything as it was.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

from mcsec.errors import DecodeError, McsecError, PeerError, Refused
from mcsec.keys.events import Event
from mcsec.net.sip.auth import Unauthorized
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.events import MessageMalformed, RequestRejected, SipEvent
from mcsec.net.sip.message import Request, Response, decode
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.refreshing import seconds
from mcsec.net.tokens import Claims
from mcsec.server import affiliation, authorisation, listening, revocation
from mcsec.server.authorisation import Claim
from mcsec.server.events import RequestRefused
from mcsec.server.function import Done, Function
from mcsec.server.locations import Locations
from mcsec.server.refusals import answer_to
from mcsec.server.senders import Proof, Sender, Senders, address_of_record
from mcsec.server.users import User
from mcsec.store.database import StoreError
from mcsec.store.group_commit import GroupCommit
from mcsec.wire import mbms_usage, mc_bodies, multipart
from mcsec.wire.mc_bodies import Body
from mcsec.wire.mc_sip import POC_SETTINGS_EVENT, PRESENCE_EVENT
from mcsec.wire.multipart import Part

Verify = Callable[[str, float], Awaitable[Claims]]
"""Gives the claims of an access token, or raises a PeerError: ``TokenValidator.validate``."""

EVENTS = (POC_SETTINGS_EVENT, PRESENCE_EVENT)
_SIP = "message/sip"
#: What a PUBLISH that asks for ever is given: it is refreshed, so that a client that died is noticed.
_LONGEST = 86_400


class Requests:
    """Answers requests.

    :ivar refused: how many, by code. ``done``: how many others, by method.
    """

    def __init__(
        self,
        function: Function,
        senders: Senders,
        locations: Locations,
        writer: GroupCommit,
        verify: Verify,
        tell: Callable[[Iterable[Event]], None],
        clock: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._function, self._senders, self._locations, self._writer = function, senders, locations, writer
        self._verify, self._tell, self._clock, self._wake = verify, tell, clock, wake
        self._procedures = {
            "REGISTER": self._register,
            "PUBLISH": self._publish,
            "MESSAGE": self._message,
            "OPTIONS": self._options,
        }
        self.refused: Counter[str] = Counter()
        self.done: Counter[str] = Counter()

    async def handle(self, request: Request, peer: Peer) -> Response:
        """The answer to a request."""
        try:
            if self._writer.trouble is not None:
                raise StoreError("the store takes nothing at present", code="store.unhealthy")
            procedure = self._procedures.get(request.method)
            if procedure is None:
                raise Refused(f"no {request.method} here", code="server.method", clause="RFC 3261 8.2.1")
            response = await procedure(request, peer)
        except Unauthorized as error:
            return self._challenge(request, peer, error)
        except (PeerError, StoreError) as error:
            return self._refuse(request, peer, error)
        if response.ok:
            self.done[request.method] += 1
        return response

    # --- procedures

    async def _register(self, request: Request, peer: Peer) -> Response:
        impu = address_of_record(request.to.uri)
        third_party = self._senders.trusts(peer)
        now = self._clock()
        sender = (
            Sender(impu, Proof.ASSERTED) if third_party else self._senders.registering(request, peer, now)
        )
        if not third_party and sender.impu != impu:
            raise Refused("a REGISTER for somebody else", code="server.sender", clause="RFC 3261 10.3")
        claim = authorisation.read(self._function, self._parts_of_register(request, third_party), now)
        name = None if claim is None else await self._verified(claim, impu)
        known = self._function.users.of_impu(impu)
        if (
            claim is None
            and known is not None
            and not sender.proof.alone
            and sender.proof is not Proof.ADDRESS
        ):
            raise self._unproven(sender)
        if claim is None and known is None and not third_party:
            self._locations.check_room(len(self._function.users))
        # From here on nothing is awaited until all is done, so that nobody else's request comes between.
        now = self._clock()
        if third_party:
            granted = self._expires(request)
            response = make_response(request, 200, headers=[("Expires", str(granted))])
        else:
            response, granted = self._locations.register(request, peer, impu, now)
            if not response.ok:
                raise _Answered(response)
        done = self._registered(claim, name, impu, granted, now)
        proven = claim is not None or sender.proof is Proof.DIGEST
        self._bind(peer, impu, proven and granted > 0, third_party)
        await self._carry_out(done)
        return response

    def _registered(self, claim: Claim | None, name: str | None, impu: str, granted: int, now: float) -> Done:
        function = self._function
        known = function.users.of_impu(impu)
        if not granted:
            return Done() if known is None else authorisation.log_off(function, known, "log-off", now)
        contact, path = self._locations.written(impu)
        if claim is not None and name is not None:
            return authorisation.bind(
                function, claim, name, impu, now + granted, now, contact=contact, path=path
            )
        if known is None:
            # Registered with SIP only: the service is authorised by a PUBLISH that follows (7.3.3).
            return Done()
        user, done = authorisation.refresh(known, now + granted, now, contact=contact, path=path)
        function.users.put(user)
        return done

    async def _publish(self, request: Request, peer: Peer) -> Response:
        event = (request.headers.get("Event") or "").partition(";")[0].strip().lower()
        if event not in EVENTS:
            raise Refused(f"no event {event or 'at all'} here", code="server.event", clause="RFC 3903 6")
        sender = self._senders.of(request, peer)
        parts = self._parts(request)
        if event == POC_SETTINGS_EVENT:
            return await self._settings(request, peer, sender, parts)
        user = self._function.users.known(sender.impu)
        self._match(request, user, event)
        body = self._body(sender, user, parts)
        wanted = (
            affiliation.Wanted()
            if not parts and self._expires(request) == 0
            else affiliation.read(self._function, body, user)
        )
        now = self._clock()
        await self._carry_out(affiliation.affiliate(self._function, user, wanted.groups, now, wanted.p_id))
        return self._published(request, user, event)

    async def _settings(
        self, request: Request, peer: Peer, sender: Sender, parts: Sequence[Part]
    ) -> Response:
        function, now = self._function, self._clock()
        if self._expires(request) == 0:
            user = function.users.known(sender.impu)
            self._body(sender, user, parts)
            done = authorisation.log_off(function, user, "log-off", now)
            self._senders.release(peer, user.impu)
            await self._carry_out(done)
            return make_response(request, 200, headers=[("Expires", "0")])
        claim = authorisation.read(function, parts, now)
        if claim is None:
            raise DecodeError("no access token", code="server.no-token", clause="TS 24.379 7.3.3")
        name = await self._verified(claim, sender.impu)
        now = self._clock()
        contact, path = self._locations.written(sender.impu)
        expires = now + min(self._expires(request), _LONGEST)
        done = authorisation.bind(
            function, claim, name, sender.impu, expires, now, contact=contact, path=path
        )
        self._bind(peer, sender.impu, True, self._senders.trusts(peer))
        await self._carry_out(done)
        return self._published(request, function.users.known(sender.impu), POC_SETTINGS_EVENT)

    async def _message(self, request: Request, peer: Peer) -> Response:
        sender = self._senders.of(request, peer)
        user = self._function.users.known(sender.impu)
        parts = self._parts(request)
        if multipart.first(parts, mbms_usage.CONTENT_TYPE) is None:
            raise Refused(
                "a MESSAGE with nothing that is understood", code="server.body", clause="TS 24.379 6.3"
            )
        body = self._body(sender, user, parts)
        await self._carry_out(listening.report(self._function, body, user, self._clock()))
        return make_response(request, 200)

    async def _options(self, request: Request, peer: Peer) -> Response:
        return make_response(request, 200, headers=[("Accept", multipart.MIXED)])

    # --- for calls and subscriptions

    def invited(self, request: Request, peer: Peer) -> tuple[User, Body]:
        """Who of our users sent an INVITE or a SUBSCRIBE, and its body.

        :raises PeerError: none who is authorised, or the body is not protected as it must be.
        """
        sender = self._senders.of(request, peer)
        user = self._function.users.known(sender.impu)
        return user, self._body(sender, user, self._parts(request), about_itself=False)

    def refusal(self, request: Request, peer: Peer, error: McsecError) -> Response:
        """The answer to a request that failed with ``error``, which is told and counted."""
        if isinstance(error, Unauthorized):
            return self._challenge(request, peer, error)
        return self._refuse(request, peer, error)

    def at_the_wire(self, event: SipEvent) -> None:
        """What SIP refused before its method was looked at is told and counted like every other refusal."""
        if isinstance(event, MessageMalformed):
            method, status, code = "", event.answered or 0, event.code
        elif isinstance(event, RequestRejected):
            method, status, code = event.method, event.status, f"sip.rejected-{event.status}"
        else:
            return
        self.refused[code] += 1
        self._tell([RequestRefused(self._clock(), method, "", str(event.peer), status, code, event.reason)])

    # --- what they share

    def _parts(self, request: Request) -> tuple[Part, ...]:
        content_type = request.headers.get("Content-Type")
        return multipart.decode(content_type, request.body) if content_type and request.body else ()

    def _parts_of_register(self, request: Request, third_party: bool) -> tuple[Part, ...]:
        """The client's own parts: those of the request, or of the REGISTER that the SIP core put into it."""
        parts = self._parts(request)
        inner = multipart.first(parts, _SIP) if third_party else None
        if inner is None:
            return parts
        message = decode(inner.content)
        if not isinstance(message, Request) or message.method != "REGISTER":
            raise DecodeError("what the SIP core forwards is no REGISTER", code="server.third-party")
        return self._parts(message)

    def _body(self, sender: Sender, user: User, parts: Sequence[Part], *, about_itself: bool = True) -> Body:
        """The body of somebody who is authorised already, and whether it is that user's.

        :param about_itself: what it asks for, it asks for itself; not so in an INVITE, which names a group.

        :raises PeerError: it is not proven to be, or not protected as it must be.
        """
        function = self._function
        keys = function.lookup(user.mc_service_id)
        protected = keys is not None and function.settings.protection
        body = mc_bodies.read(parts, keys, protected=protected)
        if not (sender.proof.alone or (sender.proof.with_signature and body.signed)):
            raise self._unproven(sender)
        info = body.info
        asked = info.request_uri if about_itself else None
        if asked not in (None, user.mc_service_id) or info.client_id not in (None, user.client_id):
            raise Refused("the request speaks for another user", code="server.sender", clause="TS 24.379 6.3")
        if keys is not None:
            # What it asks for is written after this, and answered after both.
            done = function.used(keys, self._clock())
            self._writer.submit(done.writes)
            self._tell(done.events)
        return body

    async def _verified(self, claim: Claim, impu: str) -> str:
        claims = await self._verify(claim.bearer(), self._clock())
        user = authorisation.authorise(self._function, claim, claims, impu)
        revocation.check(self._function, user, self._clock())
        return user

    async def _carry_out(self, done: Done) -> None:
        """Commit, then publish what happened; keys that are due may be sent now."""
        await self._writer.write(done.writes)
        self._tell(done.events)
        self._wake()

    def _bind(self, peer: Peer, impu: str, authorised: bool, third_party: bool) -> None:
        if third_party:
            return
        if authorised:
            self._senders.bind(peer, impu)
        elif self._function.users.of_impu(impu) is None:
            self._senders.release(peer, impu)

    def _expires(self, request: Request) -> int:
        asked = seconds(request.headers.get("Expires"))
        return 3600 if asked is None else asked

    def _match(self, request: Request, user: User, event: str) -> None:
        """Which publication is meant. A user has one for each event, so that the tag needs no state."""
        wanted = request.headers.get("SIP-If-Match")
        if wanted is not None and wanted != _etag(user, event):
            raise _Answered(make_response(request, 412))

    def _published(self, request: Request, user: User, event: str) -> Response:
        expires = min(self._expires(request), _LONGEST)
        return make_response(
            request, 200, headers=[("Expires", str(expires)), ("SIP-ETag", _etag(user, event))]
        )

    def _unproven(self, sender: Sender) -> Refused:
        return Refused(
            f"nothing proves that {sender.impu} sent this: {sender.proof.value}",
            code="server.sender",
            clause="RFC 3325; TS 24.379 7.3.1",
            hint="register with an access token on this connection, or come by the SIP core",
        )

    def _challenge(self, request: Request, peer: Peer, error: Unauthorized) -> Response:
        """Asking for credentials refuses nothing; wrong ones are refused, and asked for again."""
        response = self._senders.challenge(request, error, self._clock())
        if error.stale or "Authorization" not in request.headers:
            return response
        return self._refuse(request, peer, _Answered(response, error.code))

    def _refuse(self, request: Request, peer: Peer, error: McsecError) -> Response:
        if isinstance(error, _Answered):
            response, code, reason = error.response, error.code, str(error)
        else:
            response, code, reason = self._response(request, error), error.code, str(error)
        self.refused[code] += 1
        sender = request.from_.uri
        self._tell(
            [RequestRefused(self._clock(), request.method, sender, str(peer), response.status, code, reason)]
        )
        return response

    def _response(self, request: Request, error: McsecError) -> Response:
        answer = answer_to(error)
        status = error.status if isinstance(error, BadMessage) and error.status is not None else answer.status
        headers = [] if answer.warning is None else [answer.warning.header(self._function.settings.domain)]
        if status == 489:
            headers.append(("Allow-Events", ", ".join(EVENTS)))
        if status == 405:
            headers.append(("Allow", ", ".join(self._procedures)))
        if status == 415:
            headers.append(("Accept", multipart.MIXED))
        if status == 503:
            headers.append(("Retry-After", "5"))
        return make_response(request, status, headers=headers)


class _Answered(PeerError):
    """A refusal whose answer is made already."""

    code = "server.sip"

    def __init__(self, response: Response, code: str | None = None) -> None:
        super().__init__(
            f"answered {response.status} {response.reason}", code=code or f"server.sip-{response.status}"
        )
        self.response = response


def _etag(user: User, event: str) -> str:
    return hashlib.sha256(f"{event}\n{user.mc_service_id}\n{user.client_id}".encode()).hexdigest()[:16]
