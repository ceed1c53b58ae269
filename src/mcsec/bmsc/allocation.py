"""TMGIs given, refreshed, taken back and expired (TS 29.468 5.2)."""

from __future__ import annotations

from mcsec.bmsc import events
from mcsec.bmsc.bearer import Occurrence
from mcsec.bmsc.bearers import Bearers
from mcsec.bmsc.config import BmscConfig, Deallocation, GcsAs
from mcsec.bmsc.telling import Telling
from mcsec.bmsc.tmgis import TmgiPool
from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import (
    TmgiAllocationRequest,
    TmgiAllocationResponse,
    TmgiDeallocationRequest,
    TmgiDeallocationResponse,
)
from mcsec.wire.mb2.masks import DiagnosticInfo, Mask, TmgiAllocationResult, TmgiDeallocationResult
from mcsec.wire.mb2.values import SessionDuration


class Allocation:
    """Who gets TMGIs, and what ends with them."""

    def __init__(self, config: BmscConfig, pool: TmgiPool, bearers: Bearers, telling: Telling) -> None:
        self._config, self._pool, self._bearers, self._telling = config, pool, bearers, telling

    def one(self, server: GcsAs, now: float) -> Tmgi:
        """A TMGI for a bearer that was asked for without one."""
        tmgi = self._pool.allocate(server.host, now)
        self._telling.tell(events.TmgisGranted(now, server.host, (tmgi,), self._pool.expiry(now)))
        return tmgi

    def allocate(
        self, server: GcsAs, asked: TmgiAllocationRequest, refusal: Mask | None, now: float
    ) -> TmgiAllocationResponse:
        """New TMGIs, and more time for old ones; as much of it as can be."""
        result = TmgiAllocationResult(refusal or 0)
        if not server.may_allocate:
            result |= TmgiAllocationResult.AUTHORIZATION_REJECTED
        granted: list[Tmgi] = []
        if not result:
            for tmgi in asked.tmgi:
                result |= self._refresh(server, tmgi, granted, now)
            result |= self._new(server, asked.tmgi_number, granted, now)
        if granted:
            self._telling.tell(events.TmgisGranted(now, server.host, tuple(granted), self._pool.expiry(now)))
        if result:
            self._telling.tell(events.RequestRefused(now, server.host, "allocate", result.reasons))
            result |= TmgiAllocationResult.SUCCESS if granted else TmgiAllocationResult(0)
        elif self._config.success_bit:
            result = TmgiAllocationResult.SUCCESS
        duration = SessionDuration.of(self._config.tmgi_lifetime) if granted else None
        return TmgiAllocationResponse(
            tmgi=tuple(granted), mbms_session_duration=duration, tmgi_allocation_result=result or None
        )

    def deallocate(
        self, server: GcsAs, asked: TmgiDeallocationRequest, refusal: Mask | None, now: float
    ) -> tuple[TmgiDeallocationResponse, ...]:
        """One response for each TMGI."""
        tmgis = asked.tmgi
        if not tmgis and self._config.empty_deallocation_means_all:
            tmgis = tuple(holding.tmgi for holding in self._pool.of(server.host))
        return tuple(self._deallocate(server, tmgi, refusal, now) for tmgi in tmgis)

    def expire(self, now: float) -> None:
        """End what has expired, and tell those who held it."""
        expired: dict[str, list[Tmgi]] = {}
        for holding in self._pool.expired(now):
            for bearer in self._bearers.of_tmgi(holding.tmgi):
                self._bearers.happened(bearer, Occurrence.EXPIRED, now, DiagnosticInfo.TMGI_EXPIRY)
            self._pool.free_up(holding.tmgi)
            if not holding.released:
                expired.setdefault(holding.host, []).append(holding.tmgi)
                self._telling.expired(holding.host, holding.tmgi)
        for host, tmgis in expired.items():
            self._telling.tell(events.TmgisExpired(now, host, tuple(tmgis)))

    def free(self, host: str, reason: str, now: float) -> None:
        """Take everything from a server that does not know it any more."""
        for bearer in self._bearers.of_host(host):
            self._bearers.happened(bearer, Occurrence.ORPHANED, now)
        held = tuple(holding.tmgi for holding in self._pool.of(host))
        for tmgi in held:
            self._pool.free_up(tmgi)
        if held:
            self._telling.tell(events.TmgisReleased(now, host, held, reason))

    def _refresh(self, server: GcsAs, tmgi: Tmgi, granted: list[Tmgi], now: float) -> TmgiAllocationResult:
        holding = self._pool.find(tmgi)
        if holding is None or holding.released:
            return TmgiAllocationResult.UNKNOWN_TMGI
        if holding.host != server.host:
            return TmgiAllocationResult.AUTHORIZATION_REJECTED
        self._pool.refresh(tmgi, now)
        granted.append(tmgi)
        return TmgiAllocationResult(0)

    def _new(self, server: GcsAs, wanted: int, granted: list[Tmgi], now: float) -> TmgiAllocationResult:
        result = TmgiAllocationResult(0)
        allowed = server.tmgis - len(self._pool.of(server.host))
        if wanted > allowed:
            result |= TmgiAllocationResult.TOO_MANY_TMGIS
        if min(wanted, allowed) > self._pool.free:
            result |= TmgiAllocationResult.RESOURCES_EXCEEDED
        number = max(0, min(wanted, allowed, self._pool.free))
        granted += [self._pool.allocate(server.host, now) for _ in range(number)]
        return result

    def _deallocate(
        self, server: GcsAs, tmgi: Tmgi, refusal: Mask | None, now: float
    ) -> TmgiDeallocationResponse:
        holding = self._pool.find(tmgi)
        result = TmgiDeallocationResult(refusal or 0)
        if holding is None or holding.released:
            result |= TmgiDeallocationResult.UNKNOWN_TMGI
        elif holding.host != server.host:
            result |= TmgiDeallocationResult.AUTHORIZATION_REJECTED
        if result:
            self._telling.tell(events.RequestRefused(now, server.host, "deallocate", result.reasons))
            return TmgiDeallocationResponse(tmgi=tmgi, tmgi_deallocation_result=result)
        bearers = self._bearers.of_tmgi(tmgi)
        if bearers and self._config.deallocation is Deallocation.KEEPS_BEARERS:
            self._pool.release(tmgi)
        else:
            for bearer in bearers:
                self._bearers.happened(bearer, Occurrence.RELEASED, now)
            self._pool.free_up(tmgi)
        self._telling.tell(events.TmgisReleased(now, server.host, (tmgi,), "given back"))
        success = TmgiDeallocationResult.SUCCESS if self._config.success_bit else None
        return TmgiDeallocationResponse(tmgi=tmgi, tmgi_deallocation_result=success)
