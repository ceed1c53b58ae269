"""One call on sockets: its ports, its timers, its SIP dialog. What it does is decided in :mod:`.engine`."""

from __future__ import annotations

import asyncio
import secrets
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress

from mcsec.client.audio import pcmu
from mcsec.client.audio.arrival import Frame
from mcsec.client.calls.engine import CallEngine, Output, Play, SendFloor, SendMedia
from mcsec.client.calls.events import FloorDenied, RequestUnanswered
from mcsec.client.calls.session import Address, Terms, describe
from mcsec.client.calls.states import CallState
from mcsec.client.content import Content
from mcsec.client.floor import State
from mcsec.client.publishing import ServiceRefused
from mcsec.errors import PeerError, WrongState
from mcsec.keys.events import Event
from mcsec.net.media_ports import PortPool
from mcsec.net.sip.calls import Call
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.priority import ResourcePriorities
from mcsec.wire.rtcp.floor_values import DenyCause
from mcsec.wire.sdp import Session
from mcsec.wire.sdp_mcptt import FloorParameters

#: Datagrams that are kept until the answer says where the server sends from. They may overtake it.
_EARLY = 64
#: Seconds that the answer to our BYE may take before the call counts as left all the same.
_PARTING = 5.0
#: Seconds after which a user who is alone in the call, or whom nobody denied the floor, asks again.
_AGAIN = 0.1
#: Why a denied request was denied, for the user.
_WHY: dict[int, str] = {cause: cause.name.lower().replace("_", " ") for cause in DenyCause}

OnAudio = Callable[[Frame, float], None]
"""Told each frame that is heard, and when."""


class FloorNotGranted(PeerError):
    """The user wanted to talk, and the floor was not granted."""

    code = "call.floor-not-granted"
    clause = "TS 24.380 6.2.4"


