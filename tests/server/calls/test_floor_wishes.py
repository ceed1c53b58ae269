"""What a group, a configuration or a user may wish of the floor, each in a real call from INVITE to SRTCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mcsec.client.calls import events as told
from mcsec.client.calls.service import McCall
from mcsec.client.calls.states import CallState
from mcsec.client.events import FloorHeard
from mcsec.client.floor import ParticipantPolicy
from mcsec.client.publishing import ServiceRefused
from mcsec.server.calls import events
from mcsec.server.calls.config import GroupSection
from mcsec.server.calls.floor_config import FloorSection
from mcsec.server.floor import Urgency
from mcsec.wire.rtcp.floor import FloorAck, FloorMessage, FloorTaken
from mcsec.wire.rtcp.floor_values import DenyCause, FloorIndicator, FloorMessageType, RevokeCause
from support.call_domains import PATIENT, Domain, User, domain, gmk_of, two_domains
from support.calls import ANN, BOB, DAN, GROUP
from support.waiting import until

pytestmark = pytest.mark.anyio
EVA = "sip:eva@b.example"
HOME = "b.example"


def configured(*users: str, floor: dict[str, Any] | None = None, **said: Any) -> Any:
    """A group as the configuration of its home's server says it."""
    section = GroupSection.model_validate({"id": GROUP, "members": list(users), "home": HOME} | said)
    return section.group(HOME, FloorSection.model_validate({"t1": 60} | (floor or {})).policy)


@dataclass
class Scene:
    """Bob's call, with everybody in it."""

    made: Domain
    users: dict[str, User]
    got: list[tuple[str, FloorMessage]]

    def call(self, user: str) -> McCall:
        return self.users[user].client.calls[GROUP]

    def last(self, user: str, kind: type[told.CallEvent]) -> Any:
        """The last that ``user`` was told of a kind; None: nothing."""
        return next(iter(reversed(self.users[user].of(kind))), None)

    async def told(self, user: str, kind: type[told.CallEvent]) -> Any:
        await until(lambda: self.last(user, kind))
        return self.last(user, kind)

    async def talks(self, user: str) -> None:
        self.call(user).press()
        await until(lambda: self.call(user).may_talk)


@asynccontextmanager
async def scene(
    tmp_path: Path,
    *users: str,
    floor: dict[str, Any] | None = None,
    client: ParticipantPolicy = PATIENT,
    call: dict[str, Any] | None = None,
    **said: Any,
) -> AsyncIterator[Scene]:
    users = users or (BOB, DAN, EVA)
    group = configured(*users, floor=floor, **said)
    async with domain(tmp_path, HOME, [group], floor=client) as made:
        known = {user: await made.log_on(user, [GROUP], gmk_of(GROUP)) for user in users}
        await known[BOB].client.call(GROUP, **(call or {}))
        await until(lambda: all(GROUP in user.client.calls for user in known.values()))
        await until(lambda: made.of(events.CallEstablished))
        control = made.calls.focuses[GROUP].call
        got: list[tuple[str, FloorMessage]] = []
        receive = control.receive
        control.receive = lambda user, message, now: (  # type: ignore[method-assign]  # What comes is looked at.
            got.append((user, message)),
            receive(user, message, now),
        )[1]
        await until(lambda: set(control.members) == set(users))
        await until(
            lambda: all(user.client.calls[GROUP].state is CallState.IN_CALL for user in known.values())
        )
        yield Scene(made, known, got)


async def test_in_a_broadcast_group_call_only_its_caller_talks(tmp_path: Path) -> None:
    async with scene(tmp_path, call={"broadcast": True}) as here:
        here.call(DAN).press()
        denied = await here.told(DAN, told.FloorDenied)
        assert denied.cause == DenyCause.RECEIVE_ONLY
        await here.talks(BOB)
        await here.told(EVA, told.FloorTaken)
        (taken, *_) = [
            event.message  # type: ignore[attr-defined]  # of() gives the base class
            for event in here.users[EVA].of(FloorHeard)
            if isinstance(event.message, FloorTaken)  # type: ignore[attr-defined]  # likewise
        ]
        assert taken.permission is False
        assert taken.indicator & FloorIndicator.BROADCAST_GROUP
        here.call(EVA).press()
        await here.told(EVA, told.RequestForbidden)
        assert here.made.calls.focuses[GROUP].call.floor.talkers == (BOB,)


