"""Group keys sent to members by SIP, until each has acknowledged them (TS 33.180 5.7.1).

What is on its way is nowhere but in the store: whoever is owed a key and was not told of it is told, also after a
restart. A member that fetched its keys is not bothered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mcsec.errors import McsecError, PeerError
from mcsec.gms import gktps
from mcsec.gms.gktps import Parcel
from mcsec.gms.gms import Gms
from mcsec.gms.groups import Changes, Group
from mcsec.ids import PurposeTag, host_of
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.peer import Hop
from mcsec.store.gms import Held, KeyRow, KeyState
from mcsec.wire import gktp, mc_sip
from mcsec.wire.xcap import GKTP_TYPE

_ALL = frozenset((PurposeTag.GMK, PurposeTag.MKFC))
#: Seconds until a member that did not answer is tried again: at first, and at most.
_FIRST, _MOST = 5.0, 600.0
#: Members that are told at a time.
_TOGETHER = 64
#: Statuses that say nothing about the keys: nobody is there now, or somebody on the way has no time.
_LATER = frozenset({404, 408, 480, 486, 500, 502, 503, 504, 600})


@dataclass(slots=True)
class _Waiting:
    until: float
    seconds: float


class Pusher:
    """Sends for one GMS.

    :param routes: the next hop by domain; under the empty name for all others.
    """

    def __init__(
        self,
        gms: Gms,
        endpoint: Endpoint,
        routes: Mapping[str, Hop],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gms, self._endpoint, self._routes, self._clock = gms, endpoint, routes, clock
        self._wake = asyncio.Event()
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._touched = set(gms.keeper.groups)

    def changed(self, changes: Changes) -> None:
        """Something changed: there may be keys to be sent."""
        touched = {row.group_id for row in changes.put} | {row.group_id for row in changes.made}
        homes = (self._gms.keeper.group_of(key_id) for key_id, _ in changes.moved)
        touched |= {group.group_id for group in homes if group is not None}
        for found in [self._gms.keeper.find(name) for name in touched]:
            # The keys of a temporary group go out with those of its constituents.
            touched.update(() if found is None else found.document.constituents)
        if touched:
            # What is new is tried at once, also at members that did not answer last.
            self._waiting = {place: one for place, one in self._waiting.items() if place[0] not in touched}
            self._touched |= touched
            self._wake.set()

    async def run(self) -> None:
        """Send whatever is owed, for ever."""
        turns = asyncio.Semaphore(_TOGETHER)
        while True:
            self._wake.clear()
            now = self._clock()
            names, self._touched = self._touched, set()
            again = {place for place, waiting in self._waiting.items() if waiting.until <= now}
            due = [
                (group, owed)
                for group, owed in self.owed(names | {name for name, _ in again})
                if (place := (group.group_id, owed.member)) in again or place not in self._waiting
            ]
            # Who was told in the meantime, or is owed nothing any more, is waited for no longer.
            for place in again.difference((group.group_id, owed.member) for group, owed in due):
                self._waiting.pop(place, None)
            await asyncio.gather(*(self._tell(group, owed, turns) for group, owed in due))
            left = [waiting.until - self._clock() for waiting in self._waiting.values()]
            try:
                async with asyncio.timeout(max(0.05, min(left)) if left else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def owed(self, names: Iterable[str]) -> Iterator[tuple[Group, Parcel]]:
        """Who was not told yet of which keys of these groups, as far as there is a way."""
        for group in [self._gms.keeper.find(name) for name in sorted(names)]:
            if group is None or group.document.constituents:
                continue
            temporary = self._gms.temporary_of(group)
            names = set(group.members).union(*(group.holders[row.key.key_id] for row in group.keys))
            for name in sorted(names):
                if self._route(name) is None:
                    continue
                owed = gktps.parcel(group, temporary, name, _ALL)
                if name not in group.members or group.document.disabled:
                    owed = _revoked_only(owed)
                fresh = _untold(owed, [group, *temporary])
                if fresh.rows:
                    yield group, fresh

    async def _tell(self, group: Group, owed: Parcel, turns: asyncio.Semaphore) -> None:
        place = (group.group_id, owed.member)
        async with turns:
            now = self._clock()
            try:
                state = await self._send(owed, now)
            except McsecError as error:
                outcome, state = "failed", None
                self._gms.observer.failed(f"push: {error.code}", error)
            else:
                outcome = "later" if state is None else state.value
            self._gms.observer.pushed(outcome, owed.member, group.group_id)
            if state is None:
                seconds = min(2 * self._waiting[place].seconds, _MOST) if place in self._waiting else _FIRST
                self._waiting[place] = _Waiting(now + seconds, seconds)
                return
            self._waiting.pop(place, None)
            actor = self._gms.config.uri
            await self._gms.step(lambda: self._gms.given(owed, group.group_id, actor, "", state, now))

    async def _send(self, owed: Parcel, now: float) -> Held | None:
        """What the member said; None: nothing that counts.

        :raises McsecError: it could not be written or sent.
        """
        gms = self._gms
        recipient = gms.provisioning.recipient(owed.member)
        request = make_request(
            "MESSAGE",
            owed.member,
            from_=gms.config.psi,
            headers=mc_sip.from_server(gms.config.psi),
            body=gktp.encode(gktps.write(owed, recipient, gms.engine, now)),
            content_type=GKTP_TYPE,
        )
        try:
            response = await self._endpoint.request(request, self._route(owed.member))
        except PeerError:
            return None
        if response.ok:
            return Held.ACKNOWLEDGED
        return None if response.status in _LATER else Held.REFUSED

    def _route(self, uri: str) -> Hop | None:
        host = host_of(uri)
        fitting = [name for name in self._routes if name and (host == name or host.endswith(f".{name}"))]
        return self._routes.get(max(fitting, key=len) if fitting else "")


def _revoked_only(owed: Parcel) -> Parcel:
    return Parcel(
        owed.member, tuple(row for row in owed.own if row.state is KeyState.REVOKED), owed.regrouped
    )


def _untold(owed: Parcel, groups: list[Group]) -> Parcel:
    """What of it the member was not told of."""
    holders = {key_id: held for group in groups for key_id, held in group.holders.items()}

    def untold(rows: tuple[KeyRow, ...]) -> tuple[KeyRow, ...]:
        return tuple(
            row
            for row in rows
            if (state := holders.get(row.key.key_id, {}).get(owed.member)) is None
            or (row.state is KeyState.REVOKED and state is not Held.ENDED)
        )

    regrouped = tuple((name, kept) for name, rows in owed.regrouped if (kept := untold(rows)))
    return Parcel(owed.member, untold(owed.own), regrouped)
