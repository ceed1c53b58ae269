"""The client's radio side: which multicast subchannels it joins, and when it may say that it listens.

Sans-I/O. Announcements, maps, the client's area, packets that proved authentic and ``now`` go in; what to join, what
to leave and what to report come out. "Listening" is reported only when something authentic was really received on
the bearer, and taken back when nothing comes any more (TS 24.379 14.3.3; TS 23.280 10.7.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from mcsec.ids import Tmgi
from mcsec.keys.kinds import Traffic
from mcsec.wire.rtcp.subchannel import MbmsSubchannel

Place = tuple[IPv4Address | IPv6Address, int]
"""A multicast address and a UDP port."""


@dataclass(frozen=True, slots=True)
class Join:
    """Receive from ``place``; what comes there is ``traffic`` of ``name`` on the bearer ``tmgi``."""

    place: Place
    traffic: Traffic
    name: str
    tmgi: Tmgi


@dataclass(frozen=True, slots=True)
class Leave:
    """Receive from ``place`` no more what was ``traffic`` of ``name``."""

    place: Place
    traffic: Traffic
    name: str


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the server: ``group`` None is about the general purpose subchannel, else about that group's call."""

    listening: bool
    tmgi: Tmgi
    group: str | None = None


Output = Join | Leave | Report


@dataclass(frozen=True, slots=True)
class _Bearer:
    tmgi: Tmgi
    areas: tuple[int, ...]
    # None: a bearer for media only, whose calls are mapped by another bearer's general purpose subchannel.
    general_purpose: Place | None
    joined: bool = False
    listening: bool = False
    heard: float = 0.0


@dataclass(frozen=True, slots=True)
class _Call:
    group: str
    tmgi: Tmgi
    subchannel: MbmsSubchannel
    carrier: Tmgi

    def places(self) -> list[Join]:
        """Floor control, if it has a port of its own, and media."""
        channel = self.subchannel
        floor = channel.floor_port if channel.floor_line and channel.floor_port is not None else None
        joins = [Join((channel.address, channel.media_port), Traffic.GROUP_MEDIA, self.group, self.tmgi)]
        if floor is not None:
            joins.append(Join((channel.address, floor), Traffic.MBMS_FLOOR, self.group, self.tmgi))
        return joins


