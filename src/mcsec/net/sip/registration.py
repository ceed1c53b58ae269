"""Keeping one contact registered (RFC 3261 10.2, RFC 5626 4.5, TS 24.229 5.1.1.4): a table, no sockets, no clock.

Requests come out, responses and time go in. What the registrar says for later use is kept: Service-Route and
P-Associated-URI.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from mcsec.net.sip.compose import make_request, new_call_id
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.refreshing import STANDARD_RETRY, Backoff, RetryTimes, refresh_after, seconds
from mcsec.net.sip.tables import follow
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import CSeq, NameAddr, decode_addresses


class RegistrationState(StrEnum):
    """Where it is."""

    IDLE = "idle"
    REGISTERING = "registering"
    REGISTERED = "registered"
    REFRESHING = "refreshing"
    WAITING = "waiting to try again"
    LEAVING = "leaving"
    REFUSED = "refused"


class RegistrationInput(StrEnum):
    """What happens to it."""

    START = "start"
    DUE = "time to register"
    ACCEPTED = "2xx"
    TOO_BRIEF = "423"
    FAILED = "failure that may pass"
    REFUSED = "refusal"
    UNPROVEN = "refusal of a REGISTER without proof"
    FLOW_LOST = "connection lost"
    STOP = "stop"


_S, _I = RegistrationState, RegistrationInput

REGISTRATION: Final[dict[RegistrationState, dict[RegistrationInput, RegistrationState]]] = {
    _S.IDLE: {_I.START: _S.REGISTERING},
    _S.REGISTERING: {
        _I.ACCEPTED: _S.REGISTERED,
        _I.TOO_BRIEF: _S.REGISTERING,
        _I.FAILED: _S.WAITING,
        _I.REFUSED: _S.REFUSED,
        _I.UNPROVEN: _S.WAITING,
        _I.STOP: _S.LEAVING,
    },
    _S.REGISTERED: {_I.DUE: _S.REFRESHING, _I.FLOW_LOST: _S.WAITING, _I.STOP: _S.LEAVING},
    _S.REFRESHING: {
        _I.ACCEPTED: _S.REGISTERED,
        _I.TOO_BRIEF: _S.REFRESHING,
        _I.FAILED: _S.WAITING,
        _I.REFUSED: _S.REFUSED,
        _I.UNPROVEN: _S.WAITING,
        _I.STOP: _S.LEAVING,
    },
    _S.WAITING: {_I.DUE: _S.REGISTERING, _I.STOP: _S.IDLE},
    _S.LEAVING: {_I.ACCEPTED: _S.IDLE, _I.FAILED: _S.IDLE, _I.REFUSED: _S.IDLE, _I.TOO_BRIEF: _S.IDLE},
    _S.REFUSED: {_I.START: _S.REGISTERING, _I.STOP: _S.IDLE},
}
# Refusals that trying again will not change (TS 24.229 5.1.1.2.1); any other failure may pass.
_FINAL: Final = frozenset({400, 401, 403, 404, 405, 407, 410, 416, 420, 421, 485, 493, 604})


@dataclass(frozen=True, slots=True)
class Registered:
    """The registrar has our contact for ``expires`` seconds."""

    expires: int


@dataclass(frozen=True, slots=True)
class Unregistered:
    """It has it no more, or never had; the next try is in ``retry`` seconds (``None``: there will be none)."""

    reason: str
    retry: float | None


@dataclass(frozen=True, slots=True)
class Unproven:
    """A REGISTER without a body was refused; the next follows at once, with what :meth:`Registration.replace_content`
    gives it by then.
    """

    reason: str


RegistrationEvent = Registered | Unregistered | Unproven


class Registration:
    """One contact at one registrar. All its REGISTERs share a Call-ID and count up."""

    def __init__(
        self,
        registrar: str,
        aor: str,
        contact: NameAddr,
        *,
        expires: int = 3600,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
        provable: bool = False,
        retry: RetryTimes = STANDARD_RETRY,
        rng: random.Random | None = None,
    ) -> None:
        """:param provable: a REGISTER without a body that is refused with 403 gets one on :class:`Unproven`, once."""
        self._registrar, self._aor, self._contact = registrar, aor, contact
        self._expires = expires
        self._headers = tuple(headers)
        self._content = (body, content_type)
        self._call_id = new_call_id()
        self._cseq = 0
        # Waiting times are spread so that clients do not come back together; nothing secret hangs on it.
        self._backoff = Backoff(random.Random() if rng is None else rng, retry.first, retry.most)  # noqa: S311
        self._retry, self._provable, self._proving = retry, provable, False
        self._due: float | None = None
        self._events: list[RegistrationEvent] = []
        self.state = RegistrationState.IDLE
        self.service_route: tuple[str, ...] = ()
        self.associated: tuple[str, ...] = ()

    def events(self) -> list[RegistrationEvent]:
        """What happened since the last call."""
        taken, self._events = self._events, []
        return taken

    def replace_content(self, body: bytes, content_type: str | None) -> None:
        """The body of the REGISTERs from now on: a fresh token or key upload."""
        self._content = (body, content_type)

    def start(self) -> Request:
        """The first REGISTER.

        :raises WrongState: it is started.
        """
        self._go(_I.START)
        return self._request(self._expires)

    def stop(self) -> Request | None:
        """The REGISTER that takes the contact back; ``None`` when the registrar does not have it.

        :raises WrongState: it is not started.
        """
        self._due = None
        self._go(_I.STOP)
        return self._request(0) if self.state is _S.LEAVING else None

    def next_timer(self) -> float | None:
        """When :meth:`handle_timer` wants to be called."""
        return self._due

    def handle_timer(self, now: float) -> Request | None:
        """The REGISTER that is due, if one is."""
        if self._due is None or now < self._due:
            return None
        self._due = None
        self._go(_I.DUE)
        return self._request(self._expires)

    def renumbered(self, request: Request) -> Request:
        """The same REGISTER, with credentials now, under the next CSeq."""
        self._cseq += 1
        cseq = CSeq(self._cseq, "REGISTER")
        return replace(request, headers=request.headers.set("CSeq", cseq.encode()))

    def answered(self, response: Response, now: float) -> Request | None:
        """Take a final response; gives a REGISTER that must follow at once (after 423)."""
        if response.ok:
            self._accepted(response, now)
        elif response.status == 423 and (least := seconds(response.headers.get("Min-Expires"))):
            if self.state is not _S.LEAVING and least <= self._expires:
                # It asks for what it has: a registrar that loops is a failure, not a reason to loop along.
                self.failed("423 for an interval that is long enough", now)
                return None
            self._expires = max(least, self._expires)
            self._go(_I.TOO_BRIEF)
            return None if self.state is _S.IDLE else self._request(self._expires)
        elif response.status == 403 and self._may_prove():
            self._go(_I.UNPROVEN)
            self._proving, self._due = True, now
            self._events.append(Unproven(f"refused with {response.status}"))
        elif response.status in _FINAL:
            self._go(_I.REFUSED)
            self._events.append(Unregistered(f"refused with {response.status}", None))
        else:
            retry = seconds(response.headers.get("Retry-After"))
            self.failed(f"answered {response.status}", now, retry)
        return None

    def failed(self, reason: str, now: float, retry_after: float | None = None) -> None:
        """The REGISTER got no answer, or one that may pass: wait and try again."""
        self._go(_I.FAILED)
        self._wait(reason, now, retry_after)

    def flow_lost(self, now: float) -> None:
        """The connection that the registrar reaches us by is gone: register anew, after a moment."""
        if self.state is _S.REGISTERED:
            self._go(_I.FLOW_LOST)
            self._backoff.restart(self._retry.lost)
            self._wait("the connection is gone", now, None)

    def _may_prove(self) -> bool:
        """Whether a refused REGISTER may be sent again with proof: a registrar that restarted does not know us."""
        bare = not self._content[0] and self.state is not _S.LEAVING
        return self._provable and bare and not self._proving

    def _wait(self, reason: str, now: float, retry_after: float | None) -> None:
        if self.state is _S.IDLE:
            self._events.append(Unregistered(reason, None))
            return
        wait = self._backoff.failed(retry_after)
        self._due = now + wait
        self._events.append(Unregistered(reason, wait))

    def _accepted(self, response: Response, now: float) -> None:
        leaving = self.state is _S.LEAVING
        self._go(_I.ACCEPTED)
        if leaving:
            self._events.append(Unregistered("we left", None))
            return
        self._backoff.restart(self._retry.first)
        self._proving = False
        granted = self._granted(response)
        self._due = now + refresh_after(granted)
        self.service_route = tuple(response.headers.listed("Service-Route"))
        self.associated = tuple(
            address.uri for address in decode_addresses(response.headers.all("P-Associated-URI"))
        )
        self._events.append(Registered(granted))

    def _granted(self, response: Response) -> int:
        """What the registrar says of our contact; else its Expires, else what we asked for."""
        ours = Uri.decode(self._contact.uri)
        for contact in response.contacts:
            granted = seconds(contact.params.get("expires"))
            if granted and contact.uri != "*" and contact.parsed().matches(ours):
                return granted
        return seconds(response.headers.get("Expires")) or self._expires

    def _request(self, expires: int) -> Request:
        self._cseq += 1
        body, content_type = self._content if expires else (b"", None)
        headers = [
            ("Contact", self._contact.encode()),
            ("Expires", str(expires)),
            ("Supported", "path"),
            *self._headers,
        ]
        return make_request(
            "REGISTER",
            self._registrar,
            from_=self._aor,
            to=self._aor,
            call_id=self._call_id,
            cseq=self._cseq,
            headers=headers,
            body=body,
            content_type=content_type,
        )

    def _go(self, what: RegistrationInput) -> None:
        self.state = follow(REGISTRATION, self.state, what, "registration")
