"""Group calls of one MCX server: both functions, beside the server that it is given (TS 24.379 10.1.1, 10.1.2).

::

    async with McServer(...) as server, Calls(server, directory, settings) as calls:
        calls.attach(JointAir(joint, transmitter))
        ...

What happens to listeners and users comes from the server's events; what happens to bearers is told by :meth:`happened`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from mcsec.errors import PeerError
from mcsec.keys.events import Event
from mcsec.net.media_ports import PortPool
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.reason import SERVER_GONE, Reason
from mcsec.net.sip.ways import Target
from mcsec.server.bearers import events as bearers
from mcsec.server.calls.air import Air
from mcsec.server.calls.around import Around
from mcsec.server.calls.book import Book
from mcsec.server.calls.events import ControllingLost
from mcsec.server.calls.focus import Focus
from mcsec.server.calls.groups import GroupDirectory
from mcsec.server.calls.incoming import Incoming
from mcsec.server.calls.leftovers import Leftovers
from mcsec.server.calls.legs import PartnerLeg
from mcsec.server.calls.links import Partner
from mcsec.server.calls.outgoing import Outgoing
from mcsec.server.calls.policy import STANDARD, CallPolicy
from mcsec.server.calls.serving import Serving
from mcsec.server.events import AffiliationChanged, ClientLeft, ListeningReported, SuspensionReported
from mcsec.server.service import McServer

#: Seconds that a partner has to say that it is there.
_PROBE = 5.0


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How calls are set up. ``controlling``: public service identity of the controlling function. ``host``, ``first``,
    ``last``: address and ports of legs; without ports, any that are free. ``partners``: by domain.
    """

    controlling: str
    host: str = "127.0.0.1"
    first: int = 0
    last: int = 0
    policy: CallPolicy = STANDARD
    partners: Mapping[str, Partner] = field(default_factory=dict)


_LOST = Reason(SERVER_GONE, "the controlling function is lost")


