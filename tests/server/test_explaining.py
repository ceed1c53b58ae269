"""Policy explained: what a server would send to one client, how, under which key, and why."""

from __future__ import annotations

from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.keys.policy import GroupRules
from mcsec.server.engine import ServerEngine
from mcsec.server.explaining import Explained, explain
from mcsec.server.signalling import ABSENT
from support.domains import NOW
from support.engines import GROUP, MUSIK_SCOPE, TMGI, broadcasting, deliver


def rows(
    server: ServerEngine, client: str, rules: GroupRules = ABSENT, group: str = GROUP
) -> dict[str, Explained]:
    return {row.traffic: row for row in explain(server, group, client, rules, NOW + 1)}


def test_who_holds_the_keys_is_served_by_broadcast_and_alone() -> None:
    server, (ann,) = broadcasting("ann")
    found = rows(server, ann.uri)
    floor = found[Traffic.MBMS_FLOOR]
    sending = server.keydown.musiks[GROUP].sending
    assert sending is not None
    assert (floor.way, floor.kind, floor.key) == ("broadcast", "MuSiK", str(sending.key_id))
    assert (floor.code, floor.listening) == ("policy.musik-explicit", True)
    assert server.domain in floor.maker
    assert found[Traffic.SUBCHANNEL_CONTROL].way == "broadcast"
    assert str(TMGI) in found[Traffic.SUBCHANNEL_CONTROL].about
    assert (found[Traffic.UNICAST_FLOOR].way, found[Traffic.UNICAST_FLOOR].kind) == ("unicast", "CSK")
    media = found[Traffic.GROUP_MEDIA]
    assert (media.way, media.key, media.code) == ("relayed", "", "policy.end-to-end")


def test_who_lacks_the_new_key_is_served_by_unicast_and_it_says_why() -> None:
    server, clients = broadcasting("ann", "bob")
    server.make_musik(MUSIK_SCOPE, [], NOW)
    deliver(server, clients, NOW, but=[clients[1].uri])
    server.poll(NOW + 60)
    floor = rows(server, clients[1].uri)[Traffic.MBMS_FLOOR]
    assert (floor.way, floor.kind, floor.code) == ("unicast", "CSK", "policy.key-not-held")


def test_a_stranger_is_sent_nothing() -> None:
    server, _ = broadcasting("ann")
    found = rows(server, "sip:eve@a.example")
    control = {Traffic.MBMS_FLOOR, Traffic.UNICAST_FLOOR, Traffic.SUBCHANNEL_CONTROL}
    assert {found[one].way for one in control} == {"nothing"}
    assert all(found[one].hint or found[one].why for one in control)
    assert not any(row.key for row in found.values())


def test_a_group_without_a_key_of_its_own() -> None:
    server, (ann,) = broadcasting("ann")
    other = "sip:other@b.example"
    assert rows(server, ann.uri, group=other)[Traffic.MBMS_FLOOR].way == "unicast"
    server.make_musik(Scope(), [ann.uri], NOW)
    deliver(server, [ann], NOW)
    assert rows(server, ann.uri, group=other)[Traffic.MBMS_FLOOR].code == "policy.key-not-held"
    server.listens(ann.uri, TMGI, other, NOW)
    floor = rows(server, ann.uri, group=other)[Traffic.MBMS_FLOOR]
    assert (floor.way, floor.code) == ("broadcast", "policy.musik-default")
