"""The participating function on its sockets, for one call: our users' legs, and the bearers that the call goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import LocalError, PeerError, Refused
from mcsec.keys.events import Event
from mcsec.keys.kinds import Traffic
from mcsec.net.sip.calls import Call
from mcsec.net.sip.reason import Reason
from mcsec.server.calls import bodies, events
from mcsec.server.calls.around import Alarm, Around
from mcsec.server.calls.bodies import Audio, Terms
from mcsec.server.calls.groups import Group
from mcsec.server.calls.legs import Way, media_ssrc
from mcsec.server.calls.participating import (
    Broadcast,
    BroadcastMedia,
    Output,
    SendMedia,
    ServedCall,
    Tell,
)
from mcsec.server.calls.subchannel import Control, Freed
from mcsec.server.signalling import OnBearer, Sent, ToClient
from mcsec.wire.rtcp.floor import FloorMessage
from mcsec.wire.sdp_mcptt import FloorParameters

#: Floor messages that wait for a client whose answer is under way.
_WAITING = 16


class ClientLeg:
    """One user's leg to its client.

    :ivar call: its dialog; None until there is one. ``way``: to the controlling function.
    """

    def __init__(self, around: Around, serving: Serving, user: str) -> None:
        self._around, self._serving, self.user = around, serving, user
        self.port = around.pool.open_one(self._media_came)
        self.number = around.legs.take(user)
        self.terms: Terms | None = None
        self.call: Call | None = None
        self.way: Way | None = None
        self.ready = False
        self.waiting: deque[FloorMessage] = deque(maxlen=_WAITING)

    @property
    def ssrc(self) -> int:
        """The SSRC of floor control to the client in this call."""
        return self._around.engine.client_ssrc(self.user, self.number)

    def describe(self, audio: Audio, parameters: FloorParameters) -> bytes:
        """Our description of the leg."""
        return bodies.write(self._serving.floor_address, self.port.address, audio, parameters)

    def close(self) -> None:
        """Give back what the leg has."""
        self.ready = False
        self.port.close()
        self._around.legs.give_back(self.user, self.number)

    def _media_came(self, octets: bytes, source: tuple[str, int]) -> None:
        self._serving.media_came(self, octets, source)


class Serving:
    """One call of our users.

    :ivar call: what decides. ``legs``: by user.
    """

    def __init__(
        self, around: Around, group: Group, controlling: str, over: Callable[[Serving], None]
    ) -> None:
        """:param controlling: who controls the call, for people. :param over: called when nothing is left of it."""
        self._around, self.group, self.controlling = around, group, controlling
        self._over = over
        self.legs: dict[str, ClientLeg] = {}
        name, rules = group.group_id, group.rules
        self.call = ServedCall(
            name,
            around.policy,
            assign=lambda bearer: around.subchannels.assign(bearer),
            refusal=lambda now: around.engine.refusal(name, now, rules),
        )
        self._floor = around.pool.open_one(self._floor_came)
        self._alarm = Alarm(around.clock, self._poll)
        self._closed = False
        for bearer in around.air.bearers():
            self.bearer_up(bearer)

    @property
    def floor_address(self) -> tuple[str, int]:
        """Where our users' clients send floor control of this call."""
        return self._floor.address

    # --- legs

    def open(self, user: str) -> ClientLeg:
        """A leg for a user, in place of an older one.

        :raises LocalError: no ports are left.
        """
        if user in self.legs:
            # The call goes on, though for a moment nobody of ours is in it.
            self._close(user, "its client began again")
        leg = ClientLeg(self._around, self, user)
        self.legs[user] = leg
        now = self._around.clock()
        self._do(self.call.enter(user, now))
        for bearer, tmgi in self._around.air.bearers().items():
            mscck = self._around.engine.keydown.msccks.get(str(tmgi))
            if mscck is not None and user in mscck.audience.listeners:
                self._do(self.call.hears(user, bearer, True, now))
        return leg

    def begin(self, leg: ClientLeg, call: Call) -> None:
        """The client has its answer, or we have its: what waited for it is sent."""
        leg.call, leg.ready = call, True
        self._around.tell(
            events.CallServed(self._around.clock(), self.group.group_id, leg.user, self.controlling)
        )
        self._around.spawn(self._watch(leg, call))
        self._around.remember(self.group.group_id, leg.user, call)
        while leg.waiting:
            self._tell_one(leg, leg.waiting.popleft())

    def close(self, user: str, reason: str, *, leave: bool = True, because: Reason | None = None) -> None:
        """A user's leg is over: BYE with ``because`` to its client; with ``leave`` the controlling function is told."""
        if user in self.legs:
            self._close(user, reason, leave=leave, because=because)
            self._end_if_over()

    def _close(self, user: str, reason: str, *, leave: bool = True, because: Reason | None = None) -> None:
        leg = self.legs.pop(user)
        leg.close()
        if leg.call is not None and not leg.call.ended.is_set():
            self._around.spawn(leg.call.hang_up(because))
        # First here, then there: what the controlling function says because of it is not for this user.
        self._do(self.call.leave(user, self._around.clock()))
        if leave and leg.way is not None:
            leg.way.leave(reason)
        self._around.tell(events.CallLeft(self._around.clock(), self.group.group_id, user, reason))

    def drop(self, leg: ClientLeg, reason: str) -> None:
        """A leg did not come about; nobody is told. One that another took the place of changes nothing."""
        if self.legs.get(leg.user) is leg:
            self.close(leg.user, reason, leave=False)

    async def _watch(self, leg: ClientLeg, call: Call) -> None:
        await call.ended.wait()
        if self.legs.get(leg.user) is leg:
            self.close(leg.user, call.reason)

    # --- from the controlling function

    def down(
        self, message: FloorMessage, *, user: str | None = None, but: frozenset[str] = frozenset()
    ) -> None:
        """A floor message; see :meth:`ServedCall.down`."""
        self._do(self.call.down(message, self._around.clock(), user=user, but=but))

    def media(
        self, packet: ForwardedMedia, *, user: str | None = None, but: frozenset[str] = frozenset()
    ) -> None:
        """A media packet; see :meth:`ServedCall.media`."""
        for output in self.call.media(packet.octets, self._around.clock(), user=user, but=but):
            if isinstance(output, SendMedia):
                self._media_to(output.users, packet)
            elif isinstance(output, BroadcastMedia):
                place = (output.channel.address, output.channel.media_port)
                self._around.air.send(output.bearer, packet, place)
            else:
                self._do([output])
        self._alarm.set(self.call.next_timer())

    # --- from clients

    def _floor_came(self, octets: bytes, source: tuple[str, int]) -> None:
        sender = f"{source[0]}:{source[1]}"
        try:
            user, messages = self._around.uplinks.open(octets)
            sender = user
            leg = self.legs.get(user)
            if leg is None or leg.way is None:
                raise Refused(f"{user} is not in the call", code="call.no-leg", clause="TS 24.380 6.3.5.1")
            for message in messages:
                if leg.terms is not None and leg.terms.ssrc not in (None, message.ssrc):
                    raise Refused(f"floor control of {user} has another's SSRC", code="floor.ssrc")
                leg.way.floor(self.call.up(user, message))
        except (PeerError, LocalError) as error:
            self._around.packet_refused(self.group.group_id, sender, "floor", error)

    def media_came(self, leg: ClientLeg, octets: bytes, source: tuple[str, int]) -> None:
        """Something came at a leg's media port."""
        try:
            if leg.terms is None or leg.way is None or source != leg.terms.media:
                raise Refused("media from elsewhere", code="call.media-source", clause="TS 24.380 6.3.5")
            packet = self._around.checked_media(self.group.group_id, octets, self.group.rules)
            leg.way.media(packet, media_ssrc(octets))
        except (PeerError, LocalError) as error:
            self._around.packet_refused(self.group.group_id, leg.user, "media", error)

    # --- bearers

    def bearer_up(self, name: str) -> None:
        """A bearer is on the air."""
        now, tmgi = self._around.clock(), self._around.air.bearers()[name]
        self._do(self.call.bearer_up(name, tmgi, now))

    def bearer_lost(self, name: str) -> None:
        """A bearer is gone."""
        self._do(self.call.bearer_lost(name, self._around.clock()))

    def listening(self, user: str, name: str, listens: bool, *, to_call: bool) -> None:
        """A user said whether it hears a bearer, or with ``to_call`` this call there."""
        now = self._around.clock()
        tell = self.call.listens if to_call else self.call.hears
        self._do(tell(user, name, listens, now))

    def suspended(self, name: str, suspended: bool) -> None:
        """The network suspends a bearer, or takes it up again."""
        self._do(self.call.suspended(name, suspended, self._around.clock()))

    # --- inside

    def _poll(self) -> None:
        self._do(self.call.poll(self._around.clock()))
        self._end_if_over()

    def _end_if_over(self) -> None:
        if not self._closed and not self.legs and self.call.over:
            self._closed = True
            self._alarm.close()
            self._floor.close()
            self._over(self)

    def stop(self) -> None:
        """The server stops: nothing is said any more."""
        self._closed = True
        self._alarm.close()
        self._floor.close()
        for leg in self.legs.values():
            leg.close()
        self.legs.clear()

    def _do(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            match output:
                case Broadcast():
                    self._broadcast(output)
                case Tell(users=users, message=message):
                    for user in users:
                        self._tell_one(self.legs[user], message)
                case Control():
                    self._control(output)
                case Freed(bearer=bearer, channel=channel):
                    self._around.subchannels.free(bearer, channel)
                case Event():
                    self._around.tell(output)
        if not self._closed:
            self._alarm.set(self.call.next_timer())

    def _tell_one(self, leg: ClientLeg, message: FloorMessage) -> None:
        if not leg.ready:
            leg.waiting.append(message)
            return
        engine, user, number = self._around.engine, leg.user, leg.number
        self._around.outbox.put(lambda now: [engine.tell(user, message, now, number)], self._deliver)

    def _broadcast(self, output: Broadcast) -> None:
        tmgi = self._around.air.bearers().get(output.bearer)
        if tmgi is None:
            return
        engine, group, rules = self._around.engine, self.group.group_id, self.group.rules
        message = replace(output.message, ssrc=engine.ssrc(Traffic.MBMS_FLOOR, tmgi))
        port = output.channel.floor_port
        assert port is not None, "our subchannels have a floor port"
        place = (output.channel.address, port)

        def deliver(sent: list[Sent]) -> None:
            for one in sent:
                if isinstance(one, OnBearer):
                    self._around.air.send(output.bearer, one.packet, place)
                else:
                    self._deliver([one])

        self._around.outbox.put(
            lambda now: engine.floor(tmgi, group, message, now, rules, heard=output.heard), deliver
        )

    def _control(self, output: Control) -> None:
        tmgi = self._around.air.bearers().get(output.bearer)
        if tmgi is None:
            return
        engine = self._around.engine
        message = replace(output.message, ssrc=engine.ssrc(Traffic.SUBCHANNEL_CONTROL, tmgi))
        place = self._around.air.place(output.bearer)

        def deliver(sent: Sent) -> None:
            if isinstance(sent, OnBearer):
                self._around.air.send(output.bearer, sent.packet, place)
            elif isinstance(sent, Event):
                self._around.tell(sent)

        self._around.outbox.put(lambda now: engine.subchannel(tmgi, message, now), deliver)

    def _deliver(self, sent: list[Sent]) -> None:
        for one in sent:
            if isinstance(one, ToClient):
                leg = self.legs.get(one.client)
                if leg is not None and leg.terms is not None:
                    self._floor.send_floor(one.packet, leg.terms.floor)
            elif isinstance(one, Event):
                self._around.tell(one)

    def _media_to(self, users: Iterable[str], packet: ForwardedMedia) -> None:
        for user in users:
            leg = self.legs[user]
            if leg.ready and leg.terms is not None:
                leg.port.send_media(packet, leg.terms.media)