class RadioSide:
    """What one client receives over bearers."""

    def __init__(self, area: int | None = None, *, silence: float = 10.0, capacity: int = 64) -> None:
        """:param area: the service area identity that the client is in; None: not known, so nowhere.
        :param silence: seconds without an authentic packet on the general purpose subchannel after which a bearer
            counts as not received. The server sends something there more often.
        :param capacity: announcements that are kept; more are not stored.
        """
        self._area = area
        self._silence = silence
        self._capacity = capacity
        self._bearers: dict[Tmgi, _Bearer] = {}
        self._calls: dict[str, _Call] = {}

    @property
    def listening(self) -> frozenset[Tmgi]:
        """The bearers that are really received."""
        return frozenset(bearer.tmgi for bearer in self._bearers.values() if bearer.listening)

    def reports(self) -> list[Report]:
        """What a server must be told that knows nothing: everything that is received now."""
        bearers = [Report(True, bearer.tmgi) for bearer in self._bearers.values() if bearer.listening]
        return bearers + [Report(True, call.tmgi, call.group) for call in self._calls.values()]

    def announced(
        self, tmgi: Tmgi, areas: tuple[int, ...], general_purpose: Place | None, now: float
    ) -> list[Output]:
        """A bearer was announced, or announced anew; an announcement replaces the one before it.

        :param general_purpose: None when the bearer carries media only, and no general purpose subchannel.
        """
        known = self._bearers.get(tmgi)
        if known is None and len(self._bearers) >= self._capacity:
            return []
        happened: list[Output] = []
        if known is not None and known.general_purpose != general_purpose:
            happened += self._part(known)
            known = None
        bearer = _Bearer(tmgi, areas, general_purpose) if known is None else replace(known, areas=areas)
        self._bearers[tmgi] = bearer
        return happened + self._settle(bearer, now)

    def cancelled(self, tmgi: Tmgi) -> list[Output]:
        """The announcement was taken back."""
        bearer = self._bearers.pop(tmgi, None)
        return [] if bearer is None else self._part(bearer)

    def moved(self, area: int | None, now: float) -> list[Output]:
        """The client is in another service area, or out of all."""
        self._area = area
        return [output for bearer in list(self._bearers.values()) for output in self._settle(bearer, now)]

    def heard(self, tmgi: Tmgi, now: float) -> list[Output]:
        """A packet on the general purpose subchannel proved authentic."""
        bearer = self._bearers.get(tmgi)
        if bearer is None or not bearer.joined or bearer.general_purpose is None:
            return []
        self._bearers[tmgi] = replace(bearer, heard=now, listening=True)
        return [] if bearer.listening else [Report(True, tmgi)]

    def mapped(
        self, group: str, tmgi: Tmgi, subchannel: MbmsSubchannel, carrier: Tmgi | None = None
    ) -> list[Output]:
        """Map Group To Bearer of a group that the client has a call with. Repetitions change nothing.

        A call may be on several bearers at a time. It is heard on the first that maps it until that one unmaps it or is
        lost: then the next repetition on another one counts.

        :param carrier: the bearer that the message came by, where that is another one than ``tmgi``.
        """
        call = _Call(group, tmgi, subchannel, carrier or tmgi)
        known = self._calls.get(group)
        bearer, by = self._bearers.get(tmgi), self._bearers.get(call.carrier)
        if known == call or bearer is None or by is None or not (bearer.joined and by.listening):
            return []
        if known is not None and known.carrier != call.carrier:
            return []
        happened = self._hang_up(known) if known is not None else []
        self._calls[group] = call
        return [*happened, *call.places(), Report(True, tmgi, group)]

    def unmapped(self, group: str, carrier: Tmgi | None = None) -> list[Output]:
        """Unmap Group To Bearer, or the call ended: back to unicast.

        :param carrier: the bearer that the message came by; what another one mapped stays. None: the call ended.
        """
        call = self._calls.get(group)
        if call is None or carrier not in (None, call.carrier):
            return []
        del self._calls[group]
        return [*self._hang_up(call), Report(False, call.tmgi, group)]

    def poll(self, now: float) -> list[Output]:
        """Take back what is not received any more."""
        happened: list[Output] = []
        for bearer in list(self._bearers.values()):
            if bearer.listening and now >= bearer.heard + self._silence:
                self._bearers[bearer.tmgi] = replace(bearer, listening=False)
                happened += [*self._drop_calls(bearer.tmgi), Report(False, bearer.tmgi)]
        return happened

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        return min(
            (bearer.heard + self._silence for bearer in self._bearers.values() if bearer.listening),
            default=None,
        )

    # --- inside

    def _settle(self, bearer: _Bearer, now: float) -> list[Output]:
        """Joins or leaves the general purpose subchannel as the area demands."""
        covered = self._area is not None and self._area in bearer.areas
        if covered == bearer.joined:
            return []
        if covered:
            self._bearers[bearer.tmgi] = replace(bearer, joined=True, heard=now)
            place = bearer.general_purpose
            if place is None:
                return []
            return [Join(place, Traffic.SUBCHANNEL_CONTROL, str(bearer.tmgi), bearer.tmgi)]
        self._bearers[bearer.tmgi] = replace(bearer, joined=False, listening=False)
        return self._part(bearer)

    def _part(self, bearer: _Bearer) -> list[Output]:
        happened: list[Output] = self._drop_calls(bearer.tmgi)
        if bearer.joined and bearer.general_purpose is not None:
            happened.append(Leave(bearer.general_purpose, Traffic.SUBCHANNEL_CONTROL, str(bearer.tmgi)))
        return [*happened, Report(False, bearer.tmgi)] if bearer.listening else happened

    def _drop_calls(self, tmgi: Tmgi) -> list[Output]:
        groups = [call.group for call in self._calls.values() if tmgi in (call.tmgi, call.carrier)]
        return [output for group in groups for output in self.unmapped(group)]

    @staticmethod
    def _hang_up(call: _Call) -> list[Output]:
        return [Leave(join.place, join.traffic, join.name) for join in call.places()]
