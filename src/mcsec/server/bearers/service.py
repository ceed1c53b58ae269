"""The GCS AS on Diameter: carries what the bearer engine asks, and what the BM-SC answers and notifies."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Self

from mcsec.errors import McsecError, Refused
from mcsec.keys.events import Event
from mcsec.net.diameter import effects
from mcsec.net.diameter.config import NodeConfig
from mcsec.net.diameter.node import DiameterNode
from mcsec.server.bearers.bearer import Bearer, Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import Ask, MessageRefused, Output, PathDown, PathUp, UnknownBearer
from mcsec.wire.mb2.groups import SupportedFeatures
from mcsec.wire.mb2.masks import Feature
from mcsec.wire.mb2.messages import APPLICATION, Gar, Gna, Gnr

#: DIAMETER_SUCCESS and DIAMETER_UNABLE_TO_COMPLY (RFC 6733 7.1).
_SUCCESS, _UNABLE = 2001, 5012
_FEATURES = (SupportedFeatures(feature_list=Feature.HEARTBEAT),)


class GcsAs:
    """One GCS AS at one BM-SC, by itself or behind agents; use as an asynchronous context manager.

    :ivar bearers: the engine; ask it what is so, tell it through the methods here.
    :ivar counters: notifications and refusals by name.
    """

    def __init__(
        self,
        config: NodeConfig,
        bmsc: str,
        bearers: Bearers,
        on_event: Callable[[Event], None],
        *,
        realm: str = "",
        restart_counter: int = 1,
    ) -> None:
        """:param config: our node; each of its peers is the BM-SC or an agent on the way there.
        :param bmsc: the BM-SC's Diameter identity. :param realm: its realm; by default that of its peer entry.
        :param on_event: called with each event of :mod:`mcsec.server.bearers.events`, in order.
        :param restart_counter: grows with each start that lost state (TS 23.007 29).
        """
        if APPLICATION not in config.applications:
            raise Refused("the node does not speak MB2-C", code="bearer.application")
        self.bearers = bearers
        self.counters: Counter[str] = Counter()
        self._bmsc = bmsc
        self._realm = realm or next(peer.realm for peer in config.peers if peer.host == bmsc)
        self._ways: set[str] = set()
        self._unreachable: dict[str, str] = {}
        self._on_event = on_event
        self._restart_counter = restart_counter
        self._node = DiameterNode(config, on_event=self._node_event)
        self._node.serve(Gnr, self._notified)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._node.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._node.stop()

    @property
    def node(self) -> DiameterNode:
        """The Diameter node below."""
        return self._node

    # --- what is wanted

    def want(self, name: str, wish: Wish) -> None:
        """A bearer is wanted; events tell what becomes of it."""
        self._follow(self.bearers.want(name, wish, time.time()))

    def modify(self, name: str, wish: Wish) -> None:
        """Other areas or another priority."""
        self._follow(self.bearers.modify(name, wish, time.time()))

    def drop(self, name: str) -> None:
        """The bearer is given up when its listeners are on unicast."""
        self._follow(self.bearers.drop(name, time.time()))

    def emptied(self, name: str) -> None:
        """Nobody is served by the bearer any more."""
        self._follow(self.bearers.emptied(name, time.time()))

    def describe(self) -> list[dict[str, Any]]:
        """Every bearer, for operators."""
        return [bearer.describe() for bearer in self.bearers.bearers]

    def find(self, name: str) -> Bearer:
        """One bearer.

        :raises InvalidValue: none of that name.
        """
        return self.bearers.bearer(name)

    # --- the BM-SC

    def _node_event(self, event: effects.Event) -> None:
        now = time.time()
        if isinstance(event, effects.PeerUp):
            self._unreachable.pop(event.host, None)
            self._ways.add(event.host)
            self._on_event(PathUp(now, event.host))
            if len(self._ways) == 1:
                self._follow(self.bearers.connected(now))
        elif isinstance(event, effects.PeerDown) and event.host in self._ways:
            self._ways.discard(event.host)
            self._on_event(PathDown(now, event.host, event.reason))
            if not self._ways:
                self._follow(self.bearers.disconnected(event.reason, now))
        elif isinstance(event, effects.MessageRefused):
            self._on_event(MessageRefused(now, event.host, event.code, event.reason))
        elif isinstance(event, effects.DialFailed) and self._unreachable.get(event.host) != event.reason:
            # Told once, however often it is tried.
            self._unreachable[event.host] = event.reason
            self._on_event(PathDown(now, event.host, event.reason))

    def _notified(self, gnr: Gnr) -> Gna:
        self.counters["notifications"] += 1
        result, text = _SUCCESS, None
        try:
            happened = self.bearers.notified(gnr, time.time())
        except UnknownBearer as error:
            self.counters[error.code] += 1
            happened, result, text = error.happened, _UNABLE, str(error)
        self._follow(happened)
        return Gna(
            session_id=gnr.session_id,
            origin_host=self._node.config.host,
            origin_realm=self._node.config.realm,
            result_code=result,
            error_message=text,
            restart_counter=self._restart_counter,
        )

    async def _ask(self, ask: Ask) -> None:
        request = Gar(
            session_id=self._node.new_session_id(),
            origin_host=self._node.config.host,
            origin_realm=self._node.config.realm,
            destination_realm=self._realm,
            destination_host=ask.destination or self._bmsc,
            drmp=ask.drmp,
            supported_features=_FEATURES,
            tmgi_allocation_request=ask.allocation,
            tmgi_deallocation_request=ask.deallocation,
            mbms_bearer_request=() if ask.bearer is None else (ask.bearer,),
            restart_counter=self._restart_counter,
        )
        try:
            answer = await self._node.request(request)
        except McsecError as error:
            self.counters[error.code] += 1
            self._follow(self.bearers.failed(ask.number, str(error), time.time()))
        else:
            self._follow(self.bearers.answered(ask.number, answer, time.time()))

    # --- inside

    def _follow(self, happened: list[Output]) -> None:
        for one in happened:
            if isinstance(one, Ask):
                self._start(self._ask(one))
            else:
                self._on_event(one)
        self._set_timer()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = self.bearers.next_timer()
        if due is not None:
            # A timer in the past is done in the next turn of the loop, not in this one.
            wait = max(due - time.time(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(wait, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._follow(self.bearers.poll(time.time()))