class McCall:
    """One call of a client. Made by :meth:`McClient.call`, or by an INVITE.

    :ivar engine: what decides. :ivar on_audio: told the frames that are heard.
    :ivar lost: whether it is over though nobody ended it.
    """

    def __init__(
        self,
        engine: CallEngine,
        pool: PortPool,
        tell: Callable[[Event], None],
        on_over: Callable[[McCall], None],
        write: Callable[[McpttInfo, Session], Content],
        clock: Callable[[], float],
        priorities: ResourcePriorities,
    ) -> None:
        """:param on_over: told once, when the call is over. :param write: writes a body for the server.
        :param priorities: what INVITEs ask of the network.
        :raises LocalError: no port is left.
        """
        self.engine = engine
        self.on_audio: OnAudio = lambda frame, now: None
        self.inviting: asyncio.Future[Call] | None = None
        self.lost = False
        self._tell, self._on_over, self._write, self._clock = tell, on_over, write, clock
        self._priorities = priorities
        self._number = secrets.randbits(31)
        self._answer: FloorDenied | RequestUnanswered | None = None
        self._early: list[tuple[bytes, Address, bool]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._sip: Call | None = None
        self._watch: asyncio.Task[None] | None = None
        self._parting: asyncio.Task[None] | None = None
        self._ports = pool.open(self._on_floor, self._on_media)

    @property
    def group(self) -> str:
        """Whose call it is."""
        return self.engine.group

    @property
    def state(self) -> CallState:
        """Where it is."""
        return self.engine.state

    @property
    def ours(self) -> bool:
        """Whether we made it; else we were invited."""
        return self.inviting is not None

    @property
    def may_talk(self) -> bool:
        """Whether the floor is ours."""
        return self.engine.floor.may_talk

    # --- the user

    def press(self) -> None:
        """Ask for the floor. :raises Forbidden: there is no key to talk under."""
        self._answer = None
        self.carry_out(self.engine.press(self._clock()))

    def release(self) -> None:
        """Give the floor back, or take the request back."""
        self.carry_out(self.engine.let_go(self._clock()))

    def ask_position(self) -> None:
        """Ask for the place in the queue; the answer is told as an event. Nothing happens to who does not wait."""
        self.carry_out(self.engine.ask_position(self._clock()))

    async def urge(self, *, emergency: bool = False, imminent_peril: bool = False) -> None:
        """Make the call one of emergency or imminent peril, or with neither take that back (TS 24.379 10.1.1.2.1.3).

        :raises ServiceRefused: the server refuses. :raises WrongState: there is no call, or it is being changed.
        :raises PeerError: nobody answered.
        """
        if self._sip is None:
            raise WrongState("there is no call", code="call.no-such-step")
        info = McpttInfo(request_uri=self.group, emergency_ind=emergency, imminentperil_ind=imminent_peril)
        content = self._write(info, self.description(offering=False))
        answer = await self._sip.reinvite(content.body, content.content_type, self._priorities.headers(info))
        if not answer.ok:
            raise ServiceRefused("urgency of a call", answer)
        self.engine.urged(emergency=emergency, imminent_peril=imminent_peril)

    def speak(self, payload: bytes) -> None:
        """One frame of PCMU, now. :raises Forbidden: the floor is not ours, or there is no key."""
        self.carry_out([self.engine.speak(payload, self._clock())])

    async def talk(self, samples: array[int], *, within: float = 10.0) -> int:
        """Ask for the floor, say ``samples`` in the time they take, and give the floor back.

        The number of frames that were said; fewer than there are when the floor was revoked or the call ended.

        :param within: seconds to wait for the floor, and for somebody to talk to.
        :raises FloorNotGranted: it was not granted.
        :raises Forbidden: there is no key to talk under. :raises InvalidValue: no samples of 16 bits.
        """
        codes = pcmu.encode(samples)
        codes += pcmu.SILENCE * (-len(codes) % pcmu.FRAME)
        try:
            await self._get_floor(within)
            return await self._say([codes[at : at + pcmu.FRAME] for at in range(0, len(codes), pcmu.FRAME)])
        finally:
            self.release()

    async def leave(self) -> None:
        """Leave the call: BYE, or CANCEL where it is not answered yet. Nothing happens when it is over."""
        if self.state in (CallState.LEAVING, CallState.OVER):
            await self.until(lambda: self.state is CallState.OVER)
            return
        self.carry_out(self.engine.leave(self._clock()))
        if self.inviting is not None and not self.inviting.done():
            self.inviting.cancel()
        if self._sip is not None:
            await self._part(self._sip)
        await self.until(lambda: self.state is CallState.OVER)

    async def refresh(self) -> None:
        """Ask the server whether it still knows the call, which is over where it does not."""
        if self._sip is not None and self.state is CallState.IN_CALL:
            await self._sip.refresh()

    async def until(self, condition: Callable[[], bool], within: float | None = None) -> None:
        """Wait until something is so. :raises TimeoutError: not in time."""
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    # --- the desk

    def description(self, *, offering: bool) -> Session:
        """Our session description."""
        wish = self.engine.wish
        parameters = FloorParameters(
            queueing=True,
            priority=wish.priority,
            granted=offering and wish.talk,
            implicit_request=offering and wish.talk,
            ssrc=self.engine.ssrc,
        )
        return describe(self._number, self._ports.floor, self._ports.media, parameters)

    def accepted(self, sip: Call, terms: Terms) -> None:
        """The server took us in. :raises Refused: its description will not do."""
        outputs = self.engine.accepted(terms, sip.dialog.target, self._clock())
        self._connect(sip)
        self.carry_out(outputs)
        self._take_early()

    def connected(self, sip: Call) -> None:
        """The server has our answer."""
        self.engine.confirmed()
        self._connect(sip)
        self.carry_out(())

    def ended(self, reason: str) -> None:
        """The call is over, whatever it was."""
        self.carry_out(self.engine.over(reason, self._clock()))

    def carry_out(self, outputs: Iterable[Output]) -> None:
        """Do what the engine says."""
        for output in outputs:
            if isinstance(output, SendFloor):
                self._ports.send_floor(output.packet, output.to)
            elif isinstance(output, SendMedia):
                self._ports.send_media(output.packet, output.to)
            elif isinstance(output, Play):
                self.on_audio(output.frame, self._clock())
            else:
                if isinstance(output, FloorDenied | RequestUnanswered):
                    self._answer = output
                self._tell(output)
        self._changed.set()
        if self.state is CallState.OVER:
            self.close()
        else:
            self._arm()

    def close(self) -> None:
        """Give the ports back; the desk is told. For a call that is over, or never began."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._early.clear()
        self._ports.close()
        tell, self._on_over = self._on_over, lambda call: None
        tell(self)

    # --- inside

    async def _get_floor(self, within: float) -> None:
        floor, loop = self.engine.floor, asyncio.get_running_loop()
        deadline = loop.time() + within
        while True:
            if floor.state is not State.PENDING_REQUEST and not floor.may_talk:
                # After a burst the server may still have to say that nobody talks.
                await self._settled(lambda: floor.state is not State.PENDING_RELEASE, deadline)
                self.press()
            await self._settled(lambda: floor.state not in (State.PENDING_REQUEST, State.QUEUED), deadline)
            if floor.may_talk:
                return
            if not self._worth_asking_again() or loop.time() + _AGAIN >= deadline:
                raise self._not_granted(self._why())
            await asyncio.sleep(_AGAIN)

    def _worth_asking_again(self) -> bool:
        """Whether the others are on their way, or nobody said no.

        The server calls the others while the first one already asks. Where nobody answered and nobody denied, another
        was faster, or the floor was taken away again before a word was said.
        """
        if isinstance(self._answer, FloorDenied):
            return self._answer.cause == DenyCause.ONLY_ONE_PARTICIPANT
        return self._answer is None

    def _why(self) -> str:
        match self._answer:
            case FloorDenied(cause=cause):
                return _WHY.get(cause, "for another reason")
            case RequestUnanswered():
                return "the server does not answer"
        return "not in time"

    async def _settled(self, condition: Callable[[], bool], deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self.until(lambda: condition() or self.state is not CallState.IN_CALL)
        except TimeoutError:
            raise self._not_granted("not in time") from None
        if self.state is not CallState.IN_CALL:
            raise self._not_granted("the call is over")

    def _not_granted(self, why: str) -> FloorNotGranted:
        return FloorNotGranted(f"the floor of {self.group} was not granted: {why}")

    async def _say(self, frames: list[bytes]) -> int:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number, frame in enumerate(frames):
            if not self.may_talk or self.state is not CallState.IN_CALL:
                return number
            self.speak(frame)
            # From the start, so that late wake-ups do not add up.
            await asyncio.sleep(max(0.0, start + (number + 1) * pcmu.FRAME_SECONDS - loop.time()))
        return len(frames)

    def _connect(self, sip: Call) -> None:
        self._sip = sip
        self._watch = asyncio.get_running_loop().create_task(self._until_ended(sip))
        if self.state is CallState.LEAVING:
            # The user left while the answer was on its way.
            self._parting = asyncio.get_running_loop().create_task(self._part(sip))

    async def _until_ended(self, sip: Call) -> None:
        await sip.ended.wait()
        self.lost = self.state is not CallState.LEAVING and sip.was_lost
        self.ended("left" if self.state is CallState.LEAVING else sip.reason)

    async def _part(self, sip: Call) -> None:
        # They may have hung up at the same time; nobody may answer any more.
        with suppress(WrongState, TimeoutError):
            async with asyncio.timeout(_PARTING):
                await sip.hang_up()

    def _on_floor(self, octets: bytes, source: Address) -> None:
        self._datagram(octets, source, floor=True)

    def _on_media(self, octets: bytes, source: Address) -> None:
        self._datagram(octets, source, floor=False)

    def _datagram(self, octets: bytes, source: Address, *, floor: bool) -> None:
        if self.state is CallState.CALLING:
            if len(self._early) < _EARLY:
                self._early.append((octets, source, floor))
            return
        take = self.engine.floor_packet if floor else self.engine.media_packet
        self.carry_out(take(octets, source, self._clock()))

    def _take_early(self) -> None:
        early, self._early = self._early, []
        for octets, source, floor in early:
            self._datagram(octets, source, floor=floor)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.engine.next_timer()
        if due is not None:
            wait = max(0.0, due - self._clock())
            self._timer = asyncio.get_running_loop().call_later(min(wait, _LONGEST), self._poll)

    def _poll(self) -> None:
        self._timer = None
        self.carry_out(self.engine.poll(self._clock()))


#: Seconds after which timers are looked at again in any case, because a clock may be set.
_LONGEST = 60.0
