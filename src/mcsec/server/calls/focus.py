"""The controlling function on its legs, for one call of a group that is homed here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import LocalError, PeerError, Refused
from mcsec.keys.events import Event
from mcsec.net.sip.reason import Reason
from mcsec.server.calls.around import Alarm, Around
from mcsec.server.calls.bodies import Audio
from mcsec.server.calls.controlling import End, Entry, GroupCall, Invite, Output
from mcsec.server.calls.groups import Group
from mcsec.server.calls.legs import PartnerLeg
from mcsec.server.calls.serving import Serving
from mcsec.server.calls.states import CallState
from mcsec.server.floor import Forward, ToAll, ToOne, Urgency
from mcsec.wire.rtcp.floor import FloorMessage


class Focus:
    """One call: its engine, and a leg for each member that is served elsewhere. Members of our own domain are reached
    together, through the call as the participating function has it.

    :ivar call: what decides. ``audio``: how its media is coded, as its caller said.
    """

    def __init__(
        self,
        around: Around,
        group: Group,
        caller: str,
        entry: Entry,
        audio: Audio,
        *,
        own: Callable[[], Serving | None],
        invite: Callable[[Focus, Invite], asyncio.Task[None]],
        over: Callable[[Focus], None],
    ) -> None:
        """:param own: the call as our participating function has it. :param invite: invites a member.
        :param over: called when the call is released.

        :raises Refused: the caller may not call.
        """
        self._around, self.group, self.audio = around, group, audio
        self._own, self._invite, self._over = own, invite, over
        self.call = GroupCall(group, caller, entry, around.policy)
        self._partners: dict[str, PartnerLeg] = {}
        self._inviting: dict[str, asyncio.Task[None]] = {}
        self._alarm = Alarm(around.clock, self._poll)

    @property
    def fresh(self) -> bool:
        """Whether nobody came in yet."""
        return self.call.state is CallState.START_STOP

    @property
    def partners(self) -> dict[str, PartnerLeg]:
        """The legs of members that other domains serve."""
        return self._partners

    # --- members

    def enter(self, user: str, entry: Entry, leg: PartnerLeg | None = None) -> None:
        """A member comes in: with its leg where another domain serves it.

        :raises Refused: it may not. :raises WrongState: the call is being released.
        """
        now = self._around.clock()
        before = self._partners.get(user)
        if leg is not None:
            self._partners[user] = leg
        try:
            if self.call.state is CallState.START_STOP:
                outputs = self.call.begin(now)
            else:
                outputs = self.call.join(user, entry, now)
        except (PeerError, LocalError):
            self._partners.pop(user, None)
            if before is not None:
                self._partners[user] = before
            raise
        if before is not None and before is not leg:
            before.close()
        self._do(outputs)

    def declined(self, user: str, reason: str) -> None:
        """An invited member does not come."""
        self._inviting.pop(user, None)
        self._do(self.call.refused(user, reason, self._around.clock()))

    def left(self, user: str, reason: str, leg: PartnerLeg | None = None) -> None:
        """A member's leg is over; a leg that another took the place of changes nothing."""
        if leg is not None:
            if self._partners.get(user) is not leg:
                return
            leg.close()
            del self._partners[user]
        self._do(self.call.left(user, reason, self._around.clock()))

    def follow(self, group: Group | None) -> None:
        """The group changed; None: there is none any more. Who is no member now is out at once."""
        if group is not None:
            self.group = group
        self._do(self.call.follow(group, self._around.clock()))

    def release(self, reason: str) -> None:
        """The call is released."""
        self._do(self.call.release(reason, self._around.clock()))

    # --- what they send

    def floor(self, user: str, message: FloorMessage) -> None:
        """A floor message of a member.

        :raises Refused: it changed nothing.
        """
        self._do(self.call.receive(user, message, self._around.clock()))

    def media(self, user: str, packet: ForwardedMedia, ssrc: int) -> None:
        """A media packet of a member: to everybody else while it has the floor.

        :raises Refused: it is not in the call, or has another's SSRC.
        """
        outputs = self.call.media(user, ssrc, self._around.clock())
        if any(isinstance(one, Forward) for one in outputs):
            for other, leg in self._partners.items():
                if other != user:
                    leg.media(packet, ssrc)
            own = self._own()
            if own is not None:
                own.media(packet, but=frozenset({user}))
        else:
            self._around.refused["call.no-floor"] += 1
        self._do(outputs)

    def urge(self, user: str, urgency: Urgency) -> None:
        """A member makes the call more urgent, or less.

        :raises Refused: it may not.
        """
        self._do(self.call.urge(user, urgency, self._around.clock()))

    def stop(self) -> None:
        """The server stops."""
        self._alarm.close()
        for leg in self._partners.values():
            leg.close(hang_up=False)
        for task in self._inviting.values():
            task.cancel()

    # --- inside

    def _poll(self) -> None:
        self._do(self.call.poll(self._around.clock()))

    def _do(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            match output:
                case ToOne(participant=user, message=message):
                    self._to_one(user, message)
                case ToAll(message=message, but=but):
                    for user, leg in self._partners.items():
                        if user not in but:
                            leg.floor(message)
                    own = self._own()
                    if own is not None:
                        own.down(message, but=but)
                case Invite(user=user):
                    self._inviting[user] = self._invite(self, output)
                case End():
                    self._end(output)
                case Event():
                    self._around.tell(output)
        if self.call.state is CallState.RELEASED:
            self._alarm.close()
            self._over(self)
        else:
            self._alarm.set(self.call.next_timer())

    def _to_one(self, user: str, message: FloorMessage) -> None:
        leg = self._partners.get(user)
        if leg is not None:
            leg.floor(message)
            return
        own = self._own()
        if own is not None and user in own.legs:
            own.down(message, user=user)

    def _end(self, end: End) -> None:
        user, reason = end.user, end.reason
        because = None if end.status is None else Reason(end.status, reason)
        task = self._inviting.pop(user, None)
        if task is not None and user not in self.call:
            task.cancel()
            return
        leg = self._partners.pop(user, None)
        if leg is not None:
            leg.close(because=because)
        else:
            own = self._own()
            if own is not None:
                own.close(user, reason, leave=False, because=because)
        self._do(self.call.left(user, reason, self._around.clock()))


class OwnWay:
    """The way from our participating function to our controlling function: within this process."""

    def __init__(self, focus: Focus, user: str) -> None:
        self._focus, self._user = focus, user

    def floor(self, message: FloorMessage) -> None:
        """A floor message of the user."""
        self._focus.floor(self._user, message)

    def media(self, packet: ForwardedMedia, ssrc: int) -> None:
        """A media packet of the user."""
        self._focus.media(self._user, packet, ssrc)

    def urge(self, urgency: Urgency) -> None:
        """The call becomes more urgent, or less."""
        self._focus.urge(self._user, urgency)

    def leave(self, reason: str) -> None:
        """The user is in the call no more."""
        self._focus.left(self._user, reason)


def check_kind(group: Group, session_type: str | None) -> None:
    """Whether an INVITE asks for the kind of call that the group has.

    :raises Refused: it does not.
    """
    if session_type not in (None, group.kind.value):
        raise Refused(
            f"{group.group_id} is a {group.kind.value} group, not {session_type}",
            code=f"call.is-{group.kind.value}",
            clause="TS 24.379 10.1.1.4.2, 10.1.2.4.1.1",
        )
