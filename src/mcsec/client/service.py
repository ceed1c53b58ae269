"""An MC client on asyncio: joins what decides (engine, radio, inbox) with what carries (SIP, multicast).

::

    async with ClientHost(HostSettings(Hop("TLS", "127.0.0.1", 5061))) as host:
        client = host.add(profile, engine, token, radio=RadioSide(area=7), on_event=print)
        await client.log_on(["sip:rescue@a.example"])
        ...
        await client.log_off()
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import MappingProxyType

from mcsec._core import Secret
from mcsec.client.affiliation_watch import AffiliationWatch
from mcsec.client.airwaves import Airwaves
from mcsec.client.announcement import Announcements
from mcsec.client.arrivals import Arrivals
from mcsec.client.calls.desk import POLICY, CallDesk
from mcsec.client.calls.engine import Wish
from mcsec.client.calls.rejoining import Rejoining
from mcsec.client.calls.service import McCall
from mcsec.client.content import Content, ContentWriter
from mcsec.client.copies import Copies
from mcsec.client.engine import ClientEngine
from mcsec.client.events import (
    Affiliated,
    LoggedOff,
    ProcedureFailed,
    RegistrationChanged,
    ServiceAuthorised,
)
from mcsec.client.floor import ParticipantPolicy
from mcsec.client.inbox import Inbox
from mcsec.client.link import Link
from mcsec.client.listening import ListeningSide
from mcsec.client.profile import Authorisation, Profile
from mcsec.client.publishing import Publication, ServiceRefused
from mcsec.client.radio import Output, RadioSide
from mcsec.client.registration import Registering
from mcsec.client.reporting import Reporter
from mcsec.client.timer import Timer
from mcsec.errors import McsecError, PeerError, Refused, WrongState
from mcsec.ids import KeyId
from mcsec.keys.events import Event
from mcsec.net.media_ports import PortPool
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.invited import IncomingCall
from mcsec.net.sip.message import Request, Response
from mcsec.wire.mbms_usage import Suspension
from mcsec.wire.mc_sip import FOREVER, NEVER, POC_SETTINGS_EVENT, PRESENCE_EVENT

OnEvent = Callable[[Event], None]


class McClient:
    """One user's client: registered, authorised, affiliated, listening. Made by :meth:`ClientHost.add`.

    :ivar engine: its keys and what they open.
    :ivar on_call: told each call that begins, before anything is heard of it.
    """

    def __init__(
        self,
        profile: Profile,
        engine: ClientEngine,
        token: Callable[[], Secret],
        link: Link,
        airwaves: Airwaves,
        pool: PortPool,
        *,
        radio: RadioSide,
        on_event: OnEvent,
        credentials: DigestClient | None = None,
        floor: ParticipantPolicy = POLICY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """:param token: gives the access token whenever it is needed, so that it can be renewed.
        :param pool: the ports of its calls.
        :param credentials: for a registrar that asks for digest authentication.
        """
        self.profile, self.engine = profile, engine
        self.on_call: Callable[[McCall], None] = lambda call: None
        self._token, self._clock, self._tell = token, clock, on_event
        self._radio = radio
        self._announcements = Announcements(engine, radio)
        self._inbox = Inbox(profile, engine, self._announcements)
        self._timer = Timer(engine, radio, self._carry_out, on_event, clock)
        arm = self._timer.arm
        self._arrivals = Arrivals(profile, engine, self._inbox, self._carry_out, arm, on_event, clock)
        self._writer = ContentWriter(profile, engine)
        self._reporter = Reporter(link, self._writer, profile.impu, on_event, self.failed, clock)
        copies = Copies()
        self._listening = ListeningSide(
            engine, radio, airwaves, self._heard, self._reporter.report, arm, clock, copies
        )
        self._desk = CallDesk(
            profile,
            engine,
            link,
            self._inbox,
            self._writer,
            pool,
            copies=copies,
            on_event=on_event,
            on_call=self._begins,
            on_lost=lambda call: self._rejoining.lost(call),
            on_calls=self._calls_moved,
            on_timers=arm,
            refused=self._arrivals.refused,
            clock=clock,
            policy=floor,
        )
        self._rejoining = Rejoining(
            self._desk.call, self._desk.calls, self._still_in, on_event, clock, profile.rejoin
        )
        self._settings = self._publication(link, "service authorisation", POC_SETTINGS_EVENT)
        self._presence = self._publication(link, "affiliation", PRESENCE_EVENT)
        self._watch = AffiliationWatch(link, profile, self._inbox, self._writer, on_event, self.failed, clock)
        self._registering = Registering(
            link, profile, self._write_register, self._registration_changed, self.failed, credentials
        )
        self._groups: tuple[str, ...] = ()
        self._csk: KeyId | None = None
        self._logged_on = False
        self._started = False
        self._again: asyncio.Task[None] | None = None

    @property
    def contact_user(self) -> str:
        """The user part of the Contact under which the server reaches this client."""
        return self._registering.contact_user

    @property
    def now(self) -> float:
        """The time that keys are judged by."""
        return self._clock()

    @property
    def rejoining(self) -> frozenset[str]:
        """The groups whose calls the server lost, and which are to be made again."""
        return self._rejoining.groups

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that it is affiliated to."""
        return self._groups

    async def log_on(self, groups: Iterable[str] = ()) -> None:
        """Register, get the service authorised, affiliate to ``groups``.

        :raises ServiceRefused: the server refuses a step; what was reached before stays until :meth:`log_off`.
        :raises PeerError: nobody answered. :raises WrongState: no keys for the present key period.
        """
        self._logged_on = True
        self._timer.start()
        await self._registering.start()
        await self._authorise()
        self._started = True
        wanted = tuple(groups)
        if wanted:
            await self.affiliate(wanted)

    async def affiliate(self, groups: Iterable[str]) -> None:
        """Be affiliated to exactly these groups; none: to no group any more.

        :raises ServiceRefused: the server refuses; the groups are those of before. :raises PeerError: no answer.
        """
        wanted = tuple(dict.fromkeys(groups))
        await self._presence.publish(
            lambda: self._writer.affiliation(wanted, self._clock()), FOREVER if wanted else NEVER
        )
        for left in set(self._groups).difference(wanted):
            self._listening.carry_out(self._radio.unmapped(left))
        self._desk.left.difference_update(set(wanted).difference(self._groups))
        self._groups = wanted
        self._listening.groups = self._heard_groups()
        self._tell(Affiliated(self._clock(), self.profile.mc_service_id, wanted))

    @property
    def refused(self) -> Counter[str]:
        """MESSAGEs and INVITEs that changed nothing, counted by code."""
        return self._arrivals.refused

    @property
    def taken(self) -> int:
        """How many MESSAGEs had an effect."""
        return self._arrivals.taken

    @property
    def calls(self) -> Mapping[str, McCall]:
        """The calls that go on, by group."""
        return MappingProxyType(self._desk.calls)

    async def call(
        self,
        group: str,
        *,
        chat: bool = False,
        talk: bool = False,
        emergency: bool = False,
        imminent_peril: bool = False,
        broadcast: bool = False,
        priority: int | None = None,
    ) -> McCall:
        """Call a group, or join its call that goes on.

        :param chat: a chat group; else a prearranged one, whose members the server invites.
        :param talk: ask for the floor at once. :param broadcast: nobody else is to talk.
        :param priority: the highest floor priority wanted, 1 to 255.
        :raises ServiceRefused: the server refuses. :raises PeerError: nobody answered, or the answer will not do.
        :raises WrongState: there is a call of the group already, or too many, or nobody is logged on.
        :raises Forbidden: there is no CSK, or, with ``talk``, no GMK of the group.
        """
        if not self._logged_on:
            raise WrongState("nobody is logged on", code="client.logged-off")
        return await self._desk.call(
            Wish(
                group=group,
                chat=chat,
                talk=talk,
                emergency=emergency,
                imminent_peril=imminent_peril,
                broadcast=broadcast,
                priority=priority,
            )
        )

    async def watch_affiliations(self) -> None:
        """Be told of every change of this client's affiliations, until it logs off.

        :raises PeerError: the server refuses, or nobody answered.
        """
        await self._watch.start()

    async def invited(self, incoming: IncomingCall) -> None:
        """Take a call that comes, or refuse it."""
        if not self._logged_on:
            self._desk.refuse(incoming, Refused("nobody is logged on", code="client.logged-off"))
            return
        await self._desk.invited(incoming, self._groups)

    def moved(self, area: int | None) -> None:
        """The client is in another service area, or out of all."""
        self._listening.carry_out(self._radio.moved(area, self._clock()))
        self._timer.arm()

    async def report_suspension(self, suspension: Suspension) -> None:
        """Tell the server which bearers the network is about to suspend.

        :raises WrongState: the server did not ask this client for such reports.
        :raises ServiceRefused: the server refuses. :raises PeerError: nobody answered.
        """
        if not self._announcements.instructed_to_report_suspension():
            raise WrongState(
                "the server did not ask for suspension reports",
                code="client.suspension",
                clause="TS 24.379 14.3.4",
            )
        await self._reporter.suspension(suspension)

    async def log_off(self) -> None:
        """Leave the service. Every key is wiped, whatever the server answers."""
        if not self._logged_on:
            return
        self._logged_on = self._started = False
        if self._again is not None:
            self._again.cancel()
        await self._rejoining.stop()
        try:
            await self._desk.close()
            await self._reporter.stop()
            await self._watch.stop()
            self._presence.forget()
            self._settings.forget_timer()
            if self.profile.authorisation is Authorisation.PUBLISH and self._csk is not None:
                try:
                    await self._settings.end(lambda: self._writer.log_off(self._clock()))
                except PeerError as error:
                    self.failed(error)
            await self._registering.stop()
        finally:
            self._settings.forget()
            self._timer.stop()
            self._announcements.clear()
            self._listening.close()
            self._groups, self._csk = (), None
            self._desk.left.clear()
            self._listening.groups = frozenset()
            now = self._clock()
            for event in [*self.engine.log_off(now), LoggedOff(now, self.profile.mc_service_id)]:
                self._tell(event)

    def group_key(self, message: bytes, gms: str) -> None:
        """A key message that was fetched from the GMS ``gms``: its key goes into the keyring, or it is refused."""
        self._arrivals.group_key(message, gms)

    def message(self, request: Request) -> Response:
        """The answer to a MESSAGE, once its effect is there."""
        return self._arrivals.message(request, self._logged_on)

    # --- inside

    def _carry_out(self, outputs: Iterable[Output]) -> None:
        self._listening.carry_out(outputs)

    def _heard(self, event: Event) -> None:
        """Something happened on a bearer."""
        self._tell(event)
        self._desk.from_bearer(event)

    def _heard_groups(self) -> frozenset[str]:
        """The groups that are heard on bearers: those of ours, but for those whose call was left."""
        return frozenset(self._groups).difference(self._desk.left).union(self._desk.calls)

    def _begins(self, call: McCall) -> None:
        self._rejoining.adopt(call)
        self.on_call(call)

    def _still_in(self, group: str) -> bool:
        return self._logged_on and group in self._groups

    def _calls_moved(self, group: str) -> None:
        self._listening.groups = self._heard_groups()
        if group not in self._listening.groups:
            self._listening.carry_out(self._radio.unmapped(group))

    def _publication(self, link: Link, procedure: str, event: str) -> Publication:
        return Publication(link, procedure, event, self.profile.impu, self.failed)

    def _write_register(self) -> Content:
        return self._write_authorisation(settings=False)

    def _write_authorisation(self, *, settings: bool) -> Content:
        content, self._csk = self._writer.authorisation(self._token(), self._clock(), settings=settings)
        return content

    async def _authorise(self) -> None:
        if self.profile.authorisation is Authorisation.PUBLISH:
            await self._settings.publish(lambda: self._write_authorisation(settings=True))
        assert self._csk is not None
        self._tell(ServiceAuthorised(self._clock(), self.profile.mc_service_id, self._csk))

    def _registration_changed(self, expires: int, reason: str) -> None:
        self._tell(RegistrationChanged(self._clock(), self.profile.mc_service_id, expires, reason))
        if expires and self._started:
            # The server may have forgotten everything about us.
            self._again = self._spawn(self._start_over())

    async def _start_over(self) -> None:
        try:
            self._settings.forget()
            self._presence.forget()
            await self._authorise()
            if self._groups:
                await self.affiliate(self._groups)
        except McsecError as error:
            self.failed(error)
        for report in self._radio.reports():
            self._reporter.report(report)
        # Nor need it know our calls: a server that was killed at the wrong moment never says that they are over.
        await asyncio.gather(*(call.refresh() for call in self._desk.calls.values()))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def failed(self, error: McsecError) -> None:
        """Tell that a procedure of this client failed, in the background."""
        if isinstance(error, ServiceRefused):
            event = ProcedureFailed(self._clock(), error.procedure, error.status, str(error))
        else:
            event = ProcedureFailed(self._clock(), error.code, 0, str(error))
        self._tell(event)
