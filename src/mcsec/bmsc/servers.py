"""The GCS ASs: what they can do, whether they are there, and whether they lost their state (TS 23.007 29)."""

from __future__ import annotations

from mcsec.bmsc import events
from mcsec.bmsc.allocation import Allocation
from mcsec.bmsc.config import BmscConfig, GcsAs
from mcsec.bmsc.telling import Telling
from mcsec.wire.mb2.masks import Feature
from mcsec.wire.mb2.messages import Gar

_NONE = Feature(0)


class Servers:
    """What is known of each GCS AS."""

    def __init__(self, config: BmscConfig, telling: Telling, allocation: Allocation) -> None:
        self._config, self._telling, self._allocation = config, telling, allocation
        self._features: dict[str, Feature] = {}
        self._counters: dict[str, int] = {}
        self._heartbeats: dict[str, float] = {}
        self._lost_at: dict[str, float] = {}

    def features(self, server: GcsAs) -> Feature:
        """The features that both sides have."""
        return self._features.get(server.host, _NONE)

    def heard(self, server: GcsAs, gar: Gar, now: float) -> None:
        """A GAR arrived: note its Restart-Counter and features."""
        self.counter(server, gar.restart_counter, now)
        for features in gar.supported_features:
            if features.feature_list_id == 1:
                self._features[server.host] = features.feature_list & self._config.features
        if self._config.heartbeat and self.features(server) & Feature.HEARTBEAT:
            self._heartbeats[server.host] = now + self._config.heartbeat

    def counter(self, server: GcsAs, counter: int | None, now: float) -> None:
        """A Restart-Counter arrived. A larger one than before means that the server lost its state."""
        known = self._counters.get(server.host)
        if counter is None:
            return
        if known is not None and counter > known:
            self._telling.tell(events.ServerRestarted(now, server.host, counter))
            self._allocation.free(server.host, "its server restarted", now)
        self._counters[server.host] = counter

    def up(self, host: str) -> None:
        """A server is connected."""
        self._lost_at.pop(host, None)

    def down(self, host: str, now: float) -> None:
        """A server is not connected."""
        self._heartbeats.pop(host, None)
        if self._config.release_after_loss is not None:
            self._lost_at[host] = now + self._config.release_after_loss

    def due(self, now: float) -> None:
        """Send heartbeats, and free what lost servers hold."""
        for host, when in list(self._heartbeats.items()):
            if when <= now:
                self._heartbeats[host] = now + self._config.heartbeat
                self._telling.heartbeat(host)
        for host, when in list(self._lost_at.items()):
            if when <= now:
                del self._lost_at[host]
                self._telling.tell(events.ServerLost(now, host))
                self._allocation.free(host, "its server is lost", now)

    def next_timer(self) -> float | None:
        """When something is due."""
        return min((*self._heartbeats.values(), *self._lost_at.values()), default=None)
