"""Bearers activated, modified and deactivated (TS 29.468 5.3)."""

from __future__ import annotations

import math
from dataclasses import replace

from mcsec.bmsc import events
from mcsec.bmsc.allocation import Allocation
from mcsec.bmsc.bearer import Bearer, Occurrence
from mcsec.bmsc.bearers import Bearers
from mcsec.bmsc.checks import areas_of, check_start, check_stop, check_update
from mcsec.bmsc.config import BmscConfig, GcsAs
from mcsec.bmsc.faults import FailActivation, Outcome, operation_of, refusal_of
from mcsec.bmsc.telling import Telling
from mcsec.bmsc.tmgis import TmgiPool
from mcsec.wire.mb2.groups import Mb2uSecurity, MbmsBearerRequest, MbmsBearerResponse, StartStop
from mcsec.wire.mb2.masks import BearerResult, Feature
from mcsec.wire.mb2.values import SessionDuration


class Control:
    """Carries out bearer requests."""

    def __init__(
        self, config: BmscConfig, pool: TmgiPool, bearers: Bearers, allocation: Allocation, telling: Telling
    ) -> None:
        self._config, self._pool, self._bearers = config, pool, bearers
        self._allocation, self._telling = allocation, telling

    def carry_out(
        self, server: GcsAs, asked: MbmsBearerRequest, features: Feature, outcome: Outcome | None, now: float
    ) -> MbmsBearerResponse:
        """The answer to one bearer request, carried out or refused."""
        refusal = refusal_of(outcome)
        if refusal is not None:
            result, response = BearerResult(refusal), None
        elif asked.mbms_startstop_indication is StartStop.START:
            result, response = self._start(server, asked, features, outcome, now)
        elif asked.mbms_startstop_indication is StartStop.UPDATE:
            result, response = self._update(server, asked, features, now)
        elif asked.mbms_startstop_indication is StartStop.STOP:
            result, response = self._stop(server, asked, now)
        else:
            result, response = BearerResult.INVALID_AVP_COMBINATION, None
        if response is not None:
            told = result or (BearerResult.SUCCESS if self._config.success_bit else None)
            return replace(response, mbms_bearer_result=told)
        operation = operation_of(asked)
        self._telling.tell(events.RequestRefused(now, server.host, operation.value, result.reasons))
        return MbmsBearerResponse(
            tmgi=asked.tmgi, mbms_flow_identifier=asked.mbms_flow_identifier, mbms_bearer_result=result
        )

    def _start(
        self, server: GcsAs, asked: MbmsBearerRequest, features: Feature, outcome: Outcome | None, now: float
    ) -> tuple[BearerResult, MbmsBearerResponse | None]:
        holding = None if asked.tmgi is None else self._pool.find(asked.tmgi)
        siblings = self._bearers.of_tmgi(asked.tmgi)
        result = check_start(self._config, server, asked, features, holding, siblings, now)
        areas, qos = areas_of(self._config, asked), asked.qos_information
        if result or areas is None or qos is None:
            return result, None
        victims = self._bearers.room(areas, qos, None)
        if victims is None or (asked.tmgi is None and not self._pool.free):
            return BearerResult.RESOURCES_EXCEEDED, None
        self._preempt(victims, now)
        tmgi = asked.tmgi or self._allocation.one(server, now)
        failing = isinstance(outcome, FailActivation)
        begins = max(now, asked.mbms_start_time or now)
        begins += outcome.seconds if isinstance(outcome, FailActivation) else self._config.activation
        failure = outcome.diagnostic if isinstance(outcome, FailActivation) else None
        bearer = self._bearers.add(tmgi, server.host, areas, qos, now, begins, failure)
        ongoing = begins > now or failing
        held = self._pool.find(tmgi)
        left = None if held is None or held.expiry is None else max(1, math.ceil(held.expiry - now))
        addresses = (
            self._config.mb2u_addresses if features & Feature.IPV4V6 else self._config.mb2u_addresses[:1]
        )
        frequencies = {area.radio_frequency for area in self._config.areas if area.code in areas}
        response = MbmsBearerResponse(
            tmgi=tmgi,
            mbms_flow_identifier=bearer.flow,
            mbms_session_duration=SessionDuration.of(left),
            bmsc_address=addresses,
            bmsc_port=bearer.port,
            mb2u_security=None if asked.mb2u_security is None else Mb2uSecurity.NONE,
            radio_frequency=tuple(sorted(frequency for frequency in frequencies if frequency is not None)),
        )
        return BearerResult.SUCCESS | BearerResult.ACTIVATION_ONGOING if ongoing else BearerResult(
            0
        ), response

    def _update(
        self, server: GcsAs, asked: MbmsBearerRequest, features: Feature, now: float
    ) -> tuple[BearerResult, MbmsBearerResponse | None]:
        holding = None if asked.tmgi is None else self._pool.find(asked.tmgi)
        siblings = self._bearers.of_tmgi(asked.tmgi)
        result = check_update(self._config, server, asked, features, holding, siblings)
        if result:
            return result, None
        bearer = next(one for one in siblings if one.flow == asked.mbms_flow_identifier)
        moved = asked.mbms_service_area is not None or asked.mbms_cell_list is not None
        areas = (areas_of(self._config, asked) if moved else None) or bearer.areas
        qos = asked.qos_information or bearer.qos
        victims = self._bearers.room(areas, qos, bearer)
        if victims is None:
            return BearerResult.RESOURCES_EXCEEDED, None
        self._preempt(victims, now)
        self._bearers.modify(bearer, areas, qos, now)
        return BearerResult(0), MbmsBearerResponse(tmgi=bearer.tmgi, mbms_flow_identifier=bearer.flow)

    def _stop(
        self, server: GcsAs, asked: MbmsBearerRequest, now: float
    ) -> tuple[BearerResult, MbmsBearerResponse | None]:
        holding = None if asked.tmgi is None else self._pool.find(asked.tmgi)
        siblings = self._bearers.of_tmgi(asked.tmgi)
        result = check_stop(server, asked, holding, siblings)
        if result:
            return result, None
        bearer = next(one for one in siblings if one.flow == asked.mbms_flow_identifier)
        self._bearers.happened(bearer, Occurrence.STOPPED, now)
        return BearerResult(0), MbmsBearerResponse(tmgi=bearer.tmgi, mbms_flow_identifier=bearer.flow)

    def _preempt(self, victims: list[Bearer], now: float) -> None:
        for victim in victims:
            self._bearers.happened(victim, Occurrence.PREEMPTED, now)
