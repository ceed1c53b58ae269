"""Who is entitled to the keys of one scope, who listens, who holds what, and so who is served how.

Sets that are kept up to date, so that the question "who is not reached by the broadcast?" costs nothing for
each packet, however many listen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from mcsec.ids import KeyId
from mcsec.keys.events import Event, ListenerMovedToBroadcast, ListenerMovedToUnicast

__all__ = ["Audience"]


class Audience:
    """Members, listeners and holders. Listeners are members; each is in ``broadcast`` or in ``unicast``."""

    def __init__(
        self,
        members: Iterable[str] = (),
        listeners: Iterable[str] = (),
        holders: Mapping[KeyId, Collection[str]] | None = None,
    ) -> None:
        self.members = set(members)
        self.broadcast: set[str] = set()
        self.unicast = self.members.intersection(listeners)
        self._most_unicast = len(self.unicast)
        self._holders = {key_id: self.members.intersection(who) for key_id, who in (holders or {}).items()}

    @property
    def listeners(self) -> set[str]:
        """Everyone on the bearer."""
        return self.broadcast | self.unicast

    def listens(self, who: str) -> bool:
        """Whether ``who`` is on the bearer."""
        return who in self.broadcast or who in self.unicast

    def holds(self, who: str, key_id: KeyId) -> bool:
        """Whether ``who`` answered that it holds the key."""
        return who in self._holders.get(key_id, ())

    def hold(self, who: str, key_id: KeyId) -> bool:
        """Note that ``who`` holds the key; False if that was known."""
        holders = self._holders.setdefault(key_id, set())
        known = who in holders
        holders.add(who)
        return not known

    def release(self, who: str, key_id: KeyId) -> None:
        """Note that ``who`` gave the key up."""
        self._holders.get(key_id, set()).discard(who)

    def forget(self, key_id: KeyId) -> None:
        """Nobody holds the key any more, or it no longer matters who does."""
        self._holders.pop(key_id, None)

    def lagging(self, key_id: KeyId) -> set[str]:
        """The listeners that do not hold the key."""
        return self.listeners - self._holders.get(key_id, set())

    def dismiss(self, who: str) -> None:
        """No longer a member, nor a listener, nor counted as a holder of anything."""
        for place in (self.members, self.broadcast, *self._holders.values()):
            place.discard(who)
        self._take_from_unicast(who)

    def enter(self, listener: str) -> None:
        """A member came to the bearer; it is served by unicast until :meth:`place` finds that it holds the
        key."""
        self._put_on_unicast(listener)

    def leave(self, listener: str) -> None:
        """A listener left the bearer."""
        self.broadcast.discard(listener)
        self._take_from_unicast(listener)

    def place(self, listener: str, sending: KeyId | None, now: float, reason: str = "") -> list[Event]:
        """Serve one listener as what it holds demands; what changed."""
        if sending is not None and self.holds(listener, sending):
            if listener in self.unicast:
                self._take_from_unicast(listener)
                self.broadcast.add(listener)
                return [ListenerMovedToBroadcast(now, sending, listener)]
        elif listener in self.broadcast:
            self.broadcast.discard(listener)
            self._put_on_unicast(listener)
            return [ListenerMovedToUnicast(now, listener, reason)]
        return []

    def place_all(self, sending: KeyId | None, now: float, reason: str) -> list[Event]:
        """Serve every listener anew, in the order of their names."""
        moved = [self.place(listener, sending, now, reason) for listener in sorted(self.listeners)]
        return [event for events in moved for event in events]

    def _put_on_unicast(self, who: str) -> None:
        self.unicast.add(who)
        self._most_unicast = max(self._most_unicast, len(self.unicast))

    def _take_from_unicast(self, who: str) -> None:
        self.unicast.discard(who)
        # A set keeps the room of its largest size, and every packet would walk through all of it.
        if len(self.unicast) < self._most_unicast // 4:
            self.unicast = set(self.unicast)
            self._most_unicast = len(self.unicast)
