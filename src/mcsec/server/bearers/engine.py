"""The GCS AS's side of MB2-C: what is asked of the BM-SC, and what follows from its answers.

Sans-I/O. Wishes, answers, notifications and ``now`` go in; :class:`Ask` and events come out;
:meth:`Bearers.next_timer` says when to call :meth:`Bearers.poll`. Two orders are kept whatever happens: listeners are
on unicast *before* a bearer is given up, and are moved at once when one is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mcsec.errors import InvalidValue
from mcsec.ids import Tmgi
from mcsec.server.bearers import answers, events, requests
from mcsec.server.bearers.asking import ROUTINE, URGENT, Asking, nothing_follows
from mcsec.server.bearers.bearer import Bearer, Wish
from mcsec.server.bearers.events import Ask, Output, UnknownBearer
from mcsec.server.bearers.leftovers import Leftovers
from mcsec.server.bearers.policy import STANDARD, BearerPolicy
from mcsec.server.bearers.states import BearerState, Step
from mcsec.wire.mb2 import masks
from mcsec.wire.mb2.groups import MbmsBearerEventNotification
from mcsec.wire.mb2.messages import Gaa, Gnr


class Bearers:
    """The bearers of one GCS AS at one BM-SC."""

    def __init__(self, policy: BearerPolicy = STANDARD, bearers: Iterable[Bearer] = ()) -> None:
        """:param bearers: what was written down before a restart."""
        self.policy = policy
        self._bearers = {bearer.name: bearer for bearer in bearers}
        self._asking = Asking()
        self._leftovers = Leftovers(self._asking)
        self._connected = False
        self._counter: int | None = None
        self._load = 65535
        self._heartbeat_at: float | None = None

    # --- what is so

    @property
    def bearers(self) -> tuple[Bearer, ...]:
        """Every bearer that is not released: what a store writes down."""
        return tuple(bearer for bearer in self._bearers.values() if bearer.state is not BearerState.RELEASED)

    def bearer(self, name: str) -> Bearer:
        """One bearer.

        :raises InvalidValue: none of that name.
        """
        if name not in self._bearers:
            raise InvalidValue(f"no bearer {name}", code="bearer.unknown")
        return self._bearers[name]

    def of_tmgi(self, tmgi: Tmgi) -> Bearer | None:
        """The bearer with this TMGI."""
        return next((bearer for bearer in self.bearers if bearer.tmgi == tmgi), None)

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        if not self._connected:
            return None
        times = [time for bearer in self.bearers for time in bearer.times(self.policy.refresh_before)]
        return min(times if self._heartbeat_at is None else [*times, self._heartbeat_at], default=None)

    # --- what the operator and the calls want

    def want(self, name: str, wish: Wish, now: float) -> list[Output]:
        """A bearer is wanted.

        :raises InvalidValue: the name is taken.
        """
        known = self._bearers.get(name)
        if known is not None and known.state is not BearerState.RELEASED:
            raise InvalidValue(f"bearer {name} is there already", code="bearer.exists")
        self._bearers[name] = Bearer(name, wish, retry_at=now)
        return self.poll(now)

    def modify(self, name: str, wish: Wish, now: float) -> list[Output]:
        """Other areas or another priority for a bearer on the air; nothing else may change (TS 29.468 5.3.3)."""
        bearer = self.bearer(name)
        if replace(wish, areas=bearer.wish.areas, priority=bearer.wish.priority) != bearer.wish:
            raise InvalidValue("only areas and priority can be modified", code="bearer.modify")
        if not bearer.state.on_air:
            self._put(replace(bearer, wish=wish, retry_at=now))
            return self.poll(now)
        request = requests.update(bearer, wish)
        self._put(bearer.after(Step.ASK_CHANGE, change=wish))
        return [self._asking.ask(bearer, self._changed, change=request, drmp=ROUTINE)]

    def drop(self, name: str, now: float) -> list[Output]:
        """The bearer is given up, once its listeners are on unicast: see :meth:`emptied`."""
        bearer = self.bearer(name).after(Step.GIVE_UP, retry_at=None)
        self._put(bearer)
        if bearer.state is BearerState.LEAVING:
            assert bearer.tmgi is not None
            return [events.ListenersToUnicast(now, name, bearer.tmgi, "the bearer is given up", True)]
        if bearer.state is BearerState.DEACTIVATING:
            return [self._stop(bearer)]
        return self._released(bearer, now)

    def emptied(self, name: str, now: float) -> list[Output]:
        """Nobody is served by the bearer any more. It may have been lost meanwhile, and is released then."""
        bearer = self._bearers.get(name)
        if bearer is None or bearer.state is not BearerState.LEAVING:
            return []
        self._put(bearer := bearer.after(Step.EMPTIED))
        return [self._stop(bearer)]

    # --- what the BM-SC says

    def connected(self, now: float) -> list[Output]:
        """MB2-C is up: end what was left there, then ask for what is missing."""
        self._connected = True
        self._heartbeat_at = now if self.policy.heartbeat is not None else None
        for bearer in self.bearers:
            if not bearer.state.waiting:
                self._put(replace(bearer, retry_at=now))
        return [*self._leftovers.again(), *self.poll(now)]

    def disconnected(self, reason: str, now: float) -> list[Output]:
        """MB2-C is down. MB2-U may be up, but nobody can tell: listeners go to unicast (design 5.1)."""
        self._connected = False
        self._asking.forget()
        self._leftovers.lost(self.bearers)
        return self._all_gone(f"no connection to the BM-SC: {reason}", now)

    def answered(self, number: int, gaa: Gaa, now: float) -> list[Output]:
        """The answer to an :class:`Ask`. An answer to nothing changes nothing."""
        happened = self._counter_seen(gaa.origin_host, gaa.restart_counter, now)
        for load in gaa.load:
            self._load = self._load if load.load_value is None else load.load_value
        self._leftovers.answered(number)
        name, continuation = self._asking.take(number) or ("", nothing_follows)
        bearer = self._bearers.get(name)
        if bearer is not None:
            happened += continuation(replace(bearer, bmsc=gaa.origin_host), gaa, now)
        elif name:
            happened += self._leftovers.unneeded(gaa)
        return happened + self.poll(now)

    def failed(self, number: int, reason: str, now: float) -> list[Output]:
        """An :class:`Ask` got no answer, or one that refuses the command as a whole."""
        self._leftovers.failed(number)
        name, _ = self._asking.take(number) or ("", nothing_follows)
        bearer = self._bearers.get(name)
        if bearer is None:
            return self.poll(now)
        if bearer.state is BearerState.ACTIVATING:
            # It may be on the air, as a flow that nobody told us. With its TMGI that ends.
            ended = self._leftovers.end(replace(bearer, flow=None))
            bearer = bearer.after(Step.GONE, tmgi=None, tmgi_expiry=None, refreshing=False)
            return [*ended, *self._later(bearer, reason, now)]
        return (self._refused if bearer.state.waiting else self._later)(bearer, reason, now)

    def notified(self, gnr: Gnr, now: float) -> list[Output]:
        """A notification.

        :raises Refused: it speaks of a bearer or TMGI that is not ours; the rest of it was done.
        """
        happened = self._counter_seen(gnr.origin_host, gnr.restart_counter, now)
        strangers = []
        for tmgi in gnr.tmgi_expiry.tmgi if gnr.tmgi_expiry is not None else ():
            bearer = self.of_tmgi(tmgi)
            if bearer is None:
                strangers.append(str(tmgi))
            else:
                happened += self._expired(bearer, now)
        for notification in gnr.mbms_bearer_event_notification:
            bearer = self.of_tmgi(notification.tmgi)
            if bearer is None or bearer.flow not in (None, notification.mbms_flow_identifier):
                strangers.append(str(notification.tmgi))
            else:
                happened += self._bearer_event(bearer, notification, now)
        happened += self.poll(now)
        if strangers:
            raise UnknownBearer(strangers, happened)
        return happened

    # --- time

    def poll(self, now: float) -> list[Output]:
        """Do what is due."""
        if not self._connected:
            return []
        happened: list[Output] = []
        for bearer in self.bearers:
            if bearer.tmgi_expiry is not None and now >= bearer.tmgi_expiry:
                # A refresh whose answer was lost may keep it there.
                happened += [*self._expired(bearer, now), *self._leftovers.end(bearer)]
            elif (
                bearer.state is BearerState.STARTING
                and bearer.retry_at is not None
                and now >= bearer.retry_at
            ):
                happened.append(self._asking.ask(None, nothing_follows, change=requests.stop(bearer)))
                happened += self._refused(bearer, "the BM-SC did not say how the activation ended", now)
        for bearer in self.bearers:
            happened += self._advance(bearer, now)
            happened += self._refresh(self.bearer(bearer.name), now)
        if self._heartbeat_at is not None and now >= self._heartbeat_at and self.policy.heartbeat is not None:
            self._heartbeat_at = now + self.policy.heartbeat
            happened.append(self._asking.ask(None, nothing_follows))
        return happened

    # --- steps

    def _advance(self, bearer: Bearer, now: float) -> list[Output]:
        if bearer.retry_at is None or now < bearer.retry_at or self._leftovers.under_way:
            return []
        if self._load < self.policy.busy and bearer.state in (BearerState.WANTED, BearerState.ALLOCATED):
            self._load = 65535  # What was reported is old by then; the next answer tells anew.
            return self._later(bearer, "the BM-SC reports overload", now)
        if bearer.state in (BearerState.LOST, BearerState.EXPIRED):
            bearer = bearer.after(Step.RETRY)
        if bearer.state is BearerState.WANTED:
            self._put(bearer.after(Step.ASK_TMGI, tmgi=None, tmgi_expiry=None, flow=None, retry_at=None))
            return [self._asking.ask(bearer, self._allocated, allocation=requests.NEW_TMGI, drmp=URGENT)]
        if bearer.state is BearerState.ALLOCATED:
            self._put(bearer.after(Step.ASK_START, retry_at=None))
            start = requests.start(bearer)
            return [self._asking.ask(bearer, self._started, change=start, drmp=URGENT)]
        return []

    def _refresh(self, bearer: Bearer, now: float) -> list[Output]:
        due = bearer.refresh_time(self.policy.refresh_before)
        if due is None or now < due:
            return []
        self._put(replace(bearer, refreshing=True))
        refresh = requests.refresh(bearer)
        return [self._asking.ask(bearer, self._refreshed, allocation=refresh, drmp=ROUTINE)]

    def _stop(self, bearer: Bearer) -> Ask:
        stop = requests.stop(bearer)
        return self._asking.ask(bearer, self._stopped, change=stop, drmp=ROUTINE)

    # --- answers

    def _allocated(self, bearer: Bearer, gaa: Gaa, now: float) -> list[Output]:
        if bearer.state is not BearerState.ALLOCATING:
            return [*self._leftovers.unneeded(gaa)]
        match answers.allocation(gaa, now):
            case answers.NotDone(reason=reason):
                return self._refused(bearer, reason, now)
            case answers.Allocated(tmgis=(tmgi, *_), expiry=expiry):
                self._put(
                    bearer.after(
                        Step.GOT_TMGI, tmgi=tmgi, tmgi_expiry=expiry, attempts=0, retry_at=now, reason=""
                    )
                )
                return [events.TmgiAllocated(now, bearer.name, tmgi, expiry)]
        return []

    def _refreshed(self, bearer: Bearer, gaa: Gaa, now: float) -> list[Output]:
        answer = answers.allocation(gaa, now)
        if bearer.tmgi is None or isinstance(answer, answers.NotDone) or bearer.tmgi not in answer.tmgis:
            # It lives until its expiry all the same; another attempt is made until then.
            return self._later(replace(bearer, refreshing=False), "the TMGI was not refreshed", now)
        self._put(replace(bearer, tmgi_expiry=answer.expiry, refreshing=False))
        return [events.TmgiRefreshed(now, bearer.name, bearer.tmgi, answer.expiry)]

    def _started(self, bearer: Bearer, gaa: Gaa, now: float) -> list[Output]:
        answer = answers.activation(gaa)
        if bearer.state is not BearerState.ACTIVATING:
            # Given up meanwhile: what the BM-SC started is ended again.
            return (
                [self._stop(replace(bearer, flow=answer.flow))] if isinstance(answer, answers.Started) else []
            )
        if isinstance(answer, answers.NotDone):
            if not answer.no_tmgi:
                return self._refused(bearer, answer.reason, now, final=answer.final)
            self._put(bearer.after(Step.EXPIRE, retry_at=now, reason=answer.reason))
            return [events.BearerRefused(now, bearer.name, answer.reason, now)]
        bearer = replace(bearer, flow=answer.flow, mb2u=answer.mb2u, attempts=0, reason="")
        if answer.ongoing:
            self._put(bearer.after(Step.ONGOING, retry_at=now + self.policy.starting))
            return []
        return self._active(bearer, now)

    def _changed(self, bearer: Bearer, gaa: Gaa, now: float) -> list[Output]:
        if bearer.state is not BearerState.MODIFYING or bearer.change is None:
            return []
        refused = answers.change(gaa)
        if refused is not None:
            self._put(bearer.after(Step.REFUSED, change=None, reason=refused.reason))
            return [events.BearerRefused(now, bearer.name, refused.reason, None)]
        self._put(bearer := bearer.after(Step.CHANGED, wish=bearer.change, change=None, reason=""))
        assert bearer.tmgi is not None
        return [events.BearerModified(now, bearer.name, bearer.tmgi, bearer.wish.areas)]

    def _stopped(self, bearer: Bearer, gaa: Gaa, now: float) -> list[Output]:
        if bearer.state is not BearerState.DEACTIVATING:
            return []
        return self._released(bearer.after(Step.STOPPED), now)

    def _bearer_event(
        self, bearer: Bearer, notification: MbmsBearerEventNotification, now: float
    ) -> list[Output]:
        event = notification.mbms_bearer_event
        reason = "; ".join(event.reasons)
        if event & masks.BearerEvent.ACTIVATED and bearer.state is BearerState.STARTING:
            return self._active(bearer, now)
        if event & masks.BearerEvent.ACTIVATION_FAILED and bearer.state is BearerState.STARTING:
            return self._refused(bearer, reason, now)
        if event & masks.BearerEvent.TERMINATED and (
            bearer.state.on_air or bearer.state is BearerState.DEACTIVATING
        ):
            return self._lost(bearer, Step.TERMINATED, reason, now)
        return []

    # --- what follows

    def _active(self, bearer: Bearer, now: float) -> list[Output]:
        self._put(bearer.after(Step.STARTED, retry_at=None))
        assert bearer.tmgi is not None
        assert bearer.flow is not None
        assert bearer.mb2u is not None
        return [
            events.BearerActive(now, bearer.name, bearer.tmgi, bearer.flow, bearer.mb2u, bearer.wish.areas)
        ]

    def _lost(self, bearer: Bearer, step: Step, reason: str, now: float) -> list[Output]:
        on_air = bearer.state.on_air
        lost = bearer.after(step, flow=None, mb2u=None, change=None, retry_at=now, reason=reason)
        self._put(lost)
        happened: list[Output] = []
        if on_air and bearer.tmgi is not None:
            happened.append(events.ListenersToUnicast(now, bearer.name, bearer.tmgi, reason, False))
            happened.append(events.BearerLost(now, bearer.name, bearer.tmgi, reason))
        return happened + (self._released(lost, now) if lost.state is BearerState.RELEASED else [])

    def _expired(self, bearer: Bearer, now: float) -> list[Output]:
        return self._lost(replace(bearer, tmgi_expiry=None), Step.EXPIRE, "the TMGI expired", now)

    def _all_gone(self, reason: str, now: float) -> list[Output]:
        happened: list[Output] = []
        for bearer in self.bearers:
            if bearer.state is BearerState.WANTED:
                continue
            # What is on the air there, if anything, has a TMGI that is not ours any more.
            happened += self._lost(bearer, Step.GONE, reason, now)
            left = self._bearers.get(bearer.name)
            if left is not None and left.state is BearerState.LOST:
                left = left.after(Step.GONE)
            if left is not None:
                self._put(replace(left, tmgi=None, tmgi_expiry=None, refreshing=False))
        return happened

    def _refused(self, bearer: Bearer, reason: str, now: float, *, final: bool = False) -> list[Output]:
        if bearer.state is BearerState.DEACTIVATING:
            return self._released(bearer.after(Step.REFUSED), now)
        bearer = bearer.after(Step.REFUSED, change=None)
        if bearer.state is BearerState.ACTIVE or final:
            self._put(replace(bearer, retry_at=None, reason=reason))
            return [events.BearerRefused(now, bearer.name, reason, None)]
        return self._later(bearer, reason, now)

    def _later(self, bearer: Bearer, reason: str, now: float) -> list[Output]:
        wait = min(self.policy.retry_first * 2**bearer.attempts, self.policy.retry_most)
        self._put(
            replace(
                bearer,
                attempts=min(bearer.attempts + 1, 16),
                retry_at=now + wait,
                refreshing=False,
                reason=reason,
            )
        )
        return [events.BearerRefused(now, bearer.name, reason, now + wait)]

    def _released(self, bearer: Bearer, now: float) -> list[Output]:
        self._bearers.pop(bearer.name, None)
        happened: list[Output] = [events.BearerReleased(now, bearer.name, bearer.tmgi)]
        if self._connected and bearer.tmgi is not None:
            happened += self._leftovers.end(replace(bearer, flow=None))
        return happened

    def _counter_seen(self, host: str, counter: int | None, now: float) -> list[Output]:
        if counter is None:
            return []
        restarted = self._counter is not None and counter > self._counter
        self._counter = counter
        if not restarted:
            return []
        self._asking.forget()
        self._leftovers.forget()
        happened: list[Output] = [events.BmscRestarted(now, host, counter)]
        happened += self._all_gone("the BM-SC restarted and lost its state", now)
        for bearer in self.bearers:
            self._put(replace(bearer, retry_at=now))
        return happened

    # --- inside

    def _put(self, bearer: Bearer) -> None:
        self._bearers[bearer.name] = bearer
