"""All bearers: their ports, what they take of each area, and what happens to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mcsec.bmsc import events
from mcsec.bmsc.bearer import BEARER, Bearer, Key, Occurrence, State, arp_of
from mcsec.bmsc.config import BmscConfig
from mcsec.bmsc.telling import Telling
from mcsec.bmsc.tmgis import TmgiPool
from mcsec.errors import InvalidValue
from mcsec.ids import Tmgi
from mcsec.wire.mb2.groups import Preemption, QosInformation
from mcsec.wire.mb2.masks import DiagnosticInfo
from mcsec.wire.mb2.values import FlowId

_FLOWS = 1 << 16


class Bearers:
    """The bearers of a BM-SC. ``ports`` are those of MB2-U, one for each bearer at a time."""

    def __init__(
        self,
        config: BmscConfig,
        pool: TmgiPool,
        telling: Telling,
        ports: Sequence[int],
        bearers: Iterable[Bearer] = (),
    ) -> None:
        self._config, self._pool, self._telling = config, pool, telling
        self._bearers: dict[Key, Bearer] = {bearer.key: bearer for bearer in bearers}
        self._by_port = {bearer.port: bearer.key for bearer in self._bearers.values()}
        self._ports = [port for port in ports if port not in self._by_port]
        self._last_flow: dict[Tmgi, int] = {}

    @property
    def all(self) -> tuple[Bearer, ...]:
        """Every bearer that has not ended."""
        return tuple(self._bearers.values())

    def of_tmgi(self, tmgi: Tmgi | None) -> tuple[Bearer, ...]:
        """The bearers of one TMGI."""
        return tuple(bearer for bearer in self._bearers.values() if bearer.tmgi == tmgi)

    def of_host(self, host: str) -> tuple[Bearer, ...]:
        """The bearers of one GCS AS."""
        return tuple(bearer for bearer in self._bearers.values() if bearer.host == host)

    def at_port(self, port: int) -> Bearer | None:
        """The bearer whose packets come to this port."""
        key = self._by_port.get(port)
        return None if key is None else self._bearers[key]

    def find(self, key: Key) -> Bearer:
        """A bearer.

        :raises InvalidValue: there is none.
        """
        try:
            return self._bearers[key]
        except KeyError:
            raise InvalidValue(f"no bearer {key[0]} flow {key[1]}", code="bmsc.bearer") from None

    @property
    def load(self) -> float:
        """Share of the ports that is taken, 0 to 1."""
        return len(self._bearers) / (len(self._bearers) + len(self._ports))

    def room(self, areas: frozenset[int], qos: QosInformation, besides: Bearer | None) -> list[Bearer] | None:
        """Bearers that must give way to one with this QoS in these areas; None where there is no room even so.

        ``besides`` is the bearer that is modified, whose own port and share count as free.
        """
        if besides is None and not self._ports:
            return None
        need = qos.guaranteed_bitrate_dl or qos.max_requested_bandwidth_dl or 0
        arp = arp_of(qos)
        victims: list[Bearer] = []
        for code in sorted(areas):
            area = self._config.area(code)
            if area is None or area.capacity is None:
                continue
            here = [
                bearer
                for bearer in self._bearers.values()
                if code in bearer.areas and bearer is not besides and bearer not in victims
            ]
            excess = sum(bearer.reserved for bearer in here) + need - area.capacity
            weak = [bearer for bearer in here if _gives_way(bearer, arp.priority_level)]
            weak.sort(key=lambda bearer: arp_of(bearer.qos).priority_level)
            while excess > 0:
                if arp.pre_emption_capability is not Preemption.ENABLED or not weak:
                    return None
                victims.append(weak.pop())
                excess -= victims[-1].reserved
        return victims

    def add(
        self,
        tmgi: Tmgi,
        host: str,
        areas: frozenset[int],
        qos: QosInformation,
        now: float,
        begins: float,
        failure: DiagnosticInfo | None,
    ) -> Bearer:
        """A new bearer, for which :meth:`room` was found."""
        waiting = begins > now or failure is not None
        state = State.WAITING if waiting else State.ACTIVE
        bearer = Bearer(tmgi, self._flow(tmgi), host, self._ports.pop(0), areas, qos, state, begins, failure)
        self._bearers[bearer.key] = bearer
        self._by_port[bearer.port] = bearer.key
        where = tuple(sorted(areas))
        if waiting:
            self._telling.tell(
                events.BearerAccepted(now, host, tmgi, bearer.flow, bearer.port, where, begins)
            )
        else:
            self._telling.tell(events.BearerActive(now, host, tmgi, bearer.flow, bearer.port, where))
        return bearer

    def modify(self, bearer: Bearer, areas: frozenset[int], qos: QosInformation, now: float) -> None:
        """Other areas or another ARP."""
        self._bearers[bearer.key] = replace(bearer, areas=areas, qos=qos)
        self._telling.tell(
            events.BearerModified(now, bearer.host, bearer.tmgi, bearer.flow, tuple(sorted(areas)))
        )

    def happened(
        self, bearer: Bearer, what: Occurrence, now: float, diagnostic: DiagnosticInfo | None = None
    ) -> None:
        """Follow the table, tell the server where the table says so, and free what an ended bearer held."""
        row = BEARER[bearer.state].get(what)
        if row is None:
            raise InvalidValue(f"a bearer that is {bearer.state} cannot be: {what}", code="bmsc.bearer")
        state, told = row
        if told:
            self._telling.notify(bearer, told, diagnostic)
        if state is not State.ENDED:
            self._bearers[bearer.key] = replace(bearer, state=state)
            where = tuple(sorted(bearer.areas))
            self._telling.tell(
                events.BearerActive(now, bearer.host, bearer.tmgi, bearer.flow, bearer.port, where)
            )
            return
        del self._bearers[bearer.key], self._by_port[bearer.port]
        self._ports.append(bearer.port)
        self._telling.tell(events.BearerEnded(now, bearer.host, bearer.tmgi, bearer.flow, what.value))
        holding = self._pool.find(bearer.tmgi)
        if holding is not None and holding.released and not self.of_tmgi(bearer.tmgi):
            self._pool.free_up(bearer.tmgi)

    def due(self, now: float) -> None:
        """Begin, or let fail, what has waited long enough."""
        for bearer in self.all:
            if bearer.state is State.WAITING and bearer.begins <= now:
                failed = bearer.failure is not None
                self.happened(bearer, Occurrence.FAILED if failed else Occurrence.BEGUN, now, bearer.failure)

    def next_begin(self) -> float | None:
        """When the next waiting bearer is due."""
        waiting = (bearer.begins for bearer in self._bearers.values() if bearer.state is State.WAITING)
        return min(waiting, default=None)

    def _flow(self, tmgi: Tmgi) -> FlowId:
        """A flow identifier that no bearer of the TMGI has, and that none had lately."""
        taken = {bearer.flow.value for bearer in self.of_tmgi(tmgi)}
        value = self._last_flow.get(tmgi, 0)
        while True:
            value = (value + 1) % _FLOWS
            if value not in taken:
                self._last_flow[tmgi] = value
                return FlowId(value)


def _gives_way(bearer: Bearer, level: int) -> bool:
    arp = arp_of(bearer.qos)
    return arp.pre_emption_vulnerability is Preemption.ENABLED and arp.priority_level > level