async def test_a_member_that_only_receives(tmp_path: Path) -> None:
    async with scene(tmp_path, details=[{"user": DAN, "receive_only": True}]) as here:
        here.call(DAN).press()
        assert (await here.told(DAN, told.FloorDenied)).cause == DenyCause.RECEIVE_ONLY
        await here.talks(EVA)


async def test_dual_floor_lets_the_more_urgent_talk_beside(tmp_path: Path) -> None:
    async with scene(tmp_path, dual_floor=True) as here:
        await here.talks(BOB)
        await here.call(DAN).urge(emergency=True)
        await here.talks(DAN)
        assert here.last(DAN, told.FloorGranted).beside
        assert here.call(BOB).may_talk
        await until(lambda: here.last(EVA, told.FloorTaken) and here.last(EVA, told.FloorTaken).beside)
        for user in (BOB, DAN):
            here.call(user).speak(bytes(160))
        heard = here.made.calls.focuses[GROUP].call.floor
        assert heard.talkers == (BOB, DAN)
        here.call(DAN).release()
        await until(lambda: heard.talkers == (BOB,))
        assert here.call(BOB).may_talk


async def test_audio_cut_in_takes_the_floor_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path, audio_cut_in=True) as here:
        await here.talks(BOB)
        here.call(DAN).press()
        await until(lambda: here.call(DAN).may_talk)
        ended = await here.told(BOB, told.FloorEnded)
        assert ended.cause == RevokeCause.MEDIA_BURST_PRE_EMPTED
        assert not here.last(DAN, told.FloorQueued)


async def test_who_waits_knows_the_place_and_has_its_turn(tmp_path: Path) -> None:
    async with scene(tmp_path, queue=2) as here:
        await here.talks(BOB)
        here.call(DAN).press()
        assert (await here.told(DAN, told.FloorQueued)).position == 1
        here.call(EVA).press()
        assert (await here.told(EVA, told.FloorQueued)).position == 2
        here.call(DAN).release()
        await until(lambda: here.made.calls.focuses[GROUP].call.floor.queue == (EVA,))
        here.call(EVA).ask_position()
        await until(lambda: here.last(EVA, told.FloorQueued).position == 1)
        here.call(BOB).release()
        await until(lambda: here.call(EVA).may_talk)


async def test_positions_may_be_kept_from_those_who_wait(tmp_path: Path) -> None:
    async with scene(tmp_path, floor={"disclose_positions": False, "name_talkers": False}) as here:
        await here.talks(BOB)
        here.call(DAN).press()
        assert (await here.told(DAN, told.FloorQueued)).position is None
        assert (await here.told(EVA, told.FloorTaken)).talker is None


async def test_without_a_queue_a_request_is_denied(tmp_path: Path) -> None:
    async with scene(tmp_path, queue=0) as here:
        await here.talks(BOB)
        here.call(DAN).press()
        assert (await here.told(DAN, told.FloorDenied)).cause == DenyCause.ANOTHER_CLIENT_HAS_PERMISSION


async def test_messages_are_acknowledged_where_that_is_wanted(tmp_path: Path) -> None:
    client = replace(PATIENT, ack_release=True)
    # Without an acknowledgement Floor Granted would come again at once.
    floor = {"acknowledge": ["granted"], "t20": 0.3, "c20": 100}
    async with scene(tmp_path, floor=floor, client=client) as here:
        await here.talks(BOB)
        await until(lambda: [message for _, message in here.got if isinstance(message, FloorAck)])
        acks = [message for _, message in here.got if isinstance(message, FloorAck)]
        assert acks[0].acked is FloorMessageType.GRANTED
        control = here.made.calls.focuses[GROUP].call.floor
        assert control.next_timer() is not None
        assert "T20" not in {step.name for _, _, step in control._arbiter.due()}
        here.call(BOB).release()
        await until(
            lambda: [
                event
                for event in here.users[BOB].of(FloorHeard)
                if isinstance(event.message, FloorAck)  # type: ignore[attr-defined]  # of() gives the base class
                and event.message.acked is FloorMessageType.RELEASE  # type: ignore[attr-defined]  # likewise
            ]
        )


async def test_a_higher_priority_takes_the_floor_where_the_group_says_so(tmp_path: Path) -> None:
    details = [{"user": BOB, "default_priority": 3}, {"user": DAN, "default_priority": 9}]
    async with scene(tmp_path, details=details, pre_emption=5) as here:
        await here.talks(BOB)
        here.call(DAN).press()
        ended = await here.told(BOB, told.FloorEnded)
        assert ended.cause == RevokeCause.MEDIA_BURST_PRE_EMPTED
        await until(lambda: here.call(DAN).may_talk)
        assert here.last(DAN, told.FloorGranted).priority == 9


