"""The BM-SC's decisions: what a GAR gets, and what time brings. No sockets, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcsec.bmsc import events
from mcsec.bmsc.allocation import Allocation
from mcsec.bmsc.bearer import Bearer, Key, Occurrence
from mcsec.bmsc.bearers import Bearers
from mcsec.bmsc.config import BmscConfig, GcsAs
from mcsec.bmsc.control import Control
from mcsec.bmsc.faults import (
    Delay,
    FailWith,
    FaultTable,
    Operation,
    Outcome,
    Silence,
    operation_of,
    refusal_of,
)
from mcsec.bmsc.servers import Servers
from mcsec.bmsc.telling import Telling
from mcsec.bmsc.tmgis import Holding, TmgiPool
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.mb2.groups import (
    Load,
    SupportedFeatures,
    UserplaneProtocolResult,
)
from mcsec.wire.mb2.masks import BearerEvent, DiagnosticInfo
from mcsec.wire.mb2.messages import Gaa, Gar, Gna

_IDLE = 65535


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a GAR, to be sent after ``delay`` seconds; None: never."""

    gaa: Gaa | None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """What a BM-SC that restarts may remember: TMGIs and bearers."""

    holdings: tuple[Holding, ...] = ()
    bearers: tuple[Bearer, ...] = ()


class Engine:
    """One BM-SC. ``ports`` are the ports of MB2-U; ``now`` is Unix seconds.

    After every call :meth:`outputs` has what happened and what is to be notified.
    """

    def __init__(
        self,
        config: BmscConfig,
        ports: Sequence[int],
        restart_counter: int,
        *,
        state: State | None = None,
        faults: FaultTable | None = None,
    ) -> None:
        state = state or State()
        self.config = config
        self.restart_counter = restart_counter
        self.faults = faults or FaultTable()
        self._telling = Telling(config)
        self._pool = TmgiPool(config, state.holdings)
        self.bearers = Bearers(config, self._pool, self._telling, ports, state.bearers)
        self._allocation = Allocation(config, self._pool, self.bearers, self._telling)
        self._control = Control(config, self._pool, self.bearers, self._allocation, self._telling)
        self._servers = Servers(config, self._telling, self._allocation)

    @property
    def state(self) -> State:
        """What a restart may keep."""
        return State(self._pool.holdings, self.bearers.all)

    def outputs(self) -> list[events.Output]:
        """What happened and what is to be notified since the last call."""
        return self._telling.take()

    def next_timer(self) -> float | None:
        """When to call :meth:`tick`."""
        times = (self._pool.next_expiry(), self.bearers.next_begin(), self._servers.next_timer())
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._allocation.expire(now)
        self.bearers.due(now)
        self._servers.due(now)

    # --- servers

    def server_up(self, host: str) -> None:
        """A GCS AS is connected."""
        self._servers.up(host)

    def server_down(self, host: str, now: float) -> None:
        """A GCS AS is not connected any more."""
        self._servers.down(host, now)

    def handle(self, gar: Gar, now: float) -> Reply:
        """Answer a GAR."""
        self.tick(now)
        server = self.config.server(gar.origin_host)
        if server is None:
            return Reply(self._gaa(gar, ResultCode.AUTHORIZATION_REJECTED))
        self._servers.heard(server, gar, now)
        outcomes = [self._fault(operation, server, now) for operation in operations(gar)]
        for outcome in outcomes:
            if isinstance(outcome, FailWith):
                return Reply(self._gaa(gar, outcome.result_code))
        gaa = self._carry_out(server, gar, outcomes, now)
        silent = any(isinstance(outcome, Silence) for outcome in outcomes)
        delays = (outcome.seconds for outcome in outcomes if isinstance(outcome, Delay))
        return Reply(None if silent else gaa, max(delays, default=0.0))

    def notified(self, host: str, gna: Gna, now: float) -> None:
        """A GCS AS took a notification."""
        server = self.config.server(host)
        if server is not None:
            self._servers.counter(server, gna.restart_counter, now)

    def not_notified(self, host: str, reason: str, now: float) -> None:
        """A GCS AS did not take a notification."""
        self._telling.tell(events.NotificationLost(now, host, reason))

    # --- the operator

    def end(
        self, key: Key, now: float, diagnostic: DiagnosticInfo = DiagnosticInfo.MBMS_GW_PERMANENT_ERROR
    ) -> None:
        """The network loses a bearer; its server is notified.

        :raises InvalidValue: there is no such bearer.
        """
        self.bearers.happened(self.bearers.find(key), Occurrence.BROKEN, now, diagnostic)

    def user_plane_event(self, key: Key, result: UserplaneProtocolResult) -> None:
        """Header compression or error correction of a bearer changed; its server is notified.

        :raises InvalidValue: there is no such bearer.
        """
        self._telling.notify(self.bearers.find(key), BearerEvent.USER_PLANE, None, (result,))

    # --- inside

    def _fault(self, operation: Operation, server: GcsAs, now: float) -> Outcome | None:
        outcome = self.faults.take(operation, server.host)
        if outcome is not None:
            self._telling.tell(events.FaultPlayed(now, server.host, operation.value, type(outcome).__name__))
        return outcome

    def _carry_out(self, server: GcsAs, gar: Gar, outcomes: list[Outcome | None], now: float) -> Gaa:
        rest = iter(outcomes)
        gaa = self._gaa(gar, ResultCode.SUCCESS)
        if gar.tmgi_allocation_request is not None:
            allocation = self._allocation.allocate(
                server, gar.tmgi_allocation_request, refusal_of(next(rest)), now
            )
            gaa = replace(gaa, tmgi_allocation_response=allocation)
        if gar.tmgi_deallocation_request is not None:
            released = self._allocation.deallocate(
                server, gar.tmgi_deallocation_request, refusal_of(next(rest)), now
            )
            gaa = replace(gaa, tmgi_deallocation_response=released)
        features = self._servers.features(server)
        responses = tuple(
            self._control.carry_out(server, asked, features, next(rest), now)
            for asked in gar.mbms_bearer_request
        )
        return replace(gaa, mbms_bearer_response=responses, load=self._load())

    def _gaa(self, gar: Gar, result: int) -> Gaa:
        asked = any(features.feature_list_id == 1 for features in gar.supported_features)
        ours = (SupportedFeatures(feature_list=self.config.features),) if asked else ()
        return Gaa(
            session_id=gar.session_id,
            origin_host=self.config.host,
            origin_realm=self.config.realm,
            result_code=result,
            supported_features=ours,
            restart_counter=self.restart_counter,
        )

    def _load(self) -> tuple[Load, ...]:
        if not self.config.report_load:
            return ()
        value = round(_IDLE * (1 - self.bearers.load))
        return (Load(load_type=0, load_value=value, sourceid=self.config.host),)


def operations(gar: Gar) -> list[Operation]:
    """What a GAR asks for, part by part, in the order in which the parts are carried out."""
    asked = [Operation.ALLOCATE] if gar.tmgi_allocation_request is not None else []
    asked += [Operation.DEALLOCATE] if gar.tmgi_deallocation_request is not None else []
    asked += [operation_of(part) for part in gar.mbms_bearer_request]
    return asked or [Operation.HEARTBEAT]
