"""A registrar and its location service (RFC 3261 10.3, RFC 3327, RFC 3608): bindings in memory, no sockets, no clock.

Whoever drives it has authenticated the request and checked that the user may register the address of record.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from mcsec.errors import DecodeError
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.grammar import Params
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.refreshing import seconds
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import NameAddr, decode_addresses
from mcsec.net.timers import Timers

#: Parameters of a Contact that belong to the registration and not to the contact.
_OURS: Final = ("expires", "q")


@dataclass(frozen=True, slots=True)
class RegistrarSettings:
    """``domains`` that we register for (empty: any). Expiry in seconds. ``bindings``: per address of record."""

    domains: frozenset[str] = frozenset()
    least: int = 60
    usual: int = 3600
    most: int = 86_400
    bindings: int = 10
    service_route: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """Where an address of record is reached.

    ``contact`` is the URI as registered, ``params`` its feature tags and other parameters, ``path`` the route to
    it, ``source`` the flow that the REGISTER came by. ``expires_at`` is on the clock of the driver.
    """

    aor: str
    contact: str
    q: float
    expires_at: float
    call_id: str
    cseq: int
    params: Params
    path: tuple[str, ...]
    source: Hashable

    def route(self) -> list[tuple[str, str]]:
        """The Route headers of a request to this binding; its request URI is ``contact``."""
        return [("Route", value) for value in self.path]


@dataclass(frozen=True, slots=True)
class ContactBound:
    """A contact is new or was refreshed (``fresh``: new)."""

    binding: Binding
    fresh: bool


@dataclass(frozen=True, slots=True)
class ContactUnbound:
    """A contact is gone; ``expired``: by itself."""

    binding: Binding
    expired: bool


RegistrarEvent = ContactBound | ContactUnbound


class _Abort(Exception):  # a way out of the update, not an error of anybody above
    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers


class Registrar:
    """All bindings. A REGISTER changes all that it asks for, or nothing."""

    def __init__(self, settings: RegistrarSettings | None = None) -> None:
        self.settings = RegistrarSettings() if settings is None else settings
        self._bindings: dict[str, list[Binding]] = {}
        self._by_source: dict[Hashable, set[str]] = {}
        self._timers = Timers()
        self._expired: list[RegistrarEvent] = []

    def __len__(self) -> int:
        return sum(len(bindings) for bindings in self._bindings.values())

    def register(
        self, request: Request, source: Hashable, now: float
    ) -> tuple[Response, list[RegistrarEvent]]:
        """Carry out a REGISTER: the response, and what changed."""
        events = self.handle_timer(now)
        try:
            aor = self._address(request)
            before = self._bindings.get(aor, [])
            after = self._updated(request, aor, before, source, now)
        except _Abort as abort:
            return make_response(request, abort.status, headers=abort.headers), events
        except DecodeError:
            return make_response(request, 400), events
        events += self._store(aor, before, after)
        return make_response(request, 200, headers=self._granted(request, after, now)), events

    def lookup(self, uri: str, now: float) -> list[Binding]:
        """The live bindings of an address, the preferred first.

        :raises BadMessage: ``uri`` is none.
        """
        live = [
            binding
            for binding in self._bindings.get(Uri.decode(uri).address_of_record(), ())
            if binding.expires_at > now
        ]
        return sorted(live, key=lambda binding: -binding.q)

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take bindings back that were kept elsewhere."""
        for binding in bindings:
            kept = self._bindings.setdefault(binding.aor, [])
            kept[:] = [other for other in kept if other.contact != binding.contact] + [binding]
            self._index(binding.aor, kept)

    def forget(self, source: Hashable) -> list[RegistrarEvent]:
        """Drop what was registered by a flow that is gone, and has no path around it."""
        events: list[RegistrarEvent] = []
        for aor in self._by_source.pop(source, ()):
            before = self._bindings.get(aor, [])
            after = [binding for binding in before if binding.source != source or binding.path]
            events += self._store(aor, before, after)
        return events

    def next_timer(self) -> float | None:
        """When :meth:`handle_timer` wants to be called."""
        return self._timers.next()

    def handle_timer(self, now: float) -> list[RegistrarEvent]:
        """Drop what has expired."""
        self._timers.run(now)
        events, self._expired = self._expired, []
        return events

    def _expire(self, aor: str, now: float) -> None:
        before = self._bindings.get(aor, [])
        after = [binding for binding in before if binding.expires_at > now]
        self._expired += self._store(aor, before, after, expired=True)

    def _address(self, request: Request) -> str:
        uri = request.to.parsed()
        if uri.scheme not in ("sip", "sips", "tel"):
            raise _Abort(404)
        if self.settings.domains and uri.host.lower() not in self.settings.domains:
            raise _Abort(404)
        return uri.address_of_record()

    def _updated(
        self, request: Request, aor: str, before: list[Binding], source: Hashable, now: float
    ) -> list[Binding]:
        contacts = request.contacts
        expires = seconds(request.headers.get("Expires"))
        if any(contact.uri == "*" for contact in contacts):
            if len(contacts) != 1 or expires != 0:
                raise _Abort(400)
            self._in_order(request, before)
            return []
        after = list(before)
        path = tuple(request.headers.listed("Path"))
        decode_addresses(path)
        for contact in contacts:
            uri = contact.parsed()
            same = [binding for binding in after if Uri.decode(binding.contact).matches(uri)]
            self._in_order(request, same)
            after = [binding for binding in after if binding not in same]
            granted = self._grant(contact, expires)
            if granted:
                after.append(self._binding(request, aor, contact, granted + now, path, source))
        if len(after) > max(self.settings.bindings, len(before)):
            raise _Abort(403)
        return after

    def _in_order(self, request: Request, bindings: list[Binding]) -> None:
        """An update that was overtaken by a later one of the same phone changes nothing (RFC 3261 10.3 step 7)."""
        for binding in bindings:
            if binding.call_id == request.call_id and request.cseq.number <= binding.cseq:
                raise _Abort(500)

    def _grant(self, contact: NameAddr, expires: int | None) -> int:
        asked = seconds(contact.params.get("expires"))
        if asked is None:
            asked = self.settings.usual if expires is None else expires
        if 0 < asked < self.settings.least:
            raise _Abort(423, ("Min-Expires", str(self.settings.least)))
        return min(asked, self.settings.most)

    def _binding(
        self,
        request: Request,
        aor: str,
        contact: NameAddr,
        expires_at: float,
        path: tuple[str, ...],
        source: Hashable,
    ) -> Binding:
        params = contact.params
        for name in _OURS:
            params = params.without(name)
        return Binding(
            aor,
            contact.uri,
            _quality(contact),
            expires_at,
            request.call_id,
            request.cseq.number,
            params,
            path,
            source,
        )

    def _store(
        self, aor: str, before: list[Binding], after: list[Binding], *, expired: bool = False
    ) -> list[RegistrarEvent]:
        known = {binding.contact for binding in before}
        kept = {binding.contact for binding in after}
        events: list[RegistrarEvent] = [
            ContactUnbound(binding, expired) for binding in before if binding.contact not in kept
        ]
        events += [
            ContactBound(binding, binding.contact not in known) for binding in after if binding not in before
        ]
        for source in {binding.source for binding in before} - {binding.source for binding in after}:
            served = self._by_source.get(source, set())
            served.discard(aor)
            if not served:
                self._by_source.pop(source, None)
        self._index(aor, after)
        return events

    def _index(self, aor: str, bindings: list[Binding]) -> None:
        """Keep the bindings of an address, with one timer for the earliest to expire."""
        if not bindings:
            self._bindings.pop(aor, None)
            self._timers.cancel(aor)
            return
        self._bindings[aor] = bindings
        self._timers.set(aor, min(binding.expires_at for binding in bindings), partial(self._expire, aor))
        for binding in bindings:
            self._by_source.setdefault(binding.source, set()).add(aor)

    def _granted(self, request: Request, bindings: list[Binding], now: float) -> list[tuple[str, str]]:
        lines = []
        for binding in bindings:
            params = binding.params.with_("expires", max(1, round(binding.expires_at - now)))
            if binding.q != 1.0:
                params = params.with_("q", f"{binding.q:g}")
            lines.append(("Contact", NameAddr(binding.contact, params=params).encode()))
        if bindings:
            lines += [("Path", value) for value in request.headers.all("Path")]
            lines += [("Service-Route", value) for value in self.settings.service_route]
        return lines


def _quality(contact: NameAddr) -> float:
    text = contact.params.get("q")
    if text is None:
        return 1.0
    try:
        value = float(text) if len(text) <= 5 else -1.0
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise BadMessage("q is 0 to 1", clause="RFC 3261 20.10")
    return value
