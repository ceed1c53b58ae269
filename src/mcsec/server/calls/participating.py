"""A group call as the users of one MC domain see it: the participating function (TS 24.380 4.1.3, 6.4, 10).

Sans-I/O. Users, what comes from the controlling function and from them (decrypted and authenticated), what becomes of
bearers and who listens to them, and ``now`` go in; what goes on which bearer once, to whom by unicast, and events come
out. No key is chosen here, and nothing is asked of the group's home domain but floor control itself.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from mcsec.errors import Refused
from mcsec.ids import Tmgi
from mcsec.keys.events import BroadcastRefused, Event
from mcsec.server.calls import events
from mcsec.server.calls.copies import Copies
from mcsec.server.calls.policy import STANDARD, CallPolicy
from mcsec.server.calls.subchannel import Control, Freed, Subchannel
from mcsec.server.calls.subchannel_states import Step, SubchannelState
from mcsec.wire.rtcp import row_of
from mcsec.wire.rtcp.floor import FloorMessage, FloorQueuePositionRequest, FloorRelease, FloorRequest
from mcsec.wire.rtcp.subchannel import MbmsSubchannel
from mcsec.wire.rtcp.table import Direction


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A floor message for everybody who listens to a bearer: once on its subchannel.

    ``heard`` are the users, as they are when it is sent: nothing is copied, however many they are.
    """

    bearer: str
    channel: MbmsSubchannel
    message: FloorMessage
    heard: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Tell:
    """A floor message for ``users``, by unicast to each."""

    users: frozenset[str]
    message: FloorMessage


@dataclass(frozen=True, slots=True)
class BroadcastMedia:
    """A media packet, once on the subchannel of a bearer."""

    bearer: str
    channel: MbmsSubchannel
    octets: bytes


@dataclass(frozen=True, slots=True)
class SendMedia:
    """A media packet for ``users``, by unicast to each."""

    users: frozenset[str]
    octets: bytes


_NAMING = (FloorRequest, FloorRelease, FloorQueuePositionRequest)

Output = Broadcast | Tell | BroadcastMedia | SendMedia | Control | Freed | Event


@dataclass(slots=True)
class _Bearer:
    """A bearer, and whom of the call it reaches.

    ``hearing`` hear its general purpose subchannel, in the call or not; ``ready`` are those in the call; ``listening``
    said that they hear the call there.
    """

    subchannel: Subchannel
    hearing: set[str] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)
    listening: set[str] = field(default_factory=set)
    suspended: bool = False

    def serves(self, user: str) -> bool:
        """Whether a user gets floor control and media by it."""
        return self.subchannel.active and not self.suspended and user in self.listening