class Calls:
    """Serves the calls of one server. An async context manager, inside the server's.

    :ivar around: counters, and what calls share.
    """

    def __init__(
        self,
        server: McServer,
        directory: GroupDirectory,
        settings: CallSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        pool = PortPool(settings.host, settings.first, settings.last)
        self._settings, self._server = settings, server
        self.around = Around(server, clock, pool, settings.policy, settings.partners, settings.controlling)
        self._book = Book(self.around, directory)
        self._outgoing = Outgoing(self._book)
        self._incoming = Incoming(self._book, self._outgoing)
        self._probing: set[str] = set()

    async def __aenter__(self) -> Self:
        engine, now = self.around.engine, self.around.clock()
        for partner in self._settings.partners.values():
            happened = engine.take_spk(partner.mdsi, partner.spks[-1], now)
            await self._server.carry_out(self._server.function.done(happened))
        await self.around.outbox.__aenter__()
        self._server.serve_calls(self._incoming.invited)
        self._server.hear(self.happened)
        self._server.endpoint.on_flow_closed(self._flow_closed)
        left = await self._server.calls_left()
        if left:
            hops: dict[str, Target] = {name: one.hop for name, one in self._settings.partners.items()}
            self.around.spawn(Leftovers(self._server, hops).end(left))
        self.around.spawn(self._listen_for_silence())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._book.stop()
        await self.around.close()
        await self.around.outbox.__aexit__()

    def attach(self, air: Air) -> None:
        """Calls may go on these bearers from now on."""
        self.around.attach(air)

    # --- what is so

    @property
    def directory(self) -> GroupDirectory:
        """Where groups are found."""
        return self._book.directory

    @property
    def focuses(self) -> Mapping[str, Focus]:
        """Calls that we control, by group."""
        return self._book.focuses

    @property
    def servings(self) -> Mapping[str, Serving]:
        """Calls that our users are in, by group."""
        return self._book.servings

    # --- what operators do

    async def release(self, group: str, reason: str = "an operator") -> bool:
        """Release a call that we control; whether there was one."""
        focus = self._book.focuses.get(group)
        if focus is None:
            return False
        focus.release(reason)
        return True

    def follow(self, group: str) -> None:
        """A group changed in the directory; a call of it that we control has its present members from now on."""
        focus = self._book.focuses.get(group)
        if focus is not None:
            focus.follow(self._book.directory.find(group))

    # --- what happens

    def happened(self, event: Event) -> None:
        """An event of the server or of its bearers."""
        match event:
            case ListeningReported(user=user, listening=listens, tmgis=tmgis, group=group):
                for bearer in self._named(tmgis):
                    for serving in self._concerned(group):
                        serving.listening(user, bearer, listens, to_call=bool(group))
            case SuspensionReported(suspended=suspended, tmgis=tmgis):
                for bearer in self._named(tmgis):
                    for serving in self._concerned(""):
                        serving.suspended(bearer, suspended)
            case ClientLeft(user=user, reason=reason):
                for serving in self._concerned(""):
                    serving.close(user, reason)
                self.around.uplinks.forget(user)
            case AffiliationChanged(user=user, left=left):
                for group in left:
                    for serving in self._concerned(group) if group else ():
                        serving.close(user, "not affiliated any more")
            case bearers.BearerActive(bearer=name):
                for serving in self._concerned(""):
                    serving.bearer_up(name)
            case bearers.ListenersToUnicast(bearer=name) | bearers.BearerLost(bearer=name):
                for serving in self._concerned(""):
                    serving.bearer_lost(name)

    def _named(self, tmgis: tuple[str, ...]) -> list[str]:
        on_air = self.around.air.bearers()
        return [name for name, tmgi in on_air.items() if str(tmgi) in tmgis]

    def _concerned(self, group: str) -> list[Serving]:
        """The call of a group, or all."""
        if not group:
            return list(self._book.servings.values())
        found = self._book.servings.get(group)
        return [] if found is None else [found]

    # --- partners that are gone

    def _flow_closed(self, peer: Peer, reason: str) -> None:
        for domain, link in self.around.links.items():
            if link.partner.is_at(peer) and any(leg.domain == domain for leg in self._legs()):
                self.around.spawn(self._probe(domain, reason))

    async def _listen_for_silence(self) -> None:
        silence = self.around.policy.silence
        while True:
            await asyncio.sleep(silence / 4)
            now = self.around.clock()
            for domain in {leg.domain for leg in self._book.remote if now - leg.heard > silence}:
                self.around.spawn(self._probe(domain, "nothing came from it"))

    async def _probe(self, domain: str, reason: str) -> None:
        """Ask a partner whether it is there; its calls are over where it is not."""
        if domain in self._probing:
            return
        self._probing.add(domain)
        partner = self.around.link(domain).partner
        options = make_request("OPTIONS", partner.controlling, from_=self.around.participating)
        try:
            async with asyncio.timeout(_PROBE):
                await self._server.endpoint.request(options, partner.hop)
        except (PeerError, TimeoutError):
            self._lost(domain, reason)
        finally:
            self._probing.discard(domain)
        now = self.around.clock()
        for leg in self._legs():
            if leg.domain == domain:
                leg.heard = now

    def _lost(self, domain: str, reason: str) -> None:
        now = self.around.clock()
        for serving in list(self._book.servings.values()):
            if serving.group.home == domain:
                self.around.tell(ControllingLost(now, serving.group.group_id, serving.controlling, reason))
                for user in list(serving.legs):
                    serving.close(user, _LOST.text, because=_LOST)
        for focus in list(self._book.focuses.values()):
            for user, leg in list(focus.partners.items()):
                if leg.domain == domain:
                    focus.left(user, "its participating function is lost", leg)

    def _legs(self) -> list[PartnerLeg]:
        members = [leg for focus in self._book.focuses.values() for leg in focus.partners.values()]
        return [*self._book.remote, *members]
