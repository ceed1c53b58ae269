"""Who is entitled to which keys of a server, who listens, and what follows when that changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mcsec.errors import Refused
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys.events import Event, MemberRemoved
from mcsec.keys.key import Scope
from mcsec.keys.rotation import Rotation
from mcsec.server.keydown import KeyDownload
from mcsec.server.listeners import Listeners


class Membership:
    """Members and listeners of one server's keys."""

    def __init__(self, keydown: KeyDownload) -> None:
        self.listeners = Listeners()
        self._keydown = keydown

    # --- who is entitled

    def admit(self, client: str, groups: Iterable[str]) -> list[KeyId]:
        """``client`` is entitled to the MuSiKs of ``groups`` from now on; the keys that it is to be given."""
        return _admit(client, map(self.musik_of, groups))

    def admit_to_bearer(self, client: str, tmgi: Tmgi) -> list[KeyId]:
        """``client`` is told of the bearer from now on; the MSCCKs that it is to be given."""
        return _admit(client, [self._keydown.msccks.get(str(tmgi))])

    def rekeyed(self, scope: Scope, now: float) -> list[Event]:
        """A MuSiK was made for ``scope``: its members listen still, and who is no member is no longer served."""
        rotation = self._keydown.rotation(PurposeTag.MUSIK, scope)
        happened: list[Event] = []
        entitled = rotation.audience.members
        for group in self._groups_of(scope):
            listeners = self.listeners.of(group)
            strangers = sorted(listeners - entitled)
            self.listeners.drop(strangers, group)
            happened += [MemberRemoved(now, stranger) for stranger in strangers]
            for listener in sorted(listeners & entitled):
                happened += rotation.listen(listener, now)
        return happened

    def release(self, client: str, groups: Iterable[str] | None, now: float) -> list[Event]:
        """``client`` left ``groups`` by itself (None: all of them, and every bearer). Nobody is rekeyed for that.

        It keeps what it needs for the groups that it is still in.
        """
        left = list(self.listeners.groups if groups is None else groups)
        for group in left:
            self.listeners.drop([client], group)
        rotations = self._keydown.rotations if groups is None else self._left_by(left)
        happened: list[Event] = []
        for rotation in rotations:
            if client in rotation.audience.members:
                happened += rotation.leave(client, now)
                rotation.audience.dismiss(client)
        return happened

    def removed(self, scope: Scope, members: Collection[str]) -> None:
        """``members`` were taken off the groups of a MuSiK: they are not served with its signalling any more."""
        for group in self._groups_of(scope):
            self.listeners.drop(members, group)

    # --- who listens

    def check_listener(self, client: str, tmgi: Tmgi, group: str | None) -> None:
        """Whether ``client`` may be served on the bearer, and with the call of ``group``.

        :raises Refused: there is no such bearer, or the client is not entitled to its keys.
        """
        if str(tmgi) not in self._keydown.msccks:
            raise Refused(
                f"no bearer {tmgi} is active", code="server.unknown-bearer", clause="TS 24.379 14.3.3"
            )
        if any(client not in rotation.audience.members for rotation in self._heard_in(tmgi, group)):
            raise Refused(
                f"{client} is not entitled to the keys of {tmgi} and {group or 'its subchannel'}",
                code="server.not-entitled",
                hint="announce the bearer to it, and make it a member of the group's MuSiK",
            )

    def listens(self, client: str, tmgi: Tmgi, group: str | None, now: float) -> list[Event]:
        """A listening report: ``client`` receives the bearer, and is in the call of ``group`` if one is named.

        :raises Refused: as :meth:`check_listener`; nothing has changed.
        """
        self.check_listener(client, tmgi, group)
        if group is not None:
            self.listeners.add(client, str(tmgi), group)
        heard = self._heard_in(tmgi, group)
        return [event for rotation in heard for event in rotation.listen(client, now)]

    def listens_no_more(self, client: str, tmgi: Tmgi, group: str | None, now: float) -> list[Event]:
        """``client`` does not hear the call of ``group`` on the bearer any more; without a group, nothing there."""
        groups = list(self.listeners.groups) if group is None else [group]
        left = [] if group is not None else [self._keydown.msccks.get(str(tmgi))]
        for one in groups:
            self.listeners.drop([client], one, str(tmgi))
            left.append(self.musik_of(one))
        still = [self.musik_of(one) for one in self.listeners.groups if self.listeners.hears(client, one)]
        gone = [rotation for rotation in _unique(left) if rotation not in still]
        return [event for rotation in gone for event in rotation.leave(client, now)]

    # --- what they share

    def musik_of(self, group: str) -> Rotation | None:
        """The MuSiKs of a group: its own, or the domain's default ones."""
        return self._keydown.musiks.get(group) or self._keydown.musiks.get(None)

    def _left_by(self, groups: Collection[str]) -> list[Rotation]:
        """The MuSiKs of which somebody left every group; one for other groups too, it keeps."""
        left = set(groups)
        found = _unique(self._keydown.musiks.get(group) for group in sorted(left))
        return [rotation for rotation in found if rotation.scope.names <= left]

    def _heard_in(self, tmgi: Tmgi, group: str | None) -> list[Rotation]:
        """The rotations whose keys protect what is heard: of the bearer, and of the group's call on it."""
        musik = None if group is None else self.musik_of(group)
        mscck = self._keydown.msccks[str(tmgi)]
        return [mscck] if musik is None else [mscck, musik]

    def _groups_of(self, scope: Scope) -> list[str]:
        """The groups that a MuSiK of ``scope`` is for: those it names, or all that have none of their own."""
        return sorted(scope.names or set(self.listeners.groups) - self._keydown.musiks.keys())


def _admit(client: str, rotations: Iterable[Rotation | None]) -> list[KeyId]:
    wanted: list[KeyId] = []
    for rotation in _unique(rotations):
        rotation.admit(client)
        wanted += [key.key_id for key in rotation.deliverable(client)]
    return wanted


def _unique(rotations: Iterable[Rotation | None]) -> list[Rotation]:
    """Each once, in order: a MuSiK for several groups stands under each of them."""
    return list({id(found): found for found in rotations if found is not None}.values())
