"""One peer: runs the tables of ``states`` and ``watchdog`` over its connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from mcsec.errors import WrongState
from mcsec.net.diameter.capabilities import check_cea, common_applications, our_cea, our_cer
from mcsec.net.diameter.config import PeerConfig
from mcsec.net.diameter.effects import (
    Dial,
    DialFailed,
    PeerDown,
    PeerRecovered,
    PeerRestarted,
    PeerSuspect,
    PeerUp,
)
from mcsec.net.diameter.errors import CapabilitiesRefused
from mcsec.net.diameter.shared import Connection, Shared
from mcsec.net.diameter.states import PEER, Do, Input, State
from mcsec.net.diameter.watchdog import Do as Watch
from mcsec.net.diameter.watchdog import Status, Watchdog
from mcsec.wire.diameter.base import Cea, Cer, DisconnectCause, Dpa, Dpr, Dwa, Dwr
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.results import ResultCode


class Moves(Protocol):
    """Who looks after pending requests when a peer cannot."""

    def leave(self, peer: Peer, now: float, *, fail: bool) -> None:
        """Give the peer's requests to others; ``fail`` those that nobody takes."""


class Peer:
    """A configured neighbour and how things stand with it."""

    def __init__(self, shared: Shared, config: PeerConfig, moves: Moves) -> None:
        timings = shared.config.timings
        self.config = config
        self.state = State.CLOSED
        self.watchdog = Watchdog(timings.watchdog, timings.watchdog_jitter, shared.random)
        self.applications: frozenset[int] = frozenset()
        self.pending: dict[int, Any] = {}
        self._shared, self._moves = shared, moves
        self._initiator: Connection | None = None
        self._responder: Connection | None = None
        self._origin_state_id: int | None = None
        self._failures = 0
        self._opened_at = 0.0
        self._goodbye: DisconnectCause | None = None
        self._dpr: Header | None = None
        self._reason = ""
        self._do: dict[Do, Callable[[Connection | None, float], None]] = {
            Do.DIAL: self._dial,
            Do.ELECT: self._elect,
            Do.SEND_CER: self._send_cer,
            Do.SEND_CEA: self._send_cea,
            Do.SEND_DPR: self._send_dpr,
            Do.SEND_DPA: self._send_dpa,
            Do.ACCEPT: self._accept,
            Do.REJECT: self._reject,
            Do.PROBE: self._probe,
            Do.I_CLOSE: self._close_initiator,
            Do.R_CLOSE: self._close_responder,
        }

    @property
    def connection(self) -> Connection | None:
        """The connection that messages pass over, when open."""
        if self.state is State.I_OPEN:
            return self._initiator
        return self._responder if self.state is State.R_OPEN else None

    @property
    def takes_requests(self) -> bool:
        """Open, and the watchdog has no doubt."""
        return self.state.is_open and self.watchdog.status is Status.OKAY

    @property
    def takes_requests_if_need_be(self) -> bool:
        """Open again, and still to prove that it stays (RFC 3539 3.4.1): better than nobody."""
        return self.state.is_open and self.watchdog.status is Status.REOPEN

    # --- what happens

    def start(self, now: float) -> None:
        """Dial, if we are to and are not connected."""
        if self.config.address is not None and self.state is State.CLOSED and not self._shared.stopping:
            self._input(Input.START, now)

    def stop(self, now: float) -> None:
        """Say good-bye; :attr:`state` becomes CLOSED when it is done."""
        self._reason = "this node stops"
        self._shared.timers.cancel(self._key)
        self._input(Input.STOP, now)

    def arrived(self, connection: Connection, header: Header, cer: Cer, now: float) -> None:
        """The peer dialled us, and its CER was found good."""
        connection.peer = self
        connection.cer, connection.cer_header = cer, header
        self._input(Input.R_CER, now, connection)

    def connected(self, now: float) -> None:
        """What we dialled is open."""
        self._input(Input.I_CONN_ACK, now)

    def not_connected(self, reason: str, now: float) -> None:
        """What we dialled did not open."""
        self._reason = reason
        self._input(Input.I_CONN_NACK, now)

    def closed(self, connection: Connection, reason: str, now: float) -> None:
        """A connection was closed by the other side or by a fault."""
        self._reason = reason
        self._input(Input.I_DISC if connection is self._initiator else Input.R_DISC, now, connection)

    def capabilities(self, cea: Cea | None, reason: str, now: float) -> None:
        """The first answer on the connection we dialled: ``cea``, or something else for ``reason``."""
        connection = self._initiator
        assert connection is not None
        if cea is not None:
            try:
                check_cea(self._shared, connection, self.config, cea)
                self.applications = common_applications(self._shared, cea)
                self._note_state(cea.origin_state_id)
                self._input(Input.I_CEA, now, connection)
                return
            except CapabilitiesRefused as refused:
                self._shared.counters[refused.code] += 1
                reason = str(refused)
        self._reason = reason
        self._input(Input.I_NON_CEA, now, connection)

    def message(self, now: float) -> None:
        """Any message but a DWA arrived on the open connection."""
        if self.watchdog.status is Status.OKAY:
            self.watchdog.received(now)
        else:
            self._watch(self.watchdog.received(now), now)

    def dwr(self, connection: Connection, header: Header, dwr: Dwr) -> None:
        """The peer asks whether we are there."""
        shared = self._shared
        self._note_state(dwr.origin_state_id)
        shared.send_answer(
            connection,
            Dwa(
                result_code=ResultCode.SUCCESS,
                origin_host=shared.config.host,
                origin_realm=shared.config.realm,
                origin_state_id=shared.origin_state_id,
            ),
            header,
        )

    def dwa(self, dwa: Dwa, now: float) -> None:
        """The peer says that it is there."""
        self._note_state(dwa.origin_state_id)
        self._watch(self.watchdog.received(now, dwa=True), now)

    def dpr(self, connection: Connection, header: Header, dpr: Dpr, now: float) -> None:
        """The peer says good-bye."""
        self._goodbye, self._dpr = dpr.disconnect_cause, header
        self._reason = f"it said good-bye: {dpr.disconnect_cause.name.lower().replace('_', ' ')}"
        self._input(Input.I_DPR if connection is self._initiator else Input.R_DPR, now, connection)

    def dpa(self, connection: Connection, now: float) -> None:
        """The peer heard our good-bye."""
        self._input(Input.I_DPA if connection is self._initiator else Input.R_DPA, now, connection)

    # --- the machine

    @property
    def _key(self) -> tuple[str, str]:
        return "peer", self.config.host

    def _input(self, occurrence: Input, now: float, connection: Connection | None = None) -> None:
        row = PEER[self.state].get(occurrence)
        if row is None:
            return
        before, (self.state, actions) = self.state, row
        for action in actions:
            self._do[action](connection, now)
        # An action may itself have moved the machine on (an election that was won at once).
        if self.state is row[0] and self.state is not before:
            self._entered(before, now)

    def _entered(self, before: State, now: float) -> None:
        shared, timings = self._shared, self._shared.config.timings
        shared.timers.cancel(self._key)
        if before.is_open:
            self._went_down(now)
        if self.state.is_open:
            self._came_up(now)
        elif self.state is State.CLOSED:
            if not (before.is_open or before is State.CLOSING or shared.stopping):
                self._failures += 1
                shared.tell(DialFailed(self.config.host, self._reason or "no answer in time"))
            self._redial_later(now)
        elif self.state is State.CLOSING:
            shared.timers.set(self._key, now + timings.disconnect, self._timeout)
        else:
            wait = timings.connect if self.state is State.WAIT_CONN_ACK else timings.capabilities
            shared.timers.set(self._key, now + wait, self._timeout)

    def _timeout(self, now: float) -> None:
        self._reason = "no answer in time"
        self._input(Input.TIMEOUT, now)

    def _came_up(self, now: float) -> None:
        self._opened_at, self._goodbye = now, None
        self._shared.tell(PeerUp(self.config.host, self.state is State.I_OPEN, self.applications))
        self._watch(self.watchdog.connection_up(now), now)
        self._shared.timers.set(("watchdog", self.config.host), self.watchdog.deadline, self._watchdog_due)

    def _went_down(self, now: float) -> None:
        self._shared.timers.cancel(("watchdog", self.config.host))
        if self._goodbye is None and not self._shared.stopping:
            self.watchdog.connection_down(now)
        else:
            self.watchdog.reset()
        self._failures = (
            0 if now - self._opened_at >= self._shared.config.timings.stable else self._failures + 1
        )
        self._shared.tell(PeerDown(self.config.host, self._reason or "closed"))
        self._moves.leave(self, now, fail=True)

    def _redial_later(self, now: float) -> None:
        """Back off. A peer that left because it is busy or has nothing to say is left alone for the longest time."""
        self._reason = ""
        if self.config.address is None or self._shared.stopping:
            return
        timings = self._shared.config.timings
        doubled = timings.redial * 2.0 ** min(max(self._failures - 1, 0), 30)
        wait = min(doubled, timings.redial_most)
        if self._goodbye not in (None, DisconnectCause.REBOOTING):
            wait = timings.redial_most
        self._shared.timers.set(self._key, now + wait * self._shared.random.uniform(0.5, 1.0), self.start)

    # --- the watchdog

    def _watchdog_due(self, now: float) -> None:
        # The deadline moves with every message, the timer does not: it looks again when it comes up.
        if now >= self.watchdog.deadline:
            self._watch(self.watchdog.expire(now), now)
        if self.state.is_open:
            self._shared.timers.set(
                ("watchdog", self.config.host), self.watchdog.deadline, self._watchdog_due
            )

    def _watch(self, actions: tuple[Watch, ...], now: float) -> None:
        shared, connection = self._shared, self.connection
        for action in actions:
            if action is Watch.SEND and connection is not None:
                host, realm = shared.config.host, shared.config.realm
                state = shared.origin_state_id
                shared.send_request(
                    connection, Dwr(origin_host=host, origin_realm=realm, origin_state_id=state)
                )
            elif action is Watch.FAIL_OVER:
                shared.tell(PeerSuspect(self.config.host))
                self._moves.leave(self, now, fail=False)
            elif action is Watch.FAIL_BACK:
                shared.tell(PeerRecovered(self.config.host))
            elif action is Watch.CLOSE and connection is not None:
                self.closed(connection, "it does not answer the watchdog", now)

    def _probe(self, connection: Connection | None, now: float) -> None:
        self._watch(self.watchdog.probe(now), now)

    def _note_state(self, origin_state_id: int | None) -> None:
        known = self._origin_state_id
        if origin_state_id is None:
            return
        if known is not None and origin_state_id > known:
            self._shared.tell(PeerRestarted(self.config.host, origin_state_id))
        self._origin_state_id = origin_state_id

    # --- the actions

    def _dial(self, connection: Connection | None, now: float) -> None:
        made = self._initiator = self._shared.new_connection(dialled=True)
        made.peer = self
        self._shared.effects.append(Dial(made.number, self.config))

    def _accept(self, connection: Connection | None, now: float) -> None:
        self._responder = connection

    def _reject(self, connection: Connection | None, now: float) -> None:
        assert connection is not None
        self._shared.drop(connection)

    def _elect(self, connection: Connection | None, now: float) -> None:
        """The higher identity keeps the connection that it was called on (RFC 6733 5.6.4)."""
        if self._shared.config.host.encode() > self.config.host.encode():
            self._input(Input.WIN_ELECTION, now)

    def _send_cer(self, connection: Connection | None, now: float) -> None:
        assert self._initiator is not None
        self._shared.send_request(self._initiator, our_cer(self._shared, self._initiator))

    def _send_cea(self, connection: Connection | None, now: float) -> None:
        responder = self._responder
        if responder is None or responder.cer is None or responder.cer_header is None:
            raise WrongState("no CER to answer")
        self.applications = common_applications(self._shared, responder.cer)
        self._note_state(responder.cer.origin_state_id)
        cea = our_cea(self._shared, responder, ResultCode.SUCCESS)
        self._shared.send_answer(responder, cea, responder.cer_header)

    def _open(self) -> Connection:
        connection = self._initiator or self._responder
        assert connection is not None
        return connection

    def _send_dpr(self, connection: Connection | None, now: float) -> None:
        config = self._shared.config
        dpr = Dpr(
            origin_host=config.host, origin_realm=config.realm, disconnect_cause=DisconnectCause.REBOOTING
        )
        self._shared.send_request(self._open(), dpr)

    def _send_dpa(self, connection: Connection | None, now: float) -> None:
        assert connection is not None
        assert self._dpr is not None
        config = self._shared.config
        dpa = Dpa(result_code=ResultCode.SUCCESS, origin_host=config.host, origin_realm=config.realm)
        self._shared.send_answer(connection, dpa, self._dpr)

    def _close_initiator(self, connection: Connection | None, now: float) -> None:
        if self._initiator is not None:
            self._shared.drop(self._initiator)
            self._initiator = None

    def _close_responder(self, connection: Connection | None, now: float) -> None:
        if self._responder is not None:
            self._shared.drop(self._responder)
            self._responder = None
