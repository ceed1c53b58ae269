"""A server and its participants over a network that loses, delays, doubles and reorders: they always agree again."""

from __future__ import annotations

import heapq
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.client import floor as client
from mcsec.client.floor import FloorParticipant, ParticipantPolicy, Path, Render, Send, State
from mcsec.server.floor import (
    ArbitrationState,
    FloorControl,
    FloorPolicy,
    Forward,
    Member,
    ToAll,
    ToOne,
    Urgency,
)
from mcsec.server.floor import Output as ServerOutput
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorMessage
from mcsec.wire.rtcp.floor_values import FloorIndicator, FloorMessageType
from support.floor import SERVER_SSRC, check, ssrc_of

USERS = ("alice", "bob", "carol", "dave")
SERVER = "server"
PACKET = 0.25


class Network:
    """Everybody in one call. ``on_bearer`` hear what is for all on a bearer, ``on_both`` by unicast too."""

    def __init__(self, random: Random, policy: FloorPolicy, participant: ParticipantPolicy) -> None:
        self.random = random
        self.now = 0.0
        self.loss = self.doubling = self.delay = 0.0
        self.flying: list[tuple[float, int, str, bytes | int, Path | str]] = []
        self.count = 0
        self.floor = FloorControl(policy, ssrc=SERVER_SSRC, sequence_number=65530)
        self.clients = {
            user: FloorParticipant(user, ssrc=ssrc_of(user), policy=participant) for user in USERS
        }
        self.next_packet = dict.fromkeys(USERS, 0.0)
        self.heard: list[tuple[str, object]] = []
        self.rendered: list[tuple[str, int]] = []
        self.on_bearer = set(random.sample(USERS, 2))
        self.on_both = set(random.sample(USERS, 1))
        for user in USERS:
            self.server_said(
                self.floor.join(Member(user=user, urgency=Urgency.EMERGENCY, ssrc=ssrc_of(user)), self.now)
            )
            self.client_said(user, self.clients[user].start(self.now))
        self.server_said(self.floor.start(self.now))

    def fly(self, to: str, what: bytes | int, how: Path | str) -> None:
        for _ in range(1 + (self.random.random() < self.doubling)):
            if self.random.random() >= self.loss:
                self.count += 1
                at = self.now + self.random.uniform(0, self.delay)
                heapq.heappush(self.flying, (at, self.count, to, what, how))

    def server_said(self, outputs: list[ServerOutput]) -> None:
        check(outputs)
        for output in outputs:
            match output:
                case ToOne():
                    self.fly(output.participant, rtcp.encode(output.message), Path.UNICAST)
                case ToAll():
                    octets = rtcp.encode(output.message)
                    for user in USERS:
                        if user in self.on_bearer:
                            self.fly(user, octets, Path.MBMS)
                        if (user not in self.on_bearer or user in self.on_both) and user not in output.but:
                            self.fly(user, octets, Path.UNICAST)
                case Forward():
                    for user in USERS:
                        if user != output.participant or user in self.on_bearer:
                            self.fly(user, ssrc_of(output.participant), Path.UNICAST)

    def client_said(self, user: str, outputs: list[client.Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.fly(SERVER, rtcp.encode(output.message), user)
            elif isinstance(output, Render):
                self.rendered.append((user, output.ssrc))
            else:
                self.heard.append((user, output))

    def deliver(self, to: str, what: bytes | int, how: Path | str) -> None:
        if isinstance(how, Path):
            participant = self.clients[to]
            if isinstance(what, int):
                self.client_said(to, participant.media(what, self.now))
                return
            (message,) = rtcp.decode(what)
            assert isinstance(message, FloorMessage)
            self.client_said(to, participant.receive(message, self.now, how))
        elif isinstance(what, int):
            self.server_said(self.floor.media(how, what, self.now))
        else:
            (message,) = rtcp.decode(what)
            assert isinstance(message, FloorMessage)
            self.server_said(self.floor.receive(how, message, self.now))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            talking = [user for user in USERS if self.clients[user].may_talk]
            times = [end, *(self.flying[0][:1] if self.flying else ())]
            times += [max(self.now, self.next_packet[user]) for user in talking]
            timers = (self.floor.next_timer(), *(each.next_timer() for each in self.clients.values()))
            times += [time for time in timers if time is not None]
            self.now = max(self.now, min(times))
            if self.now >= end:
                self.now = end
                return
            self.server_said(self.floor.poll(self.now))
            for user, each in self.clients.items():
                self.client_said(user, each.poll(self.now))
            for user in talking:
                if self.next_packet[user] <= self.now and self.clients[user].may_talk:
                    self.next_packet[user] = self.now + PACKET
                    self.fly(SERVER, ssrc_of(user), user)
            while self.flying and self.flying[0][0] <= self.now:
                _, _, to, what, how = heapq.heappop(self.flying)
                self.deliver(to, what, how)

    @property
    def talking(self) -> set[str]:
        return {user for user in USERS if self.clients[user].may_talk}

    def act(self) -> None:
        user = self.random.choice(USERS)
        each = self.clients[user]
        match self.random.randrange(8):
            case 0 | 1 | 2:
                urgent = self.random.random() < 0.2
                bits = FloorIndicator.EMERGENCY if urgent else None
                self.client_said(user, each.press(self.now, indicator=bits))
            case 3 | 4:
                self.client_said(user, each.let_go(self.now))
            case 5:
                self.client_said(user, each.ask_position(self.now))
            case 6:
                self.on_bearer.symmetric_difference_update({user})
            case _:
                self.on_both = {user}


POLICIES = st.builds(
    FloorPolicy,
    dual_floor=st.booleans(),
    queue_limit=st.sampled_from((0, 1, 10)),
    audio_cut_in=st.booleans(),
    t2=st.sampled_from((3.0, 30.0)),
    ask_ack=st.sampled_from((frozenset(), frozenset({FloorMessageType.GRANTED, FloorMessageType.IDLE}))),
)
HABITS = st.builds(
    ParticipantPolicy, talk_when_granted=st.booleans(), stay_queued=st.booleans(), ack_release=st.booleans()
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), POLICIES, HABITS)
def test_they_agree_again(seed: int, policy: FloorPolicy, habits: ParticipantPolicy) -> None:
    random = Random(seed)
    network = Network(random, policy, habits)
    network.loss, network.doubling, network.delay = random.choice(
        ((0.0, 0.0, 0.0), (0.1, 0.1, 0.2), (0.3, 0.3, 0.5), (0.5, 0.0, 1.0))
    )
    for _ in range(25):
        network.act()
        network.run(random.choice((0.0, 0.05, 0.3, 1.0, 2.0)))
    most = 2 if policy.dual_floor else 1
    assert len(network.floor.talkers) <= most

    # The network recovers; the users go on as they are.
    network.loss = network.doubling = network.delay = 0.0
    network.run(12.0)
    assert len(network.talking) <= most
    assert network.talking <= set(network.floor.talkers)

    # Everybody lets go.
    for user, each in network.clients.items():
        network.client_said(user, each.cancel(network.now))
    network.run(12.0)
    assert network.floor.state is ArbitrationState.IDLE
    assert network.floor.talkers == network.floor.queue == ()
    assert {each.state for each in network.clients.values()} == {State.NO_PERMISSION}

    # And it works again, for anybody.
    speaker = random.choice(USERS)
    network.rendered.clear()
    network.client_said(speaker, network.clients[speaker].press(network.now))
    network.run(1.0)
    assert network.talking == {speaker} == set(network.floor.talkers)
    assert {user for user, ssrc in network.rendered if ssrc == ssrc_of(speaker)} == set(USERS) - {speaker}
    assert all(ssrc == ssrc_of(speaker) for _, ssrc in network.rendered)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(st.integers(0, 2**32), POLICIES, HABITS)
def test_they_agree_again_at_length(seed: int, policy: FloorPolicy, habits: ParticipantPolicy) -> None:
    test_they_agree_again.hypothesis.inner_test(seed, policy, habits)  # type: ignore[attr-defined]  # hypothesis's handle
