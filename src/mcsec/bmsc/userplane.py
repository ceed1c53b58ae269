"""MB2-U at the BM-SC: which datagrams go on the air, and where to. What is inside is nobody's business here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from mcsec.bmsc.bearer import Bearer, Key, State
from mcsec.bmsc.config import BmscConfig
from mcsec.errors import DecodeError
from mcsec.wire.mb2.userplane import Encapsulation, decode_inner

#: Bits of a maximum packet: a bucket is never smaller.
_LEAST_BURST = 12_000
#: Bits of IPv4 and UDP headers, which the bit rate counts and a bare payload lacks.
_HEADERS = 224


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A payload for a multicast group, in these service areas."""

    address: IPv4Address | IPv6Address
    port: int
    payload: bytes
    areas: frozenset[int]


@dataclass(slots=True)
class _Bucket:
    bits: float
    since: float


class UserPlane:
    """Takes datagrams. ``counters`` says what was passed on and why anything was dropped, by stable names."""

    def __init__(self, config: BmscConfig) -> None:
        self._config = config
        self._buckets: dict[Key, _Bucket] = {}
        self.counters: Counter[str] = Counter()

    def arrived(
        self, bearer: Bearer | None, octets: bytes, source: IPv4Address | IPv6Address, now: float
    ) -> Broadcast | str:
        """What a datagram at the port of ``bearer`` becomes, or why it was dropped and counted. ``now``: seconds."""
        reason = self._objection(bearer, octets, source, now)
        if reason is None:
            assert bearer is not None
            try:
                broadcast = self._unwrap(bearer, octets)
            except DecodeError as error:
                reason = error.code
            else:
                if broadcast.address.is_multicast:
                    self.counters["passed"] += 1
                    return broadcast
                reason = "mb2u.not-multicast"
        self.counters[reason] += 1
        return reason

    def forget(self, alive: frozenset[Key]) -> None:
        """Keep the rates of these bearers only."""
        for key in self._buckets.keys() - alive:
            del self._buckets[key]

    def _objection(
        self, bearer: Bearer | None, octets: bytes, source: IPv4Address | IPv6Address, now: float
    ) -> str | None:
        if bearer is None:
            return "mb2u.no-bearer"
        if bearer.state is not State.ACTIVE:
            return "mb2u.not-active"
        server = self._config.server(bearer.host)
        if server is not None and server.sources and not any(source in network for network in server.sources):
            return "mb2u.source"
        if self._config.enforce_bitrate and not self._within_rate(bearer, octets, now):
            return "mb2u.bitrate"
        return None

    def _within_rate(self, bearer: Bearer, octets: bytes, now: float) -> bool:
        """A bucket of one second's bits at the bearer's maximum rate."""
        rate = bearer.qos.max_requested_bandwidth_dl or 0
        most = max(float(rate), _LEAST_BURST)
        bucket = self._buckets.get(bearer.key)
        if bucket is None:
            bucket = self._buckets[bearer.key] = _Bucket(most, now)
        bucket.bits = min(most, bucket.bits + rate * max(0.0, now - bucket.since))
        bucket.since = now
        size = 8 * len(octets) + (_HEADERS if self._config.encapsulation is Encapsulation.BARE else 0)
        if size > bucket.bits:
            return False
        bucket.bits -= size
        return True

    def _unwrap(self, bearer: Bearer, octets: bytes) -> Broadcast:
        if self._config.encapsulation is Encapsulation.BARE:
            return Broadcast(self._config.bare_group, bearer.port, octets, bearer.areas)
        inner = decode_inner(octets)
        return Broadcast(inner.destination, inner.destination_port, inner.payload, bearer.areas)
