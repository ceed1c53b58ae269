"""What one call of the engine brings about, collected: events, and one notification for each GCS AS."""

from __future__ import annotations

import itertools

from mcsec.bmsc.bearer import Bearer
from mcsec.bmsc.config import BmscConfig
from mcsec.bmsc.events import Event, Notify, Output
from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import MbmsBearerEventNotification, TmgiExpiry, UserplaneProtocolResult
from mcsec.wire.mb2.masks import BearerEvent, DiagnosticInfo


class Telling:
    """Events in order; notifications come after them, so that their cause is known first."""

    def __init__(self, config: BmscConfig) -> None:
        self._config = config
        self._outputs: list[Output] = []
        self._numbers = itertools.count(1)
        self._expired: dict[str, list[Tmgi]] = {}
        self._bearers: dict[str, list[MbmsBearerEventNotification]] = {}

    def tell(self, event: Event) -> None:
        """Something happened."""
        self._outputs.append(event)

    def notify(
        self,
        bearer: Bearer,
        event: BearerEvent,
        diagnostic: DiagnosticInfo | None = None,
        userplane: tuple[UserplaneProtocolResult, ...] = (),
    ) -> None:
        """The server of a bearer is to know of an event."""
        self._bearers.setdefault(bearer.host, []).append(
            MbmsBearerEventNotification(
                tmgi=bearer.tmgi,
                mbms_flow_identifier=bearer.flow,
                mbms_bearer_event=event,
                mbms_bearer_event_diagnostic_info=diagnostic,
                userplane_protocol_result=userplane,
            )
        )

    def expired(self, host: str, tmgi: Tmgi) -> None:
        """A server is to know that a TMGI is no longer valid."""
        self._expired.setdefault(host, []).append(tmgi)

    def heartbeat(self, host: str) -> None:
        """A server is to be asked whether it is there."""
        self._bearers.setdefault(host, [])

    def take(self) -> list[Output]:
        """Everything since the last time."""
        outputs, self._outputs = self._outputs, []
        for host in {**self._expired, **self._bearers}:
            server = self._config.server(host)
            if server is None:
                continue
            tmgis = tuple(self._expired.get(host, ()))
            expiry = TmgiExpiry(tmgi=tmgis) if tmgis else None
            bearers = tuple(self._bearers.get(host, ()))
            outputs.append(Notify(next(self._numbers), server.host, server.realm, expiry, bearers))
        self._expired, self._bearers = {}, {}
        return outputs
