"""The calls of one server, at both functions, by group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mcsec.server.calls.around import Around
from mcsec.server.calls.bodies import Audio
from mcsec.server.calls.controlling import Entry, Invite
from mcsec.server.calls.focus import Focus
from mcsec.server.calls.groups import Group, GroupDirectory
from mcsec.server.calls.legs import PartnerLeg
from mcsec.server.calls.serving import Serving

Inviter = Callable[[Focus, Invite], asyncio.Task[None]]


class Book:
    """Calls that go on.

    :ivar focuses: at the controlling function. ``servings``: at the participating function. ``remote``: legs of our
        users to controlling functions of partners.
    """

    def __init__(self, around: Around, directory: GroupDirectory) -> None:
        self.around, self.directory = around, directory
        self.focuses: dict[str, Focus] = {}
        self.servings: dict[str, Serving] = {}
        self.remote: set[PartnerLeg] = set()

    def serving(self, group: Group) -> Serving:
        """The call of a group as our users have it; begun where there is none.

        :raises LocalError: no ports are left.
        """
        name = group.group_id
        if name not in self.servings:
            own = group.home == self.around.domain
            controlling = self.around.controlling if own else self.around.link(group.home).partner.controlling
            self.servings[name] = Serving(self.around, group, controlling, self._served)
        return self.servings[name]

    def focus(self, group: Group, caller: str, entry: Entry, audio: Audio, invite: Inviter) -> Focus:
        """The call of a group that is homed here; made where there is none, with what ``caller`` brings.

        :raises Refused: the caller may not call.
        """
        name = group.group_id
        found = self.focuses.get(name)
        if found is None or not found.call.state.alive:
            found = Focus(
                self.around,
                group,
                caller,
                entry,
                audio,
                own=lambda: self.servings.get(name),
                invite=invite,
                over=self._released,
            )
            self.focuses[name] = found
        return found

    def discard(self, focus: Focus) -> None:
        """A call into which not even its caller came is none."""
        if focus.fresh and self.focuses.get(focus.group.group_id) is focus:
            del self.focuses[focus.group.group_id]

    def stop(self) -> None:
        """The server stops."""
        for focus in list(self.focuses.values()):
            focus.stop()
        for serving in list(self.servings.values()):
            serving.stop()
        for leg in list(self.remote):
            leg.close(hang_up=False)
        # Whoever still tells of a connection finds no call that it could concern.
        self.focuses.clear()
        self.servings.clear()
        self.remote.clear()

    def _served(self, serving: Serving) -> None:
        if self.servings.get(serving.group.group_id) is serving:
            del self.servings[serving.group.group_id]

    def _released(self, focus: Focus) -> None:
        if self.focuses.get(focus.group.group_id) is focus:
            del self.focuses[focus.group.group_id]
