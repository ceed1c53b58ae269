"""The story of TS 36.579-2 6.4.1, from the server's side, over real protocols, and with everything on the wire seen.

Announcement, listening status, from unicast to MBMS, floor on the bearer, and back. Group and caller are of domain B,
the listeners and the bearer of domain A. KMS, GMS, MCX server and BM-SC are those of ``mcsec run`` with the files of
``mcsec init``, on sockets of their own: HTTPS, SIP over TLS, Diameter over TLS, MB2-U, SRTP and SRTCP.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from mcsec.client.audio import pcmu, speech
from mcsec.client.calls.service import McCall
from mcsec.client.events import BearerAnnounced, ListeningReported, PacketDropped
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Key
from mcsec.lab.claims import DemoReport
from mcsec.lab.scenario import acts
from mcsec.lab.scenario import play as playing
from mcsec.lab.scenario.format import LogOn, parse
from mcsec.lab.scenario.people import Person
from mcsec.lab.scenario.site import BEARER, Site
from mcsec.lab.scenario.stage import Stage
from mcsec.server.calls import events
from mcsec.server.events import ListeningReported as HeardOf
from mcsec.wire.rtcp.floor import (
    FloorAck,
    FloorGranted,
    FloorIdle,
    FloorRelease,
    FloorRequest,
    FloorTaken,
)
from mcsec.wire.rtcp.floor_values import FloorMessageType
from mcsec.wire.rtcp.subchannel import BearerAnnouncement, MapGroupToBearer, UnmapGroupToBearer
from support import call_domains
from support.call_waiting import everybody_in
from support.waiting import PATIENCE, until
from support.wire import Datagram, Opened, Wire, record

pytestmark = pytest.mark.anyio

SCENARIO = """
format = "mcsec-scenario/1"
title = "TS 36.579-2 6.4.1"

[domains."a.example"]
clients = ["ann", "amy"]
bearer = { groups = ["rescue"] }

[domains."b.example"]
clients = ["bob"]

[groups.rescue]
home = "b.example"
members = ["ann", "amy", "bob"]

[[steps]]
do = "log-on"
who = ["ann", "amy", "bob"]
"""
GROUP = "sip:rescue@b.example"
VOICE = speech.synthesise(0.3)
#: The machine may have much else to do.


@dataclass
class Story:
    """The stage, and the wire."""

    stage: Stage
    wire: Wire

    def __post_init__(self) -> None:
        self.ann, self.amy, self.bob = (self.stage.people[name] for name in ("ann", "amy", "bob"))
        self.a, self.b = (self.stage.sites[name] for name in ("a.example", "b.example"))

    def call(self, who: Person) -> McCall:
        return who.client.calls[GROUP]

    def csk(self, who: Person) -> set[Key]:
        return {key for key in who.engine.keyring.keys if key.key_id.tag is PurposeTag.CSK}

    def heard(self, mark: float, *tags: PurposeTag, of: Person | None = None) -> list[Opened]:
        """The control packets since ``mark`` under keys of some kinds, or under the CSK of somebody."""
        self.learn()
        keys = set() if of is None else self.csk(of)
        return [one for one in self.wire.control(mark) if one.key.key_id.tag in tags or one.key in keys]

    def on_air(self, mark: float, *kinds: type) -> list[object]:
        """What was said on the bearer since ``mark``, of some kinds."""
        found = self.heard(mark, PurposeTag.MUSIK, PurposeTag.MSCCK)
        return [
            message
            for one in found
            if one.datagram.by_multicast
            for message in one.messages
            if isinstance(message, kinds)
        ]

    def by_unicast(self, who: Person, mark: float, *kinds: type) -> list[object]:
        """What the server said to somebody alone since ``mark``, or that one to the server."""
        return [
            message
            for one in self.heard(mark, of=who)
            for message in one.messages
            if isinstance(message, kinds)
        ]

    def learn(self) -> None:
        """Whoever holds a key lends it to the test."""
        for person in self.stage.people.values():
            self.wire.know(person.engine.keyring.keys)
        for place in (self.a, self.b):
            for link in place.running.calls.around.links.values():
                self.wire.know(link.partner.spks)

    def bearer_of(self, who: Person) -> str | None:
        serving = self.a.running.calls.servings.get(GROUP)
        return None if serving is None else serving.call.bearer_of(who.uri)

    def media(self, mark: float) -> list[Datagram]:
        """The media packets since ``mark``, wherever they went."""
        return [
            one
            for one in tuple(self.wire.datagrams)
            if one.time >= mark and not one.is_control and one.octets[0] >> 6 == 2
        ]

    async def talk(self, who: Person) -> float:
        """Somebody talks and is heard by the others, sample for sample; when it began."""
        for one in self.stage.people.values():
            one.listen()
        began = time.time()
        assert await self.call(who).talk(VOICE, within=PATIENCE) == 15
        others = [one for one in self.stage.people.values() if one is not who]
        await until(lambda: all(len(one.heard) >= len(VOICE) for one in others))
        assert all(one.heard == pcmu.decode(pcmu.encode(VOICE)) for one in others)
        focus = self.b.running.calls.focuses[GROUP].call
        await until(lambda: not focus.floor.talkers)
        return began


@asynccontextmanager
async def story(tmp_path: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Story]:
    scenario = parse(tomllib.loads(SCENARIO))
    wire = record(patch)
    (tmp_path / "home").mkdir()
    stages = playing._stage(scenario, tmp_path / "home", tmp_path, DemoReport(), lambda step: None)
    async with stages as stage:
        for place in stage.sites.values():
            around = place.running.calls.around
            around.policy = replace(around.policy, t15=120.0, t16=0.1, t17=0.05, c17=3, listeners=3)
        (step,) = scenario.steps
        assert isinstance(step, LogOn)
        await acts.play(stage, step)
        made = Story(stage, wire)
        made.bob.client._desk._policy = call_domains.PATIENT
        for person in (made.ann, made.amy):
            # Who asks for acknowledgements gets them by unicast.
            person.client._desk._policy = replace(call_domains.PATIENT, ack_release=True)
        yield made


def reported(place: Site, who: Person, group: str, *, listening: bool = True) -> list[object]:
    """The listening reports that reached A's server."""
    return [
        event
        for event in place.happened
        if isinstance(event, HeardOf)
        and (event.user, event.group, event.listening) == (who.uri, group, listening)
    ]