class ServedCall:
    """One call in one domain.

    :ivar group: the group ID.
    """

    def __init__(
        self,
        group: str,
        policy: CallPolicy = STANDARD,
        *,
        assign: Callable[[str], MbmsSubchannel | None] = lambda bearer: None,
        refusal: Callable[[float], BroadcastRefused | None] = lambda now: None,
    ) -> None:
        """:param assign: gives a free subchannel of a bearer. :param refusal: why floor control of the group cannot be
        broadcast, None: there is a key for it; without one the call goes on no bearer.
        """
        self.group, self.policy = group, policy
        self._assign, self._refusal = assign, refusal
        self._refused = ""
        self._users: set[str] = set()
        self._on: dict[str, str] = {}
        # The work for a packet must not grow with the users that a bearer serves: who is on none is kept apart.
        self._alone: set[str] = set()
        self._emptied = 0
        self._bearers: dict[str, _Bearer] = {}
        self._copies = Copies()
        self._wanted = False
        self._out: list[Output] = []

    # --- what is so

    @property
    def users(self) -> frozenset[str]:
        """Whose legs there are."""
        return frozenset(self._users)

    @property
    def by_unicast(self) -> frozenset[str]:
        """Who is served by no bearer."""
        return frozenset(self._alone)

    def bearer_of(self, user: str) -> str | None:
        """The bearer by which a user is served; None: by unicast."""
        return self._on.get(user)

    def state(self, bearer: str) -> SubchannelState:
        """Whether the call is on a bearer."""
        known = self._bearers.get(bearer)
        return SubchannelState.NOT_ASSIGNED if known is None else known.subchannel.state

    @property
    def over(self) -> bool:
        """Whether nobody is in the call and nothing is left to say about it."""
        idle = SubchannelState.NOT_ASSIGNED
        return not self._users and all(one.subchannel.state is idle for one in self._bearers.values())

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do."""
        timers = (one.subchannel.next_timer() for one in self._bearers.values())
        return min((timer for timer in timers if timer is not None), default=None)

    # --- users

    def enter(self, user: str, now: float) -> list[Output]:
        """A user is in the call: by unicast, until it says that it hears it on a bearer."""
        self._users.add(user)
        if user not in self._on:
            self._alone.add(user)
        for bearer in self._bearers.values():
            if user in bearer.hearing:
                bearer.ready.add(user)
        return self._weigh(now)

    def leave(self, user: str, now: float) -> list[Output]:
        """A user is in the call no more. When none is left, the call leaves every bearer."""
        self._users.discard(user)
        self._on.pop(user, None)
        self._not_alone(user)
        for name, bearer in self._bearers.items():
            bearer.ready.discard(user)
            bearer.listening.discard(user)
            if not self._users:
                self._follow(name, Step.CALL_OVER, now)
        if self._wanted and not self._users:
            self._wanted = False
            self._out.append(events.BearerUnwanted(now, self.group))
        return self._weigh(now)

    # --- bearers, and who listens

    def bearer_up(self, name: str, tmgi: Tmgi, now: float) -> list[Output]:
        """A bearer is on the air under this TMGI."""
        if name not in self._bearers or self._bearers[name].subchannel.tmgi != tmgi:
            subchannel = Subchannel(self.group, name, tmgi, self.policy, self._assign, self._to_unicast)
            self._bearers[name] = _Bearer(subchannel)
        return self._weigh(now)

    def bearer_lost(self, name: str, now: float) -> list[Output]:
        """A bearer is gone: whom it served is served by unicast from the next message on."""
        if name in self._bearers:
            self._follow(name, Step.BEARER_LOST, now)
            self._to_unicast(name, now)
            del self._bearers[name]
        return self._weigh(now)

    def hears(self, user: str, name: str, hears: bool, now: float) -> list[Output]:
        """A user hears the general purpose subchannel of a bearer, or does not any more."""
        bearer = self._bearers.get(name)
        if bearer is not None:
            if hears:
                bearer.hearing.add(user)
                if user in self._users:
                    bearer.ready.add(user)
            else:
                for who in (bearer.hearing, bearer.ready, bearer.listening):
                    who.discard(user)
                self._place(user, now)
        return self._weigh(now)

    def listens(self, user: str, name: str, listens: bool, now: float) -> list[Output]:
        """A user hears this call on a bearer, or does not any more."""
        bearer = self._bearers.get(name)
        if bearer is not None and user in self._users:
            if listens:
                for who in (bearer.hearing, bearer.ready, bearer.listening):
                    who.add(user)
            else:
                bearer.listening.discard(user)
            self._place(user, now)
        return self._weigh(now)

    def suspended(self, name: str, suspended: bool, now: float) -> list[Output]:
        """The network suspends a bearer, or takes it up again. Who told speaks for all who listen there."""
        bearer = self._bearers.get(name)
        if bearer is not None and bearer.suspended != suspended:
            bearer.suspended = suspended
            for user in sorted(bearer.listening):
                self._place(user, now)
        return self._weigh(now)

    # --- what comes

    def down(
        self, message: FloorMessage, now: float, *, user: str | None = None, but: frozenset[str] = frozenset()
    ) -> list[Output]:
        """A floor message of the controlling function.

        :param user: on whose leg it came; None: on none, it is for everybody.
        :param but: who is left out.
        :raises Refused: it is none that a server sends, or ``user`` is not in the call.
        """
        self._check(message, user, Direction.TO_SERVER)
        if row_of(message).multicast and self._copies.floor_is_new(message):
            self._traffic(now)
            for name, bearer in self._bearers.items():
                channel = bearer.subchannel.channel
                if bearer.subchannel.active and channel is not None and not bearer.suspended:
                    self._out.append(Broadcast(name, channel, message, bearer.listening))
        alone = frozenset(self._alone - but if user is None else {user})
        if user in self._on and row_of(message).multicast:
            alone = frozenset()
        if alone:
            self._out.append(Tell(alone, message))
        return self._taken()

    def media(
        self, octets: bytes, now: float, *, user: str | None = None, but: frozenset[str] = frozenset()
    ) -> list[Output]:
        """A media packet of the controlling function; see :meth:`down`."""
        if user is not None and user not in self._users:
            raise Refused(f"{user} is not in the call", code="call.no-leg", clause="TS 24.380 10.2.1")
        if self._bearers and self._copies.media_is_new(octets):
            self._traffic(now)
            for name, bearer in self._bearers.items():
                channel = bearer.subchannel.channel
                if bearer.subchannel.active and channel is not None and not bearer.suspended:
                    self._out.append(BroadcastMedia(name, channel, octets))
        alone = frozenset(self._alone - but if user is None else self._alone & {user})
        if alone:
            self._out.append(SendMedia(alone, octets))
        return self._taken()

    def up(self, user: str, message: FloorMessage) -> FloorMessage:
        """A floor message of a user as it goes to the controlling function: with the user's identity where it has room
        for one (TS 24.380 8.2.3.8).

        :raises Refused: it is none that a participant sends, names somebody else, or ``user`` is not in the call.
        """
        self._check(message, user, Direction.TO_PARTICIPANT)
        if not isinstance(message, _NAMING):
            return message
        if message.user_id not in (None, user):
            raise Refused(f"a floor message of {user} names another user", code="floor.user-id")
        return replace(message, user_id=user)

    def poll(self, now: float) -> list[Output]:
        """Everything that is due."""
        for bearer in self._bearers.values():
            self._out += bearer.subchannel.poll(now)
        return self._taken()

    # --- inside

    def _check(self, message: FloorMessage, user: str | None, wrong: Direction) -> None:
        if row_of(message).direction is wrong:
            raise Refused(
                f"{row_of(message).name} does not go that way",
                code="floor.direction",
                clause="TS 24.380 8.2.2",
            )
        if user is not None and user not in self._users:
            raise Refused(f"{user} is not in the call", code="call.no-leg", clause="TS 24.380 10.2.1")

    def _traffic(self, now: float) -> None:
        for name, bearer in self._bearers.items():
            if self._pays(bearer, now):
                self._follow(name, Step.TRAFFIC, now)
            elif bearer.subchannel.active and not bearer.suspended:
                self._follow(name, Step.DESERTED, now)

    def _pays(self, bearer: _Bearer, now: float) -> bool:
        """Whether the call belongs on a bearer: enough of its users hear it, and something may be sent there."""
        if len(bearer.ready) < self.policy.listeners or bearer.suspended:
            return False
        refusal = self._refusal(now)
        code = "" if refusal is None else refusal.code
        if refusal is not None and code != self._refused:
            self._out.append(refusal)
        self._refused = code
        return refusal is None

    def _weigh(self, now: float) -> list[Output]:
        """Takes the call off bearers that do not pay any more; asks for one where none is and one would."""
        for name, bearer in self._bearers.items():
            if bearer.subchannel.active and not bearer.suspended and not self._pays(bearer, now):
                self._follow(name, Step.DESERTED, now)
        alone, least = len(self._alone), self.policy.dynamic
        if least is not None and not self._wanted and not self._bearers and alone >= least:
            self._wanted = True
            self._out.append(events.BearerWanted(now, self.group, alone))
        return self._taken()

    def _follow(self, name: str, step: Step, now: float) -> None:
        before = self._bearers[name].subchannel.active
        self._out += self._bearers[name].subchannel.step(step, now)
        if self._bearers[name].subchannel.active and not before:
            # Who never left the subchannel is served by it again.
            for user in sorted(self._bearers[name].listening):
                self._place(user, now)

    def _to_unicast(self, name: str, now: float) -> None:
        bearer = self._bearers[name]
        gone, bearer.listening = bearer.listening, set()
        for user in sorted(gone):
            self._place(user, now)

    def _place(self, user: str, now: float) -> None:
        """By which bearer a user is served: the one that it heard before, else any other that it hears."""
        before = self._on.get(user, "")
        if user not in self._users:
            return
        names = [name for name, bearer in self._bearers.items() if bearer.serves(user)]
        after = before if before in names else next(iter(names), "")
        if after:
            self._on[user] = after
            self._not_alone(user)
        else:
            self._on.pop(user, None)
            self._alone.add(user)
        if after != before:
            self._out.append(events.ListenerSwitched(now, self.group, user, after))

    def _not_alone(self, user: str) -> None:
        if user in self._alone:
            self._alone.remove(user)
            self._emptied += 1
            if self._emptied > 2 * len(self._alone) + 16:
                # A set that was large takes as long to go through as when it was.
                self._alone, self._emptied = set(self._alone), 0

    def _taken(self) -> list[Output]:
        out, self._out = self._out, []
        return out