async def test_a_member_gets_no_more_priority_than_its_group_gives(tmp_path: Path) -> None:
    details = [{"user": BOB, "priority": 4}]
    async with scene(tmp_path, details=details, call={"priority": 200}) as here:
        await here.talks(BOB)
        assert here.last(BOB, told.FloorGranted).priority == 4


async def test_an_emergency_comes_before_imminent_peril_and_that_before_all_else(tmp_path: Path) -> None:
    async with scene(tmp_path, pre_emption="urgent") as here:
        call = here.made.calls.focuses[GROUP].call
        await here.talks(BOB)
        await here.call(DAN).urge(imminent_peril=True)
        assert call.urgency is Urgency.IMMINENT_PERIL
        await here.talks(DAN)
        assert not here.call(BOB).may_talk
        await here.call(EVA).urge(emergency=True)
        assert call.urgency is Urgency.EMERGENCY
        await here.talks(EVA)
        assert not here.call(DAN).may_talk
        # Whose request is less urgent waits.
        here.call(DAN).press()
        await here.told(DAN, told.FloorQueued)
        await here.call(EVA).urge()
        assert call.urgency is Urgency.NORMAL


async def test_an_imminent_peril_call_is_one_from_the_start(tmp_path: Path) -> None:
    async with scene(tmp_path, call={"imminent_peril": True}) as here:
        assert here.made.calls.focuses[GROUP].call.urgency is Urgency.IMMINENT_PERIL
        await here.talks(DAN)
        here.call(BOB).press()
        await until(lambda: here.call(BOB).may_talk)


async def test_who_may_make_no_urgent_call_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async with scene(tmp_path, details=[{"user": DAN, "urgent": False}]) as here:
        with pytest.raises(ServiceRefused) as refused:
            await here.call(DAN).urge(emergency=True)
        assert "119" in str(refused.value)
        assert here.made.calls.focuses[GROUP].call.urgency is Urgency.NORMAL
        assert here.call(DAN).engine.wish.indicator is None
        await here.talks(BOB)
        here.call(DAN).press()
        await here.told(DAN, told.FloorQueued)
        await here.call(DAN).leave()
        await until(lambda: set(here.made.calls.focuses[GROUP].call.members) == {BOB, EVA})
        with pytest.raises(ServiceRefused) as refused:
            await here.users[DAN].client.call(GROUP, emergency=True)
        assert "119" in str(refused.value)
        assert here.made.calls.focuses[GROUP].call.urgency is Urgency.NORMAL


async def test_wishes_cross_domains(tmp_path: Path) -> None:
    group = configured(BOB, ANN, DAN, details=[{"user": DAN, "receive_only": True}])
    async with two_domains(tmp_path, [group]) as (a, b):
        users = {ANN: await a.log_on(ANN, [GROUP], gmk_of(GROUP))}
        users |= {user: await b.log_on(user, [GROUP], gmk_of(GROUP)) for user in (BOB, DAN)}
        await users[BOB].client.call(GROUP)
        await until(lambda: all(GROUP in user.client.calls for user in users.values()))
        await until(lambda: len(b.calls.focuses[GROUP].call.members) == 3)
        here = Scene(b, users, [])
        await here.talks(BOB)
        here.call(ANN).press()
        await here.told(ANN, told.FloorQueued)
        here.call(ANN).release()
        await until(lambda: here.call(ANN).state is CallState.IN_CALL)
        await here.call(ANN).urge(emergency=True)
        await until(lambda: b.calls.focuses[GROUP].call.urgency is Urgency.EMERGENCY)
        await here.talks(ANN)
        assert not here.call(BOB).may_talk
        # A broadcast group call that a user of the other domain makes is that user's.
        await b.calls.release(GROUP)
        await until(lambda: not any(user.client.calls for user in users.values()))
        await until(lambda: not a.calls.servings and not b.calls.focuses)
        await users[ANN].client.call(GROUP, broadcast=True)
        await until(lambda: all(GROUP in user.client.calls for user in users.values()))
        await until(lambda: len(b.calls.focuses[GROUP].call.members) == 3)
        here.call(BOB).press()
        denied = await here.told(BOB, told.FloorDenied)
        assert denied.cause == DenyCause.RECEIVE_ONLY
        await here.talks(ANN)
