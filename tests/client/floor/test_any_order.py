"""A floor participant in whatever order things happen, against the rules of TS 24.380 6.2.4 and its timers (11.1.1).

The rules are written down a second time, message by message and without the participant's table. What nobody here waits
for is given back, as the readings say.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.client.floor import FloorParticipant, Output, ParticipantPolicy, Path, State
from mcsec.client.floor import events as told
from mcsec.errors import Refused
from mcsec.wire.rtcp import row_of
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorDeny,
    FloorGranted,
    FloorIdle,
    FloorMessage,
    FloorQueuePositionInfo,
    FloorQueuePositionRequest,
    FloorRelease,
    FloorRequest,
    FloorRevoke,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import QueueInfo
from support.floor_user import DENY, GRANTED, ME, MINE, REVOKE, THEIRS, idle, place, sent, taken

#: No two timers ever expire together.
POLICY = ParticipantPolicy(t100=1.003, t101=1.009, t104=1.019, t132=2.027, t103=4.051, c100=3, c101=2, c104=2)


@dataclass
class Rules:
    """What a participant has to say. ``at``: where it is. ``asked``: a request that nothing has ended yet."""

    at: str = "no permission"
    asked: bool = False
    turn: bool = False
    may_ask: bool = True
    number: int | None = None
    timers: dict[str, float] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    user: list[str] = field(default_factory=list)

    def start(self, timer: str, seconds: float, copies: int, now: float) -> None:
        self.timers[timer], self.left[timer] = now + seconds, copies - 1

    def quiet(self) -> None:
        """Nothing is asked any more."""
        for timer in ("T101", "T104", "T132"):
            self.timers.pop(timer, None)
        self.turn = False

    def release(self, now: float) -> None:
        if self.at == "permission":
            self.user.append("stop")
        self.quiet()
        self.at, self.asked = "pending release", False
        self.said.append("release")
        self.start("T100", POLICY.t100, POLICY.c100, now)

    def released(self) -> None:
        self.timers.pop("T100", None)
        self.at = "no permission"

    def talk(self) -> None:
        self.quiet()
        self.timers.pop("T100", None)
        self.at, self.asked = "permission", False
        self.user.append("talk")

    def press(self, now: float) -> None:
        if self.at == "queued" and self.turn:
            self.talk()
        elif self.at == "no permission" and self.may_ask:
            self.at, self.asked = "pending request", True
            self.said.append("request")
            self.start("T101", POLICY.t101, POLICY.c101, now)

    def let_go(self, now: float) -> None:
        self.asked = False
        if self.at in ("pending request", "queued", "permission"):
            self.release(now)

    def position(self, now: float) -> None:
        if self.at == "queued":
            self.said.append("position")
            self.start("T104", POLICY.t104, POLICY.c104, now)

    def hears(self, message: FloorMessage, now: float, path: Path) -> None:
        if message.ack_requested:
            self.said.append(f"ack {row_of(message).subtype}")
        match message:
            case FloorGranted() if self.at == "queued":
                if not self.turn:
                    self.turn, self.timers["T132"] = True, now + POLICY.t132
            case FloorGranted() if self.asked and self.at in ("no permission", "pending request"):
                self.talk()
            case FloorGranted() if self.at == "no permission":
                self.release(now)
            case FloorDeny():
                self.denied()
            case FloorRevoke() if self.at in ("pending request", "permission"):
                self.release(now)
            case FloorRevoke() if self.at in ("no permission", "queued"):
                self.quiet()
                self.at, self.asked = "no permission", False
                self.said.append("release")
            case FloorQueuePositionInfo():
                self.queued(message.queue_info.position != QueueInfo.NOT_QUEUED)
            case FloorIdle() | FloorTaken() if path is Path.UNICAST or self.at != "permission":
                self.others(message, now)

    def denied(self) -> None:
        if self.at == "pending release":
            self.released()
        elif self.at != "no permission" or self.asked:
            if self.at == "permission":
                self.user.append("stop")
            self.quiet()
            self.at, self.asked = "no permission", False
            self.user.append("denied")

    def queued(self, waits: bool) -> None:
        if not waits:
            if self.at == "queued" and not self.turn:
                self.quiet()
                self.at, self.asked = "no permission", False
        elif self.at == "no permission" and not self.asked:
            self.said.append("release")
        elif self.at in ("no permission", "pending request", "queued"):
            self.timers.pop("T101", None)
            self.timers.pop("T104", None)
            self.at = "queued"

    def others(self, message: FloorIdle | FloorTaken, now: float) -> None:
        if self.number is not None and message.sequence_number <= self.number:
            return
        self.number = message.sequence_number
        self.may_ask = message.permission if isinstance(message, FloorTaken) else True
        if self.at == "permission":
            self.release(now)
        elif self.at == "pending release":
            self.released()
        elif self.at == "pending request" and isinstance(message, FloorTaken):
            self.quiet()
            self.at = "no permission"

    def media(self) -> None:
        if self.at == "pending release":
            self.released()

    def until(self, now: float) -> None:
        while self.timers:
            timer = min(self.timers, key=self.timers.__getitem__)
            when = self.timers[timer]
            if when > now:
                return
            del self.timers[timer]
            self.expired(timer, when)

    def expired(self, timer: str, when: float) -> None:
        if timer == "T132":
            self.release(when)
        elif self.left[timer]:
            seconds, word = {
                "T100": (POLICY.t100, "release"),
                "T101": (POLICY.t101, "request"),
                "T104": (POLICY.t104, "position"),
            }[timer]
            self.said.append(word)
            self.left[timer] -= 1
            self.timers[timer] = when + seconds
        elif timer == "T100":
            self.released()
        elif timer == "T101":
            self.at = "no permission"
            self.user.append("unanswered")


NAMES = {FloorRequest: "request", FloorRelease: "release", FloorQueuePositionRequest: "position"}
HEARD = {told.MayTalk: "talk", told.MustStop: "stop", told.Denied: "denied", told.Unanswered: "unanswered"}
PLACES = {
    State.NO_PERMISSION: "no permission",
    State.PENDING_REQUEST: "pending request",
    State.HAS_PERMISSION: "permission",
    State.PENDING_RELEASE: "pending release",
    State.QUEUED: "queued",
}

MESSAGES = st.sampled_from(
    ("granted", "granted", "deny", "revoke", "place", "place", "not queued", "taken", "forbidden", "idle")
)
INPUTS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(("press", "press", "let go", "position", "media", "wait")), MESSAGES),
        st.sampled_from((0.0, 0.1, 0.1, 0.1, 0.7, 1.5, 6.0)),
        st.booleans(),
        st.sampled_from((1, 1, 1, 0)),
        st.sampled_from((Path.UNICAST, Path.UNICAST, Path.MBMS)),
    ),
    min_size=20,
    max_size=40,
)


def message(what: str, number: int) -> FloorMessage:
    match what:
        case "granted":
            return GRANTED
        case "deny":
            return DENY
        case "revoke":
            return REVOKE
        case "place":
            return place(2)
        case "not queued":
            return place(QueueInfo.NOT_QUEUED)
        case "taken" | "forbidden":
            return taken(number, permission=what == "taken")
    return idle(number)


@settings(max_examples=300, deadline=None)
@given(INPUTS)
def test_a_participant_keeps_the_rules(
    inputs: list[tuple[str, float, bool, int, Path]],
) -> None:
    floor, rules, now, number = FloorParticipant(ME, ssrc=MINE, policy=POLICY), Rules(), 0.0, 0
    floor.start(now)
    said: list[str] = []
    user: list[str] = []

    def seen(outputs: list[Output]) -> None:
        said.extend(
            f"ack {int(one.acked)}" if isinstance(one, FloorAck) else NAMES[type(one)]
            for one in sent(outputs)
        )
        user.extend(HEARD[type(one)] for one in outputs if type(one) in HEARD)

    for what, seconds, ack, more, path in inputs:
        now += seconds
        while (timer := floor.next_timer()) is not None and timer <= now:
            seen(floor.poll(timer))
        rules.until(now)
        match what:
            case "press":
                seen(floor.press(now))
                rules.press(now)
            case "let go":
                seen(floor.let_go(now))
                rules.let_go(now)
            case "position":
                seen(floor.ask_position(now))
                rules.position(now)
            case "media":
                seen(floor.media(THEIRS, now))
                rules.media()
            case "wait":
                pass
            case _:
                number += more
                heard = message(what, number)
                multicast = row_of(heard).multicast
                asks = ack and type(heard) is not FloorRevoke and not (multicast and path is Path.MBMS)
                heard = replace(heard, ack_requested=asks)
                if path is Path.MBMS and not multicast:
                    # Only what is for all is obeyed on a bearer.
                    with pytest.raises(Refused):
                        floor.receive(heard, now, path)
                else:
                    seen(floor.receive(heard, now, path))
                    rules.hears(heard, now, path)
        assert (PLACES[floor.state], floor.may_talk) == (rules.at, rules.at == "permission")
        assert said == rules.said
        assert user == rules.user
