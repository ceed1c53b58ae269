"""What others send to a client outside calls: MESSAGEs, and key messages that were fetched from a GMS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from mcsec.client.engine import Carrier, ClientEngine
from mcsec.client.events import MessageRefused
from mcsec.client.inbox import ACCEPT, Arrival, Inbox
from mcsec.client.profile import Profile
from mcsec.client.radio import Output
from mcsec.client.refusals import answer_to
from mcsec.errors import PeerError, Refused
from mcsec.keys.events import DownloadRefused, Event
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.message import Request, Response


class Arrivals:
    """One client's post.

    :ivar refused: what changed nothing, counted by code; ``taken`` counts the other MESSAGEs.
    """

    def __init__(
        self,
        profile: Profile,
        engine: ClientEngine,
        inbox: Inbox,
        carry_out: Callable[[Iterable[Output]], None],
        on_timers: Callable[[], None],
        on_event: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        """:param carry_out: does what the radio side wants. :param on_timers: told when what is due may have moved."""
        self._profile, self._engine, self._inbox = profile, engine, inbox
        self._carry_out, self._timers_moved = carry_out, on_timers
        self._tell, self._clock = on_event, clock
        self.refused: Counter[str] = Counter()
        self.taken = 0

    def group_key(self, message: bytes, gms: str) -> None:
        """A key message that was fetched from the GMS ``gms``: its key goes into the keyring, or it is refused."""
        now = self._clock()
        try:
            happened = self._engine.key_message(message, Carrier.GROUP_KEYS, now)
        except PeerError as error:
            self.refused[error.code] += 1
            happened = [DownloadRefused(now, gms, error.code, str(error))]
        for event in happened:
            self._tell(event)
        self._timers_moved()

    def message(self, request: Request, logged_on: bool) -> Response:
        """The answer to a MESSAGE, once its effect is there."""
        now = self._clock()
        try:
            if not logged_on:
                raise Refused("nobody is logged on", code="client.logged-off")
            happened, outputs = self._inbox.message(Arrival.of(request), now)
        except PeerError as error:
            return self._refuse(request, error, now)
        self.taken += 1
        for event in happened:
            self._tell(event)
        self._carry_out(outputs)
        self._timers_moved()
        return make_response(request, 200)

    def _refuse(self, request: Request, error: PeerError, now: float) -> Response:
        answer = answer_to(error)
        self.refused[error.code] += 1
        sender = request.headers.get("P-Asserted-Identity") or request.from_.uri
        self._tell(MessageRefused(now, sender, answer.status, error.code, str(error)))
        warning = answer.warning_header(self._profile.domain)
        headers = [] if warning is None else [warning]
        if answer.accept:
            headers.append(("Accept", ACCEPT))
        return make_response(request, answer.status, headers=headers)