async def test_announcement_listening_to_the_bearer_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with story(tmp_path, monkeypatch) as here:
        a, ann, amy, bob = here.a, here.ann, here.amy, here.bob
        # 1. The bearer is announced, and who hears its general purpose subchannel says so.
        for who in (ann, amy):
            assert who.of(BearerAnnounced)
            await until(partial(who.of, ListeningReported))
            await until(partial(reported, a, who, ""))
        assert here.on_air(0.0, BearerAnnouncement)
        assert here.on_air(0.0, FloorIdle, FloorTaken, MapGroupToBearer) == []

        # 2. A call is set up and talked in by unicast, as long as too few hear the bearer.
        mark = time.time()
        await bob.client.call(GROUP)
        await everybody_in(
            GROUP, (one.client for one in (ann, amy, bob)), here.b.running.calls, a.running.calls
        )
        await here.talk(bob)
        for who in (ann, amy):
            assert here.by_unicast(who, mark, FloorTaken)
            assert here.bearer_of(who) is None
        assert here.on_air(mark, FloorIdle, FloorTaken, MapGroupToBearer) == []

        # 3. From here on they are enough. The next word maps the call on the general purpose subchannel, and goes on
        #    the bearer and by unicast; who hears the call there says so, and is served by nothing else from then on.
        serving = a.running.calls.servings[GROUP].call
        serving.policy = replace(serving.policy, listeners=2)
        began = await here.talk(bob)
        await until(lambda: (here.bearer_of(ann), here.bearer_of(amy)) == (BEARER, BEARER))
        for who in (ann, amy):
            assert reported(a, who, GROUP)
            assert here.by_unicast(who, began, FloorTaken)
        (mapped, *_) = here.on_air(began, MapGroupToBearer)
        assert mapped.group_id == GROUP  # type: ignore[attr-defined]  # on_air() gives objects
        control = here.heard(began, PurposeTag.MSCCK)
        assert {one.datagram.to for one in control if one.datagram.by_multicast} == {general(a)}
        await until(lambda: here.on_air(began, FloorTaken) and here.on_air(began, FloorIdle))

        began = await here.talk(bob)
        await until(lambda: here.on_air(began, FloorTaken) and here.on_air(began, FloorIdle))
        for who in (ann, amy):
            assert here.by_unicast(who, began, FloorTaken, FloorIdle) == []
        frames = [one.octets for one in here.media(began) if one.by_multicast]
        assert len(frames) == len(set(frames)) == 15, "media is on the bearer once"
        ears = {here.call(who)._ports.media for who in (ann, amy)}
        assert not [one for one in here.media(began) if one.to in ears], "and nowhere else"

        # 4. A listener talks: request, grant, release and acknowledgement by unicast, taken and idle on the bearer.
        began = await here.talk(ann)
        await until(lambda: here.by_unicast(ann, began, FloorAck) and here.on_air(began, FloorIdle))
        asked = here.by_unicast(ann, began, FloorRequest, FloorGranted, FloorRelease, FloorAck)
        # Each in its turn; any of them may have been repeated.
        assert list(dict.fromkeys(map(type, asked))) == [FloorRequest, FloorGranted, FloorRelease, FloorAck]
        assert {one.acked for one in asked if isinstance(one, FloorAck)} == {FloorMessageType.RELEASE}
        (taken, *_) = here.on_air(began, FloorTaken)
        assert taken.granted_party == ann.uri  # type: ignore[attr-defined]  # on_air() gives objects

        serving.policy = replace(serving.policy, listeners=1)
        # 5. Out of the bearer's area: she says so, and Floor Idle and Taken come by unicast again; Amy stays.
        ann.client.moved(None)
        await until(lambda: reported(a, ann, "", listening=False) and here.bearer_of(ann) is None)
        began = await here.talk(bob)
        await until(lambda: here.by_unicast(ann, began, FloorIdle))
        assert here.by_unicast(ann, began, FloorTaken)
        assert here.by_unicast(amy, began, FloorTaken, FloorIdle) == []
        assert here.bearer_of(amy) == BEARER

        # 6. And back: Map is repeated, so she finds the call on the bearer by herself.
        assert a.wish is not None
        ann.client.moved(a.wish.areas[0])
        await until(lambda: here.bearer_of(ann) == BEARER)
        began = await here.talk(bob)
        assert here.by_unicast(ann, began, FloorTaken, FloorIdle) == []

        # 7. Silence takes the call off the bearer; the next word is heard by unicast, and maps it anew.
        mark = time.time()
        for bearer in a.running.calls.servings[GROUP].call._bearers.values():
            bearer.subchannel._policy = replace(bearer.subchannel._policy, t15=0.5)
        await here.talk(bob)
        await until(lambda: told(a, events.GroupUnmapped))
        await until(lambda: len(here.on_air(mark, UnmapGroupToBearer)) >= 3)
        assert (here.bearer_of(ann), here.bearer_of(amy)) == (None, None)
        began = await here.talk(bob)
        assert here.by_unicast(amy, began, FloorTaken)
        assert here.on_air(began, MapGroupToBearer)

        # 8. The end of the call frees the bearer.
        mark = time.time()
        await here.b.running.calls.release(GROUP)
        await until(lambda: not any(one.client.calls for one in (ann, amy, bob)))
        await until(lambda: not a.running.calls.servings)
        assert here.on_air(mark, UnmapGroupToBearer)
        here.learn()
        nothing_in_clear(here)
        for one in (ann, amy, bob):
            assert one.of(PacketDropped) == []
        for place in (a, here.b):
            assert place.running.calls.around.refused == {}


