"""Carries out what the radio side decides: joins, leaves, packets to the engine, reports on their way.

The decisions are in :mod:`mcsec.client.radio` (what to join, when to say so) and :mod:`mcsec.client.engine` (which
packets count).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from mcsec.client.airwaves import Airwaves
from mcsec.client.copies import Copies
from mcsec.client.engine import ClientEngine
from mcsec.client.events import (
    GroupMapped,
    GroupUnmapped,
    JoinFailed,
    MediaHeard,
    PacketDropped,
    SubchannelJoined,
    SubchannelLeft,
)
from mcsec.client.floor import Path
from mcsec.client.radio import Join, Leave, Output, Place, RadioSide, Report
from mcsec.errors import LocalError
from mcsec.keys.events import Event, KeyEvent
from mcsec.keys.kinds import Traffic

_Role = tuple[Place, Traffic, str]


class ListeningSide:
    """One client's ears.

    :ivar groups: the groups that the user is affiliated to; maps of others are passed over.
    """

    def __init__(
        self,
        engine: ClientEngine,
        radio: RadioSide,
        airwaves: Airwaves,
        on_event: Callable[[Event], None],
        on_report: Callable[[Report], None],
        on_timers: Callable[[], None],
        clock: Callable[[], float],
        copies: Copies,
    ) -> None:
        """:param on_timers: told when the timers of engine or radio may have moved.
        :param copies: what was taken lately, on bearers and by unicast.
        """
        self._engine, self._radio, self._airwaves = engine, radio, airwaves
        self._tell, self._report, self._clock = on_event, on_report, clock
        self._timers_moved, self._copies = on_timers, copies
        self._joined: dict[_Role, Join] = {}
        self.groups: frozenset[str] = frozenset()

    def carry_out(self, outputs: Iterable[Output]) -> None:
        """Do what the radio side wants, in order."""
        pending = deque(outputs)
        if pending:
            self._timers_moved()
        while pending:
            output = pending.popleft()
            if isinstance(output, Leave):
                self._leave((output.place, output.traffic, output.name))
            elif isinstance(output, Report):
                if output.group is not None and not output.listening:
                    self._engine.forget_mapping(output.group)
                self._report(output)
            elif (failure := self._join(output)) is not None:
                self._tell(failure)
                # What was to follow on this join, its report above all, is not true.
                pending = deque(left for left in pending if not _about(left, output))
                pending.extend(self._radio.unmapped(output.name))

    def close(self) -> None:
        """Leave everything, and tell nobody."""
        for role in tuple(self._joined):
            self._leave(role)

    # --- inside

    def _join(self, join: Join) -> JoinFailed | None:
        role = (join.place, join.traffic, join.name)
        try:
            self._airwaves.join(join.place, (self, role), lambda octets: self._packet(octets, join))
        except LocalError as error:
            return JoinFailed(self._clock(), join.tmgi, _text(join.place), error.describe())
        self._joined[role] = join
        self._tell(SubchannelJoined(self._clock(), join.tmgi, join.traffic.name, _text(join.place)))
        return None

    def _leave(self, role: _Role) -> None:
        join = self._joined.pop(role, None)
        if join is not None:
            self._airwaves.leave(join.place, (self, role))
            self._tell(SubchannelLeft(self._clock(), join.tmgi, join.traffic.name, _text(join.place)))

    def _packet(self, octets: bytes, join: Join) -> None:
        now = self._clock()
        if join.traffic is Traffic.GROUP_MEDIA:
            self._media(octets, join.name, now)
            return
        happened = self._engine.control_packet(octets, join.traffic, join.name, now)
        if any(isinstance(event, KeyEvent) for event in happened):
            self._timers_moved()
        if join.traffic is not Traffic.SUBCHANNEL_CONTROL or any(
            isinstance(event, PacketDropped) for event in happened
        ):
            self._tell_all(happened)
            return
        self.carry_out(self._radio.heard(join.tmgi, now))
        for event in happened:
            self._obey(event, join)

    def _media(self, octets: bytes, group: str, now: float) -> None:
        if self._copies.known(octets, Path.MBMS):
            return
        happened = self._engine.media_packet(octets, group, now)
        if any(isinstance(event, MediaHeard) for event in happened):
            self._copies.took(octets, Path.MBMS)
        self._tell_all(happened)

    def _obey(self, event: Event, join: Join) -> None:
        outputs: list[Output] = []
        if isinstance(event, GroupMapped):
            if event.group in self.groups:
                outputs = self._radio.mapped(event.group, event.tmgi, event.subchannel, join.tmgi)
            if not outputs:
                # Not for us, or not yet: the next repetition is looked at again.
                self._engine.forget_mapping(event.group, join.name)
                return
        elif isinstance(event, GroupUnmapped):
            outputs = self._radio.unmapped(event.group, join.tmgi)
        self._tell(event)
        self.carry_out(outputs)

    def _tell_all(self, happened: Iterable[Event]) -> None:
        for event in happened:
            self._tell(event)


def _about(output: Output, failed: Join) -> bool:
    if isinstance(output, Report):
        return output.tmgi == failed.tmgi and output.group == failed.name
    return isinstance(output, Join) and output.name == failed.name


def _text(place: Place) -> str:
    address, port = place
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
