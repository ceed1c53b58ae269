"""One key follows another, with clients that are quick, slow or gone: nobody loses floor control (design 5.3)."""

from __future__ import annotations

from mcsec.client.engine import ClientEngine
from mcsec.client.events import FloorHeard, PacketDropped
from mcsec.keys.events import KeyDestroyed, KeySwitched, ListenerMovedToUnicast
from mcsec.keys.key import Key
from mcsec.keys.kinds import Traffic
from mcsec.keys.rotation import STANDARD
from mcsec.server.engine import ServerEngine
from mcsec.server.signalling import OnBearer, ToClient
from support.domains import NOW
from support.engines import GROUP, MUSIK_SCOPE, TMGI, broadcasting, deliver, idle

DEADLINE, GRACE = STANDARD.switch_after, STANDARD.grace


class Call:
    """Floor Idle after Floor Idle, each with its number, carried to whom it is for."""

    def __init__(self, *names: str) -> None:
        self.server, self.clients = broadcasting(*names)
        self.by_uri = {one.uri: one for one in self.clients}
        self.number = 0
        self.under: Key | None = None
        self.old_packets: list[bytes] = []

    def say(self, now: float) -> dict[str, str]:
        """How each client heard the next message: ``bearer``, ``unicast``, or the code why it did not."""
        self.number += 1
        ways: dict[str, str] = {}
        message = idle(self.number, self.server.ssrc(Traffic.MBMS_FLOOR, TMGI))
        for sent in self.server.floor(TMGI, GROUP, message, now):
            if isinstance(sent, OnBearer):
                self.under = sent.key
                for one in self.clients:
                    ways[one.uri] = self.heard(one, sent.packet.octets, Traffic.MBMS_FLOOR, GROUP, now)
            elif isinstance(sent, ToClient):
                to = self.by_uri[sent.client]
                ways[to.uri] = self.heard(to, sent.packet.octets, Traffic.UNICAST_FLOOR, to.uri, now)
        return {uri.removeprefix("sip:").partition("@")[0]: way for uri, way in ways.items()}

    def heard(self, by: ClientEngine, packet: bytes, traffic: Traffic, name: str, now: float) -> str:
        by.poll(now)
        for event in by.control_packet(packet, traffic, name, now):
            if isinstance(event, PacketDropped):
                return event.code
            if isinstance(event, FloorHeard):
                assert event.message.sequence_number == self.number  # type: ignore[attr-defined]  # all are Idle
                return "bearer" if traffic is Traffic.MBMS_FLOOR else "unicast"
        return "nothing"


def sending(server: ServerEngine) -> Key:
    key = server.keydown.musiks[GROUP].sending
    assert key is not None
    return key


def test_the_switch_waits_for_everyone() -> None:
    call = Call("ann", "bob")
    server, old = call.server, sending(call.server)
    everyone = {"ann": "bearer", "bob": "bearer"}
    assert call.say(NOW) == everyone
    server.make_musik(MUSIK_SCOPE, [], NOW + 1)
    assert call.say(NOW + 1) == everyone
    deliver(server, call.clients, NOW + 2, but=[call.clients[1].uri])
    assert call.say(NOW + 2) == everyone
    assert call.under is old
    server.keydown.lost(call.clients[1].uri, server.keydown.musiks[GROUP].pending.key_id)  # type: ignore[union-attr]
    deliver(server, call.clients, NOW + 3)
    assert call.say(NOW + 3) == everyone
    assert call.under is sending(server) is not old


def test_a_slow_listener_is_served_by_unicast_after_the_deadline_and_comes_back() -> None:
    call = Call("ann", "slow")
    server, old = call.server, sending(call.server)
    server.make_musik(MUSIK_SCOPE, [], NOW)
    deliver(server, call.clients, NOW, but=[call.clients[1].uri])
    assert server.next_timer() == NOW + DEADLINE
    assert server.poll(NOW + DEADLINE - 1) == []
    assert call.say(NOW + DEADLINE - 1) == {"ann": "bearer", "slow": "bearer"}
    happened = server.poll(NOW + DEADLINE)
    assert [event.lagging for event in happened if isinstance(event, KeySwitched)] == [1]
    assert [event.listener for event in happened if isinstance(event, ListenerMovedToUnicast)] == [
        call.clients[1].uri
    ]
    assert call.say(NOW + DEADLINE) == {"ann": "bearer", "slow": "unicast"}
    assert call.under is sending(server) is not old
    server.keydown.lost(call.clients[1].uri, sending(server).key_id)
    deliver(server, call.clients, NOW + DEADLINE + 5)
    assert call.say(NOW + DEADLINE + 5) == {"ann": "bearer", "slow": "bearer"}


def test_the_old_key_is_read_through_grace_then_dropped_at_both_ends() -> None:
    call = Call("ann")
    server, (ann,) = call.server, call.clients
    old = sending(server)
    # Two messages under the old key get lost on the way to be found later.
    late = [
        sent.packet.octets
        for number in (90, 91)
        for sent in server.floor(TMGI, GROUP, idle(number, server.ssrc(Traffic.MBMS_FLOOR, TMGI)), NOW)
        if isinstance(sent, OnBearer)
    ]
    server.make_musik(MUSIK_SCOPE, [], NOW + 1)
    deliver(server, call.clients, NOW + 1)
    assert call.say(NOW + 1) == {"ann": "bearer"}
    assert call.under is not old

    def code(packet: bytes, now: float) -> str:
        ann.poll(now)
        (*_, last) = ann.control_packet(packet, Traffic.MBMS_FLOOR, GROUP, now)
        return last.code if isinstance(last, PacketDropped) else last.name

    assert code(late[0], NOW + GRACE) == "FloorHeard"
    assert code(late[1], NOW + 1 + GRACE) == "keyring.expired"
    assert old.key_id not in ann.keyring
    gone = [event for event in server.poll(NOW + 1 + GRACE) if isinstance(event, KeyDestroyed)]
    assert [event.key_id for event in gone] == [old.key_id]
    assert server.keydown.find(old.key_id) is None
    assert call.say(NOW + 2 + GRACE) == {"ann": "bearer"}


def test_a_late_joiner_is_in_the_broadcast_as_soon_as_it_holds_the_key() -> None:
    call = Call("ann", "late")
    server, late = call.server, call.clients[1]
    rotation = server.keydown.musiks[GROUP]
    rotation.leave(late.uri, NOW)
    server.listeners.drop([late.uri], GROUP)
    server.make_musik(MUSIK_SCOPE, [], NOW)
    deliver(server, call.clients, NOW, but=[late.uri])
    assert call.say(NOW)["ann"] == "bearer"
    server.listens(late.uri, TMGI, GROUP, NOW + 10)
    assert call.say(NOW + 10) == {"ann": "bearer", "late": "unicast"}
    server.keydown.lost(late.uri, sending(server).key_id)
    deliver(server, call.clients, NOW + 11)
    assert call.say(NOW + 11) == {"ann": "bearer", "late": "bearer"}


def test_a_key_that_expires_without_successor_ends_the_broadcast_and_nobody_is_lost() -> None:
    call = Call("ann")
    server = call.server
    server.keydown.make(sending(server).key_id.tag, MUSIK_SCOPE, [], NOW, lifetime=3600.0)
    deliver(server, call.clients, NOW)
    assert call.say(NOW) == {"ann": "bearer"}
    server.poll(NOW + 3600)
    assert call.say(NOW + 3600) == {"ann": "unicast"}