def general(place: Site) -> tuple[str, int]:
    """Where the general purpose subchannel of a domain's bearer is."""
    assert place.wish is not None
    return str(place.wish.address), place.wish.port


def told(place: Site, kind: type) -> list[object]:
    return [event for event in place.happened if isinstance(event, kind)]


def nothing_in_clear(here: Story) -> None:
    """Every datagram and every stream of the whole story."""
    seen = {(one.key.key_id.tag, one.datagram.by_multicast) for one in here.wire.control()}
    assert seen == {
        (PurposeTag.MUSIK, True),
        (PurposeTag.MSCCK, True),
        (PurposeTag.CSK, False),
        (PurposeTag.SPK, False),
    }
    media = here.media(0.0)
    assert {KeyId.decode(one.octets[-8:-4]).tag for one in media} == {PurposeTag.GMK}
    # All else is the way to the BM-SC, which carries what is on the air and nothing besides.
    others = [one for one in here.wire.datagrams if not one.is_control and one.octets[0] >> 6 != 2]
    air = {one.octets for one in here.wire.datagrams if one.by_multicast}
    assert others
    assert {one.inside() for one in others} == air
    for words in (b"SIP/2.0", b"HTTP/1.1", b"mcpttinfo", f"{here.a.mdsi};".encode()):
        assert not [octets for octets in here.wire.streams if words in octets]
    assert here.wire.streams
